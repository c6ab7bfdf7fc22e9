//! Reading the tar of a bundle, strictly: whatever [`super::tar_writer`] does not write is refused.
//!
//! Promises: bounded memory, whatever the bytes are; no path leads out of the folder that it is
//! unpacked in, and none into git's own.

use std::io::{self, Read};

use tar::{EntryType, Header};

use crate::error::{Error, Result};
use crate::model::{RepoPath, names_git_folder};

use super::tar_writer::comment;

/// The longest name that is read, in bytes: what Linux takes as a path, and the NUL behind it.
const LONGEST_NAME: u64 = 4097;

/// The longest record about the commit, in bytes.
const LONGEST_COMMENT: u64 = 128;

/// What stands at a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A regular file.
    File {
        /// Whether it is executable.
        is_executable: bool,
    },
    /// A symbolic link to this.
    Link(Vec<u8>),
}

/// A file or link in the tar.
#[derive(Debug)]
pub(super) struct TarEntry {
    /// Where it stands.
    pub path: RepoPath,
    /// What it is.
    pub kind: Kind,
    /// Bytes of a file.
    pub size_bytes: u64,
    /// How old it is.
    pub mtime: u64,
}

/// Hands each file and link of the tar `source`, which messages call `object`, to `each`, and reads
/// it to its end; the commit that it names.
pub(super) fn read_tar(
    object: &str,
    source: impl Read,
    mut each: impl FnMut(&TarEntry, &mut dyn Read) -> Result<()>,
) -> Result<String> {
    let damaged = |why: String| Error::damaged("tarball", object, why);
    let broken = |error: io::Error| damaged(format!("it ends, or breaks off: {error}"));
    let mut tar = tar::Archive::new(source);
    let mut commit = None;
    let mut long = Long::default();
    for entry in tar.entries().map_err(broken)?.raw(true) {
        let mut entry = entry.map_err(broken)?;
        let header = entry.header().clone();
        let kind = header.entry_type();
        if commit.is_none() {
            if kind != EntryType::XGlobalHeader {
                return Err(damaged("it does not begin with the commit".to_owned()));
            }
            let text = small(&mut entry, LONGEST_COMMENT).map_err(broken)?;
            commit =
                Some(commit_in(&text).ok_or_else(|| damaged("it names no commit".to_owned()))?);
            continue;
        }
        match kind {
            EntryType::GNULongName => long.name = Some(name_in(&mut entry).map_err(broken)?),
            EntryType::GNULongLink => long.link = Some(name_in(&mut entry).map_err(broken)?),
            _ => {
                let told = TarEntry::of(&header, std::mem::take(&mut long));
                let told = told.map_err(damaged)?;
                each(&told, &mut entry)?;
            }
        }
    }
    // What follows the last file belongs to what the checksums are of.
    io::copy(&mut tar.into_inner(), &mut io::sink()).map_err(broken)?;
    commit.ok_or_else(|| damaged("it is empty".to_owned()))
}

/// Names that stand before the entry that they are of.
#[derive(Debug, Default)]
struct Long {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl TarEntry {
    fn of(header: &Header, long: Long) -> std::result::Result<Self, String> {
        let path = long.name.unwrap_or_else(|| header.path_bytes().into_owned());
        let shown = String::from_utf8_lossy(&path).escape_debug().to_string();
        let path =
            RepoPath::new(&path).map_err(|_| format!("`{shown}` leads out of its folder"))?;
        if names_git_folder(path.as_bytes()) {
            return Err(format!("`{path}` leads into git's own folder"));
        }
        let number = |it: io::Result<u64>| it.map_err(|_| format!("`{path}` has a broken header"));
        let mode = header.mode().map_err(|_| format!("`{path}` has a broken header"))?;
        if (number(header.uid())?, number(header.gid())?) != (0, 0) {
            return Err(format!("`{path}` has an owner"));
        }
        let kind = match (header.entry_type(), mode) {
            (EntryType::Regular, 0o644) => Kind::File { is_executable: false },
            (EntryType::Regular, 0o755) => Kind::File { is_executable: true },
            // Nobody heeds the mode of a link.
            (EntryType::Symlink, _) => {
                let own = || header.link_name_bytes().map(|it| it.into_owned());
                Kind::Link(long.link.or_else(own).unwrap_or_default())
            }
            (EntryType::Regular, _) => return Err(format!("`{path}` has the mode {mode:o}")),
            _ => return Err(format!("`{path}` is neither a file nor a symbolic link")),
        };
        let (size_bytes, mtime) = (number(header.entry_size())?, number(header.mtime())?);
        Ok(Self { path, kind, size_bytes, mtime })
    }
}

fn small(entry: &mut impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    entry.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a name is too long"));
    }
    Ok(bytes)
}

fn name_in(entry: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut name = small(entry, LONGEST_NAME)?;
    if name.pop() != Some(0) || name.contains(&0) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a name has no end"));
    }
    Ok(name)
}

fn commit_in(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    let (_, commit) = text.strip_suffix('\n')?.split_once(" comment=")?;
    (comment(commit) == text).then(|| commit.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::super::tar_writer::TarWriter;
    use super::*;

    type Seen = Vec<(Vec<u8>, Kind, Vec<u8>)>;

    fn seen(tar: &[u8]) -> Result<(String, Seen)> {
        let mut all = Vec::new();
        let commit = read_tar("x", tar, |entry, bytes| {
            let mut content = Vec::new();
            bytes.read_to_end(&mut content).map_err(Error::io("read", "x"))?;
            let kind = match &entry.kind {
                Kind::File { is_executable } => Kind::File { is_executable: *is_executable },
                Kind::Link(target) => Kind::Link(target.clone()),
            };
            all.push((entry.path.as_bytes().to_vec(), kind, content));
            Ok(())
        })?;
        Ok((commit, all))
    }

    proptest! {
        #[test]
        fn it_is_read_as_it_is_written(
            parts in prop::collection::vec(prop::collection::vec(1_u8.., 1..120), 1..4),
            target in prop::collection::vec(1_u8.., 1..300),
            content: Vec<u8>,
            is_executable: bool,
        ) {
            let path = parts.join(&b'/');
            prop_assume!(RepoPath::new(&path).is_ok() && !names_git_folder(&path));
            let mut tar = TarWriter::begin(Vec::new(), "c0ffee", 7).unwrap();
            let fill = |out: &mut dyn Write| out.write_all(&content);
            tar.file::<io::Error>(&path, is_executable, content.len() as u64, fill).unwrap();
            tar.link(&path, &target).unwrap();
            let tar = tar.finish().unwrap();
            let (commit, all) = seen(&tar).unwrap();
            prop_assert_eq!(commit, "c0ffee");
            let file = (path.clone(), Kind::File { is_executable }, content);
            prop_assert_eq!(all, vec![file, (path, Kind::Link(target), Vec::new())]);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, at in 0_usize..2048, byte: u8) {
            let _ = seen(&bytes);
            let mut tar = TarWriter::begin(Vec::new(), "c", 7).unwrap();
            tar.link(&[b'a'; 120], b"b").unwrap();
            let mut tar = tar.finish().unwrap();
            let len = tar.len();
            tar[at % len] = byte;
            let _ = seen(&tar);
        }
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        for path in ["../x", "/etc/passwd", "a/../../b", ".git/hooks/post-checkout", "a//b", ""] {
            let mut tar = TarWriter::begin(Vec::new(), "c", 7).unwrap();
            tar.link(path.as_bytes(), b"t").unwrap();
            assert!(seen(&tar.finish().unwrap()).is_err(), "{path}");
        }
    }
}
