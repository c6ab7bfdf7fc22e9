//! What `backup` tells people.

use crate::archive::{PurgedAgain, ReinstateReport};
use crate::backup::{
    CreateReport, Created, DrillReport, ListReport, Listed, PruneReport, RestoreBackupReport,
    VerifyReport,
};
use crate::cli::report::{Form, Report};
use crate::cli::text::{BAD, FAINT, GOOD, ODD, PLAIN, Text, count, counted};

impl Report for CreateReport {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn write_human(&self, out: &mut Text) {
        for made in &self.items {
            write_created(out, made, self.dry_run);
        }
    }

    /// Done in part where something in a folder is not in its backup.
    fn exit_code(&self) -> u8 {
        if self.items.iter().all(|made| made.left_out.is_empty()) { 0 } else { 3 }
    }
}

fn write_created(out: &mut Text, made: &Created, dry_run: bool) {
    let what = if dry_run { "Would back up" } else { "Backed up" };
    out.parts(&[(GOOD, what), (PLAIN, &format!(" {} to {}", made.source, made.file))]);
    let data = format!("{}, {} bytes", counted(made.files, "file"), count(made.data_bytes));
    out.field("data", data);
    if let (Some(items), Some(records)) = (made.items, made.records) {
        out.field("archive", format!("{}, {}", counted(items, "item"), counted(records, "record")));
    }
    if !dry_run {
        let sealed = if made.encrypted { ", encrypted" } else { "" };
        out.field(
            "backup",
            format!("{} bytes{sealed}, read back and opened", count(made.size_bytes)),
        );
        out.field("sha256", &made.sha256);
    }
    for left in &made.left_out {
        out.parts(&[(ODD, "left out: "), (PLAIN, &format!("{}: {}", left.path, left.why))]);
    }
    for path in &made.unsettled {
        out.parts(&[(ODD, "changed while it was read: "), (PLAIN, path)]);
    }
    for file in &made.pruned {
        out.field(if dry_run { "would go" } else { "removed" }, file);
    }
    if !made.evidence.is_empty() {
        out.field("record", &made.evidence);
    }
}

impl Report for ListReport {
    fn write_human(&self, out: &mut Text) {
        if self.items.is_empty() {
            out.line(format!("No backups in {}.", self.dest));
            return;
        }
        let row = |it: &Listed| {
            let mut notes = Vec::new();
            notes.extend(it.own.then_some("own"));
            notes.extend(it.encrypted.then_some("encrypted"));
            notes.extend((!it.has_checksum).then_some("no checksum: not counted"));
            vec![it.created_at.clone(), it.name.clone(), count(it.size_bytes), notes.join(", ")]
        };
        let rows: Vec<Vec<String>> = self.items.iter().map(row).collect();
        out.table(&["made", "name", "bytes", ""], &rows);
    }
}

impl Report for VerifyReport {
    fn write_human(&self, out: &mut Text) {
        let (style, what) = if self.ok { (GOOD, "Whole") } else { (BAD, "Not whole") };
        out.parts(&[(style, what), (PLAIN, &format!(": {}", self.file))]);
        if let (Some(at), Some(folder)) = (&self.created_at, &self.folder) {
            out.field("made", at);
            out.field("data", format!("{folder}, {}", counted(self.files, "file")));
        }
        if let (Some(items), Some(records)) = (self.items, self.records) {
            let decoded = counted(self.artifacts_decoded, "artifact");
            let (items, records) = (counted(items, "item"), counted(records, "record"));
            out.field("archive", format!("{items}, {records}, {decoded} decoded"));
        }
        if let Some(sha256) = &self.sha256 {
            out.field("sha256", format!("{sha256} (the file beside it: {})", self.checksum));
        }
        for fault in &self.faults {
            out.parts(&[(BAD, "fault: "), (PLAIN, fault)]);
        }
    }

    fn exit_code(&self) -> u8 {
        if self.ok { 0 } else { 4 }
    }
}

impl Report for RestoreBackupReport {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn write_human(&self, out: &mut Text) {
        let what = if self.dry_run { "Would restore" } else { "Restored" };
        out.parts(&[(GOOD, what), (PLAIN, &format!(": {} ({})", self.file, self.created_at))]);
        if let Some(output) = &self.output {
            out.field("to", output);
        }
        if let Some(aside) = &self.kept_aside {
            out.field("kept aside", aside);
        }
        if let Some(archive) = &self.archive {
            write_archive(out, archive);
        }
        if let Some(health) = &self.health {
            out.field("health", health);
        }
        for failed in &self.health_failed {
            out.parts(&[(BAD, "failed: "), (PLAIN, failed)]);
        }
    }

    /// Something found where the archive is not well afterwards.
    fn exit_code(&self) -> u8 {
        if self.health_failed.is_empty() { 0 } else { 4 }
    }
}

fn write_archive(out: &mut Text, report: &ReinstateReport) {
    out.field("to", &report.archive);
    if let Some(aside) = &report.kept_aside {
        out.field("kept aside", aside);
    }
    if let Some(why) = &report.unreadable {
        out.parts(&[(ODD, "what stood there could not be read: "), (PLAIN, why)]);
    }
    if let Some(maintenance) = &report.maintenance {
        out.parts(&[(ODD, "in maintenance: "), (PLAIN, &maintenance.to_string())]);
    }
    for lost in &report.lost {
        let digest = format!("  {}", lost.digest);
        out.parts(&[(ODD, "lost: "), (PLAIN, &lost.to_string()), (FAINT, &digest)]);
    }
    for again in &report.purged_again {
        write_purged(out, again);
    }
    if !report.evidence.is_empty() {
        out.field("record", &report.evidence);
    }
}

fn write_purged(out: &mut Text, again: &PurgedAgain) {
    let paths = again.paths.join(", ");
    let said = format!("{paths} ({}, said by the {})", again.sha256, again.known_by);
    out.parts(&[(ODD, "purged again: "), (PLAIN, &said)]);
}

impl Report for PruneReport {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn write_human(&self, out: &mut Text) {
        let kept = counted(self.kept, "backup");
        let what = match (self.pruned.is_empty(), self.dry_run) {
            (true, _) => "Nothing to remove",
            (false, true) => "Would remove",
            (false, false) => "Removed",
        };
        out.parts(&[(GOOD, what), (PLAIN, &format!(": {} keeps {kept}", self.name))]);
        for file in &self.pruned {
            out.line(format!("  {file}"));
        }
    }
}

impl Report for DrillReport {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn write_human(&self, out: &mut Text) {
        let (style, what) = if self.ok { (GOOD, "Passed") } else { (BAD, "Failed") };
        let kind = self.kind.as_str();
        out.parts(&[(style, what), (PLAIN, &format!(": {kind} drill of {}", self.file))]);
        out.field("made", self.created_at.as_deref().unwrap_or("an unknown time"));
        out.field("sha256", &self.sha256);
        for check in &self.checks {
            let (style, mark) = if check.ok { (GOOD, "✓") } else { (BAD, "✗") };
            let said = format!(" {}: {}", check.name, check.detail);
            out.parts(&[(PLAIN, "  "), (style, mark), (PLAIN, &said)]);
        }
        if let Some(checklist) = &self.checklist {
            out.field("checklist", checklist);
        }
        if !self.evidence.is_empty() {
            out.field("record", &self.evidence);
        }
    }

    fn exit_code(&self) -> u8 {
        if self.ok { 0 } else { 4 }
    }
}
