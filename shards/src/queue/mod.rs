//! The consume queues of one shard: where each queue's messages lie in the log.
//!
//! Derived from the log, and rebuilt from it: nothing here is written but one index file beside each sealed segment
//! (`docs/layout.md`). What is asked for in a sealed segment is read in pages; whoever asks is told which part to load,
//! loads it and asks again, so that nothing in this folder waits or touches a file.
//!
//! Always true: a queue's offsets are dense and grow by one; what is not durable is not visible; an offset is never
//! given out twice within one incarnation of its topic, also when all its messages have expired.
//!
//! - `queues`: the table of queues: open, append, visible when durable;
//! - `segment_index`, `chain`: one segment's runs of entries in memory, and how a queue's runs in segments are found;
//! - `seal`, `build`, `merge`, `layout`: from the index in memory to the file, in slices;
//! - `sealed`, `pages`: reading such files by pages; `rebuild`: making a lost one again;
//! - `lookup`, `time`, `keys`: entries by offset, offsets by time, records by key;
//! - `retention`: a segment leaves; `replay`, `state`: from the log and the snapshot back into memory;
//! - `puts`: how much each queue has taken since the start;
//! - `plan`: what a pull must read; `waiters`: pulls that wait; `tail_cache`: blocks that were just written;
//!   `extents`, `streams`: what was read from the log lately, and by whom.
//!
//! Before: `broker::send`, `broker::pull`; after: `log` (the records), `runtime` (the files).

mod build;
mod chain;
mod entry;
mod extents;
mod keys;
mod layout;
mod lookup;
mod merge;
mod pages;
mod plan;
mod puts;
mod queues;
mod rebuild;
mod replay;
mod retention;
mod seal;
mod sealed;
mod segment_index;
mod state;
mod streams;
mod tail_cache;
#[cfg(test)]
mod tests;
mod time;
mod waiters;

pub use entry::{IndexEntry, is_queued, key_hash};
pub use extents::{Extent, ExtentCache, Look, Next};
pub use keys::{KeySearch, KeyStep};
pub use layout::{BadIndex, INDEX_VERSION, IndexHeader, PAGE_BYTES, verify_index};
pub use lookup::Lookup;
pub use plan::{Plan, PlannedRead, Pull, PullLimits, PullStatus, plan};
pub use puts::Puts;
pub use queues::{QueueLimits, QueueSlot, Queues, Visible};
pub use rebuild::Rebuild;
pub use replay::{ReplayGap, Replayed};
pub use retention::Retire;
pub use seal::Seal;
pub use sealed::IndexRead;
pub use tail_cache::TailCache;
pub use time::{Boundary, TimeSearch};
pub use waiters::{Waiters, WaitersFull, Wants};
