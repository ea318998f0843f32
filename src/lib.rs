//! RingMQ: Apache RocketMQ's name server, broker and tools, re-made so that a core owns everything it touches.
//!
//! Start reading at `broker::dispatch`.

pub mod remoting;
