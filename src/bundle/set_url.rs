//! `bundle set-url`: where a bundle was published, in its lock.
//!
//! Promises: nothing else changes, and the lock is whole whatever happens.

use std::path::Path;

use serde::Serialize;

use crate::archive::Workspace;
use crate::error::{Error, Result};
use crate::model::escape_line;

use super::folder::lock_at;

/// The longest URL, in bytes.
const LONGEST: usize = 2048;

/// A lock and its URL.
#[derive(Debug, Serialize)]
pub struct SetUrlReport {
    /// The lock's file.
    pub file: String,
    /// The URL that it says now.
    pub release_url: String,
    /// The URL that it said before.
    pub before: Option<String>,
    /// Whether it said so already.
    pub already: bool,
}

/// Writes `url` into the lock `file`, or into that beside the tarball `file`.
pub fn set_url(workspace: &Workspace, file: &Path, url: &str) -> Result<SetUrlReport> {
    check_url(url)?;
    let (folder, name) = lock_at(workspace, file)?;
    let writing = folder.write(workspace)?;
    let mut lock = folder.lock(&name)?;
    let before = lock.release_url.replace(url.to_owned());
    let already = before.as_deref() == Some(url);
    if !already {
        writing.put(&name, &lock.render())?;
    }
    let file = folder.join(&name).display().to_string();
    Ok(SetUrlReport { file, release_url: url.to_owned(), before, already })
}

/// Refuses what is no address of a page, or holds a password.
pub(super) fn check_url(text: &str) -> Result<()> {
    let wrong = |why: &str| Error::invalid("URL", escape_line(text), why);
    let is_plain = text.len() <= LONGEST && text.bytes().all(|byte| byte.is_ascii_graphic());
    let parsed = url::Url::parse(text).ok().filter(|_| is_plain);
    let Some(url) = parsed.filter(|it| matches!(it.scheme(), "http" | "https")) else {
        return Err(wrong("it must begin with `https://` or `http://`, and have no spaces"));
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::invalid("URL", "***", "it holds a name or a password"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert!(check_url("https://github.com/a/b/releases/tag/v1.0.1").is_ok());
        for bad in ["", "x", "javascript:alert(1)", "file:///etc/passwd", "https://a b", "https://"]
        {
            assert!(check_url(bad).is_err(), "{bad}");
        }
        let error = check_url("https://ada:hunter2@example.org/").unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
