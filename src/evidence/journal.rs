//! The journal: what this clone wrote, in order, one line a record, only ever added to.
//!
//! A crash may leave a torn last line: it is told apart from every other damage, and the next
//! append cuts it off. The table is the authority; the journal can always be written anew from it.
//! Nobody else may write while one appends: the caller holds the archive's lock.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::fields::RecordFault;
use super::record::{MAX_LINE_BYTES, Record};
use crate::error::{Error, Result};
use crate::fs::{self, Executable, TempFile};
use crate::model::Digest;

const CHUNK_BYTES: u64 = 64 * 1024;

/// The file `archive_ops.jsonl`.
#[derive(Debug, Clone)]
pub struct Journal {
    path: PathBuf,
}

/// The end of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// The last line that has a line feed.
    pub last: LastLine,
    /// How many bytes follow it without one: a crash tore the line.
    pub torn_bytes: u64,
}

/// The last whole line of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LastLine {
    /// There is no file.
    Absent,
    /// There is a file, but no whole line in it.
    Empty,
    /// A line.
    Line {
        /// The digest of its bytes.
        digest: Digest,
        /// The record it is, or why it is none.
        record: std::result::Result<Box<Record>, RecordFault>,
    },
}

/// A line of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalLine {
    /// From 1.
    pub number: u64,
    /// Its bytes without the line feed; of a line beyond 64 KiB the first 64 KiB and one more.
    pub bytes: Vec<u8>,
    /// Whether it is the last and has no line feed.
    pub is_torn: bool,
}

impl JournalLine {
    /// The record it is, with its digest.
    pub fn record(&self) -> std::result::Result<(Record, Digest), RecordFault> {
        Ok((Record::parse(&self.bytes)?, Digest::of(&self.bytes)))
    }
}

impl Journal {
    /// The journal at `path`, which need not exist; never a symbolic link.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it stands.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds `lines` (each without its line feed) in one write, and makes them durable. A torn last
    /// line is cut off before. The file and its folder are created when they are missing.
    pub fn append(&self, lines: &[String]) -> Result<()> {
        let mut bytes = Vec::with_capacity(lines.iter().map(|line| line.len() + 1).sum());
        for line in lines {
            check_line(line)?;
            bytes.extend_from_slice(line.as_bytes());
            bytes.push(b'\n');
        }
        if bytes.is_empty() {
            return Ok(());
        }
        self.mend_tail()?;
        fs::append_synced(&self.path, &bytes)
    }

    /// The end of the journal; reads no more of the file than that.
    pub fn tail(&self) -> Result<Tail> {
        let Some((mut file, len)) = self.open()? else {
            return Ok(Tail { last: LastLine::Absent, torn_bytes: 0 });
        };
        last_line(&mut file, len).map_err(Error::io("read", &self.path))
    }

    /// All lines from the first on; none when there is no file.
    pub fn lines(&self) -> Result<JournalLines> {
        let file = self.open()?.map(|(file, _)| BufReader::new(file));
        Ok(JournalLines { path: self.path.clone(), file, number: 0 })
    }

    /// Replaces the journal by `lines`; after a crash the old or the new file is there.
    pub fn rewrite(&self, lines: impl IntoIterator<Item = Result<String>>) -> Result<()> {
        let folder = fs::folder_of(&self.path);
        fs::create_folders(folder)?;
        let mut temp = TempFile::create(folder, Executable::No)?;
        let mut out = BufWriter::new(temp.file()?);
        for line in lines {
            let line = line?;
            check_line(&line)?;
            writeln!(out, "{line}").map_err(Error::io("write", &self.path))?;
        }
        out.flush().map_err(Error::io("write", &self.path))?;
        drop(out);
        temp.sync()?;
        temp.publish(&self.path)?;
        fs::sync_folder(folder)
    }

    fn open(&self) -> Result<Option<(File, u64)>> {
        match File::open(&self.path).and_then(|file| file.metadata().map(|meta| (file, meta.len())))
        {
            Ok(opened) => Ok(Some(opened)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &self.path)(error)),
        }
    }

    fn mend_tail(&self) -> Result<()> {
        let Some((mut file, len)) = self.open()? else {
            return fs::create_folders(fs::folder_of(&self.path));
        };
        let end = end_of_lines(&mut file, len).map_err(Error::io("read", &self.path))?;
        if end < len { fs::truncate_synced(&self.path, end) } else { Ok(()) }
    }
}

/// A line feed inside would make two lines of one record.
fn check_line(line: &str) -> Result<()> {
    if line.is_empty() || line.contains('\n') {
        return Err(Error::invalid(
            "journal line",
            line.escape_debug().to_string(),
            "it is no line",
        ));
    }
    Ok(())
}

