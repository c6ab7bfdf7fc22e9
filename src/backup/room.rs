//! Whether there is room for what is about to be written.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::error::{Error, Result};
use crate::fs as files;

/// What a file system may need beside the bytes themselves.
const SLACK_BYTES: u64 = 64 << 10;

/// Refuses to begin where `folder`, or the nearest one above it that is there, has no room for
/// `needed` bytes.
pub(super) fn check(folder: &Path, needed: u64) -> Result<()> {
    let Some(there) = folder.ancestors().find(|it| it.is_dir()) else { return Ok(()) };
    let free = files::room(there)?.bytes;
    // Whoever is about to write nothing needs no slack either.
    let needed = if needed == 0 { 0 } else { needed.saturating_add(SLACK_BYTES) };
    if free >= needed {
        return Ok(());
    }
    let why = format!("the backup needs {needed} bytes there, and {free} are free");
    let source = io::Error::new(io::ErrorKind::StorageFull, why);
    Err(Error::io("write to", there)(source))
}

/// The same where `first` bytes go to one folder and `second` to another, which may share a file
/// system.
pub(super) fn check_two(first: (&Path, u64), second: (&Path, u64)) -> Result<()> {
    let device = |folder: &Path| {
        let there = folder.ancestors().find(|it| it.is_dir())?;
        fs::metadata(there).map(|meta| meta.dev()).ok()
    };
    if device(first.0) == device(second.0) {
        return check(first.0, first.1.saturating_add(second.1));
    }
    check(first.0, first.1)?;
    check(second.0, second.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_told_with_both_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("not/there/yet");
        check(&inner, 0).unwrap();
        check(&inner, 1 << 10).unwrap();
        let error = check(&inner, u64::MAX).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("needs 18446744073709551615 bytes") && cause.contains(" are free"));
        let most = files::room(dir.path()).unwrap().bytes;
        check(&inner, most / 2).unwrap();
        let half = most / 10 * 6;
        check_two((&inner, half), (dir.path(), half)).unwrap_err();
    }
}
