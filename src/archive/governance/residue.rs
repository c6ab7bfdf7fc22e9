//! What stands of purged content where the archive does not reach: in the work tree, and in git.
//!
//! Promises: each place is named with the command that takes the content away there, and no command
//! takes anything away that is somebody's other work, such as stashes that have not got it.

use std::os::unix::ffi::OsStrExt;

use crate::archive::{Archive, Workspace, record_of, tree};
use crate::error::Result;
use crate::evidence::Action;
use crate::git::Residue;
use crate::model::{Item, escape_line, shell_word};

use super::purge_report::{PurgeReport, Spot};

/// How many backups are named.
const SHOWN: usize = 20;

/// Ends reflogs but those of stashes, which `reflog expire --expire=now` would end too, and takes
/// away what nothing reaches then.
const PRUNE: &str = "git -c gc.reflogExpire=now -c gc.reflogExpireUnreachable=now reflog expire \
                     --all && git gc --prune=now";

/// What is not the archive's: the work tree, and git's own history.
pub(super) fn elsewhere(
    workspace: &Workspace,
    archive: &mut Archive,
    item: &Item,
    report: &mut PurgeReport,
) -> Result<()> {
    of_backups(archive, item, report)?;
    let Some(repository) = &workspace.repository else { return Ok(()) };
    if tree::digest_on_disk(&workspace.top, &item.path)? == Some(item.sha256) {
        let file = workspace.top.join(item.path.as_path());
        report.still_present.push(Spot {
            place: "work tree".to_owned(),
            what: format!("{} has the content", item.path),
            command: Some(format!("rm -- {}", shell_word(file.as_os_str().as_bytes()))),
        });
    }
    of_git(&repository.residue(&item.git_blob)?, item, report);
    report.outside_reach.push(Spot {
        place: "copies".to_owned(),
        what: "backups, bundles, other clones and forges are not looked into".to_owned(),
        command: None,
    });
    Ok(())
}

/// The backups of this archive that were made while it had the content, as far as it recorded them.
fn of_backups(archive: &mut Archive, item: &Item, report: &mut PurgeReport) -> Result<()> {
    let (mut since, mut until) = (None, None);
    for stored in archive.ledger().records_about(item.row_id)? {
        // A damaged record is for `fsck` to tell of.
        let Ok(record) = record_of(&stored) else { continue };
        match record.event.action {
            Action::Archive => since = since.or(Some(record.ts)),
            Action::Purge => until = Some(record.ts),
            _ => {}
        }
    }
    let mut names = Vec::new();
    for stored in archive.ledger().records_with(Action::Backup.as_str())? {
        let Ok(record) = record_of(&stored) else { continue };
        let is_within =
            since.is_some_and(|at| record.ts >= at) && until.is_none_or(|at| record.ts <= at);
        let detail = record.event.detail.unwrap_or_default();
        if let (true, Some(name)) = (is_within, detail.get("backup").and_then(|it| it.as_str())) {
            names.push(escape_line(name));
        }
    }
    if names.is_empty() {
        return Ok(());
    }
    let more = match names.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    names.truncate(SHOWN);
    let what = format!("made while it had the content: {}{more}", names.join(", "));
    report.outside_reach.push(Spot { place: "backups".to_owned(), what, command: None });
    Ok(())
}

fn of_git(residue: &Residue, item: &Item, report: &mut PurgeReport) {
    if !residue.exists {
        let what = format!("this repository has no object {}", item.git_blob);
        report.erased.push(Spot { place: "git history".to_owned(), what, command: None });
        return;
    }
    let mut spot = |place: &str, what: String, command: String| {
        let place = place.to_owned();
        report.outside_reach.push(Spot { place, what, command: Some(command) });
    };
    of_stashes(residue, &mut spot);
    of_indexes(residue, &mut spot);
    let oid = &item.git_blob;
    let is_by_reflog_alone = residue.commits.len() == residue.reflog_only.len();
    if residue.refs.is_empty() && is_by_reflog_alone {
        let what = match residue.commits.first() {
            Some(_) => format!("object {oid} is there, and no ref reaches it"),
            None => format!("object {oid} is there, and no commit reaches it"),
        };
        spot("git history", what, PRUNE.to_owned());
    } else {
        of_history(residue, item, &mut spot);
    }
    if let Some(commit) = residue.reflog_only.first() {
        let count = residue.reflog_only.len();
        let what = format!("{count} commits are reached by a reflog alone, as {commit}");
        spot("git reflog", what, PRUNE.to_owned());
    }
}

fn of_history(residue: &Residue, item: &Item, spot: &mut impl FnMut(&str, String, String)) {
    let refs = match residue.refs.is_empty() {
        true => "the HEAD of a work tree".to_owned(),
        false => residue.refs.join(" "),
    };
    let commits = match residue.commits.first() {
        Some(first) => {
            let count = residue.commits.len();
            let gain = if count == 1 { "commit gains" } else { "commits gain or lose" };
            format!("; {count} {gain} it, the first is {first}")
        }
        None => String::new(),
    };
    let what = format!("object {} is reached from {}{commits}", item.git_blob, escape_line(&refs));
    let list = "\"$(git rev-parse --git-dir)/purged-blobs\"";
    let command = format!(
        "echo {} >{list} && git filter-repo --strip-blobs-with-ids {list} && {PRUNE}",
        item.git_blob
    );
    spot("git history", what, command);
}

fn of_stashes(residue: &Residue, spot: &mut impl FnMut(&str, String, String)) {
    if residue.stashes.is_empty() {
        return;
    }
    let names: Vec<String> = residue.stashes.iter().map(|n| format!("stash@{{{n}}}")).collect();
    // The highest first: each that goes moves those above it.
    let drops: Vec<String> = names.iter().map(|name| format!("git stash drop '{name}'")).collect();
    let what = format!("{} brought the content in", names.join(" "));
    spot("git stash", what, drops.join(" && "));
}

fn of_indexes(residue: &Residue, spot: &mut impl FnMut(&str, String, String)) {
    for (top, paths) in &residue.indexes {
        let what = format!(
            "the index of the work tree {} has the content",
            escape_line(&top.display().to_string())
        );
        let top = shell_word(top.as_os_str().as_bytes());
        let words: Vec<String> = paths.iter().map(|path| shell_word(path.as_bytes())).collect();
        let command =
            format!("git -C {top} --literal-pathspecs rm --cached -q -- {}", words.join(" "));
        spot("git index", what, command);
    }
}
