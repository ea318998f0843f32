//! Requests and their answers, typed: one family a file, named as in `broker` and `namesrv`.
//!
//! A struct has the extended fields of one request or answer. `decode` borrows from the header; `encode` writes them for
//! whoever sends it, into a `RequestWriter` or `ResponseWriter`. Bodies in JSON stand beside them, as functions over the
//! types of `ringmq_shards` where there are such.
//!
//! A field is required only if RocketMQ itself fails without it; what it tolerates has its default here. Fields that we
//! do not know, the namespace and forwarding fields among them, are passed over.
//!
//! Before: `header`; after: `broker`, `namesrv`.

mod bad_request;
#[macro_use]
mod fields;

pub mod assignment;
pub mod broker;
pub mod client;
pub mod delay;
pub mod group;
pub mod group_offsets;
mod group_policy;
pub mod heartbeat;
pub mod kv;
pub mod lock;
pub mod namesrv;
pub mod offset;
pub mod pop;
pub mod progress;
pub mod pull;
pub mod query;
pub mod queue;
pub mod register;
pub mod relay;
pub mod reply;
pub mod reset;
pub mod retry;
pub mod route;
pub mod send;
pub mod stats;
pub mod subscription;
pub mod topic;
pub mod topic_config;
pub mod transaction;
pub mod view;

#[cfg(test)]
mod tests;

pub use bad_request::BadRequest;
pub use fields::FieldWriter;
