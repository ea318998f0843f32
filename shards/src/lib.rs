//! What one core owns: its queues, its commit log, its settings, and the runtime they run on.
//!
//! State changes are plain synchronous Rust with time passed in; only `runtime` awaits. Nothing here knows a
//! request code, JSON or protobuf: the `ringmq` package translates between clients and these types.

pub mod data_version;
pub mod entry;
pub mod filter;
pub mod group;
pub mod log;
pub mod offsets;
pub mod placement;
pub mod pop;
pub mod queue;
pub mod record;
pub mod resets;
pub mod runtime;
pub mod shard;
pub mod snapshot;
pub mod timer;
pub mod topic;
pub mod transaction;
pub mod types;
pub mod wire;
