//! What the commands on bundles say.

use std::path::Path;

use crate::bundle::{
    BundleReport, Compared, ListReport, Listed, PruneReport, RebuildReport, SetUrlReport,
    StubPolicy, VerifiedBundle, VerifyReport,
};
use crate::cli::report::{Form, Report};
use crate::cli::text::{BAD, FAINT, GOOD, ODD, PLAIN, Text, count, counted};

impl Report for BundleReport {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn write_human(&self, out: &mut Text) {
        let lock = &self.lock;
        let what = match (self.already, self.dry_run) {
            (true, _) => "There already, the same",
            (_, true) => "Would bundle",
            _ => "Bundled",
        };
        let file = self.file.strip_suffix(".lock.json").unwrap_or(&self.file);
        out.parts(&[(GOOD, what), (PLAIN, &format!(": {file}"))]);
        out.field("commit", format!("{} for {}", lock.git_sha, lock.env));
        out.field("version", format!("{} (from {})", lock.version, self.version_from));
        let excluded = match self.excluded {
            0 => String::new(),
            n => format!(", {} left out", count(n)),
        };
        let size = format!("{} bytes", count(self.tar_bytes));
        out.field("files", format!("{}{excluded}, {size}", counted(lock.file_count, "file")));
        if lock.stub_count > 0 {
            let became = match lock.stubs {
                StubPolicy::Leave => "as they are",
                StubPolicy::Drop => "left out",
                StubPolicy::Fill => "filled in",
            };
            out.field("tombstones", format!("{} {became}", count(lock.stub_count)));
        }
        out.field("tar sha256", &lock.tar_sha256);
        if let Some(sha256) = &lock.tarball_sha256 {
            out.field("sha256", sha256);
        }
        if let Some(signature) = &lock.signature {
            out.field("signature", signature);
        }
        if let Some(tag) = &lock.docker_tag {
            out.field("docker tag", tag);
        }
        self.write_odd(out);
        for file in &self.pruned {
            out.field(if self.dry_run { "would go" } else { "removed" }, file);
        }
        if !self.evidence.is_empty() {
            out.field("record", &self.evidence);
        } else if !self.already && !self.dry_run {
            out.field("record", "none: there is no archive here that this clone trusts");
        }
    }

    /// Done in part where a submodule's files are not in it.
    fn exit_code(&self) -> u8 {
        if self.lock.submodules.is_empty() { 0 } else { 3 }
    }
}

impl BundleReport {
    /// What somebody should know who relies on it.
    fn write_odd(&self, out: &mut Text) {
        for it in &self.lock.submodules {
            let said = format!("{}: a submodule at {}", it.path, it.commit);
            out.parts(&[(ODD, "left out: "), (PLAIN, &said)]);
        }
        if self.lock.dirty {
            let said = "the work tree has changes that are not in it";
            out.parts(&[(ODD, "dirty: "), (PLAIN, said)]);
        }
        if let Some(version) = &self.package_version {
            let said = format!("the package's file says version {version}");
            out.parts(&[(ODD, "version: "), (PLAIN, &said)]);
        }
    }
}

impl Report for VerifyReport {
    fn write_human(&self, out: &mut Text) {
        if self.items.is_empty() {
            out.line("No bundles.");
        }
        self.items.iter().for_each(|seen| write_verified(out, seen));
    }

    fn exit_code(&self) -> u8 {
        if self.ok { 0 } else { 4 }
    }
}

fn write_verified(out: &mut Text, seen: &VerifiedBundle) {
    let (style, what) = if seen.faults.is_empty() { (GOOD, "Whole") } else { (BAD, "Not whole") };
    out.parts(&[(style, what), (PLAIN, &format!(": {}", seen.file))]);
    let compared = match seen.compared {
        Compared::Tree => "each the one of the commit",
        Compared::NoRepository => "not compared with the commit: no repository here",
        Compared::NoCommit => "not compared with the commit, which is not here",
        Compared::Nothing => "",
    };
    if !compared.is_empty() {
        out.field("files", format!("{}, {compared}", counted(seen.file_count, "file")));
        out.field("commit", &seen.git_sha);
    } else if seen.tarball.is_none() && seen.faults.is_empty() {
        out.field("tarball", "none was made");
    }
    if let Some(sha256) = &seen.tarball_sha256 {
        out.field("sha256", sha256);
    }
    if let Some(key) = &seen.signed_by {
        let whose = match seen.principals.as_slice() {
            [] => "nobody here says whose".to_owned(),
            names => names.join(", "),
        };
        out.field("signed by", format!("{key} ({whose})"));
    }
    for fault in &seen.faults {
        out.parts(&[(BAD, "fault: "), (PLAIN, fault)]);
    }
}

impl Report for ListReport {
    fn write_human(&self, out: &mut Text) {
        if self.items.is_empty() {
            out.line(format!("No bundles in {}.", self.folder));
            return;
        }
        let row = |it: &Listed| {
            let size = it.size_bytes.map_or_else(|| "-".to_owned(), count);
            let mut notes = Vec::new();
            notes.extend(it.signed.then(|| "signed".to_owned()));
            notes.extend(it.release_url.clone());
            notes.extend(it.fault.as_ref().map(|why| format!("does not count: {why}")));
            let name = match it.name.is_empty() {
                true => {
                    Path::new(&it.file).file_name().unwrap_or_default().to_string_lossy().into()
                }
                false => it.name.clone(),
            };
            vec![
                it.created_at.clone(),
                name,
                it.version.clone(),
                it.env.clone(),
                size,
                notes.join(", "),
            ]
        };
        let rows: Vec<Vec<String>> = self.items.iter().map(row).collect();
        out.table(&["made", "name", "version", "for", "bytes", ""], &rows);
    }
}

impl Report for PruneReport {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn write_human(&self, out: &mut Text) {
        let what = match (self.pruned.is_empty(), self.dry_run) {
            (true, _) => "Nothing to remove",
            (false, true) => "Would remove",
            (false, false) => "Removed",
        };
        let kept = counted(self.kept, "bundle");
        out.parts(&[(GOOD, what), (PLAIN, &format!(": {} keeps {kept}", self.folder))]);
        for file in &self.pruned {
            out.line(format!("  {file}"));
        }
    }
}

impl Report for SetUrlReport {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn write_human(&self, out: &mut Text) {
        let what = if self.already { "Said already" } else { "Wrote" };
        out.parts(&[(GOOD, what), (PLAIN, &format!(": {} in {}", self.release_url, self.file))]);
        if let Some(before) = self.before.as_ref().filter(|_| !self.already) {
            out.parts(&[(FAINT, "before: "), (PLAIN, before)]);
        }
    }
}

impl Report for RebuildReport {
    fn write_human(&self, out: &mut Text) {
        let (style, what) = match (self.same_tar, self.same_tarball) {
            (false, _) => (BAD, "Another tar"),
            (true, Some(false)) => (ODD, "The same tar, compressed otherwise"),
            (true, _) => (GOOD, "The same"),
        };
        out.parts(&[(style, what), (PLAIN, &format!(": {}", self.file))]);
        out.field("commit", &self.git_sha);
        out.field("files", counted(self.file_count, "file"));
        out.field("tar sha256", &self.tar_sha256);
        out.field("sha256", &self.tarball_sha256);
        if self.made_by != self.tool_version {
            out.field("made by", format!("{}, again by {}", self.made_by, self.tool_version));
        }
        if let Some(file) = &self.written {
            out.field("written", file);
        }
    }

    fn exit_code(&self) -> u8 {
        if self.same_tar { 0 } else { 4 }
    }
}
