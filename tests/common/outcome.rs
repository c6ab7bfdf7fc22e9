//! What came of a command: asked for in words.

use std::fmt::Write;
use std::process::Output;

use serde_json::Value;

/// What came of a command.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was typed.
    pub command: String,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// The raw bytes of standard output.
    pub bytes: Vec<u8>,
    /// The exit code; -1 for a signal.
    pub code: i32,
}

impl Outcome {
    /// The outcome of `command`.
    pub fn of(command: String, output: Output) -> Self {
        Self {
            command,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            bytes: output.stdout,
            code: output.status.code().unwrap_or(-1),
        }
    }

    /// It succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    /// It failed with `code`.
    #[track_caller]
    pub fn fails(self, code: i32) -> Self {
        assert_ne!(code, 0, "0 is no failure");
        self.exits(code)
    }

    #[track_caller]
    fn exits(self, code: i32) -> Self {
        assert!(self.code == code, "expected exit code {code}:\n{self}");
        self
    }

    /// `words` stand on standard output or standard error.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(self.said(words), "expected the words `{words}`:\n{self}");
        self
    }

    /// `words` stand nowhere.
    #[track_caller]
    pub fn says_not(self, words: &str) -> Self {
        assert!(!self.said(words), "unexpected words `{words}`:\n{self}");
        self
    }

    /// Whether `words` stand on standard output or standard error.
    pub fn said(&self, words: &str) -> bool {
        self.stdout.contains(words) || self.stderr.contains(words)
    }

    /// The JSON document on standard output, or, of a failure, on standard error.
    #[track_caller]
    pub fn json(&self) -> Value {
        let text = if self.stdout.trim().is_empty() { &self.stderr } else { &self.stdout };
        serde_json::from_str(text).unwrap_or_else(|error| panic!("no JSON ({error}):\n{self}"))
    }

    /// The commands that it gives as hints.
    pub fn hints(&self) -> Vec<String> {
        let lines = self.stderr.lines().chain(self.stdout.lines());
        lines
            .filter_map(|line| line.trim_start().strip_prefix("hint: "))
            .map(str::to_owned)
            .collect()
    }

    /// The first hint.
    #[track_caller]
    pub fn hint(&self) -> String {
        self.hints().into_iter().next().unwrap_or_else(|| panic!("expected a hint:\n{self}"))
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = format!("$ {}\n", self.command);
        for (name, stream) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !stream.is_empty() {
                let _ = write!(text, "--- {name}\n{}\n", stream.trim_end_matches('\n'));
            }
        }
        writeln!(f, "{text}--- exit {}", self.code)
    }
}
