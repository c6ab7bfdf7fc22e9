//! Ranges: where two commits part, and what a remote lacks.

use super::Repository;
use super::plumbing;
use crate::error::Result;
use crate::model::GitOid;

const MERGE_BASE: &str = "find the merge base";
const OUTGOING: &str = "find what the remote lacks";

/// Ids in one command line, well below what the system allows.
const IDS_AT_ONCE: usize = 1000;

/// What need not be judged again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known<'a> {
    /// Nothing.
    Nothing,
    /// What the tracking branches of this remote have.
    Remote(&'a str),
    /// What any branch, tag or tracking branch has.
    Refs,
}

impl Repository {
    /// The best common ancestors of `a` and `b`: several for a criss-cross merge, none for
    /// histories that never met.
    pub fn merge_bases(&self, a: &GitOid, b: &GitOid) -> Result<Vec<GitOid>> {
        let command = self.reading(["merge-base", "--all", &a.to_string(), &b.to_string()]);
        let output = plumbing::run(MERGE_BASE, command, &[])?;
        match output.status.code() {
            Some(0) => plumbing::oid_lines(MERGE_BASE, &output.stdout, self.oid_len),
            Some(1) if output.stdout.is_empty() => Ok(Vec::new()),
            _ => Err(plumbing::failure(MERGE_BASE, &output)),
        }
    }

    /// The commits, none an ancestor of another, at which `tip` leaves what is known already: `had`
    /// (dropped when it is unknown here) and what `known` says.
    ///
    /// Empty when everything is new; `tip` alone when nothing is.
    pub fn outgoing_bases(
        &self,
        tip: &GitOid,
        had: Option<&GitOid>,
        known: Known<'_>,
    ) -> Result<Vec<GitOid>> {
        // What cannot be read here (a partial clone may fail to fetch it) counts as unknown: more
        // is judged then, never less.
        let had = had.and_then(|oid| self.peel(oid).ok().flatten());
        // A URL has no tracking branches, and may hold what git would take for a pattern.
        let is_name = |name: &&str| !name.is_empty() && !name.contains(['*', '?', '[', '\\', '\0']);
        let known = match known {
            Known::Remote(name) if !is_name(&name) => Known::Nothing,
            known => known,
        };
        match known {
            Known::Refs => None,
            Known::Nothing => self.base_of_few(tip, had, None),
            Known::Remote(name) => self.base_of_few(tip, had, Some(name)),
        }
        .map_or_else(|| self.outgoing_bases_by_git(tip, had.as_ref(), known), Ok)
    }

    /// The same, of commits; a remote has a name that is no pattern.
    pub(super) fn outgoing_bases_by_git(
        &self,
        tip: &GitOid,
        had: Option<&GitOid>,
        known: Known<'_>,
    ) -> Result<Vec<GitOid>> {
        let mut command = self.reading(["rev-list", "--boundary", &tip.to_string(), "--not"]);
        command.args(had.map(GitOid::to_string));
        match known {
            Known::Remote(name) => {
                command.arg(format!("--remotes={name}"));
            }
            // HEAD is none of them: in a rebase it is ahead of its branch.
            Known::Refs => {
                command.args(["--branches", "--tags", "--remotes"]);
            }
            Known::Nothing => {}
        }
        let answer = plumbing::run_checked(OUTGOING, command, &[])?;
        let mut bases = Vec::new();
        let mut outgoing = 0_usize;
        for line in answer.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match line.strip_prefix(b"-") {
                Some(hex) => bases.extend(plumbing::oid_lines(OUTGOING, hex, self.oid_len)?),
                None => outgoing += 1,
            }
        }
        if outgoing == 0 { Ok(vec![*tip]) } else { self.independent(bases) }
    }

    /// Whether some remote's tracking branch has `commit`.
    pub fn is_published(&self, commit: &GitOid) -> Result<bool> {
        let commit = commit.to_string();
        let command = self.reading(["rev-list", "-n", "1", &commit, "--not", "--remotes"]);
        Ok(plumbing::run_checked(OUTGOING, command, &[])?.is_empty())
    }

    /// Those of `commits` that no other of them descends from.
    fn independent(&self, commits: Vec<GitOid>) -> Result<Vec<GitOid>> {
        let mut kept: Vec<GitOid> = Vec::new();
        for chunk in commits.chunks(IDS_AT_ONCE) {
            kept.extend(chunk);
            if kept.len() > 1 {
                let mut command = self.reading(["merge-base", "--independent"]);
                command.args(kept.iter().map(GitOid::to_string));
                let answer = plumbing::run_checked(OUTGOING, command, &[])?;
                kept = plumbing::oid_lines(OUTGOING, &answer, self.oid_len)?;
            }
        }
        Ok(kept)
    }
}
