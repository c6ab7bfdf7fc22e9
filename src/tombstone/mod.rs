//! The tombstone: the stub file that stands in the tree where a file was archived.
//!
//! Version 1, byte by byte as docs/formats.md has it ("Tombstone stub, version 1"). Promises one
//! valid encoding: whatever [`parse`] accepts, [`Tombstone::render`] gives back byte for byte.
//! Refuses every other spelling, and versions it does not know.

mod check;
mod comment;
mod parse;
mod table;
#[cfg(test)]
mod tests;

pub use check::check_id;
pub use comment::Wrapping;
pub use parse::{StubFault, looks_like_stub, parse};
pub use table::{TABLE, TableRow};

use crate::error::{Error, Refusal, Result};
use crate::model::{Digest, FileMode, GitOid, RepoPath, TombstoneId};

/// The most bytes a stub may have; a longer blob is never taken for one.
pub const MAX_STUB_BYTES: usize = 4096;

/// The version that this module writes, and the only one it reads.
const VERSION: u32 = 1;

/// The command of the `restore` line, before the id.
const RESTORE_COMMAND: &str = "git codex-archive restore --stage ";

/// What a stub says of the file that it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// The id, `archive-id` in the stub.
    pub id: TombstoneId,
    /// SHA-256 of the raw content.
    pub sha256: Digest,
    /// Bytes of the raw content.
    pub size_bytes: u64,
    /// The mode of the archived file; the stub itself is always 100644.
    pub mode: FileMode,
    /// The content's object id, in the object format of the repository it came from.
    pub git_blob: GitOid,
    /// Where the content was archived; the stub may stand elsewhere.
    pub path: RepoPath,
}

impl Tombstone {
    /// The stub's bytes in the given wrapping; [`Refusal::StubTooLong`] when the path makes it
    /// longer than [`MAX_STUB_BYTES`].
    pub fn render(&self, wrapping: Wrapping) -> Result<Vec<u8>> {
        let mut text = String::with_capacity(512);
        let mut line = |(before, after): (String, &str), value: &str| {
            for part in [&before, value, after, "\n"] {
                text.push_str(part);
            }
        };
        if let Some(opening) = wrapping.opening() {
            line((String::new(), ""), opening);
        }
        line(wrapping.around_version(), &VERSION.to_string());
        for (key, value) in self.fields() {
            line(wrapping.around_field(key), &value);
        }
        if let Some(closing) = wrapping.closing() {
            line((String::new(), ""), closing);
        }
        if text.len() > MAX_STUB_BYTES {
            let refusal = Refusal::StubTooLong { limit: MAX_STUB_BYTES };
            return Err(Error::refused("archive", self.path.to_string(), refusal));
        }
        Ok(text.into_bytes())
    }

    /// Key and value of every line after the version, in the order of the format.
    fn fields(&self) -> [(&'static str, String); 7] {
        [
            ("archive-id", self.id.to_string()),
            ("sha256", self.sha256.to_string()),
            ("size", self.size_bytes.to_string()),
            ("mode", self.mode.to_string()),
            ("git-blob", self.git_blob.to_string()),
            ("path", self.path.to_string()),
            ("restore", format!("{RESTORE_COMMAND}{}", self.id)),
        ]
    }
}
