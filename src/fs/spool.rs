//! A nameless file for what is too much for memory.
//!
//! Promises: nobody else can open it, and it is gone with the last of its parts, however the program
//! ends. It is never synced: what must survive a crash is written elsewhere.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::{TEMP_PREFIX, remove_file};
use crate::error::{Error, Result};
use crate::model::DeedId;

/// So many bytes one command keeps in memory; what comes then goes into the file.
const IN_MEMORY: u64 = 16 << 20;

/// How much is read at once.
const BUFFER_BYTES: usize = 128 << 10;

/// Where a file goes that belongs beside the archive, if no file can be made there.
const ELSEWHERE: [&str; 2] = ["/var/tmp", "/tmp"];

/// One file for all that a command has to put by; made when it is first needed.
#[derive(Debug)]
pub struct Spool {
    folders: Vec<PathBuf>,
    /// Whether it may also stand in a place for temporary files.
    may_leave: bool,
    memory_left: Cell<u64>,
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    file: Option<Arc<File>>,
    end: u64,
}

/// Bytes in a spool.
#[derive(Debug, Clone)]
pub struct Part {
    file: Arc<File>,
    start: u64,
    size_bytes: u64,
}

impl Spool {
    /// A spool in the first of `folders` in which a file can be made.
    pub fn new(folders: Vec<PathBuf>) -> Self {
        let memory_left = Cell::new(IN_MEMORY);
        Self { folders, may_leave: true, memory_left, state: RefCell::default() }
    }

    /// A spool on the file system of `folder`, and nowhere else.
    pub fn only_in(folder: PathBuf) -> Self {
        Self { may_leave: false, ..Self::new(vec![folder]) }
    }

    /// Whether the caller may keep so many more bytes in memory; if so, they are counted.
    pub fn gives_memory(&self, bytes: u64) -> bool {
        let left = self.memory_left.get().checked_sub(bytes);
        left.inspect(|left| self.memory_left.set(*left)).is_some()
    }

    /// Puts by what `fill` writes. Where that fails, nothing was put by.
    pub fn put<T>(&self, fill: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<(Part, T)> {
        let busy = |_| Error::io("write", "spool")(io::ErrorKind::ResourceBusy.into());
        let mut state = self.state.try_borrow_mut().map_err(busy)?;
        let file = match &state.file {
            Some(file) => file.clone(),
            None => state.file.insert(Arc::new(self.file()?)).clone(),
        };
        let mut writer = At { file: &file, at: state.end };
        let value = fill(&mut writer)?;
        let (start, end) = (state.end, writer.at);
        state.end = end;
        Ok((Part { file, start, size_bytes: end - start }, value))
    }
}

impl Spool {
    /// Puts by what `fill` writes into the file from the given place on; it tells how many bytes.
    pub fn put_at(&self, fill: impl FnOnce(&File, u64) -> Result<u64>) -> Result<Part> {
        let busy = |_| Error::io("write", "spool")(io::ErrorKind::ResourceBusy.into());
        let mut state = self.state.try_borrow_mut().map_err(busy)?;
        let file = match &state.file {
            Some(file) => file.clone(),
            None => state.file.insert(Arc::new(self.file()?)).clone(),
        };
        let start = state.end;
        let size_bytes = fill(&file, start)?;
        state.end = start + size_bytes;
        Ok(Part { file, start, size_bytes })
    }

    /// The file itself, where `part` is all that is in it; what is put by later goes into another.
    pub fn give_away(&self, part: &Part) -> Option<Arc<File>> {
        let mut state = self.state.try_borrow_mut().ok()?;
        let is_whole = part.start == 0 && part.size_bytes == state.end;
        let is_ours = state.file.as_ref().is_some_and(|file| Arc::ptr_eq(file, &part.file));
        if !is_whole || !is_ours || part.file.metadata().ok()?.len() != part.size_bytes {
            return None;
        }
        state.end = 0;
        state.file.take()
    }

    fn file(&self) -> Result<File> {
        match self.folders.first() {
            Some(folder) if !self.may_leave => nameless_file_in(folder),
            _ => nameless_file(&self.folders),
        }
    }
}

impl Part {
    /// Fills `buffer` with the bytes from `offset` on.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.size_bytes) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.file.read_exact_at(buffer, self.start + offset)
    }

