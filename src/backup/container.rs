//! The container of a backup: a gzipped tar with the data folder in it, the manifest first.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use tar::{EntryType, Header};

use crate::error::{Error, Result};
use crate::model::{Digester, RepoPath, escape_line};

use super::gather::Data;
use super::manifest::{MANIFEST, MAX_BYTES, Manifest};

/// How much is written or read at once.
const BUFFER_BYTES: usize = 256 << 10;

/// Writes the container of `data` to `out`.
pub(super) fn write(data: &Data, manifest: &Manifest, out: &mut File) -> Result<()> {
    let failed = || Error::io("write", "backup");
    let buffered = BufWriter::with_capacity(BUFFER_BYTES, &mut *out);
    // Content is compressed already; what is not is text.
    let gzip = GzEncoder::new(buffered, Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    let text = manifest.render()?;
    let folder = |path: &[u8]| [data.folder.as_bytes(), b"/", path].concat();
    append(&mut tar, &folder(b""), EntryType::Directory, 0o700, 0, 0, &mut io::empty())?;
    let size = text.len() as u64;
    let name = folder(MANIFEST.as_bytes());
    append(&mut tar, &name, EntryType::Regular, 0o600, 0, size, &mut text.as_slice())?;
    for inner in &data.folders {
        let name = folder(&[inner.as_bytes(), b"/"].concat());
        append(&mut tar, &name, EntryType::Directory, 0o700, 0, 0, &mut io::empty())?;
    }
    for file in &data.files {
        let (name, size) = (folder(file.path.as_bytes()), file.entry.size_bytes);
        let mut reader = file.bytes.reader().map_err(failed())?;
        append(&mut tar, &name, EntryType::Regular, file.mode, file.mtime, size, &mut reader)?;
    }
    let gzip = tar.into_inner().map_err(failed())?;
    let mut buffered = gzip.finish().map_err(failed())?;
    buffered.flush().map_err(failed())?;
    drop(buffered);
    out.rewind().map_err(failed())
}

fn append<W: Write>(
    tar: &mut tar::Builder<W>,
    name: &[u8],
    kind: EntryType,
    mode: u32,
    mtime: u64,
    size_bytes: u64,
    bytes: &mut dyn Read,
) -> Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(mtime);
    header.set_size(size_bytes);
    header.set_uid(0);
    header.set_gid(0);
    let path =
        std::path::Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(name));
    tar.append_data(&mut header, path, bytes).map_err(Error::io("write", "backup"))
}

/// Who takes the files of a container.
pub(super) trait Taker {
    /// The manifest came, and everything else is to follow.
    fn begin(&mut self, manifest: &Manifest) -> Result<()>;
    /// A folder.
    fn folder(&mut self, path: &RepoPath) -> Result<()>;
    /// A file of the manifest; `bytes` are checked once all were read.
    fn file(&mut self, path: &RepoPath, mode: u32, bytes: &mut dyn Read) -> Result<()>;
}

/// What was read.
#[derive(Debug)]
pub(super) struct Contents {
    /// The manifest.
    pub manifest: Manifest,
    /// What does not agree with it.
    pub faults: Vec<String>,
}

