//! POP consumption: which messages are handed out and invisible, in the queues of one shard.
//!
//! A message that is handed out is invisible for a while. An ack ends that for good; when the time is over without one, the
//! message is stored again in the group's retry topic of that topic, and only then let go. So a message is with one consumer at a time,
//! is never lost, and is never seen again after its ack.
//!
//! The log is the truth: each step is a control entry (`event`), and the state is what applying them in order gives. Applying
//! is the same code at work and in a replay, and sets what it says instead of adding to it, so that entries which a snapshot
//! knows already change nothing in the end.
//!
//! Always true: the consumer offset of a queue is its first message that is not acked, or the next to hand out; a queue with nothing in flight is not kept here, only its
//! consumer offset is.
//!
//! - `event`: the entries; `table`: the state of all queues; `flights`, `orderly`: of one queue;
//! - `take`: what a pop gets, decided against the queue's index; `select`: the same by properties, of records that were read;
//!   `settle`: acks and longer invisible times;
//! - `modes`: whether a group pulls or pops a topic.
//!
//! Before: `broker::pop`; after: `entry::control`, `runtime::pop` (reads, waits, revives).

mod event;
mod flights;
mod modes;
mod orderly;
mod select;
mod settle;
mod table;
mod take;
#[cfg(test)]
mod tests;

pub use event::{Handed, PopEvent, PopStep, Settled};
pub(crate) use modes::REQUEST_MODE;
pub use modes::{BadModes, ModeChange, RequestMode, RequestModes};
pub use orderly::Orderly;
pub use select::{LookBudget, PopAhead, Selected};
pub use settle::{AckOutcome, Extended};
pub use table::{Expired, PopLimits, Pops};
pub use take::{InitialOffset, PopError, PopRequest, PopScan, Taken, Took};
