//! An item's bytes on their way to a file, decoded on any thread.
//!
//! Promises: the gate was asked; the bytes are in the file only if they have the item's size and
//! SHA-256.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use crate::archive::lookup::{check_belongs, check_released, elsewhere, executable};
use crate::archive::output::read_again;
use crate::archive::stored::Bytes;
use crate::archive::{Archive, Origin};
use crate::blob;
use crate::clock::Stopwatch;
use crate::error::{Error, Result};
use crate::fs::{Folder, Spool, TempFile};
use crate::git::{Bytes as _, Repository};
use crate::model::{Digester, Item};
use crate::policy::Door;

/// Larger objects are read from git in parts.
const PARTS_FROM: u64 = 1 << 20;

/// What an item's content can be made of.
pub struct Source {
    stored: Option<Bytes>,
    /// Why the archive cannot give it.
    damage: Option<Error>,
}

/// How long something may take.
#[derive(Clone, Copy)]
pub struct Deadline {
    /// Since when.
    pub watch: Stopwatch,
    /// How long.
    pub limit: Duration,
}

impl Source {
    /// What the archive has of `item`; git's own object is asked later.
    pub fn of(archive: &mut Archive, item: &Item, door: Door, spool: &Spool) -> Result<Self> {
        check(item, door)?;
        if item.artifact_row_id == 0 {
            return Ok(Self { stored: None, damage: None });
        }
        match archive.bytes(item, spool) {
            Ok(stored) => Ok(Self { stored: Some(stored), damage: None }),
            Err(error @ Error::Damaged { .. }) => Ok(Self { stored: None, damage: Some(error) }),
            Err(error) => Err(error),
        }
    }

    /// Bytes of memory that it holds.
    pub fn held_bytes(&self) -> usize {
        self.stored.as_ref().map_or(0, Bytes::held_bytes)
    }

    /// The content in a temporary file in `folder`.
    pub fn write(
        self,
        item: &Item,
        repository: Option<&Repository>,
        folder: &Arc<Folder>,
        deadline: Deadline,
    ) -> Result<(TempFile, Origin)> {
        let written = match (&self.stored, self.damage) {
            (_, Some(damage)) => Err(damage),
            (None, None) => Err(elsewhere(item)),
            (Some(Bytes::Whole(bytes)), None) => write_whole(bytes, item, folder, deadline),
            (Some(stored), None) => write_parts(stored, item, folder, deadline),
        };
        let is_whole = matches!(self.stored, Some(Bytes::Whole(_)));
        let (mut temp, origin) = or_out_of_git(written, item, repository, folder, deadline)?;
        if origin == Origin::Archive && !is_whole {
            read_again(&mut temp, item)?;
        }
        Ok((temp, origin))
    }
}

/// Asks whether an item's bytes may leave, and whether they are its own.
pub fn check(item: &Item, door: Door) -> Result<()> {
    check_released(item, door)?;
    check_belongs(item)
}

/// What the archive gave; where that is damaged or lacking, git's own object.
pub fn or_out_of_git(
    written: Result<TempFile>,
    item: &Item,
    repository: Option<&Repository>,
    folder: &Arc<Folder>,
    deadline: Deadline,
) -> Result<(TempFile, Origin)> {
    let damage = match written {
        Ok(temp) => return Ok((temp, Origin::Archive)),
        Err(error @ (Error::Damaged { .. } | Error::NotFound { .. })) => error,
        Err(error) => return Err(error),
    };
    let Some(repository) = repository else { return Err(damage) };
    let mut temp = folder.temp(executable(item))?;
    if !out_of_git(repository, item, &mut temp, deadline)? {
        return Err(damage);
    }
    read_again(&mut temp, item)?;
    Ok((temp, Origin::GitHistory))
}

