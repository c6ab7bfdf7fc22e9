//! The memory by hand: short texts with what they are about, saved and given out. To forget one takes
//! two people, and is a matter of governance.
//!
//! Promises: no credential goes in that the policy keeps out; the same content is kept once; each
//! change leaves its record in the same transaction; a text that is not what was saved is not given
//! out.

mod draft;
mod get;
mod save;
mod screen;

pub use draft::{Draft, MAX_TEXT_BYTES};
pub use get::{GetReport, MAX_IDS, get};
pub use save::{SaveReport, SaveStatus, save};
pub use screen::FieldCredential;

use serde_json::{Map, Value};

/// Entries belong to a project and not to a repository: their records name no label.
const NO_REPO: &str = "";

fn detail(pairs: &[(&str, Value)]) -> Map<String, Value> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}
