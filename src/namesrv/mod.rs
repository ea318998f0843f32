//! The name server: which broker has which topic, and where brokers are. Name servers share nothing; a broker registers
//! with all that it is given.
//!
//! Pure: requests, closed connections and the scan come in with the time, answers and `Effects` go out. Before: a
//! connection of `net`; after: the answer's frame, and what `Effects` asks the caller to store or to send.
//!
//! - `routes`: the tables; `registration` and `topics` change them, `topic_route` reads one topic for a client
//! - `body`, `mapping`: what a registration carries
//! - `properties`: the settings that requests can change

mod body;
mod mapping;
mod properties;
mod registration;
#[cfg(test)]
mod registration_tests;
mod routes;
mod topic_route;
mod topics;

pub use body::{RegisteredTopic, TopicTable};
pub use mapping::QueueMapping;
pub use properties::{Policy, Properties, UpdateRefused};
pub use registration::{BrokerRegistration, Gone, LowestIdChange, Registered, RegistrationRefused};
pub use routes::{BROKERS_MAX, BrokerAddress, QUEUE_DATAS_MAX, Routes};
pub use topic_route::TopicRoute;
pub use topics::UnitTopics;

/// A connection of this node, by a number that is not used twice while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);
