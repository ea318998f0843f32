//! The little client behind `ringmq send` and `ringmq tail`: blocking, over std::net, needing neither io_uring nor a shard.
//!
//! - `client`: one connection, requests and their answers, what went wrong in words
//! - `route`: which brokers and queues a topic has
//! - `send`, `tail`: the two commands
//! - `frame`, `message`: what goes over the wire and what a pull returns
//! - `when`: `--from`, and times for people

mod client;
mod frame;
mod message;
mod route;
mod send;
mod tail;
mod when;

pub use client::ClientError;
pub use send::{Outgoing, send};
pub use tail::{Start, Tail, tail};
pub use when::{parse as parse_when, utc};
