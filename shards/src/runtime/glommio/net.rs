//! Sockets: the standard library's, non-blocking, with `readiness` to wait for.
//!
//! Not glommio's `TcpStream`: reading and writing take `&mut self` there, and one task reads while another writes. The
//! system calls are the same ones (glommio too tries `recv` or `sendmsg` first and waits when they would block).

use super::super::{clock::timeout, task};
use super::readiness::{Watched, Way};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    cell::Cell,
    io::{self, IoSlice, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 4096;

/// Parts of one vectored write; more go with the next call.
const PARTS_MAX: usize = 64;

pub struct Listener {
    inner: Watched<TcpListener>,
}

impl Listener {
    pub fn bind(addr: SocketAddr, share: bool) -> io::Result<Listener> {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
        // So that a restart need not wait for old connections' TIME_WAIT. It does not let two of us share the port.
        socket.set_reuse_address(true)?;
        if share {
            socket.set_reuse_port(true)?;
        }
        socket.bind(&addr.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(Listener { inner: Watched::new(TcpListener::from(socket))? })
    }

    pub async fn accept(&self) -> io::Result<Stream> {
        pause_if_due().await;
        loop {
            self.inner.ready(Way::Read).await;
            match self.inner.socket().accept() {
                Ok((stream, peer)) => return Stream::new(stream, peer),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => self.inner.exhausted(Way::Read),
                    // The client has given up between its connect and our accept.
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.socket().local_addr()
    }
}

pub struct Stream {
    inner: Watched<TcpStream>,
    peer: SocketAddr,
    closed: Cell<bool>,
}

impl Stream {
    fn new(stream: TcpStream, peer: SocketAddr) -> io::Result<Stream> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(Stream { inner: Watched::new(stream)?, peer, closed: Cell::new(false) })
    }

    pub async fn connect(addr: SocketAddr, limit: Duration) -> io::Result<Stream> {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        let at_once = match socket.connect(&addr.into()) {
            Ok(()) => true,
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => false,
            Err(error) => return Err(error),
        };
        let stream = Stream::new(TcpStream::from(socket), addr)?;
        if !at_once {
            if timeout(limit, stream.inner.ready(Way::Write)).await.is_none() {
                return Err(io::Error::new(io::ErrorKind::TimedOut, format!("{addr} does not answer within {limit:?}")));
            }
            if let Some(error) = stream.inner.socket().take_error()? {
                return Err(error);
            }
        }
        Ok(stream)
    }

    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.socket().local_addr()
    }

    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        pause_if_due().await;
        let mut socket = self.inner.socket();
        loop {
            self.inner.ready(Way::Read).await;
            if self.closed.get() {
                return Ok(0);
            }
            match socket.read(buffer) {
                Ok(len) => {
                    if len < buffer.len() {
                        self.inner.exhausted(Way::Read);
                    }
                    return Ok(len);
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => self.inner.exhausted(Way::Read),
                    io::ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
    }

    pub async fn write_vectored_all(&self, parts: &[&[u8]]) -> io::Result<()> {
        let mut first = 0;
        // How much of `parts[first]` is sent.
        let mut sent = 0;
        loop {
            while first < parts.len() && sent == parts[first].len() {
                first += 1;
                sent = 0;
            }
            if first == parts.len() {
                return Ok(());
            }
            let mut written = self.write_some(&parts[first..], sent).await?;
            while written > 0 {
                let left = parts[first].len() - sent;
                if written < left {
                    sent += written;
                    break;
                }
                written -= left;
                first += 1;
                sent = 0;
            }
        }
    }

    /// One vectored write of `parts` without the first `skip` bytes; returns how many bytes went, at least one.
    async fn write_some(&self, parts: &[&[u8]], skip: usize) -> io::Result<usize> {
        loop {
            self.inner.ready(Way::Write).await;
            if self.closed.get() {
                return Err(io::Error::new(io::ErrorKind::BrokenPipe, "the connection was closed on this side"));
            }
            match self.write_now(parts, skip) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => return Ok(written),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => self.inner.exhausted(Way::Write),
                    io::ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
    }

    fn write_now(&self, parts: &[&[u8]], skip: usize) -> io::Result<usize> {
        let mut socket = self.inner.socket();
        // SIGPIPE does not come: Rust's start-up code ignores it, and a broken pipe is this call's error.
        if let [only] = parts {
            // `send`, which does without what `writev` does for files.
            return socket.write(&only[skip..]);
        }
        let mut slices = [IoSlice::new(&[]); PARTS_MAX];
        let count = parts.len().min(PARTS_MAX);
        for (slice, part) in slices.iter_mut().zip(parts) {
            *slice = IoSlice::new(part);
        }
        slices[0] = IoSlice::new(&parts[0][skip..]);
        socket.write_vectored(&slices[..count])
    }

    pub fn close(&self) {
        if !self.closed.replace(true) {
            // An error says that the connection had ended before, which is as good.
            self.inner.socket().shutdown(Shutdown::Both).ok();
            self.inner.end();
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.close();
    }
}

/// A socket that always has something would never let other tasks run.
async fn pause_if_due() {
    if task::should_yield() {
        task::yield_now().await;
    }
}
