//! An intent: what a deed is about to do to a work tree, kept until it is done.
//!
//! Written and synced before the deed is recorded; whoever finds one after a crash knows which
//! files the deed meant, what stood there, and what shall stand there.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::fs::{self as files, Executable};
use crate::git::Bytes as _;
use crate::model::{DeedId, Digest, Item, RepoPath, TombstoneId, hex, unhex};

use super::Workspace;
use super::tree::{After, Step};

/// Where the bytes of a path come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The item's stub, wrapped for the path.
    Stub,
    /// The item's stub as plain lines.
    Sidecar,
    /// The item's content.
    Content,
    /// The item's content as git converts it for the work tree.
    Converted,
    /// The bytes that the intent has.
    Given,
    /// Nothing: the path goes.
    Absent,
}

impl Source {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Stub, "stub"),
        (Self::Sidecar, "sidecar"),
        (Self::Content, "content"),
        (Self::Converted, "converted"),
        (Self::Given, "given"),
        (Self::Absent, "absent"),
    ];

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(source, _)| *source == self).map_or("", |(_, word)| word)
    }
}

/// One path of an intent.
#[derive(Debug, Clone)]
pub struct IntentStep {
    /// The path.
    pub path: RepoPath,
    /// The item it is about.
    pub tombstone: TombstoneId,
    /// SHA-256 of what stood there.
    pub before: Option<Digest>,
    /// SHA-256 of what shall stand there.
    pub after: Option<Digest>,
    /// Where that comes from.
    pub source: Source,
    /// The bytes, if the intent has them.
    pub given: Option<Vec<u8>>,
}

/// What a deed is about to do to a work tree.
#[derive(Debug, Clone)]
pub struct Intent {
    /// The deed.
    pub deed: DeedId,
    /// The action of its records.
    pub action: String,
    /// The top of the work tree, where it stood then.
    pub work_tree: PathBuf,
    /// git's folder of that work tree, as seen from the common folder: that stays when the work
    /// tree is moved, and goes when it is removed. `None` outside git.
    pub git_dir: Option<PathBuf>,
    /// The paths.
    pub steps: Vec<IntentStep>,
}

impl IntentStep {
    /// What `step` means to do, about the item `tombstone`.
    pub fn of(step: &Step, source: Source, tombstone: TombstoneId) -> Self {
        let (before, after) = (step.before, step.after_digest());
        let given = match &step.after {
            After::Converted { bytes, .. } if source == Source::Given => {
                bytes.in_memory().map(<[u8]>::to_vec)
            }
            _ => None,
        };
        Self { path: step.path.clone(), tombstone, before, after, source, given }
    }
}

impl Intent {
    /// The intent of a deed in this work tree.
    pub fn new(
        workspace: &Workspace,
        action: &str,
        deed: DeedId,
        steps: impl IntoIterator<Item = IntentStep>,
    ) -> Self {
        Self {
            deed,
            action: action.to_owned(),
            work_tree: workspace.top.clone(),
            git_dir: git_dir_of(workspace),
            steps: steps.into_iter().collect(),
        }
    }

    /// The intent of a deed about one item.
    pub fn about(
        workspace: &Workspace,
        action: &str,
        deed: DeedId,
        item: &Item,
        steps: &[(Step, Source)],
    ) -> Self {
        let steps = steps.iter().map(|(step, from)| IntentStep::of(step, *from, item.tombstone));
        Self::new(workspace, action, deed, steps)
    }

    fn file(&self, workspace: &Workspace) -> PathBuf {
        intent_folder(workspace).join(self.deed.to_string())
    }

    /// Writes the intent; durable when this returns.
    pub fn write(&self, workspace: &Workspace) -> Result<()> {
        let file = self.file(workspace);
        files::create_folders(files::folder_of(&file))?;
        files::write_atomic(&file, self.to_json().to_string().as_bytes(), Executable::No)
    }

