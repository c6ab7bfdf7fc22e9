//! The order of durable steps, read from what the program asked of the system: what a power cut
//! leaves depends on it, and no kill shows it.
//!
//! The rules are tried themselves: in a log that is in order, each sync that they are about is left
//! out once, and each step is moved before the one it must follow; every time they must notice.

use std::collections::BTreeSet;
use std::path::Path;

use crate::common::strace::can_trace;
use crate::score::Score;

use super::deeds::{self, Deed};
use super::sweep::Stage;
use super::trace::{Call, Trace};

/// Deeds with an intent, for all the rules; and those without.
const WITH_INTENT: [&Deed; 7] = [
    &deeds::STORE_TWO,
    &deeds::STORE_MANY,
    &deeds::STORE_SIDECAR,
    &deeds::STORE_EXACT,
    &deeds::RESTORE_STAGE,
    &deeds::DROP,
    &deeds::UNDO,
];
const OTHERS: [&Deed; 9] = [
    &deeds::INIT,
    &deeds::STORE_FIRST,
    &deeds::RESTORE_FILE,
    &deeds::RECONCILE,
    &deeds::HOOKS_INSTALL,
    &deeds::HOOKS_UNINSTALL,
    &deeds::TRUST,
    &deeds::NEW_LOG,
    &deeds::REPAIR,
];

/// The program's own calls.
struct Steps<'a> {
    calls: Vec<&'a Call>,
    top: &'a Path,
}

impl<'a> Steps<'a> {
    fn of(trace: &'a Trace, top: &'a Path) -> Self {
        let lasting: BTreeSet<(u32, &str, usize)> =
            trace.changing(top).map(|it| (it.pid, it.name.as_str(), it.nth)).collect();
        let starts = |it: &&Call| it.name == "execve" && trace.children.contains_key(&it.pid);
        let own = |it: &&Call| {
            it.pid == trace.main && lasting.contains(&(it.pid, it.name.as_str(), it.nth))
        };
        Self { calls: trace.calls.iter().filter(|it| own(it) || starts(it)).collect(), top }
    }

    fn first(&self, from: usize, fits: impl Fn(&Call) -> bool) -> Option<usize> {
        (from..self.calls.len()).find(|at| fits(self.calls[*at]))
    }

    fn last(&self, until: usize, fits: impl Fn(&Call) -> bool) -> Option<usize> {
        (0..until).rev().find(|at| fits(self.calls[*at]))
    }

    /// Whether `file` is made durable after `from` and before `until`.
    fn synced(&self, file: &Path, from: usize, until: usize) -> bool {
        let syncs = |it: &Call| it.name == "syncfs" || is_sync(it) && Path::new(it.file()) == file;
        self.first(from, syncs).is_some_and(|at| at < until)
    }

    /// The folder of what call `at` names last is made durable before `until`, or is gone by then.
    fn folder_synced(&self, at: usize, until: usize, wrong: &mut Vec<String>) {
        let names = self.calls[at].names();
        let Some(folder) = names.last().and_then(|name| Path::new(name).parent()) else { return };
        let removed = |it: &Call| {
            it.kind() == "rmdir" && it.names().iter().any(|name| Path::new(name) == folder)
        };
        if !self.synced(folder, at, until) && self.first(at, removed).is_none() {
            wrong.push(format!("the folder is not synced after {}", self.told(at)));
        }
    }

    fn told(&self, at: usize) -> String {
        let call = self.calls[at];
        format!("{}({}", call.name, call.text.trim_end()).replace(self.top.to_str().unwrap(), ".")
    }

    /// `before` must be there, and must come earlier than `after`.
    fn follows(&self, before: Option<usize>, after: Option<usize>, what: &str) -> Option<String> {
        match (before, after) {
            (Some(before), Some(after)) if before < after => None,
            _ => Some(format!("{what} ({before:?}, {after:?})")),
        }
    }
}

