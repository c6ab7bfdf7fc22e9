//! The nouns that every part of the program shares; pure values, no effects.

mod actor;
mod entry;
mod escape;
mod finding;
mod governance;
mod id;
mod item;
mod label;
mod notes;
mod path;
mod retention;
mod shell;
mod words;

pub use actor::{Actor, escape_line};
pub use entry::Entry;
pub use escape::escape_json;
pub use finding::{Finding, Rule, Severity};
pub use governance::{
    Approval, Assurance, GovernedAction, Hold, HoldScope, Observed, Person, Request, RequestState,
};
pub use id::{
    ArchiveId, CloneId, DeedId, Digest, Digester, EntryId, GitOid, LogId, TombstoneId, hex, unhex,
};
pub use item::{FileMode, Item, ItemKind, ItemState, Reason};
pub use label::RepoLabel;
pub use notes::{Notes, check_words, is_word};
pub use path::{RepoPath, is_bidi_control, names_git_folder};
pub use retention::{Protection, RetentionReason, RetentionRun, RetentionScope};
pub use shell::shell_word;
