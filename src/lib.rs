//! RingMQ: Apache RocketMQ's name server, broker and tools, re-made so that a core owns everything it touches.
//!
//! Start reading at `broker::dispatch`.

pub mod admin;
pub mod broker;
pub mod cli;
pub mod config;
pub mod namesrv;
pub mod net;
pub mod node;
pub mod preflight;
pub mod remoting;
pub mod store;
pub mod tune;
