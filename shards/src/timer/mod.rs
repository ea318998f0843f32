//! Messages that wait for their time: the delay levels and the timers, one engine for both.
//!
//! A delayed message is a record of a system topic, in the log of the shard that owns the queue it is meant for. When it
//! may go follows from the record alone, so that a changed property moves nothing that waits already. Here is what is kept
//! in memory of each such record; it is derived from the log (a record adds, `Control::TimerGone` takes away) and kept in
//! the snapshot.
//!
//! Always true: what waits is in the log and durable before it may go; it leaves together with the entry that says so,
//! in one block; it never goes before its time.
//!
//! - `wait`: which records wait, until when, and what they are restored to;
//! - `lanes`: how many wait for what;
//! - `packed`, `bucket`, `timers`: 16 bytes for each, by the second in which they are due;
//! - `state`: the snapshot's slices;
//! - `unreadable`: when a record that the disk would not give is asked for again;
//! - `release`: how one leaves: delivered, dropped, taken back, or moved to the log's end.
//!
//! Before: `shard` (append, replay); after: `runtime::timers` (the driver), `runtime::pending` (retention).

mod bucket;
mod lanes;
mod packed;
mod release;
mod state;
#[cfg(test)]
mod tests;
mod timers;
mod unreadable;
mod wait;

pub use lanes::{LANES_MAX, LEVEL_LANE_MAX};
pub use packed::{Pending, RECORD_BYTES_MAX};
pub use timers::{Due, Timers};
pub use unreadable::Unreadable;
pub use wait::{DELIVER_MS, Restored, SCHEDULE_TOPIC, TIMER_TOPIC, Wait, is_waiting_topic, key_of, restore};
