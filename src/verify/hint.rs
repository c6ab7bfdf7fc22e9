//! Commands that mend a finding, as a person can paste them from any folder of the repository.

use crate::model::{GitOid, RepoPath, shell_word};

/// A path as one word of a shell; odd bytes as `$'\xNN'`.
pub fn shell(path: &RepoPath) -> String {
    shell_word(path.as_bytes())
}

/// A path as git's pathspec from the top of the work tree, as one word of a shell.
pub fn top(path: &RepoPath) -> String {
    let mut spec = b":(top,literal)".to_vec();
    spec.extend_from_slice(path.as_bytes());
    let simple = path
        .as_bytes()
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_-./+@%,".contains(byte));
    if simple {
        // As it is: the one spelling of paths as text would escape some of these bytes.
        format!("':/{}'", String::from_utf8_lossy(path.as_bytes()))
    } else {
        shell_word(&spec)
    }
}

/// The command that takes a path back as it was at `base`, in the index and the work tree.
pub fn take_back(path: &RepoPath, base: Option<&GitOid>) -> String {
    let source = base.map_or("HEAD".to_owned(), |oid| oid.to_string()[..12].to_owned());
    format!("git restore --source={source} --staged --worktree -- {}", top(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_shell() {
        let word = |raw: &[u8]| shell(&RepoPath::new(raw).unwrap());
        assert_eq!(word(b"src/a.py"), "src/a.py");
        assert_eq!(word(b"it's here"), "'it'\\''s here'");
        assert_eq!(word(b"a\nb\xff"), "$'a\\x0ab\\xff'");
        assert_eq!(word(b"-x"), "'-x'");
        assert_eq!(top(&RepoPath::new(b"a*b").unwrap()), "':(top,literal)a*b'");
        assert_eq!(top(&RepoPath::new(b"a/b").unwrap()), "':/a/b'");
        assert_eq!(top(&RepoPath::new(b"a--b%").unwrap()), "':/a--b%'");
    }
}
