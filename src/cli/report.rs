//! What a command gives back, and what becomes of an error: words, hints and the exit code.

use std::error::Error as _;

use serde::{Serialize, Serializer};

use super::hints::{Place, hints};
use super::text::{BAD, FAINT, PLAIN, Text};
use crate::archive::Content;
use crate::error::{Error, ErrorKind};

/// What sort of report it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// What was asked for; shown even with `-q`.
    Answer,
    /// What was done.
    Deed,
    /// What was done, in JSON where a program reads it.
    JsonToPrograms,
    /// What was asked for, in JSON.
    Json,
    /// What was seen in passing; for standard error.
    Aside,
}

/// What a command gives back.
pub trait Report: Serialize {
    /// Writes it for people.
    fn write_human(&self, out: &mut Text);

    /// What sort of report it is.
    fn form(&self) -> Form {
        Form::Answer
    }

    /// Raw bytes for standard output; the report then goes to standard error.
    fn content(&self) -> Option<&Content> {
        None
    }

    /// The exit code: 0 unless the command found something.
    fn exit_code(&self) -> u8 {
        0
    }
}

/// An error on its way to the user.
#[derive(Debug)]
pub struct Failure {
    cause: Cause,
    hints: Vec<String>,
}

#[derive(Debug)]
enum Cause {
    /// The library's.
    Library(Error),
    /// The command line makes no sense; in the words of its parser.
    Usage(String),
}

impl Failure {
    /// What becomes of `error`, which was met at `place`.
    pub fn new(error: Error, place: &Place) -> Self {
        let hints = hints(&error, place);
        Self { cause: Cause::Library(error), hints }
    }

    /// A command line that makes no sense, and what to type to learn more.
    pub fn usage(message: &str, hint: String) -> Self {
        Self { cause: Cause::Usage(message.to_owned()), hints: vec![hint] }
    }

    fn kind(&self) -> ErrorKind {
        match &self.cause {
            Cause::Library(error) => error.kind(),
            Cause::Usage(_) => ErrorKind::Usage,
        }
    }

    /// The exit code of the error's kind.
    pub fn exit_code(&self) -> u8 {
        self.kind().exit_code()
    }

    /// What went wrong, without its causes.
    pub fn message(&self) -> String {
        match &self.cause {
            Cause::Library(error) => error.to_string(),
            Cause::Usage(message) => message.clone(),
        }
    }

    fn causes(&self) -> Vec<String> {
        let Cause::Library(error) = &self.cause else { return Vec::new() };
        let first: Option<&dyn std::error::Error> = error.source();
        let causes =
            std::iter::successors(first, |cause: &&dyn std::error::Error| (*cause).source());
        causes.map(ToString::to_string).collect()
    }

    /// Logs it as the failure of `command`.
    pub fn log(&self, command: &str) {
        let (kind, exit, message) = (self.kind().word(), self.exit_code(), self.message());
        let causes = Some(self.causes().join(": ")).filter(|words| !words.is_empty());
        tracing::error!(command, kind, exit, causes, message);
    }

    /// Which part of the program, or below it, said what: the message first, then each cause.
    fn layers(&self) -> Vec<&'static str> {
        let Cause::Library(error) = &self.cause else { return vec!["command line"] };
        let first: Option<&(dyn std::error::Error + 'static)> = error.source();
        let causes = std::iter::successors(first, |cause| (*cause).source());
        let below = causes.map(|cause| match (cause.is::<std::io::Error>(), error) {
            (true, _) => "operating system",
            (false, Error::Backend { .. } | Error::Unreachable { .. }) => "database driver",
            _ => "library",
        });
        std::iter::once(layer(error)).chain(below).collect()
    }

    /// Writes which layers had a part in it, for whoever looks for a mistake.
    pub fn write_layers(&self, out: &mut Text) {
        let layers = self.layers().join(" < ");
        let kind = format!("debug: kind {}, exit code {}, ", self.kind().word(), self.exit_code());
        let again = match &self.cause {
            Cause::Library(error) if error.failure() != crate::error::Failure::Lasting => {
                ", may pass by itself"
            }
            _ => "",
        };
        out.parts(&[(FAINT, &kind), (PLAIN, &format!("layers: {layers}{again}"))]);
    }

    /// Writes it for people.
    pub fn write_human(&self, out: &mut Text) {
        let message = self.message();
        let mut lines = message.lines().filter(|line| !line.trim().is_empty());
        out.parts(&[(BAD, "error: "), (PLAIN, lines.next().unwrap_or_default())]);
        lines.for_each(|line| out.line(line));
        for cause in self.causes() {
            out.parts(&[(FAINT, "caused by: "), (PLAIN, &cause)]);
        }
        for hint in &self.hints {
            out.parts(&[(FAINT, "hint: "), (PLAIN, hint)]);
        }
    }
}

/// The part of the program that an error comes from.
fn layer(error: &Error) -> &'static str {
    match error {
        Error::Io { .. } => "file system",
        Error::Git { .. }
        | Error::UnsafeOwner { .. }
        | Error::NoWorkTree { .. }
        | Error::NoRepository { .. } => "git",
        Error::Backend { .. }
        | Error::Unreachable { .. }
        | Error::OlderSchema { .. }
        | Error::NewerSchema { .. } => "backend",
        Error::Config { .. } => "configuration",
        Error::Untrusted { .. } | Error::Credentials { .. } | Error::EntryCredentials { .. } => {
            "policy"
        }
        _ => "archive",
    }
}

impl Serialize for Failure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let error = ErrorObject {
            kind: self.kind().word(),
            message: self.message(),
            causes: self.causes(),
            hints: &self.hints,
            exit: self.exit_code(),
        };
        serializer.collect_map([("error", error)])
    }
}

/// An error in JSON (docs/json.md).
#[derive(Serialize)]
struct ErrorObject<'a> {
    kind: &'static str,
    message: String,
    causes: Vec<String>,
    hints: &'a [String],
    exit: u8,
}
