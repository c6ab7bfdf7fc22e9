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
    /// The top of the work tree.
    pub work_tree: PathBuf,
    /// The paths.
    pub steps: Vec<IntentStep>,
}

impl IntentStep {
    /// What `step` means to do, about the item `tombstone`.
    pub fn of(step: &Step, source: Source, tombstone: TombstoneId) -> Self {
        let (before, after) = (step.before, step.after_digest());
        let given = match &step.after {
            After::Converted { bytes, .. } if source == Source::Given => Some(bytes.clone()),
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
        let (action, work_tree) = (action.to_owned(), workspace.top.clone());
        Self { deed, action, work_tree, steps: steps.into_iter().collect() }
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

    fn to_json(&self) -> Value {
        let digest = |digest: Option<Digest>| digest.map_or(String::new(), |d| d.to_string());
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
            "work_tree": hex(self.work_tree.as_os_str().as_bytes()),
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
        Some(Self {
            deed: text(value, "deed")?.parse().ok()?,
            action: text(value, "action")?,
            work_tree: PathBuf::from(OsString::from_vec(unhex(&text(value, "work_tree")?)?)),
            steps: value.get("steps")?.as_array()?.iter().map(step).collect::<Option<_>>()?,
        })
    }
}

/// Where intents are kept.
pub fn intent_folder(workspace: &Workspace) -> PathBuf {
    workspace.store_folder().join("intents")
}

/// The intents that wait, of all work trees of this repository.
pub fn pending(workspace: &Workspace) -> Result<Vec<Intent>> {
    let folder = intent_folder(workspace);
    let Ok(entries) = fs::read_dir(&folder) else { return Ok(Vec::new()) };
    let mut intents = Vec::new();
    for entry in entries {
        let path = entry.map_err(Error::io("read", &folder))?.path();
        let temporary = path
            .file_name()
            .is_some_and(|name| name.as_bytes().starts_with(files::TEMP_PREFIX.as_bytes()));
        if !temporary && let Some(intent) = read(&path)? {
            intents.push(intent);
        }
    }
    intents.sort_by_key(|intent| intent.deed);
    Ok(intents)
}

/// The intent in a file; `None` if its deed ended since the folder was read.
fn read(path: &Path) -> Result<Option<Intent>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    let intent = serde_json::from_slice(&bytes).ok().and_then(|it| Intent::from_json(&it));
    let damaged = || Error::damaged("intent", path.display().to_string(), "it is not one of ours");
    intent.map(Some).ok_or_else(damaged)
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
