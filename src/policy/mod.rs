//! Policy: what may be given out or destroyed, which places a clone must have accepted, whose
//! signatures count, and which credentials content may not hold. Pure; nothing here reads a file, a
//! clock or the environment.

mod armor;
pub mod content;
pub mod gate;
pub mod governance;
pub mod holds;
mod patterns;
mod public_key;
pub mod retention;
pub mod signature;
pub mod signers;
#[cfg(test)]
mod tests;
pub mod trust;

pub use content::ContentPolicy;
pub use gate::{Destruction, Door, may_destroy, may_release};
pub use governance::{Approved, Governance, counting};
pub use signature::{NAMESPACE, SignatureFault, Signed};
pub use signers::{SIGNERS_PATH, Signer, Signers};
