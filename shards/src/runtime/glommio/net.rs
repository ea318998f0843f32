//! Sockets on io_uring. One stream is read and written at once by two tasks of its core: each poll borrows it briefly.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use ::glommio::net::{TcpListener, TcpStream};
use futures_lite::{AsyncRead, AsyncWrite};
use socket2::{Domain, Protocol, Socket, Type};

use super::{adopt, io_error};
use crate::runtime::system;

const BACKLOG: i32 = 1024;

pub struct Listener(TcpListener);

impl Listener {
    /// glommio's own `bind` always shares the port with whoever asks (SO_REUSEPORT), and two nodes would split one port's
    /// connections; it leaves SO_REUSEADDR off, and a restarted node could not have its port back for a minute. So the
    /// socket is made here.
    pub fn bind(address: SocketAddr, share: bool) -> io::Result<Listener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(share)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(Listener(adopt::listener(socket.into())))
    }

    pub async fn accept(&self) -> io::Result<Stream> {
        Stream::new(self.0.accept().await.map_err(io_error)?)
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr().map_err(io_error)
    }
}

pub struct Stream {
    stream: RefCell<TcpStream>,
    peer: SocketAddr,
    local: SocketAddr,
}

impl Stream {
    fn new(stream: TcpStream) -> io::Result<Stream> {
        stream.set_nodelay(true).map_err(io_error)?;
        let (peer, local) = (stream.peer_addr().map_err(io_error)?, stream.local_addr().map_err(io_error)?);
        Ok(Stream { stream: RefCell::new(stream), peer, local })
    }

    pub async fn connect(address: SocketAddr, limit: Duration) -> io::Result<Stream> {
        Stream::new(TcpStream::connect_timeout(address, limit).await.map_err(io_error)?)
    }

    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|context| Pin::new(&mut *self.stream.borrow_mut()).poll_read(context, buffer)).await
    }

    pub async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = poll_fn(|context| Pin::new(&mut *self.stream.borrow_mut()).poll_write(context, bytes)).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            bytes = &bytes[written..];
        }
        Ok(())
    }

    pub async fn write_vectored_all(&self, parts: &[&[u8]]) -> io::Result<()> {
        let mut slices: Vec<IoSlice<'_>> = parts.iter().filter(|part| !part.is_empty()).map(|part| IoSlice::new(part)).collect();
        let mut left = slices.as_mut_slice();
        while !left.is_empty() {
            let written = poll_fn(|context: &mut Context<'_>| Pin::new(&mut *self.stream.borrow_mut()).poll_write_vectored(context, left)).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            IoSlice::advance_slices(&mut left, written);
        }
        Ok(())
    }

    /// Both directions; a read or write that waits ends.
    pub fn close(&self) {
        let stream = self.stream.borrow();
        system::shutdown(stream.as_raw_fd(), Shutdown::Both);
    }
}
