//! Files by the folders that they really stand in.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Remembers where each folder really is.
#[derive(Default)]
pub struct RealFolders {
    known: HashMap<PathBuf, PathBuf>,
}

impl RealFolders {
    /// `file` without links in the way to it, as far as that is there.
    pub fn of(&mut self, file: &Path) -> PathBuf {
        let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
            return file.to_path_buf();
        };
        if let Some(real) = self.known.get(folder) {
            return real.join(name);
        }
        let real = folder.canonicalize().unwrap_or_else(|_| self.of(folder));
        self.known.insert(folder.to_path_buf(), real.clone());
        real.join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_in_the_way_are_gone() {
        let at = tempfile::tempdir().unwrap();
        let at = at.path().canonicalize().unwrap();
        std::fs::create_dir(at.join("real")).unwrap();
        std::os::unix::fs::symlink("real", at.join("link")).unwrap();
        let mut folders = RealFolders::default();
        for (file, real) in
            [("link/a", "real/a"), ("real/a", "real/a"), ("link/x/y", "real/x/y"), ("b", "b")]
        {
            assert_eq!(folders.of(&at.join(file)), at.join(real), "{file}");
        }
        assert_eq!(folders.of(Path::new("/")), Path::new("/"));
    }
}
