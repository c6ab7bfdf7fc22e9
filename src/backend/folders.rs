//! Folders of items. An embedded archive keeps a path as its folder, said once, and the name in it;
//! what was written before it did so, and what lies in no folder, has its whole path in its row.

use std::collections::{BTreeSet, HashMap};

use crate::error::Result;
use crate::model::RepoPath;

use super::{Catalog, Value};

/// So many folders are asked for at once.
const ASKED_AT_ONCE: usize = 200;

/// The rows of items at one path, whose folder, name and whole path are bound in this order.
pub(super) const AT_PATH: &str = "SELECT x.id FROM item_row x
    WHERE x.folder_id = (SELECT id FROM folder WHERE path = ?) AND x.path = ?
  UNION ALL SELECT x.id FROM item_row x WHERE x.folder_id IS NULL AND x.path = ?";

/// The rows of items in a folder and all below it; what the folder's path is followed by lies between
/// two bounds, which are bound twice.
pub(super) const BELOW_PATH: &str = "SELECT x.id FROM item_row x
    WHERE x.folder_id IN (SELECT id FROM folder WHERE path >= ? AND path < ?)
  UNION ALL SELECT x.id FROM item_row x WHERE x.folder_id IS NULL AND x.path >= ? AND x.path < ?";

/// A path as its folder, which ends in `/` unless there is none, and the name in it.
pub(super) fn parts(path: &str) -> (&str, &str) {
    path.split_at(path.rfind('/').map_or(0, |at| at + 1))
}

/// What [`AT_PATH`] takes.
pub(super) fn at_path(path: &RepoPath) -> [Value; 3] {
    let whole = path.to_string();
    let (folder, name) = parts(&whole);
    [folder.into(), name.into(), whole.as_str().into()]
}

impl Catalog<'_> {
    /// The rows of the folders of `paths`; those that are not there are made.
    pub(super) fn folders_of(&mut self, paths: &[String]) -> Result<HashMap<String, i64>> {
        let folders: BTreeSet<&str> = paths.iter().map(|path| parts(path).0).collect();
        let folders: Vec<&str> = folders.into_iter().filter(|it| !it.is_empty()).collect();
        let mut known = HashMap::with_capacity(folders.len());
        for some in folders.chunks(ASKED_AT_ONCE) {
            let marks = vec!["?"; some.len()].join(", ");
            let sql = format!("SELECT path, id FROM folder WHERE path IN ({marks})");
            let values: Vec<Value> = some.iter().map(|it| (*it).into()).collect();
            for row in self.driver.query(&sql, &values)? {
                known.insert(row.text(0)?.to_owned(), row.int(1)?);
            }
        }
        for folder in folders {
            if !known.contains_key(folder) {
                let id = self.new_row("folder")?;
                let sql = "INSERT INTO folder (id, path) VALUES (?, ?)";
                self.driver.execute(sql, &[id.into(), folder.into()])?;
                known.insert(folder.to_owned(), id);
            }
        }
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn a_path_is_its_folder_and_its_name() {
        assert_eq!(parts("a/b/c.rs"), ("a/b/", "c.rs"));
        assert_eq!(parts("c.rs"), ("", "c.rs"));
    }
}
