//! Channels between cores: bounded, one producer, one consumer.
//!
//! Both ends are made by whoever starts the cores, sent to them, and connected there. A full channel is back-pressure:
//! `try_send` hands the value back. (There is no count of free places: neither end can know the other's without an
//! atomic per message. Who must never find a channel full keeps its own count of what is outstanding.)

use super::sim;

#[cfg(feature = "glommio")]
use super::{Backend, backend, glommio};

/// A channel of `capacity` values; made before the executors start (in simulation: by the process's main function).
pub fn channel<T: Send + 'static>(capacity: usize) -> (Outlet<T>, Inlet<T>) {
    assert!(capacity > 0, "a channel without room never carries anything");
    #[cfg(feature = "glommio")]
    if backend() != Backend::Sim {
        let (outlet, inlet) = glommio::channel(capacity);
        return (Outlet(OutletKind::Glommio(outlet)), Inlet(InletKind::Glommio(inlet)));
    }
    let (outlet, inlet) = sim::channel(capacity);
    (Outlet(OutletKind::Sim(outlet)), Inlet(InletKind::Sim(inlet)))
}

/// The sending end, not yet on its core.
pub struct Outlet<T: Send + 'static>(OutletKind<T>);

enum OutletKind<T: Send + 'static> {
    #[cfg(feature = "glommio")]
    Glommio(glommio::Outlet<T>),
    Sim(sim::Outlet<T>),
}

impl<T: Send + 'static> Outlet<T> {
    /// Binds the end to this core; waits until the other end is bound too.
    pub async fn connect(self) -> Sender<T> {
        Sender(match self.0 {
            #[cfg(feature = "glommio")]
            OutletKind::Glommio(outlet) => SenderKind::Glommio(outlet.connect().await),
            OutletKind::Sim(outlet) => SenderKind::Sim(outlet.connect().await),
        })
    }
}

/// The receiving end, not yet on its core.
pub struct Inlet<T: Send + 'static>(InletKind<T>);

enum InletKind<T: Send + 'static> {
    #[cfg(feature = "glommio")]
    Glommio(glommio::Inlet<T>),
    Sim(sim::Inlet<T>),
}

impl<T: Send + 'static> Inlet<T> {
    /// Binds the end to this core; waits until the other end is bound too.
    pub async fn connect(self) -> Receiver<T> {
        Receiver(match self.0 {
            #[cfg(feature = "glommio")]
            InletKind::Glommio(inlet) => ReceiverKind::Glommio(inlet.connect().await),
            InletKind::Sim(inlet) => ReceiverKind::Sim(inlet.connect().await),
        })
    }
}

pub struct Sender<T: Send + 'static>(SenderKind<T>);

enum SenderKind<T: Send + 'static> {
    #[cfg(feature = "glommio")]
    Glommio(glommio::Sender<T>),
    Sim(sim::Sender<T>),
}

impl<T: Send + 'static> Sender<T> {
    /// Hands the value back when the channel is full or the receiver is gone.
    pub fn try_send(&self, value: T) -> Result<(), T> {
        match &self.0 {
            #[cfg(feature = "glommio")]
            SenderKind::Glommio(sender) => sender.try_send(value),
            SenderKind::Sim(sender) => sender.try_send(value),
        }
    }

    /// Waits for room; hands the value back when the receiver is gone.
    pub async fn send(&self, value: T) -> Result<(), T> {
        match &self.0 {
            #[cfg(feature = "glommio")]
            SenderKind::Glommio(sender) => sender.send(value).await,
            SenderKind::Sim(sender) => sender.send(value).await,
        }
    }
}

pub struct Receiver<T: Send + 'static>(ReceiverKind<T>);

enum ReceiverKind<T: Send + 'static> {
    #[cfg(feature = "glommio")]
    Glommio(glommio::Receiver<T>),
    Sim(sim::Receiver<T>),
}

impl<T: Send + 'static> Receiver<T> {
    /// The next value, or `None` when the sender is gone and everything it sent has been received.
    pub async fn recv(&self) -> Option<T> {
        match &self.0 {
            #[cfg(feature = "glommio")]
            ReceiverKind::Glommio(receiver) => receiver.recv().await,
            ReceiverKind::Sim(receiver) => receiver.recv().await,
        }
    }
}
