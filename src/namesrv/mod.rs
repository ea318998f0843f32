//! The name server: which broker has which topic, and where brokers are. Name servers share nothing; a broker registers
//! with all that it is given.
//!
//! Pure: requests, closed connections and the scan come in with the time, answers and `Effects` go out. Before: a
//! connection of `net`; after: the answer's frame, and what `Effects` asks the caller to store or to send.
//!
//! - `handle`: the request codes, and what of them is not about brokers; start reading here
//! - `broker_requests`: what brokers send, decoded and answered
//! - `routes`: the tables, with `broker_queues` in them; `registration` and `topics` change them, `topic_route` reads one topic for a client
//! - `body`, `mapping`: what a registration carries
//! - `bodies`: what answers carry
//! - `kv`, `properties`: the settings that requests can change

mod bodies;
mod body;
mod broker_queues;
mod broker_requests;
#[cfg(test)]
mod golden;
mod handle;
#[cfg(test)]
mod handle_tests;
mod kv;
mod mapping;
mod properties;
mod registration;
#[cfg(test)]
mod registration_tests;
mod routes;
mod topic_route;
mod topics;

pub use handle::{Effects, NameServer, Store, serves};
pub use kv::{KV_BYTES_MAX, KvConfig};
pub use properties::{Policy, Properties};
pub use registration::{Gone, LowestIdChange};
pub use routes::{BROKERS_MAX, BrokerAddress, QUEUE_DATAS_MAX, Routes};

/// A connection of this node, by a number that is not used twice while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);