/// Where the last line feed before `end` stands.
fn line_feed_before(file: &mut File, end: u64) -> io::Result<Option<u64>> {
    let mut end = end;
    while end > 0 {
        let start = end.saturating_sub(CHUNK_BYTES);
        let chunk = read_range(file, start, end)?;
        if let Some(at) = chunk.iter().rposition(|byte| *byte == b'\n') {
            return Ok(Some(start + at as u64));
        }
        end = start;
    }
    Ok(None)
}

/// Where the last whole line ends, its line feed included.
fn end_of_lines(file: &mut File, len: u64) -> io::Result<u64> {
    Ok(line_feed_before(file, len)?.map_or(0, |at| at + 1))
}

fn read_range(file: &mut File, start: u64, end: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    file.take(end - start).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn last_line(file: &mut File, len: u64) -> io::Result<Tail> {
    let end = end_of_lines(file, len)?;
    let torn_bytes = len - end;
    if end == 0 {
        return Ok(Tail { last: LastLine::Empty, torn_bytes });
    }
    let start = end_of_lines(file, end - 1)?;
    let (digest, record) = if end - 1 - start > MAX_LINE_BYTES as u64 {
        (digest_of_range(file, start, end - 1)?, Err(RecordFault::TooLong))
    } else {
        let line = read_range(file, start, end - 1)?;
        (Digest::of(&line), Record::parse(&line).map(Box::new))
    };
    Ok(Tail { last: LastLine::Line { digest, record }, torn_bytes })
}

/// The digest of bytes that may be too many to hold.
fn digest_of_range(file: &mut File, start: u64, end: u64) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    let mut start = start;
    while start < end {
        let chunk = read_range(file, start, end.min(start + CHUNK_BYTES))?;
        if chunk.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        start += chunk.len() as u64;
        hasher.update(&chunk);
    }
    Ok(Digest::from_bytes(hasher.finalize().into()))
}

/// Goes through the lines of a journal; holds one at a time, at most 64 KiB of it.
#[derive(Debug)]
pub struct JournalLines {
    path: PathBuf,
    file: Option<BufReader<File>>,
    number: u64,
}

impl JournalLines {
    fn read_line(file: &mut BufReader<File>) -> io::Result<(Vec<u8>, bool)> {
        let mut bytes = Vec::new();
        let limit = MAX_LINE_BYTES as u64 + 1;
        file.take(limit).read_until(b'\n', &mut bytes)?;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            return Ok((bytes, true));
        }
        let mut has_line_feed = false;
        if bytes.len() as u64 == limit {
            file.skip_until(b'\n')?;
            file.seek_relative(-1)?;
            let mut last = [0];
            file.read_exact(&mut last)?;
            has_line_feed = last == *b"\n";
        }
        Ok((bytes, has_line_feed))
    }
}

impl Iterator for JournalLines {
    type Item = Result<JournalLine>;

