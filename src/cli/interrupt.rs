//! Ctrl-C: asks long work to stop. Another one, later, ends the program at once, as without all this.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use signal_hook::consts::SIGINT;
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::clock::Stopwatch;
use crate::error::{Error, Result};

/// What comes so soon after the first is the same key: git sends its subcommand once more what the
/// terminal has sent to both.
const SAME_KEY: Duration = Duration::from_secs(1);

/// A flag that is set by the first Ctrl-C.
pub fn watched() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let failed = || Error::io("watch for", "Ctrl-C");
    let mut signals = Signals::new([SIGINT]).map_err(failed())?;
    let flag = stop.clone();
    let watch = move || {
        let mut first: Option<Stopwatch> = None;
        for signal in signals.forever() {
            flag.store(true, Ordering::Relaxed);
            if first.get_or_insert_with(Stopwatch::start).elapsed() > SAME_KEY {
                // It does not come back from there.
                let _ = emulate_default_handler(signal);
            }
        }
    };
    thread::Builder::new().name("ctrl-c".to_owned()).spawn(watch).map_err(failed())?;
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use signal_hook::low_level::raise;

    use super::*;

    #[test]
    fn two_at_once_ask_to_stop_and_end_nothing() {
        let stop = watched().unwrap();
        assert!(!stop.load(Ordering::Relaxed));
        for _ in 0..2 {
            raise(SIGINT).unwrap();
            while !stop.load(Ordering::Relaxed) {
                thread::yield_now();
            }
        }
    }
}
