//! What a workspace gives its log.

use std::path::PathBuf;

use super::Workspace;
use crate::error::Result;
use crate::logging::UseCase;

impl Workspace {
    /// The file that log lines go to; `None` for standard error. A place that a tracked file names
    /// needs this clone's trust.
    pub fn log_file(&self) -> Result<Option<PathBuf>> {
        self.check_trust("logging.file")?;
        self.config.log_file(&self.top)
    }

    /// Begins a use case, which is logged at its end. `action` is that of the record it leaves, if
    /// it leaves one.
    pub fn use_case<'a>(&self, action: &'static str, actor: Option<&'a str>) -> UseCase<'a> {
        UseCase::begin(action, actor, self.config.backend().as_str())
    }
}