/// Reads the container `source`, which messages call `object`, to its end.
pub(super) fn read(object: &str, source: impl Read, taker: &mut dyn Taker) -> Result<Contents> {
    let damaged = |why: String| Error::damaged("backup", object, why);
    let unreadable = |error: io::Error| {
        Error::damaged("backup", object, format!("it ends, or breaks off: {error}"))
    };
    let gzip = GzDecoder::new(BufReader::with_capacity(BUFFER_BYTES, source));
    let mut tar = tar::Archive::new(gzip);
    let mut reading: Option<Reading> = None;
    for entry in tar.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let (kind, size_bytes) = (entry.header().entry_type(), entry.size());
        let mode = entry.header().mode().unwrap_or(0o600) & 0o777;
        let path = entry.path_bytes().into_owned();
        let shown = escape_line(&String::from_utf8_lossy(&path));
        match (&mut reading, kind) {
            (None, EntryType::Directory) => {}
            (None, EntryType::Regular) if path.ends_with(&[b"/", MANIFEST.as_bytes()].concat()) => {
                let manifest = manifest_in(object, &mut entry, size_bytes)?;
                let name = [manifest.folder.as_bytes(), b"/", MANIFEST.as_bytes()].concat();
                if name != path {
                    return Err(damaged(format!("{shown} names another folder")));
                }
                taker.begin(&manifest)?;
                reading = Some(Reading::of(manifest));
            }
            (None, _) => {
                return Err(damaged(format!("it begins with {shown}, not with {MANIFEST}")));
            }
            (Some(reading), EntryType::Directory | EntryType::Regular) => {
                let Some(inner) = reading.inner(&path) else {
                    return Err(damaged(format!("{shown} is outside its folder")));
                };
                if kind == EntryType::Directory {
                    taker.folder(&inner)?;
                } else {
                    reading.take(&inner, mode, size_bytes, &mut entry, taker).map_err(|error| {
                        match error {
                            Error::Io { source, .. } if is_broken(&source) => unreadable(source),
                            other => other,
                        }
                    })?;
                }
            }
            _ => return Err(damaged(format!("{shown} is neither a file nor a folder"))),
        }
    }
    // Whatever follows the last file belongs to what the checksums are of.
    let mut rest = tar.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(unreadable)?;
    let reading = reading.ok_or_else(|| damaged(format!("it has no {MANIFEST}")))?;
    Ok(reading.finish())
}

/// Whether reading failed for what the bytes are, and not for the disk.
fn is_broken(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof | Other)
}

fn manifest_in(object: &str, entry: &mut dyn Read, size_bytes: u64) -> Result<Manifest> {
    if size_bytes > MAX_BYTES {
        let why = format!("its {MANIFEST} has {size_bytes} bytes");
        return Err(Error::damaged("backup", object, why));
    }
    let mut text = Vec::new();
    entry.take(MAX_BYTES).read_to_end(&mut text).map_err(|error| {
        Error::damaged("backup", object, format!("it ends, or breaks off: {error}"))
    })?;
    Manifest::parse(object, &text)
}

/// What is still to come, by path.
struct Reading {
    manifest: Manifest,
    missing: BTreeMap<String, usize>,
    faults: Vec<String>,
}

impl Reading {
    fn of(manifest: Manifest) -> Self {
        let paths = manifest.files.iter().enumerate();
        let missing = paths.map(|(at, file)| (file.path.clone(), at)).collect();
        Self { manifest, missing, faults: Vec::new() }
    }

    /// The path in the data folder.
    fn inner(&self, path: &[u8]) -> Option<RepoPath> {
        let inner = path.strip_prefix(self.manifest.folder.as_bytes())?.strip_prefix(b"/")?;
        RepoPath::new(inner.strip_suffix(b"/").unwrap_or(inner)).ok()
    }

    fn take(
        &mut self,
        path: &RepoPath,
        mode: u32,
        size_bytes: u64,
        bytes: &mut dyn Read,
        taker: &mut dyn Taker,
    ) -> Result<()> {
        let Some(at) = self.missing.remove(&path.to_string()) else {
            self.faults.push(format!("{path} is not in {MANIFEST}, or is there twice"));
            return Ok(());
        };
        let expected = &self.manifest.files[at];
        if size_bytes != expected.size_bytes {
            let (is, was) = (size_bytes, expected.size_bytes);
            self.faults.push(format!("{path} has {is} bytes, and {was} were put in"));
            return Ok(());
        }
        let mut hashing = Hashing { source: bytes, digester: Digester::default() };
        taker.file(path, mode, &mut hashing)?;
        let (sha256, read) = hashing.digester.finish();
        if read != size_bytes || sha256.to_string() != expected.sha256 {
            self.faults.push(format!("{path} is not what was put in: its SHA-256 is {sha256}"));
        }
        Ok(())
    }

    fn finish(mut self) -> Contents {
        let missing = self.missing.keys().map(|path| format!("{path} is missing"));
        self.faults.extend(missing);
        Contents { manifest: self.manifest, faults: self.faults }
    }
}

/// Hashes what is read.
struct Hashing<'a> {
    source: &'a mut dyn Read,
    digester: Digester,
}

impl Read for Hashing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.source.read(buffer)?;
        self.digester.write_all(&buffer[..len])?;
        Ok(len)
    }
}
