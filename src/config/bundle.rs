//! What the configuration says of bundles.

use std::path::{Path, PathBuf};

use super::Config;
use super::value::Datum;
use crate::error::Result;

impl Config {
    /// What is bundled, where that is set.
    pub fn bundle_name(&self) -> Option<&str> {
        self.bundle_text("bundle.name")
    }

    /// What bundles are meant for.
    pub fn bundle_env(&self) -> &str {
        self.bundle_text("bundle.env").unwrap_or("prod")
    }

    /// What tags of docker's begin with, where that is set.
    pub fn bundle_docker_tag_prefix(&self) -> Option<&str> {
        self.bundle_text("bundle.docker_tag_prefix")
    }

    /// How many bundles are kept.
    pub fn bundle_keep(&self) -> u64 {
        self.count("bundle.keep").unwrap_or(3)
    }

    /// Whether a new bundle takes the place of the oldest one.
    pub fn bundle_prunes(&self) -> bool {
        matches!(self.datum("bundle.prune"), Some(Datum::Switch(true)))
    }

    /// Whether tarballs are signed.
    pub fn bundle_signs(&self) -> bool {
        matches!(self.datum("bundle.sign"), Some(Datum::Switch(true)))
    }

    /// The word for what becomes of tombstones.
    pub fn bundle_stubs(&self) -> &'static str {
        self.word("bundle.stubs", "leave")
    }

    /// The folder of bundles of the repository at `top`.
    pub fn bundle_dir(&self, top: &Path) -> Result<PathBuf> {
        match self.datum("bundle.output_dir") {
            Some(Datum::Path(path)) => self.resolve("bundle.output_dir", "use", top, path),
            _ => Ok(top.join("releases")),
        }
    }

    fn bundle_text(&self, name: &str) -> Option<&str> {
        match self.datum(name) {
            Some(Datum::Text(text)) => Some(text),
            _ => None,
        }
    }
}
