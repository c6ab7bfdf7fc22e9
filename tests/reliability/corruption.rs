//! Damaged bytes: in the archive, in stubs, in the journal.
