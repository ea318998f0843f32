//! Long work in slices that leaves most of the core to those who are waiting for an answer.
//!
//! A lane's shares do not do that by themselves: a task that yields is ready again at once, so a core whose clients are
//! quiet for a tenth of a millisecond gives it a whole turn before it looks for events again. Resting makes the core
//! look, and bounds what the work takes.
//!
//! Next to it: `index_files`, the longest of such work.

use std::time::Duration;

use super::{sleep, uptime, yield_now};

/// How many times as long as a slice took the work rests: it takes a tenth of the core.
const REST: u32 = 9;

/// A slice of work. It ends in `rest`, before anything else is awaited: what waits takes nothing of the core.
pub struct Slice {
    began: Duration,
}

impl Slice {
    pub fn begin() -> Slice {
        Slice { began: uptime() }
    }

    /// In a hurry others only get their turn, with no rest after it.
    pub async fn rest(self, hurry: bool) {
        if hurry {
            yield_now().await;
        } else {
            sleep((uptime() - self.began) * REST).await;
        }
    }
}
