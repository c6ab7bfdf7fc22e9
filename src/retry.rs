//! Trying again what failed for a reason that passes.
//!
//! Promises: the pause before an attempt follows from the settings and the attempt alone, so that a
//! schedule can be told in advance and repeated.

use std::thread;
use std::time::Duration;

use crate::error::{Error, Failure};

/// When and how often a transient failure is tried again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retry {
    /// Whether a lost or overloaded server is asked again at all.
    pub enabled: bool,
    /// Attempts, the first one included.
    pub max_attempts: u32,
    /// The pause after the first attempt.
    pub initial_delay: Duration,
    /// The longest pause.
    pub max_delay: Duration,
    /// What each pause is multiplied by for the next; at least 1.
    pub multiplier: f64,
    /// The share of a pause that is left to chance, from 0 to 1: who failed together shall not come
    /// back together.
    pub jitter: f64,
    /// What chance is made of.
    pub seed: u64,
}

/// Others were in the way, and are gone a moment later: the server asks for the same once more,
/// whatever is configured.
const CONFLICT: Retry = Retry {
    enabled: true,
    max_attempts: 10,
    initial_delay: Duration::from_millis(20),
    max_delay: Duration::from_secs(1),
    multiplier: 2.0,
    jitter: 0.5,
    seed: 0,
};

impl Retry {
    /// One attempt.
    pub const NEVER: Self = Self { enabled: false, max_attempts: 1, ..CONFLICT };

    /// The pause after the failed attempt number `attempt`, counted from 1: exponential, bounded by
    /// `max_delay`, of which the share `jitter` is drawn out of `seed`.
    pub fn calculate_backoff(&self, attempt: u32) -> Duration {
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = self.initial_delay.as_secs_f64() * self.multiplier.powi(exponent);
        // Infinity and what is not a number at all become the bound.
        let whole = grown.min(self.max_delay.as_secs_f64());
        let drawn = whole * self.jitter * (1.0 - chance(self.seed, attempt));
        Duration::try_from_secs_f64(whole - drawn).unwrap_or(self.max_delay)
    }

    /// How long to wait before trying once more after attempt number `attempt` ended with `error`;
    /// `None` when it stands.
    pub fn pause_after(&self, attempt: u32, error: &Error) -> Option<Duration> {
        let rules = match error.failure() {
            Failure::Lasting => return None,
            Failure::Conflict => Self { seed: self.seed, ..CONFLICT },
            Failure::Lost if !self.enabled => return None,
            Failure::Lost => *self,
        };
        (attempt < rules.max_attempts).then(|| rules.calculate_backoff(attempt))
    }

    /// Waits that long, and logs it; `false`, at once, when `error` stands.
    pub fn wait_after(&self, attempt: u32, error: &Error) -> bool {
        let Some(pause) = self.pause_after(attempt, error) else { return false };
        let (action, message) = ("RETRY", error.to_string());
        let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        tracing::warn!(action, attempt, pause_ms, message);
        thread::sleep(pause);
        true
    }
}

/// A number from 0 up to 1 that `seed` and `attempt` decide: SplitMix64 (Steele, Lea, Flood: Fast
/// splittable pseudorandom number generators, 2014).
fn chance(seed: u64, attempt: u32) -> f64 {
    let mut z = seed.wrapping_add(u64::from(attempt).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    // The upper 53 bits are what a double holds exactly.
    (z >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: Retry = Retry {
        enabled: true,
        max_attempts: 5,
        initial_delay: Duration::from_millis(500),
        max_delay: Duration::from_secs(16),
        multiplier: 2.0,
        jitter: 0.0,
        seed: 7,
    };

    fn failed(failure: Failure) -> Error {
        let source = "gone".into();
        Error::Unreachable { action: "ask", place: "here".to_owned(), failure, source }
    }

    #[test]
    fn pauses_double_up_to_the_bound() {
        let seconds: Vec<f64> =
            (1..=8).map(|attempt| PLAIN.calculate_backoff(attempt).as_secs_f64()).collect();
        assert_eq!(seconds, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 16.0, 16.0]);
    }

    #[test]
    fn a_seed_repeats_and_another_one_differs() {
        let at = |seed| Retry { jitter: 0.5, seed, ..PLAIN }.calculate_backoff(3);
        assert_eq!(at(1), at(1));
        assert_ne!(at(1), at(2));
    }

    #[test]
    fn what_is_tried_again() {
        let lost = failed(Failure::Lost);
        assert_eq!(PLAIN.pause_after(1, &lost), Some(Duration::from_millis(500)));
        assert_eq!(PLAIN.pause_after(5, &lost), None, "the fifth attempt is the last");
        assert_eq!(Retry { enabled: false, ..PLAIN }.pause_after(1, &lost), None);
        assert_eq!(PLAIN.pause_after(1, &failed(Failure::Lasting)), None);
        assert!(Retry::NEVER.pause_after(1, &failed(Failure::Conflict)).is_some());
        assert!(Retry::NEVER.pause_after(10, &failed(Failure::Conflict)).is_none());
    }

    proptest! {
        #[test]
        fn a_pause_is_within_its_bounds(
            attempt in 1u32..u32::MAX, seed: u64, jitter in 0.0..=1.0f64,
            multiplier in 1.0..100.0f64, initial in 0u64..3_600_000, most in 0u64..86_400_000,
        ) {
            let most = Duration::from_millis(most);
            let rules = Retry {
                jitter, multiplier, seed, max_delay: most,
                initial_delay: Duration::from_millis(initial), ..PLAIN
            };
            let pause = rules.calculate_backoff(attempt);
            let whole = Retry { jitter: 0.0, ..rules }.calculate_backoff(attempt);
            prop_assert!(pause <= most && pause <= whole);
            prop_assert!(pause.as_secs_f64() >= whole.as_secs_f64() * (1.0 - jitter) - 1e-6);
        }
    }
}
