//! The program dies, or the disk fails, at every system call that changes something.
