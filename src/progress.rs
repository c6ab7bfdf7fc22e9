//! How the library tells of long work without having a mouth.

/// Hears how far a long piece of work has come.
pub trait Progress: Send + Sync {
    /// `done` of `total` steps are done.
    fn step(&self, done: usize, total: usize);
    /// Something the user should know that is no failure.
    fn warn(&self, message: &str);
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _done: usize, _total: usize) {}
    fn warn(&self, _message: &str) {}
}
