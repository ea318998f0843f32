//! POP consumption: a consumer asks the broker for messages, not a queue for its next ones.
//!
//! What is handed out, and until when nobody else sees it, is each shard's state (`shards::pop`). Here: requests, which queues they mean,
//! and waiting.
//!
//! - `take`: POP_MESSAGE (200050); `visit`: the queues of a pop, shard by shard; `answer`: its reply;
//! - `settle`: acks (200051, 200151) and invisible times (200053);
//! - `look`: PEEK_MESSAGE (200052), NOTIFICATION (200054), POLLING_INFO (200055);
//! - `polls`: who waits on this core; `wait`: until when, and who is woken;
//! - `revive`: what nobody acked comes back through the retry topic;
//! - `assign`, `allocate`: which queues a client asks (400), and whether it pulls or pops (401, 402).
//!
//! Before: `broker::dispatch`; after: `shards::runtime::pop`.

mod allocate;
mod answer;
pub mod assign;
pub mod look;
pub mod polls;
mod revive;
pub mod settle;
pub mod take;
mod visit;
mod wait;

pub use assign::Routes;
pub use polls::Polls;
pub use revive::start;
pub use wait::connection_closed;
