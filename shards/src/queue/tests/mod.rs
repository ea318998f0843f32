//! The queues as a whole. `world` is a shard without disk: a log in a vector, index files in a map, and a model that
//! answers every question the slow way.

mod extents;
mod model;
mod plan;
mod waiters;
pub mod world;
