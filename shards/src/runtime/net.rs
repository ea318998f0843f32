//! TCP sockets.
//!
//! Invariants:
//! - One task may read a stream while another writes it: both take `&self`.
//! - `close` ends both directions for everyone: a pending read returns 0 or an error, a pending write an error.
//! - Dropping a stream closes it.

use super::{Backend, backend, outside, sim};
use std::{io, net::SocketAddr, time::Duration};

#[cfg(feature = "glommio")]
use super::glommio;

/// A listening socket of one core.
pub struct Listener(ListenerKind);

enum ListenerKind {
    #[cfg(feature = "glommio")]
    Glommio(glommio::Listener),
    Sim(sim::Listener),
}

impl Listener {
    /// Listens on `addr`; port 0 lets the system choose. With `share` several listeners (one per core, SO_REUSEPORT)
    /// take connections from one port; without it a port that anybody listens on already is `AddrInUse`.
    pub fn bind(addr: SocketAddr, share: bool) -> io::Result<Listener> {
        match backend() {
            Backend::Outside => outside("listening"),
            #[cfg(feature = "glommio")]
            Backend::Glommio => Ok(Listener(ListenerKind::Glommio(glommio::Listener::bind(addr, share)?))),
            Backend::Sim => Ok(Listener(ListenerKind::Sim(sim::Listener::bind(addr, share)?))),
        }
    }

    pub async fn accept(&self) -> io::Result<Stream> {
        match &self.0 {
            #[cfg(feature = "glommio")]
            ListenerKind::Glommio(listener) => Ok(Stream(StreamKind::Glommio(listener.accept().await?))),
            ListenerKind::Sim(listener) => Ok(Stream(StreamKind::Sim(listener.accept().await?))),
        }
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            #[cfg(feature = "glommio")]
            ListenerKind::Glommio(listener) => listener.local_addr(),
            ListenerKind::Sim(listener) => Ok(listener.local_addr()),
        }
    }
}

/// One end of a connection, of one core. TCP_NODELAY is set: whoever writes has collected what belongs together.
pub struct Stream(StreamKind);

enum StreamKind {
    #[cfg(feature = "glommio")]
    Glommio(glommio::Stream),
    Sim(sim::Stream),
}

impl Stream {
    /// Connects within `limit`, or fails with `TimedOut`.
    pub async fn connect(addr: SocketAddr, limit: Duration) -> io::Result<Stream> {
        match backend() {
            Backend::Outside => outside("connecting"),
            #[cfg(feature = "glommio")]
            Backend::Glommio => Ok(Stream(StreamKind::Glommio(glommio::Stream::connect(addr, limit).await?))),
            Backend::Sim => Ok(Stream(StreamKind::Sim(sim::Stream::connect(addr, limit).await?))),
        }
    }

    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            #[cfg(feature = "glommio")]
            StreamKind::Glommio(stream) => Ok(stream.peer_addr()),
            StreamKind::Sim(stream) => Ok(stream.peer_addr()),
        }
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            #[cfg(feature = "glommio")]
            StreamKind::Glommio(stream) => stream.local_addr(),
            StreamKind::Sim(stream) => Ok(stream.local_addr()),
        }
    }

    /// Some bytes, at least one; 0 when there will be no more.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            #[cfg(feature = "glommio")]
            StreamKind::Glommio(stream) => stream.read(buffer).await,
            StreamKind::Sim(stream) => stream.read(buffer).await,
        }
    }

    pub async fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        self.write_vectored_all(&[bytes]).await
    }

    /// Writes the parts one after another, with as few system calls as the socket's buffer lets.
    pub async fn write_vectored_all(&self, parts: &[&[u8]]) -> io::Result<()> {
        match &self.0 {
            #[cfg(feature = "glommio")]
            StreamKind::Glommio(stream) => stream.write_vectored_all(parts).await,
            StreamKind::Sim(stream) => stream.write_vectored_all(parts).await,
        }
    }

    pub fn close(&self) {
        match &self.0 {
            #[cfg(feature = "glommio")]
            StreamKind::Glommio(stream) => stream.close(),
            StreamKind::Sim(stream) => stream.close(),
        }
    }
}
