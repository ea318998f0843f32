//! Sockets: what is accepted, read, written, bounded and closed. Knows frames, no request.
//!
//! One reader and one writer task per connection, on the core that accepted it. Every frame of a read is handed to the
//! core's [`Service`] as a borrowed view; every reply that is ready leaves in one write per pass.

pub mod budget;
pub mod client;
pub mod connection;
pub mod connections;
pub mod listener;
pub mod log_limit;
pub mod owned_frame;
mod read_buffer;
pub mod reads;

pub use connection::{Connection, ConnectionNumber};
pub use connections::Connections;

use std::rc::Rc;

use crate::remoting::Frame;

/// Whoever answers the frames of a listener: the broker or the name server on this core.
pub trait Service: 'static {
    /// One whole frame. Replies go into `connection.reply(...)`, now or later.
    fn frame(self: &Rc<Self>, connection: &Rc<Connection>, frame: &Frame<'_>) -> Flow;

    /// Waits until a frame that got `Flow::Later` may be tried again.
    fn room(self: &Rc<Self>) -> impl Future<Output = ()>;

    /// The connection is gone; forget what hangs on it.
    fn closed(self: &Rc<Self>, connection: &Rc<Connection>);
}

/// What to do after a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Taken; go on with the next.
    Taken,
    /// Nothing was done: a bound is reached. Offer the same frame again when `room` returns; until then read no more.
    Later,
    /// The frame cannot be answered; close the connection.
    Close,
}
