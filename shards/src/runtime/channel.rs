//! Bounded channels from one core to another, in order. Made before the cores start; connected on each.

#[cfg(feature = "glommio")]
use super::glommio;
use super::sim;

pub struct Outlet<T: Send>(sim::channel::Outlet<T>, #[cfg(feature = "glommio")] glommio::channel::Outlet<T>);
pub struct Inlet<T: Send>(sim::channel::Inlet<T>, #[cfg(feature = "glommio")] glommio::channel::Inlet<T>);

pub enum Sender<T: Send> {
    #[cfg(feature = "glommio")]
    Glommio(glommio::channel::Sender<T>),
    Sim(sim::channel::Sender<T>),
}

pub enum Receiver<T: Send> {
    #[cfg(feature = "glommio")]
    Glommio(glommio::channel::Receiver<T>),
    Sim(sim::channel::Receiver<T>),
}

pub fn channel<T: Send + 'static>(capacity: usize) -> (Outlet<T>, Inlet<T>) {
    let (sim_outlet, sim_inlet) = sim::channel::channel(capacity);
    #[cfg(feature = "glommio")]
    {
        let (outlet, inlet) = glommio::channel::channel(capacity);
        (Outlet(sim_outlet, outlet), Inlet(sim_inlet, inlet))
    }
    #[cfg(not(feature = "glommio"))]
    (Outlet(sim_outlet), Inlet(sim_inlet))
}

impl<T: Send + 'static> Outlet<T> {
    /// Waits for the other side.
    pub async fn connect(self) -> Sender<T> {
        #[cfg(feature = "glommio")]
        if glommio::task::is_current() {
            return Sender::Glommio(self.1.connect().await);
        }
        Sender::Sim(self.0.connect().await)
    }
}

impl<T: Send + 'static> Inlet<T> {
    pub async fn connect(self) -> Receiver<T> {
        #[cfg(feature = "glommio")]
        if glommio::task::is_current() {
            return Receiver::Glommio(self.1.connect().await);
        }
        Receiver::Sim(self.0.connect().await)
    }
}

impl<T: Send + 'static> Sender<T> {
    /// Gives the item back when there is no room, or nobody there.
    pub fn try_send(&self, item: T) -> Result<(), T> {
        match self {
            #[cfg(feature = "glommio")]
            Sender::Glommio(sender) => sender.try_send(item),
            Sender::Sim(sender) => sender.try_send(item),
        }
    }

    /// Waits for room; gives the item back when nobody is there.
    pub async fn send(&self, item: T) -> Result<(), T> {
        match self {
            #[cfg(feature = "glommio")]
            Sender::Glommio(sender) => sender.send(item).await,
            Sender::Sim(sender) => sender.send(item).await,
        }
    }
}

impl<T: Send + 'static> Receiver<T> {
    /// `None`: the sender is gone and everything it sent has been received.
    pub async fn recv(&self) -> Option<T> {
        match self {
            #[cfg(feature = "glommio")]
            Receiver::Glommio(receiver) => receiver.recv().await,
            Receiver::Sim(receiver) => receiver.recv().await,
        }
    }
}
