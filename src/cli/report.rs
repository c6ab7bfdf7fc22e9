//! What a command gives back, and what becomes of an error: words, hints and the exit code.

use std::error::Error as _;

use serde::{Serialize, Serializer};

use super::hints::{Place, hints};
use super::text::{BAD, FAINT, PLAIN, Text};
use crate::error::Error;

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
    fn bytes(&self) -> Option<&[u8]> {
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
    error: Error,
    hints: Vec<String>,
}

impl Failure {
    /// What becomes of `error`, which was met at `place`.
    pub fn new(error: Error, place: &Place) -> Self {
        let hints = hints(&error, place);
        Self { error, hints }
    }

    /// The error itself.
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// The exit code of the error's kind.
    pub fn exit_code(&self) -> u8 {
        self.error.kind().exit_code()
    }

    fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut next = self.error.source();
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        causes
    }

    /// Writes it for people.
    pub fn write_human(&self, out: &mut Text) {
        out.parts(&[(BAD, "error: "), (PLAIN, &self.error.to_string())]);
        for cause in self.causes() {
            out.parts(&[(FAINT, "caused by: "), (PLAIN, &cause)]);
        }
        for hint in &self.hints {
            out.parts(&[(FAINT, "hint: "), (PLAIN, hint)]);
        }
    }
}

impl Serialize for Failure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let error = ErrorObject {
            kind: self.error.kind().word(),
            message: self.error.to_string(),
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
