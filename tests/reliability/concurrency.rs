//! Many writers at once, of ours and of git's.
