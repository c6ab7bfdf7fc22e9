//! `store --detach-attributes`: frees a path of the attributes by which git converts its content, so
//! that the stub stands as it is, and gives them back when the content comes back.
//!
//! Promises: what a change of attributes does is looked at before anything is written; a line is
//! only ever added at the end of a file, and only that line is taken out again.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Map, Value, json};

use crate::error::{Error, Refusal, Result};
use crate::evidence::{Action, Event};
use crate::fs as files;
use crate::git::{AsIf, Bytes as _, IndexFlag, IndexScope, Repository};
use crate::model::{Digest, GitOid, Item, RepoPath, escape_line};

pub use super::attributes::Change;
use super::attributes::{FILE, Files};
use super::journaled::{Archive, record_of};
use super::tree::After;
use super::{Content, Workspace, lookup, segments};

const ACTION: &str = "archive";

/// Attributes by which git changes content on its way to the work tree.
pub const CONVERSIONS: [&str; 3] = ["filter", "working-tree-encoding", "ident"];

/// The key in the detail of a record.
const KEY: &str = "detached";

/// What a path was freed of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detached {
    /// The attributes and their values, such as `filter=lfs`.
    pub attributes: Vec<String>,
    /// What the index had there: the content's blob, or git-lfs' pointer to it.
    pub blob: GitOid,
}

impl Detached {
    /// Notes it in an event.
    pub fn note_in(&self, detail: &mut Map<String, Value>) {
        let blob = self.blob.to_string();
        detail.insert(KEY.to_owned(), json!({"attributes": self.attributes, "blob": blob}));
    }

    /// What an event notes.
    pub fn in_event(event: &Event) -> Option<Self> {
        let noted = event.detail.as_ref()?.get(KEY)?;
        let attributes = noted.get("attributes")?.as_array()?;
        Some(Self {
            attributes: attributes.iter().filter_map(|it| Some(it.as_str()?.to_owned())).collect(),
            blob: noted.get("blob")?.as_str()?.parse().ok()?,
        })
    }
}

/// The attributes of a path that convert it, each with its value.
pub fn conversions(values: &[String]) -> Vec<String> {
    let converts = |value: &str| !matches!(value, "unspecified" | "unset" | "");
    let named = CONVERSIONS.iter().zip(values).filter(|(_, value)| converts(value));
    named.map(|(name, value)| format!("{name}={}", escape_line(value))).collect()
}

/// What an item was freed of when it was archived last; `None` if it was not.
pub fn of_item(
    workspace: &Workspace,
    archive: &mut Archive,
    item: &Item,
) -> Result<Option<Detached>> {
    let is_archive = |action: &Action| *action == Action::Archive;
    if item.row_id != 0 {
        let stored = archive.ledger().records_about(item.row_id)?;
        let records = stored.iter().map(record_of).collect::<Result<Vec<_>>>()?;
        let last = records.iter().rev().find(|record| is_archive(&record.event.action));
        return Ok(last.and_then(|record| Detached::in_event(&record.event)));
    }
    let (segments, _) = segments::in_index(workspace.repository(ACTION)?)?;
    let records = segments.iter().flat_map(|it| &it.lines).map(|(record, _)| record);
    let about = records.filter(|record| record.event.tombstone == Some(item.tombstone));
    let last = about.filter(|it| is_archive(&it.event.action)).max_by_key(|it| (it.ts, it.seq));
    Ok(last.and_then(|record| Detached::in_event(&record.event)))
}

/// git-lfs' pointer to content of this digest and size.
pub fn pointer(sha256: &Digest, size_bytes: u64) -> Vec<u8> {
    format!("{POINTER_START}1\noid sha256:{sha256}\nsize {size_bytes}\n").into_bytes()
}

const POINTER_START: &str = "version https://git-lfs.github.com/spec/v";

/// Whether a blob is git-lfs' pointer to the content.
pub fn is_pointer(blob: &[u8]) -> bool {
    blob.len() <= 1024 && blob.starts_with(POINTER_START.as_bytes())
}

/// The changes that free `paths`: a line in the top's file, or where a file further down overrules
/// that, in the one nearest to the path. Refuses where neither helps, and where such a file is
/// itself changed or unknown to git.
pub fn free(
    workspace: &Workspace,
    repository: &Repository,
    paths: &[RepoPath],
) -> Result<Vec<Change>> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let mut files = Files::of(workspace, paths)?;
    let top = RepoPath::new(FILE.as_bytes())?;
    for path in paths {
        files.add(&top, path);
    }
    let bound = still_bound(workspace, repository, &files, paths)?;
    if !bound.is_empty() {
        let bound: BTreeSet<&RepoPath> = bound.iter().map(|(path, _)| path).collect();
        files.restore(&top);
        for path in paths {
            let name = match bound.contains(path) {
                true => files.nearest(path)?,
                false => top.clone(),
            };
            files.add(&name, path);
        }
        if let Some((path, attribute)) =
            still_bound(workspace, repository, &files, paths)?.into_iter().next()
        {
            let refusal = Refusal::NotFreed { attribute };
            return Err(Error::refused(ACTION, path.to_string(), refusal));
        }
    }
    let changes = files.changes();
    check_files(repository, &changes)?;
    Ok(changes)
}

