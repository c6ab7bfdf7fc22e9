//! Policy: what may be given out, which places a clone must have accepted, and whose signatures
//! count. Pure; nothing here reads a file, a clock or the environment.

mod armor;
pub mod gate;
mod patterns;
mod public_key;
pub mod signature;
pub mod signers;
#[cfg(test)]
mod tests;
pub mod trust;

pub use gate::may_release;
pub use signature::{NAMESPACE, SignatureFault, Signed};
pub use signers::{SIGNERS_PATH, Signer, Signers};
