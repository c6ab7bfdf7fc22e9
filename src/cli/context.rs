//! What a command works in: the repository, its configuration, and who is at the keyboard.

use std::path::{Path, PathBuf};

use super::hints::Place;
use super::ui::Ui;
use crate::archive::{Archive, Opening, Workspace};
use crate::config::{BackendKind, Environment};
use crate::error::{Error, Result};
use crate::model::Actor;

/// What a command works in.
pub struct Context<'a> {
    /// The repository, or a plain folder.
    pub workspace: Workspace,
    /// The mouth.
    pub ui: &'a Ui,
    environment: Environment,
    file: Option<PathBuf>,
}

impl<'a> Context<'a> {
    /// Opens what is around the current directory; `file` is `--config`, `flags` are keys that
    /// options set.
    pub fn open(ui: &'a Ui, file: Option<&Path>, flags: &[(&'static str, String)]) -> Result<Self> {
        let environment = Environment::read();
        let cwd = std::env::current_dir().map_err(Error::io("open", "."))?;
        let opening = Opening { cwd: &cwd, file, flags, environment: environment.clone() };
        let workspace = Workspace::open(opening)?;
        ui.verbose(|| format!("work tree {}", workspace.top.display()));
        ui.verbose(|| match workspace.archive_place() {
            Ok(place) => format!("archive {place}"),
            Err(error) => format!("archive: {error}"),
        });
        Ok(Self { workspace, ui, environment, file: file.map(Path::to_path_buf) })
    }

    /// The same once more, after the configuration was written.
    pub fn reopen(&self) -> Result<Self> {
        Self::open(self.ui, self.file.as_deref(), &[])
    }

    /// The same repository with another archive, at `url` or, where that is `env:NAME`, at the URL in
    /// that environment variable.
    pub fn at(&self, url: &str) -> Result<Self> {
        let url = match url.strip_prefix("env:") {
            None => url.to_owned(),
            Some(name) => std::env::var(name).map_err(|_| {
                Error::invalid("URL", format!("env:{name}"), "no such variable is set, in UTF-8")
            })?,
        };
        let backend = match BackendKind::of_url(&url) {
            Some(kind) => vec![("backend.backend", kind.to_string())],
            None => Vec::new(),
        };
        let flags: Vec<_> = [("backend.url", url)].into_iter().chain(backend).collect();
        Self::open(self.ui, self.file.as_deref(), &flags)
    }

    /// Who does it: `--by`, else `CODEX_ACTOR`, else git's `user.email`.
    pub fn actor(&self, by: Option<&str>) -> Result<Actor> {
        if let Some(name) = by {
            return Actor::new(name);
        }
        if let Some(name) = self.environment.actor() {
            return Actor::new(&name);
        }
        let email = match &self.workspace.repository {
            Some(repository) => repository.setting("user.email")?,
            None => None,
        };
        match email.filter(|email| !email.trim().is_empty()) {
            Some(email) => Actor::new(&email),
            None => Err(Error::Missing { what: "the actor (`--by`, CODEX_ACTOR or user.email)" }),
        }
    }

    /// The value of a variable that a command needs; an empty one counts as unset.
    pub fn variable(&self, name: &'static str) -> Result<Option<String>> {
        let text = |value: &std::ffi::OsStr| {
            let text = value.to_str().map(str::to_owned);
            text.ok_or_else(|| Error::invalid("variable", name, "it is not UTF-8"))
        };
        self.environment.get(name).map(text).transpose()
    }

    /// Variables of the environment that begin like ours and mean nothing.
    pub fn unknown_variables(&self) -> Vec<(String, Option<&'static str>)> {
        self.environment.unknown()
    }

    /// The archive, for reading; `None` where there is none yet.
    pub fn archive(&self) -> Result<Option<Archive>> {
        match Archive::open(&self.workspace) {
            Ok(archive) => Ok(Some(archive)),
            Err(Error::NoArchive { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Where an error of this command was met.
    pub fn place(&self) -> Place {
        let below = self.workspace.cwd.strip_prefix(&self.workspace.top);
        let below_top = below.map(Path::to_path_buf).unwrap_or_default();
        Place { arguments: std::env::args_os().skip(1).collect(), below_top }
    }
}
