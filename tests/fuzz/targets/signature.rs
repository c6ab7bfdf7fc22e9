//! Arbitrary bytes for `invariants::signature`.
#![no_main]

#[path = "../invariants.rs"]
#[allow(dead_code, reason = "each target tries one")]
mod invariants;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| invariants::signature(bytes));