/// The paths that would be converted all the same, each with the first attribute that does it.
fn still_bound(
    workspace: &Workspace,
    repository: &Repository,
    files: &Files,
    paths: &[RepoPath],
) -> Result<Vec<(RepoPath, String)>> {
    let values = files.as_if(workspace, repository)?.attributes(paths, &CONVERSIONS)?;
    let bound = paths.iter().zip(values).filter_map(|(path, values)| {
        Some((path.clone(), conversions(&values).into_iter().next()?))
    });
    Ok(bound.collect())
}

/// What is staged must be the line and nothing else: a file that somebody is editing is left alone.
fn check_files(repository: &Repository, changes: &[Change]) -> Result<()> {
    for change in changes {
        let path = change.path();
        let refused = |refusal| Err(Error::refused(ACTION, path.to_string(), refusal));
        let paths = std::slice::from_ref(path);
        match (repository.index(IndexScope::Paths(paths))?.first(), change.stands()) {
            (None, false) => {}
            (None, true) => {
                let why = "git does not track it, and it must be committed with the stub";
                return refused(Refusal::Forbidden { why });
            }
            (Some(_), false) => return refused(Refusal::Missing),
            (Some(entry), true) if entry.stage != 0 => return refused(Refusal::Unmerged),
            (Some(entry), true) => match entry.flag {
                IndexFlag::Plain if repository.clean_hashes(paths)?[0] == entry.oid => {}
                IndexFlag::Plain => return refused(Refusal::Dirty),
                flag => return refused(Refusal::Flagged { flag: flag.word() }),
            },
        }
    }
    Ok(())
}

/// The changes that take the lines of `paths` out again.
pub fn bind(workspace: &Workspace, paths: &[RepoPath]) -> Result<Vec<Change>> {
    let mut files = Files::of(workspace, paths)?;
    for path in paths {
        files.take_out(path);
    }
    Ok(files.changes())
}

/// The files that hold the line of a path in `paths`.
pub fn holders(workspace: &Workspace, paths: &[RepoPath]) -> Result<Vec<RepoPath>> {
    Ok(bind(workspace, paths)?.into_iter().map(|change| change.path().clone()).collect())
}

/// An item's content as it shall stand at `target` once the lines of `paths` are gone: converted for
/// the work tree, and for the index what was there before.
pub fn converted(
    workspace: &Workspace,
    item: &Item,
    target: &RepoPath,
    paths: &[RepoPath],
    content: Content,
    detached: &Detached,
) -> Result<After> {
    let repository = workspace.repository("restore")?;
    let mut attached = Files::of(workspace, &[paths, std::slice::from_ref(target)].concat())?;
    for path in paths {
        attached.take_out(path);
    }
    let as_if = attached.as_if(workspace, repository)?;
    let values = as_if.attributes(std::slice::from_ref(target), &CONVERSIONS)?;
    let executable = lookup::executable(item);
    let Some(attribute) = conversions(&values[0]).into_iter().next() else {
        return Ok(After::File { bytes: content, executable });
    };
    let (bytes, staged) = if detached.blob == item.git_blob {
        let oid = repository.write_bytes(&content)?;
        (smudged(workspace, &as_if, target, &oid, &content)?, content)
    } else {
        (content, Content::of(pointer(&item.sha256, item.size_bytes)))
    };
    // A filter that is not set up here would leave another file than there was.
    if as_if.cleaned(target, &bytes)? != repository.hash_bytes(&staged)? {
        let refusal = Refusal::NotConverted { attribute };
        return Err(Error::refused("restore", target.to_string(), refusal));
    }
    Ok(After::Converted { bytes, executable, staged: Some(staged) })
}

/// What git's conversion makes of `content`, the blob `oid`.
fn smudged(
    workspace: &Workspace,
    as_if: &AsIf<'_>,
    target: &RepoPath,
    oid: &GitOid,
    content: &Content,
) -> Result<Content> {
    if content.in_memory().is_none() {
        return Content::put(workspace.spool(), |out| as_if.smudged(target, oid, out))
            .map(|it| it.0);
    }
    let mut bytes = Vec::new();
    as_if.smudged(target, oid, &mut bytes)?;
    Ok(Content::of(bytes))
}

/// Removes what a killed process left beside the archive: folders in which attributes were tried out,
/// and the file of a spool that had not lost its name yet. The lock is ours.
pub fn remove_litter(workspace: &Workspace) {
    let Ok(entries) = fs::read_dir(workspace.store_folder()) else { return };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(files::TEMP_PREFIX);
        let _ = match entry.file_type() {
            Ok(kind) if ours && kind.is_dir() => files::remove_tree(&entry.path()),
            Ok(_) if ours => files::remove_file(&entry.path()),
            _ => Ok(()),
        };
    }
}
