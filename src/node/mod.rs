//! A node: one process, one executor per shard, and the roles it plays on them.
//!
//! Start: store, executors, shards (recovery), mesh, listeners, registration; then the line that RocketMQ users wait for.
//! Stop: nothing new is accepted, what was promised is kept, the broker unregisters, each log ends with a mark.
//!
//! Before: `cli`; after: `node::core`, which is the same in simulation.

pub mod core;
mod namesrv;
pub mod stop;
pub mod store;

#[cfg(feature = "glommio")]
mod process;

#[cfg(feature = "glommio")]
pub use process::run;
