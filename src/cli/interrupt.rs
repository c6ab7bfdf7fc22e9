//! Ctrl-C: asks long work to stop. A second one ends the program at once, as without all this.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::SIGINT;
use signal_hook::flag;

use crate::error::{Error, Result};

/// A flag that is set by the first Ctrl-C.
pub fn watched() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    // In this order: the first one finds the flag unset here, and sets it there.
    flag::register_conditional_default(SIGINT, stop.clone())
        .and_then(|_| flag::register(SIGINT, stop.clone()))
        .map_err(Error::io("watch for", "Ctrl-C"))?;
    Ok(stop)
}
