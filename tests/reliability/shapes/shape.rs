//! One shape of a repository: how it is made, which file of it is archived, and what must come of
//! that.

use std::ffi::{OsStr, OsString};

use super::state::State;
use crate::common::{Outcome, TestRepo};

/// What must come of `store`.
#[derive(Debug, Clone, Copy)]
pub enum Expect {
    /// It is archived, and can be put back.
    Archived,
    /// It ends with this code and says these words; nothing is changed.
    Refused(i32, &'static str),
}

/// A repository, and the file of it that is to be archived.
#[derive(Debug, Clone)]
pub struct Shape {
    /// The repository, seen from where the command is typed.
    pub repo: TestRepo,
    /// The file, from the top of the work tree.
    pub path: OsString,
    /// The file as it is typed.
    pub typed: OsString,
    /// What stands between `git` and `codex-archive`.
    pub settings: Vec<&'static str>,
    /// Further options of `store`.
    pub options: Vec<&'static str>,
    /// The content that must be archived; `None` means the blob in the index.
    pub content: Option<Vec<u8>>,
    /// The arguments of the `git commit` that follows.
    pub commit: Vec<OsString>,
    /// Files that the deed changes beside the path and `.codex`.
    pub also: Vec<&'static str>,
    /// Whether the restored file has the blob's bytes, where the work tree had others.
    pub gets_blob: bool,
    /// Whether a conflict elsewhere keeps git from committing.
    pub unresolved: bool,
}

impl Shape {
    /// `src/old.py` of `repo`, typed at its top.
    pub fn of(repo: TestRepo) -> Self {
        Self::at(repo, "src/old.py")
    }

    /// `path` of `repo`, typed at its top.
    pub fn at(repo: TestRepo, path: impl AsRef<OsStr>) -> Self {
        let path = path.as_ref().to_owned();
        Self {
            repo,
            typed: path.clone(),
            path,
            settings: Vec::new(),
            options: Vec::new(),
            content: None,
            commit: vec!["-m".into(), "archive".into()],
            also: Vec::new(),
            gets_blob: false,
            unresolved: false,
        }
    }

    /// The same, typed otherwise.
    pub fn typed(mut self, typed: impl AsRef<OsStr>) -> Self {
        self.typed = typed.as_ref().to_owned();
        self
    }

    /// The same with `-c` and its like.
    pub fn with_settings(mut self, settings: &[&'static str]) -> Self {
        self.settings = settings.to_vec();
        self
    }

    /// The same with options of `store`.
    pub fn with_options(mut self, options: &[&'static str]) -> Self {
        self.options = options.to_vec();
        self
    }

    /// The same, committed in this way.
    pub fn committed_by<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.commit = arguments.into_iter().map(|it| it.as_ref().to_owned()).collect();
        self
    }

    /// The same; a restored file has the blob's bytes.
    pub fn gets_blob(mut self) -> Self {
        self.gets_blob = true;
        self
    }

    /// The same; a conflict elsewhere keeps git from committing.
    pub fn unresolved(mut self) -> Self {
        self.unresolved = true;
        self
    }

    /// The same, freed of its filters; `content` is what must be archived, unless it is the blob.
    pub fn detached(mut self, attributes: &'static str, content: Option<&[u8]>) -> Self {
        self.options.push("--detach-attributes");
        self.also.push(attributes);
        self.content = content.map(<[u8]>::to_vec);
        self
    }

    /// Runs `git codex-archive` as this shape's user would.
    pub fn archive<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Outcome {
        let mut line: Vec<OsString> = self.settings.iter().map(OsString::from).collect();
        line.push("codex-archive".into());
        line.extend(arguments.into_iter().map(|it| it.as_ref().to_owned()));
        self.repo.git(line)
    }

    /// All that must be left alone.
    pub fn state(&self) -> State {
        State::of(&self.repo, &self.settings)
    }

    /// Archives the file.
    pub fn store(&self) -> Outcome {
        let mut line: Vec<OsString> = vec!["store".into(), "_codex_".into()];
        line.extend(["--reason", "pruned"].map(OsString::from));
        line.extend(self.options.iter().map(OsString::from));
        line.extend(["--".into(), self.typed.clone()]);
        self.archive(line)
    }
}
