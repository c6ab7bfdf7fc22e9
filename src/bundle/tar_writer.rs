//! The tar of a bundle, byte by byte: what is not told by commit, paths, modes and contents is fixed.
//!
//! Headers are GNU tar's; a path or a link's target of more than 100 bytes stands in an entry of its
//! own before, as GNU tar has it. The first entry names the commit, as that of `git archive` does, so
//! that `git get-tar-commit-id` tells it.

use std::io::{self, Write};

use tar::{EntryType, Header};

/// Bytes of a block.
const BLOCK: usize = 512;

/// What a header's own field of a name holds.
const SHORT: usize = 100;

/// What the entry before one with a long name is called.
const LONG_NAME: &[u8] = b"././@LongLink";

/// Writes a tar.
pub(super) struct TarWriter<W> {
    out: W,
    mtime: u64,
}

impl<W: Write> TarWriter<W> {
    /// Begins a tar of `commit` to `out`; all in it is as old as `mtime`.
    pub fn begin(out: W, commit: &str, mtime: u64) -> io::Result<Self> {
        let mut this = Self { out, mtime };
        let record = comment(commit);
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::XGlobalHeader);
        put(&mut header.as_old_mut().name, b"pax_global_header");
        this.header(header, 0o644, record.len() as u64)?;
        this.data(record.as_bytes())?;
        Ok(this)
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: &[u8], target: &[u8]) -> io::Result<()> {
        self.long(EntryType::GNULongLink, target)?;
        self.long(EntryType::GNULongName, path)?;
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Symlink);
        put(&mut header.as_old_mut().name, path);
        put(&mut header.as_old_mut().linkname, target);
        self.header(header, 0o777, 0)
    }

    /// Adds a regular file; `fill` writes its `size_bytes` bytes.
    pub fn file<E: From<io::Error>>(
        &mut self,
        path: &[u8],
        is_executable: bool,
        size_bytes: u64,
        fill: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<(), E> {
        self.long(EntryType::GNULongName, path)?;
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        put(&mut header.as_old_mut().name, path);
        self.header(header, if is_executable { 0o755 } else { 0o644 }, size_bytes)?;
        let mut counted = Counted { out: &mut self.out, written: 0 };
        fill(&mut counted)?;
        let written = counted.written;
        if written != size_bytes {
            let why = format!("{written} bytes came of {size_bytes}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why).into());
        }
        Ok(self.pad(size_bytes)?)
    }

    /// Ends the tar.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        Ok(self.out)
    }

    fn long(&mut self, kind: EntryType, name: &[u8]) -> io::Result<()> {
        if name.len() <= SHORT {
            return Ok(());
        }
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        put(&mut header.as_old_mut().name, LONG_NAME);
        let bytes = [name, b"\0"].concat();
        self.header(header, 0o644, bytes.len() as u64)?;
        self.data(&bytes)
    }

    fn header(&mut self, mut header: Header, mode: u32, size_bytes: u64) -> io::Result<()> {
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(self.mtime);
        header.set_size(size_bytes);
        header.set_cksum();
        self.out.write_all(header.as_bytes())
    }

    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.pad(bytes.len() as u64)
    }

    fn pad(&mut self, size_bytes: u64) -> io::Result<()> {
        let over = usize::try_from(size_bytes % BLOCK as u64).unwrap_or(0);
        let missing = (BLOCK - over) % BLOCK;
        self.out.write_all(&[0; BLOCK][..missing])
    }
}

/// The record that names the commit: its own length, then `comment=`, as POSIX has it.
pub(super) fn comment(commit: &str) -> String {
    let rest = format!(" comment={commit}\n");
    let mut len = rest.len();
    while format!("{len}{rest}").len() != len {
        len += 1;
    }
    format!("{len}{rest}")
}

fn put(field: &mut [u8; SHORT], name: &[u8]) {
    let len = name.len().min(SHORT);
    field[..len].copy_from_slice(&name[..len]);
}

/// Counts what is written.
struct Counted<'a, W> {
    out: &'a mut W,
    written: u64,
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.out.write(bytes)?;
        self.written += len as u64;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_comment_tells_its_own_length() {
        assert_eq!(comment(&"a".repeat(40)).len(), 52);
        assert!(comment(&"a".repeat(40)).starts_with("52 comment=aaaa"));
        for len in 0..1200 {
            let record = comment(&"a".repeat(len));
            let told: usize = record.split(' ').next().unwrap().parse().unwrap();
            assert_eq!(told, record.len());
        }
    }

    #[test]
    fn a_file_has_the_bytes_that_were_announced() {
        let mut tar = TarWriter::begin(Vec::new(), "c", 1).unwrap();
        let short = |out: &mut dyn Write| out.write_all(b"ab");
        assert!(tar.file::<io::Error>(b"x", false, 3, short).is_err());
    }
}