/// A temporary file with these bytes, which were hashed. They go from this memory into the file in one
/// piece: to read them back would compare the system's memory with ours. That all of them are there is
/// seen to.
pub fn write_whole(
    bytes: &[u8],
    item: &Item,
    folder: &Arc<Folder>,
    deadline: Deadline,
) -> Result<TempFile> {
    let mut temp = folder.temp(executable(item))?;
    temp.fill(|out| Timed { out, deadline }.write_all(bytes))?;
    match temp.size_bytes()? == item.size_bytes {
        true => Ok(temp),
        false => Err(Error::io("write", temp.path())(io::ErrorKind::WriteZero.into())),
    }
}

fn write_parts(
    stored: &Bytes,
    item: &Item,
    folder: &Arc<Folder>,
    deadline: Deadline,
) -> Result<TempFile> {
    let mut temp = folder.temp(executable(item))?;
    let mut damage = None;
    let filled = temp.fill(|out| {
        let mut out = Timed { out, deadline };
        let decoded = match stored {
            Bytes::Whole(bytes) => return out.write_all(bytes),
            Bytes::Spooled(content) => return content.write_to(&mut out),
            Bytes::Frame(frame) => blob::decode_to(frame, item.size_bytes, &item.sha256, &mut out),
        };
        match decoded {
            Err(Error::Io { source, .. }) => Err(source),
            Err(error) => {
                damage = Some(error);
                Err(io::ErrorKind::InvalidData.into())
            }
            Ok(()) => Ok(()),
        }
    });
    match damage {
        Some(error) => Err(error),
        None => filled.map(|()| temp),
    }
}

/// Whether git has the object, and it is the item's content.
fn out_of_git(
    repository: &Repository,
    item: &Item,
    temp: &mut TempFile,
    deadline: Deadline,
) -> Result<bool> {
    if repository.blob_size(&item.git_blob)? != Some(item.size_bytes) {
        return Ok(false);
    }
    let mut digester = Digester::default();
    let mut failure = None;
    let filled = temp.fill(|out| {
        let mut out = Timed { out: &mut Both(out, &mut digester), deadline };
        let copied = match item.size_bytes < PARTS_FROM {
            true => repository.blob(&item.git_blob).and_then(|bytes| {
                let bytes = bytes.unwrap_or_default();
                out.write_all(&bytes).map_err(Error::io("write", "content"))
            }),
            false => repository.stream_blob(&item.git_blob, &mut out).map(|_| ()),
        };
        copied.map_err(|error| match error {
            Error::Io { source, .. } => source,
            other => {
                failure = Some(other);
                io::ErrorKind::Other.into()
            }
        })
    });
    match failure {
        Some(error) => return Err(error),
        None => filled?,
    }
    Ok(digester.finish() == (item.sha256, item.size_bytes))
}

/// Stops what takes too long, between two parts.
struct Timed<'a> {
    out: &'a mut dyn Write,
    deadline: Deadline,
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let limit = self.deadline.limit;
        if self.deadline.watch.elapsed() > limit {
            let why = format!("it took longer than {} s (batch.timeout_per_item)", limit.as_secs());
            return Err(io::Error::new(io::ErrorKind::TimedOut, why));
        }
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Hashes what it hands on.
struct Both<'a, 'b>(&'a mut dyn Write, &'b mut Digester);

impl Write for Both<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.0.write(bytes)?;
        self.1.write_all(&bytes[..written])?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_too_long_stops_between_two_parts() {
        let mut bytes = Vec::new();
        let watch = Stopwatch::start();
        let limit = Duration::from_secs(600);
        let mut in_time = Timed { out: &mut bytes, deadline: Deadline { watch, limit } };
        in_time.write_all(b"part").unwrap();
        while watch.elapsed().is_zero() {}
        let limit = Duration::ZERO;
        let mut late = Timed { out: &mut bytes, deadline: Deadline { watch, limit } };
        let error = late.write_all(b"more").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(error.to_string().contains("batch.timeout_per_item"), "{error}");
        assert_eq!(bytes, b"part");
    }
}
