//! Transactional messages: what waits for its producer's word, and what becomes of it.
//!
//! A half message is a record of `HALF_TOPIC` in the log of the shard that owns its real queue, so that its end (control
//! kind 7) and what follows from it (the message in its real queue) are one block of one log.
//!
//! - `halves`: those that have not ended, and which of them are due for a check;
//! - `ends`: a shard's half messages end, are checked, or move on in the log.
//!
//! Before: `shard` (append), `runtime::open` (replay), `runtime::halves`; after: `entry::control` kinds 7 and 8.

mod ends;
mod halves;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::record::{PROPERTIES_BYTES_MAX, entries};

pub use halves::{CheckRules, Due, HALVES_MAX, Half, HalfMessages};

/// Where half messages lie; one part for each shard: see `Placement::part`.
pub const HALF_TOPIC: &str = "RMQ_SYS_TRANS_HALF_TOPIC";

/// Where those go that nobody has ever ended.
pub const GIVEN_UP_TOPIC: &str = "TRANS_CHECK_MAX_TIME_TOPIC";

/// The properties of a half message that decide about it.
pub mod property {
    /// How often its producer was asked before it came here.
    pub const CHECK_TIMES: &str = "TRANSACTION_CHECK_TIMES";
    /// Seconds that its producer asks for before the first check.
    pub const IMMUNITY: &str = "CHECK_IMMUNITY_TIME_IN_SECONDS";
}

/// The properties of a half message whose producer has been asked so often, as everybody sees them.
pub fn with_check_times(properties: &[u8], checks: u32) -> Cow<'_, [u8]> {
    if checks == 0 {
        return Cow::Borrowed(properties);
    }
    let mut counted = Vec::with_capacity(properties.len() + 32);
    let others = entries(properties).filter(|(name, _)| *name != property::CHECK_TIMES.as_bytes());
    for (name, value) in others.chain([(property::CHECK_TIMES.as_bytes(), checks.to_string().as_bytes())]) {
        counted.extend_from_slice(name);
        counted.push(1);
        counted.extend_from_slice(value);
        counted.push(2);
    }
    // The count is the broker's own: a message that has no room for it does without.
    if counted.len() <= PROPERTIES_BYTES_MAX { Cow::Owned(counted) } else { Cow::Borrowed(properties) }
}
