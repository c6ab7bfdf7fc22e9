//! The `git-codex-archive` binary: hands over to the command line, and returns its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    codex_archive::cli::run()
}
