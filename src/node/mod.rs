//! A node: one process, one executor per shard, and the roles it plays on them.
//!
//! Start: store, executors, shards (recovery), mesh, listeners, registration; then the line that RocketMQ users wait for.
//! Stop: nothing new is accepted, what was promised is kept, the broker unregisters, each log ends with a mark.
//!
//! Before: `cli`; after: `start`, which is the same in simulation.

mod disk;
mod name_server;
#[cfg(feature = "glommio")]
mod process;
pub mod start;
pub mod stop;
pub mod store;

#[cfg(feature = "glommio")]
pub use process::run;
