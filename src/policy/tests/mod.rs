//! Signatures and signers, against the real ssh-keygen: whatever we accept it accepts, and the
//! other way round but for what is refused on purpose.

mod keygen;
mod kinds;
mod lines;
mod tampering;
mod token;
