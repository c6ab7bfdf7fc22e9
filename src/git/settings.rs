//! git's configuration, and the folder of its hooks.

use std::path::PathBuf;

use super::Repository;
use super::plumbing;
use crate::error::{Error, Result};
use crate::model::escape_line;

const READ: &str = "read a setting";
const WRITE: &str = "write a setting";
const HOOKS: &str = "find the hooks folder";

impl Repository {
    /// The value that git uses for `key`, from every file and from `git -c`; `None` when it is
    /// not set.
    pub fn setting(&self, key: &str) -> Result<Option<String>> {
        self.read_setting(&["--get"], key)
    }

    /// Whether `key` is set to a word for "no".
    pub fn setting_is_false(&self, key: &str) -> Result<bool> {
        Ok(self.read_setting(&["--type=bool", "--get"], key)?.as_deref() == Some("false"))
    }

    /// Whether `key` is set to a word for "yes".
    pub fn setting_is_true(&self, key: &str) -> Result<bool> {
        Ok(self.read_setting(&["--type=bool", "--get"], key)?.as_deref() == Some("true"))
    }

    fn read_setting(&self, options: &[&str], key: &str) -> Result<Option<String>> {
        check_key(key)?;
        let mut command = self.reading(["config", "-z"]);
        command.args(options).arg(key);
        let output = plumbing::run(READ, command, &[])?;
        match output.status.code() {
            Some(0) => {}
            Some(1) => return Ok(None),
            _ => return Err(plumbing::failure(READ, &output)),
        }
        match plumbing::fields(READ, &output.stdout)?.as_slice() {
            [value] => match std::str::from_utf8(value) {
                Ok(value) => Ok(Some(value.to_owned())),
                Err(_) => Err(plumbing::odd_answer(READ, value)),
            },
            _ => Err(plumbing::odd_answer(READ, &output.stdout)),
        }
    }

    /// Sets `key` in this clone's own configuration, in place of every value it had there.
    pub fn set_setting(&self, key: &str, value: &str) -> Result<()> {
        check_key(key)?;
        let command = self.writing(["config", "--local", "--replace-all", key, value]);
        plumbing::run_checked(WRITE, command, &[]).map(drop)
    }

    /// The folder in which git looks for hooks, absolute; it need not exist.
    pub fn hooks_folder(&self) -> Result<PathBuf> {
        let command = self.reading(["rev-parse", "--path-format=absolute", "--git-path", "hooks"]);
        Ok(plumbing::path_line(plumbing::run_checked(HOOKS, command, &[])?))
    }
}

fn check_key(key: &str) -> Result<()> {
    if key.starts_with('-') || key.contains('\0') || !key.contains('.') {
        return Err(Error::invalid("setting", escape_line(key), "it has no section"));
    }
    Ok(())
}
