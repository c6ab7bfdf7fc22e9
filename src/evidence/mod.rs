//! The evidence: what was done, by whom, in what order, in a form that anyone can check again.
//!
//! Promises: one valid encoding of a record, byte for byte; a digest that `sha256sum` agrees with;
//! faults that are named for what they are. It does not decide whose log to believe, and it opens
//! no archive: docs/formats.md has the formats, [`crate::verify`] the judgement.

mod action;
mod canonical;
mod chain;
mod checkpoint;
mod citation;
mod event;
mod fields;
mod journal;
mod merkle;
mod note;
mod record;
mod segment;
mod statement;

pub use action::Action;
#[cfg(test)]
pub use chain::link;
pub use chain::{ChainFault, Head, Linked, link_rendered, verify};
pub use checkpoint::Checkpoint;
pub use citation::{Citations, TRAILER, cited_digests, read_citations, render as render_citation};
pub use event::Event;
pub use fields::RecordFault;
pub use journal::{Journal, JournalLine, JournalLines, LastLine, Tail};
pub use merkle::{audit_path, leaf_hash, merkle_root, root_by_path};
pub use note::{KIND, MAX_NOTE_BYTES, Note, NoteSignature, key_id};
pub use record::{MAX_LINE_BYTES, Record, Rendered, VERSION};
pub use segment::{SEGMENT_FOLDER, Segment, SegmentFault, is_segment_path, segment_signed_by};
pub use statement::{statement, statement_of_last};

#[cfg(test)]
mod tests;
