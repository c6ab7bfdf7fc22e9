//! Repositories as they are in the wild.
