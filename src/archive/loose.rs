//! `store` outside a repository: the bytes are the file's, and the commit is what the caller says.

use std::collections::BTreeMap;
use std::ffi::OsString;

use crate::blob::Encoder;
use crate::error::{Error, Refusal, Result};
use crate::fs::{Folder, There, inner_folder_of};
use crate::git::sha1_blob;
use crate::model::{RepoPath, TombstoneId, escape_line};
use crate::progress::Progress;

use super::credentials::{Screen, record_block_if_there};
use super::ready::{Ready, add};
use super::retire::finish;
use super::selection::{Candidate, forbidden, is_executable, repo_path};
use super::store::{StoreOptions, StoreReport, StoredItem, recorded};
use super::{Archive, Workspace};

const ACTION: &str = "archive";

/// Archives files of a plain folder.
pub fn store_from_disk(
    workspace: &Workspace,
    options: &StoreOptions,
    progress: &dyn Progress,
) -> Result<StoreReport> {
    let commit = match options.commit.as_deref() {
        None | Some("HEAD") => {
            return Err(Error::NoRepository { action: ACTION, path: workspace.cwd.clone() });
        }
        Some(commit)
            if (1..=128).contains(&commit.len())
                && commit.bytes().all(|b| b.is_ascii_graphic()) =>
        {
            commit
        }
        Some(commit) => {
            let why = "it must be 1 to 128 visible ASCII characters";
            return Err(Error::invalid("commit", escape_line(commit), why));
        }
    };
    let mut selection = BTreeMap::new();
    let mut report = StoreReport::default();
    for given in &options.paths {
        let (path, bytes) = read_from_disk(workspace, given)?;
        if crate::tombstone::parse(&bytes).is_ok() {
            report.already.push(path.to_string());
        } else {
            selection.insert(path, bytes);
        }
    }
    let mut screen = Screen::new(workspace)?;
    if let Some(policy) = screen.policy() {
        selection.iter().for_each(|(path, bytes)| {
            screen.note(path, policy.scan(Some(&path.to_string()), bytes));
        });
    }
    if let Err(error) = screen.check() {
        if let (Error::Credentials { found, .. }, false) = (&error, options.dry_run) {
            record_block_if_there(workspace, options, found);
        }
        return Err(error);
    }
    if options.dry_run {
        report.items = preview(options, &selection)?;
        report.credentials = screen.tell(progress);
        return Ok(report);
    }
    if selection.is_empty() {
        return Ok(report);
    }
    let mut archive = Archive::create(workspace)?;
    let taken = take_in(workspace, options, &mut archive, &selection, &screen);
    let done =
        taken.and_then(|ready| finish(workspace, options, &mut archive, &ready, &[], commit));
    let deed = recorded(&mut archive, options, done)?;
    report.credentials = screen.tell(progress);
    Ok(StoreReport { items: deed.items, deed: deed.id, ..report })
}

fn take_in(
    workspace: &Workspace,
    options: &StoreOptions,
    archive: &mut Archive,
    selection: &BTreeMap<RepoPath, Vec<u8>>,
    screen: &Screen,
) -> Result<Vec<Ready>> {
    let mut encoder = Encoder::new()?;
    archive.add_artifacts(|catalog, now| {
        let files = selection.iter().map(|(path, bytes)| {
            let candidate = Candidate {
                path: path.clone(),
                oid: sha1_blob(bytes),
                executable: is_executable(&workspace.top.join(path.as_path()))?,
                size_bytes: bytes.len() as u64,
                detached: None,
            };
            let encoded = encoder.encode(bytes)?;
            let stored = add(catalog, path, &encoded, now)?;
            let sha256 = encoded.sha256;
            Ok(Ready {
                artifact_id: stored.row,
                sha256,
                size_bytes: encoded.size_bytes,
                stored_bytes: stored.length,
                is_read_back: false,
                deduplicated: !stored.is_new,
                on_disk: sha256,
                stamp: None,
                tombstone: TombstoneId::derive(&options.label, path, &sha256),
                credentials: screen.detail(path),
                duration_ms: 0,
                candidate,
            })
        });
        files.collect()
    })
}

fn preview(
    options: &StoreOptions,
    selection: &BTreeMap<RepoPath, Vec<u8>>,
) -> Result<Vec<StoredItem>> {
    let mut encoder = Encoder::new()?;
    let items = selection.iter().map(|(path, bytes)| {
        let encoded = encoder.encode(bytes)?;
        let length = encoded.frame.len() as u64;
        let content = (encoded.sha256, encoded.size_bytes);
        Ok(StoredItem::preview(options, path, content, length))
    });
    items.collect()
}

fn read_from_disk(workspace: &Workspace, given: &OsString) -> Result<(RepoPath, Vec<u8>)> {
    let shown = escape_line(&given.to_string_lossy());
    let refused = |what| Error::refused(ACTION, shown.clone(), Refusal::NotRegular { what });
    let path = repo_path(ACTION, &workspace.top, &workspace.cwd, given)?
        .ok_or_else(|| refused("a folder"))?;
    if let Some(why) = forbidden(&path) {
        return Err(Error::refused(ACTION, shown, Refusal::Forbidden { why }));
    }
    let at = inner_folder_of(path.as_path());
    let name = path.as_path().file_name().unwrap_or_default();
    let there = match Folder::below(ACTION, &workspace.top, at)? {
        Some(folder) => folder.look(name)?,
        None => There::Nothing,
    };
    let bytes = match there {
        There::File(bytes) => bytes,
        There::Nothing => {
            let why = "there is no such file".to_owned();
            return Err(Error::NotFound { action: ACTION, object: shown, why });
        }
        There::Other(what) => return Err(refused(what)),
    };
    Ok((path, bytes))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::archive::Opening;
    use crate::config::Environment;

    #[test]
    fn the_archive_itself_is_never_replaced_by_a_stub() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(".codex")).unwrap();
        fs::write(dir.path().join(".codex/archive.sqlite"), "x").unwrap();
        let environment = Environment::default();
        let opening = Opening { cwd: dir.path(), file: None, flags: &[], environment };
        let workspace = Workspace::open(opening).unwrap();
        let read = |name: &str| read_from_disk(&workspace, &OsString::from(name));
        assert!(read(".codex/archive.sqlite").is_err());
        fs::write(dir.path().join("a"), "x").unwrap();
        assert!(read("a").is_ok());
    }
}
