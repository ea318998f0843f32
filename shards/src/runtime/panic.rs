//! Our own fault stops the process.
//!
//! Without this a panic ends one executor and the others run on: a broker with a dead shard that still takes
//! connections. Recovery at the next start is the one tested way back.

use std::panic;

/// From here on every panic of every thread prints what the default hook prints and aborts the process.
///
/// Called once by `main`, before threads start. Not in tests of a whole simulation: there a panic is a finding.
pub fn abort_on_panic() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        print(info);
        eprintln!("ringmq: stopping, because going on after a broken invariant could lose or invent messages");
        std::process::abort();
    }));
}
