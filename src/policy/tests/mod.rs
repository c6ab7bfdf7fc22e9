//! Signatures and signers, against the real ssh-keygen: whatever we accept it accepts, and the
//! other way round but for what is refused on purpose. And what stands on them: whose approvals
//! count, and what is held.

mod counting;
mod holds;
mod keygen;
mod kinds;
mod lines;
mod tampering;
mod token;