    /// How many they are.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Writes the bytes to `out`.
    pub fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER_BYTES];
        let (mut at, mut left) = (self.start, self.size_bytes);
        while left > 0 {
            let len = usize::try_from(left).unwrap_or(BUFFER_BYTES).min(BUFFER_BYTES);
            self.file.read_exact_at(&mut buffer[..len], at)?;
            out.write_all(&buffer[..len])?;
            at += len as u64;
            left -= len as u64;
        }
        Ok(())
    }
}

/// Reads a part from its beginning.
#[derive(Debug)]
pub struct PartReader<'a> {
    part: &'a Part,
    at: u64,
}

impl Part {
    /// Reads the bytes.
    pub fn reader(&self) -> PartReader<'_> {
        PartReader { part: self, at: 0 }
    }
}

impl Read for PartReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.part.size_bytes - self.at;
        let len = usize::try_from(left).unwrap_or(buffer.len()).min(buffer.len());
        let read = self.part.file.read_at(&mut buffer[..len], self.part.start + self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Writes at a place of a file.
struct At<'a> {
    file: &'a File,
    at: u64,
}

impl Write for At<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write_at(bytes, self.at)?;
        self.at += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A nameless file with what `fill` writes, to be read from its beginning by another program.
pub fn nameless_file_with(
    folder: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<File> {
    let mut file = nameless_file(&[folder.to_path_buf()])?;
    fill(&mut file).and_then(|()| file.rewind()).map_err(Error::io("write in", folder))?;
    Ok(file)
}

/// An empty file without a name: beside the archive, or where nothing can be made there, in a place
/// for temporary files.
fn nameless_file(folders: &[PathBuf]) -> Result<File> {
    let mut failure = None;
    for folder in folders.iter().map(PathBuf::as_path).chain(ELSEWHERE.map(Path::new)) {
        match nameless_file_in(folder) {
            Ok(file) => return Ok(file),
            // The first is where it belongs: that it fails there is worth telling.
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    Err(failure.unwrap_or_else(|| Error::io("create", "spool")(io::ErrorKind::NotFound.into())))
}

/// An empty file without a name on the file system of `folder`, and nowhere else: for what may not
/// come to stand in a place for temporary files.
pub fn nameless_file_in(folder: &Path) -> Result<File> {
    let failed = |errno: Errno| Error::io("create a file in", folder)(errno.into());
    let (flags, owner) = (OFlags::RDWR | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR);
    #[cfg(target_os = "linux")]
    match rustix::fs::open(folder, flags | OFlags::TMPFILE, owner) {
        // The file system does not know how.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) if folder.is_dir() => {}
        done => return done.map(File::from).map_err(failed),
    }
    let name = folder.join(format!("{TEMP_PREFIX}{}", &DeedId::random().to_string()[..13]));
    let file = rustix::fs::open(&name, flags | OFlags::CREATE | OFlags::EXCL, owner);
    let file = file.map(File::from).map_err(failed)?;
    remove_file(&name)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of(part: &Part) -> Vec<u8> {
        let mut bytes = Vec::new();
        part.write_to(&mut bytes).unwrap();
        bytes
    }

    fn put(spool: &Spool, bytes: &[u8]) -> Part {
        let fill = |out: &mut dyn Write| out.write_all(bytes).map_err(Error::io("write", "spool"));
        spool.put(fill).unwrap().0
    }

    #[test]
    fn parts_come_back_and_leave_no_name() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::new(vec![dir.path().join("none"), dir.path().to_path_buf()]);
        let large: Vec<u8> = (0..3 * BUFFER_BYTES + 7).map(|n| (n % 251) as u8).collect();
        let (first, empty) = (put(&spool, &large), put(&spool, b""));
        let failed = spool.put(|out| {
            out.write_all(b"half").map_err(Error::io("write", "spool"))?;
            Err::<(), _>(Error::Missing { what: "the rest" })
        });
        assert!(failed.is_err());
        let last = put(&spool, b"last");
        drop(spool);
        assert_eq!(bytes_of(&first), large);
        assert_eq!((bytes_of(&empty), bytes_of(&last)), (Vec::new(), b"last".to_vec()));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn memory_is_given_once() {
        let spool = Spool::new(Vec::new());
        assert!(!spool.gives_memory(IN_MEMORY + 1));
        assert!(spool.gives_memory(IN_MEMORY - 1) && spool.gives_memory(1));
        assert!(!spool.gives_memory(1) && spool.gives_memory(0));
    }

    #[test]
    fn another_program_reads_from_the_beginning() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = nameless_file_with(dir.path(), |out| out.write_all(b"content")).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "content");
    }
}