fn is_sync(call: &Call) -> bool {
    matches!(call.name.as_str(), "fsync" | "fdatasync")
}

fn writes(call: &Call, file: &str) -> bool {
    matches!(call.name.as_str(), "write" | "pwrite64") && call.file().ends_with(file)
}

fn syncs(call: &Call, file: &str) -> bool {
    is_sync(call) && call.file().ends_with(file)
}

fn is_intent(call: &Call) -> bool {
    call.names().last().is_some_and(|name| name.contains("/codex-archive/intents/"))
}

const WAL: &str = "archive.sqlite-wal";
const JOURNAL: &str = "archive_ops.jsonl";

/// Every name appears with its bytes durable, and is durable itself before the intent goes or the
/// program ends.
fn names(steps: &Steps<'_>, wrong: &mut Vec<String>) {
    let end = steps
        .last(steps.calls.len(), |it| it.kind() == "unlink" && is_intent(it))
        .unwrap_or(steps.calls.len());
    for (at, call) in steps.calls.iter().enumerate() {
        let names = call.names();
        let temporary = names.first().is_some_and(|name| name.contains(".codex-tmp-"));
        match call.kind() {
            "rename" if temporary => {
                let file = Path::new(&names[0]);
                let written =
                    steps.last(at, |it| it.name == "write" && Path::new(it.file()) == file);
                if !steps.synced(file, written.unwrap_or(0), at) {
                    wrong.push(format!("not synced before {}", steps.told(at)));
                }
                steps.folder_synced(at, end, wrong);
            }
            "write"
                if call.file().ends_with(JOURNAL)
                    && !steps.synced(Path::new(call.file()), at, end) =>
            {
                wrong.push(format!("not synced after {}", steps.told(at)));
            }
            "rename" | "mkdir" => steps.folder_synced(at, end, wrong),
            "unlink" if !names[0].contains("/.codex/") && is_in_tree(call, steps.top) => {
                steps.folder_synced(at, end, wrong);
            }
            _ => {}
        }
    }
}

/// Whether a call changes the files of a person, or the segments.
fn is_in_tree(call: &Call, top: &Path) -> bool {
    let names = call.names();
    let Some(name) = names.last() else { return false };
    let inside = Path::new(name).strip_prefix(top);
    let temporary = call.kind() == "unlink" && name.contains(".codex-tmp-");
    matches!(call.kind(), "rename" | "unlink")
        && !temporary
        && inside.is_ok_and(|name| !name.starts_with(".git"))
}

/// Bytes, intent, record, journal, tree, index, and the intent's end.
fn protocol(steps: &Steps<'_>, wrong: &mut Vec<String>) {
    let all = steps.calls.len();
    let intent = steps.first(0, |it| it.kind() == "rename" && is_intent(it));
    let planned = steps.first(intent.unwrap_or(all), |it| syncs(it, "/intents"));
    let gone = steps.first(planned.unwrap_or(all), |it| it.kind() == "unlink" && is_intent(it));
    let bytes_written = steps.last(intent.unwrap_or(0), |it| writes(it, WAL));
    let bytes_synced = steps.last(intent.unwrap_or(0), |it| syncs(it, WAL));
    if bytes_written.is_some() {
        let why = "the bytes are not durable before the intent";
        wrong.extend(steps.follows(bytes_written, bytes_synced, why));
    }
    let record = steps.first(intent.unwrap_or(all), |it| writes(it, WAL));
    wrong.extend(steps.follows(planned, record, "recorded before the intent is durable"));
    let line = steps.first(intent.unwrap_or(all), |it| writes(it, JOURNAL));
    let recorded = steps.last(line.unwrap_or(0), |it| writes(it, WAL));
    let durable = steps.first(recorded.unwrap_or(all), |it| syncs(it, WAL));
    wrong.extend(steps.follows(durable, line, "in the journal before the record is durable"));
    let journaled = steps.first(line.unwrap_or(all), |it| syncs(it, JOURNAL));
    let tree = steps.first(0, |it| is_in_tree(it, steps.top));
    wrong.extend(steps.follows(journaled, tree, "a file changed before the journal is durable"));
    let last = steps.last(all, |it| is_in_tree(it, steps.top));
    let staged = steps.last(all, |it| it.name == "execve" && it.text.contains("\"update-index\""));
    wrong.extend(steps.follows(last, staged, "staged before the files are in place"));
    wrong.extend(steps.follows(staged, gone, "the intent went before everything was staged"));
    checkpoint(steps, gone, wrong);
}

