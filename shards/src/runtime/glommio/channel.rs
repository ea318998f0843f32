//! Channels between executors: glommio's shared channels.

use ::glommio::channels::shared_channel::{self, ConnectedReceiver, ConnectedSender, SharedReceiver, SharedSender};
use ::glommio::{GlommioError, ResourceType};

pub fn channel<T: Send + 'static>(capacity: usize) -> (Outlet<T>, Inlet<T>) {
    let (sender, receiver) = shared_channel::new_bounded(capacity);
    (Outlet(sender), Inlet(receiver))
}

pub struct Outlet<T: Send + 'static>(SharedSender<T>);

impl<T: Send + 'static> Outlet<T> {
    pub async fn connect(self) -> Sender<T> {
        Sender(self.0.connect().await)
    }
}

pub struct Inlet<T: Send + 'static>(SharedReceiver<T>);

impl<T: Send + 'static> Inlet<T> {
    pub async fn connect(self) -> Receiver<T> {
        Receiver(self.0.connect().await)
    }
}

pub struct Sender<T: Send + 'static>(ConnectedSender<T>);

impl<T: Send + 'static> Sender<T> {
    pub fn try_send(&self, value: T) -> Result<(), T> {
        self.0.try_send(value).map_err(value_of)
    }

    pub async fn send(&self, value: T) -> Result<(), T> {
        self.0.send(value).await.map_err(value_of)
    }
}

pub struct Receiver<T: Send + 'static>(ConnectedReceiver<T>);

impl<T: Send + 'static> Receiver<T> {
    pub async fn recv(&self) -> Option<T> {
        self.0.recv().await
    }
}

fn value_of<T>(error: GlommioError<T>) -> T {
    match error {
        GlommioError::Closed(ResourceType::Channel(value)) | GlommioError::WouldBlock(ResourceType::Channel(value)) => value,
        other => unreachable!("a channel hands its value back when it is full or closed, and fails in no other way: {other}"),
    }
}
