//! TCP: listeners and streams.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

#[cfg(feature = "glommio")]
use super::glommio;
use super::sim;

pub struct Listener(ListenerInner);

enum ListenerInner {
    #[cfg(feature = "glommio")]
    Glommio(glommio::net::Listener),
    Sim(sim::Listener),
}

impl Listener {
    /// `share`: other cores of this node listen on the same address, and each gets a part of the connections.
    pub fn bind(address: SocketAddr, share: bool) -> io::Result<Listener> {
        #[cfg(feature = "glommio")]
        if glommio::task::is_current() {
            return Ok(Listener(ListenerInner::Glommio(glommio::net::Listener::bind(address, share)?)));
        }
        Ok(Listener(ListenerInner::Sim(sim::Listener::bind(address, share)?)))
    }

    pub async fn accept(&self) -> io::Result<Stream> {
        match &self.0 {
            #[cfg(feature = "glommio")]
            ListenerInner::Glommio(listener) => Ok(Stream(StreamInner::Glommio(listener.accept().await?))),
            ListenerInner::Sim(listener) => Ok(Stream(StreamInner::Sim(listener.accept().await?))),
        }
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            #[cfg(feature = "glommio")]
            ListenerInner::Glommio(listener) => listener.local_addr(),
            ListenerInner::Sim(listener) => Ok(listener.local_addr()),
        }
    }
}

/// A connected stream; one task may read while another writes.
pub struct Stream(StreamInner);

enum StreamInner {
    #[cfg(feature = "glommio")]
    Glommio(glommio::net::Stream),
    Sim(sim::Stream),
}

impl Stream {
    pub async fn connect(address: SocketAddr, limit: Duration) -> io::Result<Stream> {
        #[cfg(feature = "glommio")]
        if glommio::task::is_current() {
            return Ok(Stream(StreamInner::Glommio(glommio::net::Stream::connect(address, limit).await?)));
        }
        Ok(Stream(StreamInner::Sim(sim::Stream::connect(address, limit).await?)))
    }

    pub fn peer_addr(&self) -> SocketAddr {
        match &self.0 {
            #[cfg(feature = "glommio")]
            StreamInner::Glommio(stream) => stream.peer_addr(),
            StreamInner::Sim(stream) => stream.peer_addr(),
        }
    }

    pub fn local_addr(&self) -> SocketAddr {
        match &self.0 {
            #[cfg(feature = "glommio")]
            StreamInner::Glommio(stream) => stream.local_addr(),
            StreamInner::Sim(stream) => stream.local_addr(),
        }
    }

    /// 0: the other side has finished.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            #[cfg(feature = "glommio")]
            StreamInner::Glommio(stream) => stream.read(buffer).await,
            StreamInner::Sim(stream) => stream.read(buffer).await,
        }
    }

    pub async fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        match &self.0 {
            #[cfg(feature = "glommio")]
            StreamInner::Glommio(stream) => stream.write_all(bytes).await,
            StreamInner::Sim(stream) => stream.write_all(bytes).await,
        }
    }

    /// Both directions, at once; whoever waits on the stream wakes.
    pub fn close(&self) {
        match &self.0 {
            #[cfg(feature = "glommio")]
            StreamInner::Glommio(stream) => stream.close(),
            StreamInner::Sim(stream) => stream.close(),
        }
    }
}
