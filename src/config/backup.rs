//! What the configuration says of backups.

use super::Config;
use super::value::Datum;

impl Config {
    /// How many backups are kept of each name.
    pub fn backup_keep(&self) -> usize {
        usize::try_from(self.count("backup.keep").unwrap_or(3)).unwrap_or(3)
    }

    /// Whether a new backup takes the place of the oldest one.
    pub fn backup_prunes(&self) -> bool {
        self.is_on("backup.prune")
    }

    /// Whether the destination must be the mount that it was.
    pub fn backup_checks_mount(&self) -> bool {
        self.is_on("backup.mount_check")
    }

    /// Whether backups are encrypted.
    pub fn backup_encrypts(&self) -> bool {
        self.is_on("backup.encrypt")
    }

    /// For how many days a good drill of any kind counts, where that is set.
    pub fn drill_spot_days(&self) -> Option<u64> {
        self.count("backup.drill_spot_days")
    }

    /// For how many days a good full drill counts, where that is set.
    pub fn drill_full_days(&self) -> Option<u64> {
        self.count("backup.drill_full_days")
    }

    /// What stands behind the name of a backup.
    pub fn backup_suffix(&self) -> Option<&str> {
        match self.datum("backup.suffix") {
            Some(Datum::Text(text)) => Some(text),
            _ => None,
        }
    }

    fn is_on(&self, name: &str) -> bool {
        matches!(self.datum(name), Some(Datum::Switch(true)))
    }
}