    /// Removes the intent: the deed is done, or came to nothing.
    pub fn remove(&self, workspace: &Workspace) -> Result<()> {
        files::remove_file(&self.file(workspace))
    }

    /// Removes the intent of a deed that ended in `error`, if that says that it was not recorded: its
    /// signature was not made. After another error the record may have become durable.
    pub fn remove_if_unsigned(&self, workspace: &Workspace, error: &Error) {
        if matches!(error, Error::Signing { .. } | Error::CannotSign { .. }) {
            // Where it stays, the next command finds out the same.
            let _ = self.remove(workspace);
        }
    }

    /// Whether it is about the work tree of `workspace`, wherever that stood.
    pub fn is_of(&self, workspace: &Workspace) -> bool {
        match &self.git_dir {
            Some(_) => self.git_dir == git_dir_of(workspace),
            None => self.work_tree == workspace.top,
        }
    }

    /// Whether git knows the work tree no more, so that nobody will ever come to settle it there.
    pub fn is_orphan(&self, workspace: &Workspace) -> bool {
        match (&self.git_dir, &workspace.repository) {
            (Some(folder), Some(repository)) => {
                let folder = repository.common_dir().join(folder);
                fs::symlink_metadata(folder).is_err_and(|e| e.kind() == io::ErrorKind::NotFound)
            }
            _ => false,
        }
    }

    fn to_json(&self) -> Value {
        let digest = |digest: Option<Digest>| digest.map_or(String::new(), |d| d.to_string());
        let path = |path: &Path| hex(path.as_os_str().as_bytes());
        let steps: Vec<Value> = self
            .steps
            .iter()
            .map(|step| {
                let mut value = json!({
                    "path": step.path.to_string(),
                    "tombstone": step.tombstone.to_string(),
                    "before": digest(step.before),
                    "after": digest(step.after),
                    "source": step.source.word(),
                });
                if let Some(bytes) = &step.given {
                    value["given"] = hex(bytes).into();
                }
                value
            })
            .collect();
        json!({
            "v": 1,
            "deed": self.deed.to_string(),
            "action": self.action,
            "work_tree": path(&self.work_tree),
            "git_dir": self.git_dir.as_deref().map_or(String::new(), path),
            "steps": steps,
        })
    }

    fn from_json(value: &Value) -> Option<Self> {
        let text = |value: &Value, key: &str| value.get(key)?.as_str().map(str::to_owned);
        let digest = |text: String| match text.as_str() {
            "" => Some(None),
            digits => digits.parse().ok().map(Some),
        };
        if value.get("v")?.as_u64()? != 1 {
            return None;
        }
        let step = |value: &Value| {
            let word = text(value, "source")?;
            Some(IntentStep {
                path: RepoPath::parse(&text(value, "path")?)?,
                tombstone: text(value, "tombstone")?.parse().ok()?,
                before: digest(text(value, "before")?)?,
                after: digest(text(value, "after")?)?,
                source: Source::ALL.iter().find(|(_, known)| *known == word)?.0,
                given: text(value, "given")
                    .map(|digits| unhex(&digits))
                    .map_or(Some(None), |bytes| bytes.map(Some))?,
            })
        };
        let path = |text: &str| Some(PathBuf::from(OsString::from_vec(unhex(text)?)));
        Some(Self {
            deed: text(value, "deed")?.parse().ok()?,
            action: text(value, "action")?,
            work_tree: path(&text(value, "work_tree")?)?,
            git_dir: match text(value, "git_dir") {
                Some(text) if !text.is_empty() => Some(path(&text)?),
                _ => None,
            },
            steps: value.get("steps")?.as_array()?.iter().map(step).collect::<Option<_>>()?,
        })
    }
}

/// Where intents are kept.
pub fn intent_folder(workspace: &Workspace) -> PathBuf {
    workspace.store_folder().join("intents")
}

