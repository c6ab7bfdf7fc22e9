//! Probes: pieces of destroyed content, and where they still stand in files.
//!
//! Promises: a piece is long enough that it stands nowhere by chance; files are read through a
//! window, whatever their size.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use memchr::memmem::Finder;

use crate::error::{Error, Result};

/// Bytes of a probe.
const PROBE_BYTES: usize = 32;

/// Shorter pieces may stand somewhere by chance.
const LEAST_BYTES: usize = 16;

/// Probes out of one run of bytes, spread over it.
const PROBES: usize = 8;

/// Bytes of a file that are looked at together.
const WINDOW_BYTES: usize = 1 << 20;

/// Pieces of content, as it was and as it was stored.
#[derive(Debug, Clone, Default)]
pub struct Probes(Vec<Finder<'static>>);

impl Probes {
    /// Adds pieces of `bytes`.
    pub fn add(&mut self, bytes: &[u8]) {
        if bytes.len() < LEAST_BYTES {
            return;
        }
        let len = bytes.len().min(PROBE_BYTES);
        let last = bytes.len() - len;
        let mut starts: Vec<usize> = (0..PROBES).map(|n| last * n / (PROBES - 1)).collect();
        starts.dedup();
        for start in starts {
            let piece = &bytes[start..start + len];
            // Zeros, and whatever else is one byte again and again, stand everywhere.
            if piece.iter().any(|byte| *byte != piece[0]) {
                self.0.push(Finder::new(piece).into_owned());
            }
        }
    }

    /// Forgets the pieces that stand in `bytes`: they are not of the destroyed content alone.
    pub fn forget_found_in(&mut self, bytes: &[u8]) {
        self.0.retain(|probe| probe.find(bytes).is_none());
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// How many of them stand in `file`.
    pub fn found_in(&self, file: &Path) -> Result<usize> {
        let mut source = File::open(file).map_err(Error::io("read", file))?;
        let mut found = vec![false; self.0.len()];
        let mut window = Vec::with_capacity(WINDOW_BYTES + PROBE_BYTES);
        loop {
            let kept = window.len();
            let read = (&mut source)
                .take(WINDOW_BYTES as u64)
                .read_to_end(&mut window)
                .map_err(Error::io("read", file))?;
            for (probe, found) in self.0.iter().zip(&mut found) {
                *found = *found || probe.find(&window).is_some();
            }
            if read == 0 {
                return Ok(found.into_iter().filter(|it| *it).count());
            }
            // A probe may stand across two windows.
            let keep = (kept + read).min(PROBE_BYTES);
            window.drain(..window.len() - keep);
        }
    }
}

/// The regular files in `folder` and below, sorted; no link is followed.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Error::io("read", &folder)(error)),
        };
        for entry in entries {
            let entry = entry.map_err(Error::io("read", &folder))?;
            let kind = entry.file_type().map_err(Error::io("look at", &entry.path()))?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_found_wherever_it_stands() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        let content: Vec<u8> = (0..200u8).collect();
        let mut probes = Probes::default();
        probes.add(&content);
        assert_eq!(probes.len(), PROBES);
        for before in [0, 1, WINDOW_BYTES - 100, WINDOW_BYTES - 16, 3 * WINDOW_BYTES + 7] {
            let mut bytes = vec![b'x'; before];
            bytes.extend_from_slice(&content);
            fs::write(&file, &bytes).unwrap();
            assert_eq!(probes.found_in(&file).unwrap(), PROBES, "{before}");
        }
        fs::write(&file, &content[..100]).unwrap();
        assert_eq!(probes.found_in(&file).unwrap(), 3);
        fs::write(&file, vec![b'x'; 3 * WINDOW_BYTES]).unwrap();
        assert_eq!(probes.found_in(&file).unwrap(), 0);
    }

    #[test]
    fn what_others_have_too_proves_nothing() {
        let mut probes = Probes::default();
        let content: Vec<u8> = (0..200u8).collect();
        probes.add(&content);
        probes.forget_found_in(&content[..100]);
        assert_eq!(probes.len(), PROBES - 3);
        probes.forget_found_in(&content);
        assert_eq!(probes.len(), 0);
    }

    #[test]
    fn what_may_stand_somewhere_by_chance_is_no_probe() {
        let mut probes = Probes::default();
        probes.add(b"short");
        probes.add(&[0; 4096]);
        assert_eq!(probes.len(), 0);
    }
}
