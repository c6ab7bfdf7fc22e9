//! The record of a bundle, and the archive that takes it.

use serde_json::{Map, Value, json};

use crate::archive::{Archive, Workspace, recover};
use crate::error::{Error, Result};
use crate::evidence::{Action, Event};
use crate::model::{Actor, DeedId};

use super::lock::Lock;

/// The archive, for reading; `None` where there is none, or this clone has not trusted its place: a
/// bundle is made of git's objects, and needs none.
pub(super) fn open_archive(workspace: &Workspace) -> Result<Option<Archive>> {
    match Archive::open(workspace) {
        Ok(archive) => Ok(Some(archive)),
        Err(Error::NoArchive { .. } | Error::Untrusted { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The digest of the newest record about this repository.
pub(super) fn evidence_head(
    workspace: &Workspace,
    archive: &mut Archive,
) -> Result<Option<String>> {
    let label = workspace.label().map_or("", |label| label.as_str());
    let head = archive.ledger().current_log(label)?;
    Ok(head.filter(|head| head.seq > 0).map(|head| head.digest.to_string()))
}

/// Records the bundle; the digest of the record.
pub(super) fn record(workspace: &Workspace, actor: &Actor, lock: &Lock) -> Result<String> {
    let _lock = workspace.lock()?;
    recover(workspace)?;
    let mut archive = Archive::create(workspace)?;
    let label = workspace.label().map_or("", |label| label.as_str()).to_owned();
    let mut event = Event::new(Action::Bundle, actor.as_str());
    event.repo = (!label.is_empty()).then(|| label.clone());
    event.commit = Some(lock.git_sha.clone());
    event.detail = Some(detail(lock));
    let deed = DeedId::random();
    let ((), records) =
        archive.journaled(&label, deed, |_| Ok(((), vec![(event.clone(), None)])))?;
    Ok(records[records.len() - 1].1.to_string())
}

fn detail(lock: &Lock) -> Map<String, Value> {
    let mut detail = Map::new();
    let mut add = |key: &str, value: Value| drop(detail.insert(key.to_owned(), value));
    add("bundle", json!(lock.stem()));
    add("env", json!(lock.env));
    add("tree", json!(lock.git_tree));
    add("tar_sha256", json!(lock.tar_sha256));
    add("files", json!(lock.file_count));
    add("stubs", json!(lock.stubs));
    for (key, text) in [("tarball_sha256", &lock.tarball_sha256), ("docker_tag", &lock.docker_tag)]
    {
        if let Some(text) = text {
            add(key, json!(text));
        }
    }
    detail
}
