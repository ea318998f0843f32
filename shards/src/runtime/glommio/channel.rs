//! Bounded channels between two executors.

use ::glommio::channels::shared_channel::{self, ConnectedReceiver, ConnectedSender, SharedReceiver, SharedSender};
use ::glommio::{GlommioError, ResourceType};

pub struct Outlet<T: Send>(SharedSender<T>);
pub struct Inlet<T: Send>(SharedReceiver<T>);
pub struct Sender<T: Send>(ConnectedSender<T>);
pub struct Receiver<T: Send>(ConnectedReceiver<T>);

pub fn channel<T: Send>(capacity: usize) -> (Outlet<T>, Inlet<T>) {
    let (sender, receiver) = shared_channel::new_bounded(capacity);
    (Outlet(sender), Inlet(receiver))
}

impl<T: Send + 'static> Outlet<T> {
    pub async fn connect(self) -> Sender<T> {
        Sender(self.0.connect().await)
    }
}

impl<T: Send + 'static> Inlet<T> {
    pub async fn connect(self) -> Receiver<T> {
        Receiver(self.0.connect().await)
    }
}

impl<T: Send + 'static> Sender<T> {
    pub fn try_send(&self, item: T) -> Result<(), T> {
        self.0.try_send(item).map_err(refused)
    }

    pub async fn send(&self, item: T) -> Result<(), T> {
        self.0.send(item).await.map_err(refused)
    }
}

fn refused<T>(error: GlommioError<T>) -> T {
    match error {
        GlommioError::WouldBlock(ResourceType::Channel(item)) | GlommioError::Closed(ResourceType::Channel(item)) => item,
        other => panic!("a channel gives back what it does not take: {other}"),
    }
}

impl<T: Send + 'static> Receiver<T> {
    pub async fn recv(&self) -> Option<T> {
        self.0.recv().await
    }
}
