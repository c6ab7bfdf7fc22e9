//! What a look at a file tells of whether it is still the one that was read.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use rustix::fs::Stat;

/// A file that was written less than so many milliseconds before it was read may be written again
/// without any of its times changing: file systems keep them in ticks, of up to two seconds.
const COARSEST_TICK_MS: i64 = 2000;

/// Which file it is, its size, and when its content and its inode changed last, to the nanosecond. As
/// git does, and unlike what a program may set, the inode's own time counts too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size_bytes: i64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// That of a file which is open and about to be read, so many milliseconds after 1970; `None` where it
    /// was written so recently that this would not tell of a later change.
    pub fn before_reading(meta: &Metadata, now_ms: i64) -> Option<Self> {
        let stamp = Self {
            device: meta.dev(),
            inode: meta.ino(),
            size_bytes: i64::try_from(meta.size()).ok()?,
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        };
        let last = stamp.modified.max(stamp.changed).0.saturating_mul(1000);
        // The nanoseconds are left out, so that a second more is taken.
        let is_settled = last.saturating_add(1000 + COARSEST_TICK_MS) < now_ms;
        is_settled.then_some(stamp)
    }

    #[allow(clippy::unnecessary_cast, reason = "the types differ from one system to the next")]
    pub(super) fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            size_bytes: stat.st_size as i64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::Folder;
    use std::ffi::OsStr;
    use std::fs;

    #[test]
    fn a_file_that_was_just_written_has_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "x").unwrap();
        let meta = fs::metadata(&path).unwrap();
        let seen_at = |ms: i64| meta.ctime() * 1000 + ms;
        assert_eq!(Stamp::before_reading(&meta, seen_at(0)), None);
        assert_eq!(Stamp::before_reading(&meta, seen_at(3000)), None);
        assert!(Stamp::before_reading(&meta, seen_at(3001)).is_some());
    }

    #[test]
    fn whatever_is_done_to_a_file_shows() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::at(dir.path()).unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "content").unwrap();
        let meta = fs::metadata(&path).unwrap();
        let before = Stamp::before_reading(&meta, i64::MAX).unwrap();
        let now = || folder.stamp(OsStr::new("file")).unwrap();
        assert_eq!(now(), Some(before));
        // The same length, and the time of its content set back.
        let pause = || std::thread::sleep(std::time::Duration::from_millis(20));
        pause();
        fs::write(&path, "CONTENT").unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(meta.modified().unwrap()).unwrap();
        assert_ne!(now(), Some(before));
        // The same bytes in another file.
        fs::write(dir.path().join("other"), "content").unwrap();
        fs::rename(dir.path().join("other"), &path).unwrap();
        assert_ne!(now(), Some(before));
        fs::remove_file(&path).unwrap();
        assert_eq!(now(), None);
    }
}
