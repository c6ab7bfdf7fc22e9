//! Policy: what may be given out, which places a clone must have accepted, and which credentials
//! content may not hold. Pure; nothing here reads a file, a clock or the environment.

pub mod content;
pub mod gate;
pub mod trust;

pub use content::ContentPolicy;
pub use gate::may_release;
