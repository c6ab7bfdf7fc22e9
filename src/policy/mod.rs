//! Policy: what may be given out, and which places a clone must have accepted. Pure; nothing here
//! reads a file, a clock or the environment.

pub mod gate;
pub mod trust;

pub use gate::may_release;
