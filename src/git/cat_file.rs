//! Reading objects through git, for those that libgit2 cannot read.
//!
//! Two children stay alive and answer one question after another; git fetches what a partial
//! clone lacks.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use super::Repository;
use super::plumbing;
use crate::error::{Error, Result};
use crate::model::GitOid;

const ACTION: &str = "read an object";

/// The kind of an object, in git's word.
pub(super) type Kind = &'static str;

/// The children of one handle, each started when it is first needed.
#[derive(Default)]
pub(super) struct CatFiles {
    contents: Option<CatFile>,
    headers: Option<CatFile>,
}

struct CatFile {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Repository {
    /// Kind and bytes of an object; `None` when git does not have it either.
    pub(super) fn cat_object(&self, oid: &GitOid) -> Result<Option<(Kind, Vec<u8>)>> {
        let mut files = self.cat_files.borrow_mut();
        let answer = self.ask(&mut files.contents, "--batch", oid, CatFile::contents)?;
        if let Some((kind, data)) = &answer
            && self.hash_object(kind, data) != *oid
        {
            return Err(Error::damaged("object", oid.to_string(), "its bytes have another id"));
        }
        Ok(answer)
    }

    /// Kind and size in bytes of an object; `None` when git does not have it either.
    pub(super) fn cat_header(&self, oid: &GitOid) -> Result<Option<(Kind, u64)>> {
        let mut files = self.cat_files.borrow_mut();
        self.ask(&mut files.headers, "--batch-check", oid, CatFile::header)
    }

    fn ask<T>(
        &self,
        slot: &mut Option<CatFile>,
        option: &str,
        oid: &GitOid,
        question: impl FnOnce(&mut CatFile, &GitOid) -> io::Result<T>,
    ) -> Result<T> {
        let mut file = match slot.take() {
            Some(file) => file,
            None => self.start(option).map_err(|error| plumbing::cannot_run(ACTION, &error))?,
        };
        let answer = question(&mut file, oid)
            .map_err(|error| Error::Git { action: ACTION, detail: format!("{oid}: {error}") })?;
        // Only a child that answered is asked again; one that failed is out of step.
        *slot = Some(file);
        Ok(answer)
    }

    fn start(&self, option: &str) -> io::Result<CatFile> {
        let mut command = self.reading(["cat-file", option]);
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let input = child.stdin.take();
        let output = child.stdout.take().ok_or_else(|| io::Error::other("no output"))?;
        Ok(CatFile { child, input, output: BufReader::new(output) })
    }
}

impl CatFile {
    fn header(&mut self, oid: &GitOid) -> io::Result<Option<(Kind, u64)>> {
        let name = oid.to_string();
        let input = self.input.as_mut().ok_or_else(|| io::Error::other("no input"))?;
        input.write_all(format!("{name}\n").as_bytes())?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let mut words = line.trim_end_matches('\n').split(' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some(first), Some("missing"), None, None) if first == name => Ok(None),
            (Some(first), Some(kind), Some(size), None) if first == name => {
                let kind = ["blob", "tree", "commit", "tag"].into_iter().find(|it| *it == kind);
                match (kind, size.parse()) {
                    (Some(kind), Ok(size)) => Ok(Some((kind, size))),
                    _ => Err(io::Error::other("an odd answer of git cat-file")),
                }
            }
            _ if line.is_empty() => Err(io::Error::other("git cat-file gave up")),
            _ => Err(io::Error::other("an odd answer of git cat-file")),
        }
    }

    fn contents(&mut self, oid: &GitOid) -> io::Result<Option<(Kind, Vec<u8>)>> {
        let Some((kind, size)) = self.header(oid)? else { return Ok(None) };
        let mut data = Vec::new();
        (&mut self.output).take(size).read_to_end(&mut data)?;
        let mut end = [0];
        self.output.read_exact(&mut end)?;
        if data.len() as u64 != size || end != [b'\n'] {
            return Err(io::Error::other("an odd answer of git cat-file"));
        }
        Ok(Some((kind, data)))
    }
}

impl Drop for CatFile {
    fn drop(&mut self) {
        // The end of its input ends it. It only reads, so it may be killed as well: one that is
        // blocked in mid-answer would not see the end.
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
