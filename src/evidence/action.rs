//! What a record says was done: one word of docs/formats.md.
//!
//! A word that this version does not know is kept and shown as it stands; it makes no line invalid.

use std::fmt;

macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)?) => {
        /// What was done.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum Action {
            $($(#[$doc])* $variant,)+
            /// A word of a later version, of `A-Z`, `0-9` and `_`.
            Unknown(String),
        }

        impl Action {
            /// Every action that this version knows, in the order of docs/formats.md.
            pub const KNOWN: &'static [Self] = &[$(Self::$variant),+];

            /// The word in the record.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Unknown(word) => word,
                }
            }

            fn known(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

actions! {
    /// A log begins.
    LogStart = "LOG_START",
    /// A file was archived.
    Archive = "ARCHIVE",
    /// A store was interrupted and taken back.
    StoreAbort = "STORE_ABORT",
    /// A store did not work.
    StoreFail = "STORE_FAIL",
    /// A stub was given up or its path given to other content.
    StubDrop = "STUB_DROP",
    /// An item's content was written out.
    Restore = "RESTORE",
    /// A restore did not work.
    RestoreFail = "RESTORE_FAIL",
    /// Several stores in one deed ended.
    BatchStore = "BATCH_STORE",
    /// Several restores in one deed ended.
    BatchRestore = "BATCH_RESTORE",
    /// Somebody asked to destroy an item's content.
    PruneRequest = "PRUNE_REQUEST",
    /// A request was taken back.
    RequestCancel = "REQUEST_CANCEL",
    /// Somebody approved a request.
    Approve = "APPROVE",
    /// Content was destroyed.
    Purge = "PURGE",
    /// Destroying was refused.
    PurgeRefused = "PURGE_REFUSED",
    /// Something else was refused.
    Refused = "REFUSED",
    /// A hold was set.
    HoldSet = "HOLD_SET",
    /// A hold was released.
    HoldRelease = "HOLD_RELEASE",
    /// The policy changed.
    PolicyChange = "POLICY_CHANGE",
    /// The policy stopped something.
    PolicyBlock = "POLICY_BLOCK",
    /// This clone trusted a place.
    Trust = "TRUST",
    /// Retention was tried without effect.
    RetentionDryRun = "RETENTION_DRY_RUN",
    /// Retention was carried out.
    RetentionApply = "RETENTION_APPLY",
    /// Another archive's content was taken in.
    Import = "IMPORT",
    /// The archive was copied.
    Copy = "COPY",
    /// Two archives were brought level.
    Sync = "SYNC",
    /// Something damaged was mended.
    Repair = "REPAIR",
    /// The schema was brought up to date.
    Migrate = "MIGRATE",
    /// The archive was tidied.
    Maintenance = "MAINTENANCE",
    /// A backup was made.
    Backup = "BACKUP",
    /// A backup was restored.
    BackupRestore = "BACKUP_RESTORE",
    /// A backup was tried out.
    Drill = "DRILL",
    /// A bundle was made.
    Bundle = "BUNDLE",
    /// The heads of the logs were set down.
    Checkpoint = "CHECKPOINT",
    /// A check was skipped on purpose.
    Skip = "SKIP",
    /// An entry was saved.
    MemorySave = "MEMORY_SAVE",
    /// An entry was forgotten.
    MemoryForget = "MEMORY_FORGET",
    /// Entries were taken in.
    Ingest = "INGEST",
}

/// Long enough for any word that a later version may coin.
const MAX_WORD_BYTES: usize = 64;

impl Action {
    /// The action called `word`; `None` unless it is 1 to 64 bytes of `A-Z`, `0-9` and `_`.
    pub fn parse(word: &str) -> Option<Self> {
        Self::known(word).or_else(|| {
            let fits = (1..=MAX_WORD_BYTES).contains(&word.len())
                && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
            fits.then(|| Self::Unknown(word.to_owned()))
        })
    }

    /// Whether the word can stand in a record: an `Unknown` made by hand may hold anything.
    pub(super) fn is_valid(&self) -> bool {
        match self {
            Self::Unknown(word) => Self::parse(word).as_ref() == Some(self),
            _ => true,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Action {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::parse(word).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_its_own_action() {
        // The list of docs/formats.md, word for word.
        let words = "LOG_START, ARCHIVE, STORE_ABORT, STORE_FAIL, STUB_DROP, RESTORE, \
            RESTORE_FAIL, BATCH_STORE, BATCH_RESTORE, PRUNE_REQUEST, REQUEST_CANCEL, APPROVE, \
            PURGE, PURGE_REFUSED, REFUSED, HOLD_SET, HOLD_RELEASE, POLICY_CHANGE, POLICY_BLOCK, \
            TRUST, RETENTION_DRY_RUN, RETENTION_APPLY, IMPORT, COPY, SYNC, REPAIR, MIGRATE, \
            MAINTENANCE, BACKUP, BACKUP_RESTORE, DRILL, BUNDLE, CHECKPOINT, SKIP, MEMORY_SAVE, \
            MEMORY_FORGET, INGEST";
        let known: Vec<_> = Action::KNOWN.iter().map(Action::as_str).collect();
        assert_eq!(known.join(", "), words);
        for action in Action::KNOWN {
            assert_eq!(Action::parse(action.as_str()).as_ref(), Some(action));
        }
    }

    #[test]
    fn a_later_word_is_kept_and_anything_else_refused() {
        let later = Action::parse("FROM_2030").unwrap();
        assert_eq!(later, Action::Unknown("FROM_2030".into()));
        assert_eq!(later.to_string(), "FROM_2030");
        for bad in ["", "archive", "A B", "A\n", "É", &"A".repeat(65)] {
            assert_eq!(Action::parse(bad), None, "{bad:?}");
        }
        assert!(!Action::Unknown("ARCHIVE".into()).is_valid());
        assert!(!Action::Unknown("a\"b".into()).is_valid());
    }
}
