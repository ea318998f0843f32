//! Threads of load: what they say to the broker, and how they are started together.
//!
//! - `target`: which brokers, topics and queues; `message`: the requests of a producer
//! - `lines`: one thread's connections, and what becomes of one that breaks
//! - `producer`, `consumer`, `popper`: what a thread does; `handed`, `seen`: what pops bring; `run`: all threads of a run, from begin to results
//! - `options`: the arguments that commands share

pub mod consumer;
pub mod handed;
pub mod lines;
pub mod message;
pub mod options;
pub mod popper;
pub mod producer;
pub mod run;
pub mod seen;
pub mod target;
