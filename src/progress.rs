//! How the library tells of long work without having a mouth.

/// Hears how far a long piece of work has come.
pub trait Progress: Send + Sync {
    /// `done` of `total` steps are done.
    fn step(&self, done: usize, total: usize);
    /// Something the user should know that is no failure.
    fn warn(&self, message: &str);
    /// Whether whoever listens wants no more of it: what is begun is then finished, the rest left.
    fn is_stopped(&self) -> bool {
        false
    }
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _done: usize, _total: usize) {}
    fn warn(&self, _message: &str) {}
}