/// git's folder of this work tree, as seen from the common folder; `.` for the main one.
fn git_dir_of(workspace: &Workspace) -> Option<PathBuf> {
    let repository = workspace.repository.as_ref()?;
    let inside = repository.git_dir().strip_prefix(repository.common_dir()).ok()?;
    Some(if inside.as_os_str().is_empty() { PathBuf::from(".") } else { inside.to_owned() })
}

/// What waits in the folder of intents.
#[derive(Debug, Default)]
pub struct Waiting {
    /// Intents, of all work trees of this repository.
    pub intents: Vec<Intent>,
    /// Files that are none, or not any more.
    pub damaged: Vec<PathBuf>,
}

impl Waiting {
    /// The deeds, by their ids.
    pub fn deeds(&self) -> Vec<String> {
        self.intents.iter().map(|intent| intent.deed.to_string()).collect()
    }

    /// A damaged intent: somebody must decide what becomes of its deed.
    pub fn first_damage(&self) -> Option<Error> {
        self.damaged.first().map(|path| damaged(path))
    }
}

/// What waits, of all work trees of this repository.
pub fn pending(workspace: &Workspace) -> Result<Waiting> {
    let folder = intent_folder(workspace);
    let mut waiting = Waiting::default();
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(waiting),
        Err(error) => return Err(Error::io("read", folder)(error)),
    };
    for entry in entries {
        let path = entry.map_err(Error::io("read", &folder))?.path();
        let temporary = path
            .file_name()
            .is_some_and(|name| name.as_bytes().starts_with(files::TEMP_PREFIX.as_bytes()));
        if temporary {
            continue;
        }
        match read(&path)? {
            Read::Intent(intent) => waiting.intents.push(*intent),
            Read::Damaged => waiting.damaged.push(path),
            Read::Gone => {}
        }
    }
    waiting.intents.sort_by_key(|intent| intent.deed);
    waiting.damaged.sort();
    Ok(waiting)
}

/// What a file among the intents is.
enum Read {
    Intent(Box<Intent>),
    Damaged,
    /// Its deed ended since the folder was read.
    Gone,
}

fn read(path: &Path) -> Result<Read> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Read::Gone),
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => return Ok(Read::Damaged),
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    let intent = serde_json::from_slice(&bytes).ok().and_then(|it| Intent::from_json(&it));
    Ok(intent.map_or(Read::Damaged, |intent| Read::Intent(Box::new(intent))))
}

/// The error of a damaged intent.
pub fn damaged(path: &Path) -> Error {
    Error::damaged("intent", path.display().to_string(), "it is not one of ours")
}

/// Puts a damaged intent where no command looks for it; returns its new place.
pub fn set_aside(workspace: &Workspace, path: &Path) -> Result<PathBuf> {
    let folder = workspace.store_folder().join("damaged-intents");
    files::create_folders(&folder)?;
    let mut place = folder.join(path.file_name().unwrap_or_default());
    while fs::symlink_metadata(&place).is_ok() {
        place.as_mut_os_string().push("-");
    }
    files::rename(path, &place)?;
    files::sync_folder(&folder)?;
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RepoLabel;

    #[test]
    fn json_round_trip() {
        let path = RepoPath::new(b"a\xffb").unwrap();
        let label = RepoLabel::new("r").unwrap();
        let intent = Intent {
            deed: DeedId::random(),
            action: "ARCHIVE".to_owned(),
            work_tree: PathBuf::from("/w x"),
            git_dir: Some(PathBuf::from("worktrees/w x")),
            steps: vec![IntentStep {
                tombstone: TombstoneId::derive(&label, &path, &Digest::of(b"")),
                path,
                before: Some(Digest::of(b"x")),
                after: None,
                source: Source::Given,
                given: Some(b"x".to_vec()),
            }],
        };
        let back = Intent::from_json(&intent.to_json()).unwrap();
        assert_eq!(back.to_json(), intent.to_json());
        assert!(Intent::from_json(&json!({"v": 2})).is_none());
    }
}
