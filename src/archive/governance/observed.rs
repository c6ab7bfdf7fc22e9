//! What is seen of whoever acts: git's address, the system's user, the machine's name.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::archive::Workspace;
use crate::error::Result;
use crate::model::{Observed, escape_line};

/// What is seen now. None of it proves anything; all of it goes into the record.
pub(super) fn observed(workspace: &Workspace) -> Result<Observed> {
    let email = match &workspace.repository {
        Some(repository) => repository.setting("user.email")?.unwrap_or_default(),
        None => String::new(),
    };
    let short = |text: &str| escape_line(text).chars().take(256).collect();
    Ok(Observed { email: short(&email), user: short(&user()), host: short(&host()) })
}

/// The name of the process's user; its number where the system's list has none.
fn user() -> String {
    let Ok(meta) = fs::metadata("/proc/self") else { return String::new() };
    let number = meta.uid().to_string();
    let list = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = list.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1) == Some(number.as_str())).then(|| name.to_owned())
    });
    found.unwrap_or(number)
}

fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}