/// The write-ahead log goes only when its pages are durable in the database.
fn checkpoint(steps: &Steps<'_>, gone: Option<usize>, wrong: &mut Vec<String>) {
    let all = steps.calls.len();
    let page = steps.first(gone.unwrap_or(0), |it| writes(it, "archive.sqlite"));
    let last_page = steps.last(all, |it| writes(it, "archive.sqlite"));
    let durable = steps.first(last_page.unwrap_or(all), |it| syncs(it, "archive.sqlite"));
    let removed = steps.first(page.unwrap_or(all), |it| {
        it.kind() == "unlink" && it.names().last().is_some_and(|name| name.ends_with(WAL))
    });
    wrong.extend(steps.follows(durable, removed, "the log goes before its pages are durable"));
}

fn out_of_order(steps: &Steps<'_>, has_intent: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    names(steps, &mut wrong);
    if has_intent {
        protocol(steps, &mut wrong);
    }
    wrong
}

/// The syncs that the rules are about. The database syncs its own files and the folder they are in.
fn is_ours(call: &Call, top: &Path) -> bool {
    let file = call.file();
    let of_database = file.contains(".sqlite") || file.ends_with("/codex-archive");
    // A folder that is gone by now has no name to keep.
    let gone = call.text.contains("(deleted)");
    is_sync(call) && Path::new(file).starts_with(top) && !of_database && !gone
}

/// What the rules must notice in a log that is in order: all syncs of a file left out (where two
/// follow one another, the second does for both), or a name given before everything else.
fn unnoticed(steps: &Steps<'_>, has_intent: bool, score: &mut Score, name: &str) {
    for at in 0..steps.calls.len() {
        let call = steps.calls[at];
        let mut calls = steps.calls.clone();
        let what = if is_ours(call, steps.top) {
            calls.retain(|it| !is_sync(it) || it.file() != call.file());
            "left out"
        } else if call.kind() == "rename" && call.names()[0].contains(".codex-tmp-") {
            let moved = calls.remove(at);
            calls.insert(0, moved);
            "moved to the front"
        } else {
            continue;
        };
        let altered = Steps { calls, top: steps.top };
        let noticed = !out_of_order(&altered, has_intent).is_empty();
        let held = if noticed { Ok(()) } else { Err("nobody notices".to_owned()) };
        score.note(format!("{name}: {} {what}", steps.told(at)), held);
    }
}

#[test]
fn crash_order_of_durable_steps() {
    if !can_trace() {
        return;
    }
    let mut score = Score::of("crash: order of durable steps");
    let mut control = Score::of("crash: order, noticed when wrong");
    let deeds = WITH_INTENT.map(|it| (it, true)).into_iter().chain(OTHERS.map(|it| (it, false)));
    for (deed, has_intent) in deeds {
        let stage = Stage::of(deed);
        let steps = Steps::of(&stage.trace, &stage.repo.top);
        let wrong = out_of_order(&steps, has_intent);
        score.note_all(
            steps.calls.len() as u64,
            wrong.iter().map(|it| format!("{}: {it}", deed.name)),
        );
        if wrong.is_empty() {
            unnoticed(&steps, has_intent, &mut control, deed.name);
        }
    }
    score.finish(300);
    control.finish(60);
}