    fn next(&mut self) -> Option<Self::Item> {
        let (bytes, has_line_feed) = match Self::read_line(self.file.as_mut()?) {
            Ok((bytes, false)) if bytes.is_empty() => return None,
            Ok(line) => line,
            Err(error) => {
                self.file = None;
                return Some(Err(Error::io("read", &self.path)(error)));
            }
        };
        self.number += 1;
        Some(Ok(JournalLine { number: self.number, bytes, is_torn: !has_line_feed }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::evidence::{Action, Event, Head, link};
    use crate::model::{DeedId, LogId};

    fn sealed() -> (tempfile::TempDir, Journal) {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::at(dir.path().join("codex-archive/archive_ops.jsonl"));
        (dir, journal)
    }

    fn lines(count: usize) -> Vec<String> {
        let ts = Timestamp::from_unix_ms(1_795_253_290_007);
        let events = vec![Event::new(Action::Archive, "marc"); count];
        let log = link(Head::empty(LogId::random()), DeedId::random(), ts, events).unwrap();
        log.iter().map(|(record, _)| record.render().unwrap()).collect()
    }

    fn read(journal: &Journal) -> Vec<String> {
        let line = |line: Result<JournalLine>| String::from_utf8(line.unwrap().bytes).unwrap();
        journal.lines().unwrap().map(line).collect()
    }

    fn digest(tail: &Tail) -> Digest {
        match &tail.last {
            LastLine::Line { digest, .. } => *digest,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn appending_adds_and_the_tail_is_the_last_line() {
        let (_dir, journal) = sealed();
        assert_eq!(journal.tail().unwrap(), Tail { last: LastLine::Absent, torn_bytes: 0 });
        assert_eq!(read(&journal), Vec::<String>::new());
        let lines = lines(5);
        journal.append(&lines[..2]).unwrap();
        journal.append(&[]).unwrap();
        journal.append(&lines[2..]).unwrap();
        assert_eq!(read(&journal), lines);
        let tail = journal.tail().unwrap();
        assert_eq!(digest(&tail), Digest::of(lines[4].as_bytes()));
        assert!(matches!(tail.last, LastLine::Line { record: Ok(it), .. } if it.seq == 5));
    }

    #[test]
    fn a_torn_line_is_told_and_mended_wherever_it_was_torn() {
        let (_dir, journal) = sealed();
        let lines = lines(3);
        let whole = format!("{}\n{}\n{}\n", lines[0], lines[1], lines[2]);
        let second_end = lines[0].len() + lines[1].len() + 2;
        for at in [0, 1, lines[0].len(), second_end, second_end + 7, whole.len() - 1] {
            fs::create_folders(fs::folder_of(journal.path())).unwrap();
            std::fs::write(journal.path(), &whole[..at]).unwrap();
            let end = whole[..at].rfind('\n').map_or(0, |at| at + 1);
            let tail = journal.tail().unwrap();
            assert_eq!(tail.torn_bytes, (at - end) as u64);
            assert_eq!(matches!(tail.last, LastLine::Empty), end == 0);
            let torn = journal.lines().unwrap().filter(|it| it.as_ref().unwrap().is_torn).count();
            assert_eq!(torn, usize::from(at > end));
            journal.append(&lines[2..]).unwrap();
            let expected = format!("{}{}\n", &whole[..end], lines[2]);
            assert_eq!(std::fs::read_to_string(journal.path()).unwrap(), expected);
        }
    }

    #[test]
    fn a_line_without_end_is_named_and_costs_no_memory() {
        let (_dir, journal) = sealed();
        let long = "x".repeat(300_000);
        journal.append(&[lines(1).remove(0), long.clone()]).unwrap();
        let tail = journal.tail().unwrap();
        assert_eq!(digest(&tail), Digest::of(long.as_bytes()));
        assert!(matches!(tail.last, LastLine::Line { record: Err(RecordFault::TooLong), .. }));
        let all: Vec<_> = journal.lines().unwrap().map(Result::unwrap).collect();
        assert_eq!(all.len(), 2);
        assert_eq!(all[1].bytes.len(), MAX_LINE_BYTES + 1);
        assert_eq!(all[1].record(), Err(RecordFault::TooLong));
        assert!(!all[1].is_torn);
        // Torn in the long line: the first line stays.
        let len = std::fs::metadata(journal.path()).unwrap().len();
        fs::truncate_synced(journal.path(), len - 1).unwrap();
        assert!(journal.lines().unwrap().last().unwrap().unwrap().is_torn);
        assert_eq!(journal.tail().unwrap().torn_bytes, 300_000);
        journal.append(&lines(1)).unwrap();
        assert_eq!(read(&journal).len(), 2);
    }

    #[test]
    fn the_longest_line_and_the_one_beyond() {
        let (_dir, journal) = sealed();
        for extra in [0, 1, 2] {
            let line = "x".repeat(MAX_LINE_BYTES + extra);
            journal.rewrite([Ok(line.clone()), Ok("y".to_owned())]).unwrap();
            let all: Vec<_> = journal.lines().unwrap().map(Result::unwrap).collect();
            assert_eq!(all.len(), 2, "{extra}");
            assert_eq!(all[0].bytes.len(), (MAX_LINE_BYTES + extra).min(MAX_LINE_BYTES + 1));
            assert_eq!(all[1].bytes, b"y");
        }
    }

    #[test]
    fn rewriting_replaces_all_of_it_or_nothing() {
        let (_dir, journal) = sealed();
        let lines = lines(3);
        journal.append(&lines).unwrap();
        let failing = [Ok("x".to_owned()), Err(Error::Missing { what: "it" })];
        assert!(journal.rewrite(failing).is_err());
        assert_eq!(read(&journal), lines);
        journal.rewrite(lines[1..].iter().cloned().map(Ok)).unwrap();
        assert_eq!(read(&journal), lines[1..]);
        let folder = fs::folder_of(journal.path());
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_line_is_not_written() {
        let (_dir, journal) = sealed();
        assert!(journal.append(&["a\nb".to_owned()]).is_err());
        assert!(journal.append(&[String::new()]).is_err());
        assert!(!journal.path().exists());
    }
}
