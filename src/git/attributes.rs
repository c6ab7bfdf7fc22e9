//! Attributes of paths, in the work tree or at a commit.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::Repository;
use super::plumbing::{self, UNKNOWN_OPTION};
use crate::error::{Error, Result};
use crate::fs::{TEMP_PREFIX, remove_file};
use crate::model::{DeedId, GitOid, RepoPath};

const ACTION: &str = "read the attributes";

/// Whose `.gitattributes` files count; the clone's own and the user's count always.
#[derive(Debug, Clone, Copy)]
pub enum AttributeSource<'a> {
    /// Those of the work tree, and where one is missing that of the index.
    WorkTree,
    /// Those of a commit.
    Commit(&'a GitOid),
}

impl Repository {
    /// For each of `paths` one value for each of `names`: `unspecified`, `set`, `unset`, or the
    /// attribute's value.
    pub fn attributes(
        &self,
        paths: &[RepoPath],
        names: &[&str],
        source: AttributeSource<'_>,
    ) -> Result<Vec<Vec<String>>> {
        if paths.is_empty() || names.is_empty() {
            return Ok(vec![Vec::new(); paths.len()]);
        }
        let mut input = Vec::new();
        for path in paths {
            input.extend_from_slice(path.as_bytes());
            input.push(0);
        }
        let answer = match source {
            AttributeSource::WorkTree => {
                plumbing::run_checked(ACTION, self.check_attr(names, &[]), &input)?
            }
            AttributeSource::Commit(commit) => self.attributes_at(commit, names, &input)?,
        };
        parse(&answer, paths, names)
    }

    pub(super) fn check_attr(&self, names: &[&str], options: &[&str]) -> Command {
        let mut command = self.reading(["check-attr", "-z", "--stdin"]);
        command.args(options).args(names);
        command
    }

    fn attributes_at(&self, commit: &GitOid, names: &[&str], input: &[u8]) -> Result<Vec<u8>> {
        // git takes a commit that it does not have for one without attributes.
        if self.peel(commit)?.is_none() {
            let detail = format!("the commit {commit} is missing");
            return Err(Error::Git { action: ACTION, detail });
        }
        let source = format!("--source={commit}");
        let output = plumbing::run(ACTION, self.check_attr(names, &[&source]), input)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        if output.status.code() != Some(UNKNOWN_OPTION) {
            return Err(plumbing::failure(ACTION, &output));
        }
        // git before 2.40 knows attributes of the index only: so give it one.
        let index = TempIndex::beside(&self.git_dir);
        let mut command = self.writing(["read-tree", &commit.to_string()]);
        command.env("GIT_INDEX_FILE", &index.0);
        plumbing::run_checked(ACTION, command, &[])?;
        let mut command = self.check_attr(names, &["--cached"]);
        command.env("GIT_INDEX_FILE", &index.0);
        plumbing::run_checked(ACTION, command, input)
    }
}

/// An index of our own, which goes away with this value.
struct TempIndex(PathBuf);

impl TempIndex {
    fn beside(git_dir: &std::path::Path) -> Self {
        Self(git_dir.join(format!("{TEMP_PREFIX}{}", DeedId::random())))
    }
}

impl Drop for TempIndex {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.0).is_ok() {
            let _ = remove_file(&self.0);
        }
    }
}

/// Parses `<path>` NUL `<name>` NUL `<value>` NUL for each path and name.
pub(super) fn parse(answer: &[u8], paths: &[RepoPath], names: &[&str]) -> Result<Vec<Vec<String>>> {
    let fields = plumbing::fields(ACTION, answer)?;
    if fields.len() != paths.len() * names.len() * 3 {
        return Err(plumbing::odd_answer(ACTION, answer));
    }
    let mut answers = fields.chunks(3);
    let mut values = Vec::with_capacity(paths.len());
    for path in paths {
        let mut of_path = Vec::with_capacity(names.len());
        for name in names {
            match answers.next() {
                Some([p, n, value]) if *p == path.as_bytes() && *n == name.as_bytes() => {
                    of_path.push(String::from_utf8_lossy(value).into_owned());
                }
                _ => return Err(plumbing::odd_answer(ACTION, answer)),
            }
        }
        values.push(of_path);
    }
    Ok(values)
}
