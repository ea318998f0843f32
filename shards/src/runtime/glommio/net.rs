//! Sockets: the standard library's, non-blocking, with io_uring's poll to wait for readiness.
//!
//! Not glommio's `TcpStream`: reading and writing take `&mut self` there, and one task reads while another writes. The
//! system calls are the same ones (glommio too tries `recv` or `sendmsg` first and polls when they would block).

use super::super::{clock::timeout, task};
use ::glommio::io::PollableFd;
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
    inner: PollableFd<TcpListener>,
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
        Ok(Listener { inner: PollableFd::new(TcpListener::from(socket))? })
    }

    pub async fn accept(&self) -> io::Result<Stream> {
        pause_if_due().await;
        loop {
            match self.inner.get_ref().accept() {
                Ok((stream, peer)) => return Stream::new(stream, peer),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => self.inner.readable().await?,
                    // The client has given up between its connect and our accept.
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.get_ref().local_addr()
    }
}

pub struct Stream {
    inner: PollableFd<TcpStream>,
    peer: SocketAddr,
    /// The last read got less than it had room for, so the next one would most likely find nothing: it polls first.
    drained: Cell<bool>,
    closed: Cell<bool>,
}

impl Stream {
    fn new(stream: TcpStream, peer: SocketAddr) -> io::Result<Stream> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(Stream { inner: PollableFd::new(stream)?, peer, drained: Cell::new(false), closed: Cell::new(false) })
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
            match timeout(limit, stream.inner.writable()).await {
                None => return Err(io::Error::new(io::ErrorKind::TimedOut, format!("{addr} does not answer within {limit:?}"))),
                Some(ready) => ready?,
            }
            if let Some(error) = stream.inner.get_ref().take_error()? {
                return Err(error);
            }
        }
        Ok(stream)
    }

    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.get_ref().local_addr()
    }

    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        pause_if_due().await;
        let mut socket = self.inner.get_ref();
        if self.drained.get() && !self.closed.get() {
            self.inner.readable().await?;
        }
        loop {
            if self.closed.get() {
                return Ok(0);
            }
            match socket.read(buffer) {
                Ok(len) => {
                    self.drained.set(len < buffer.len());
                    return Ok(len);
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => self.inner.readable().await?,
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
            if self.closed.get() {
                return Err(io::Error::new(io::ErrorKind::BrokenPipe, "the connection was closed on this side"));
            }
            let mut slices = [IoSlice::new(&[]); PARTS_MAX];
            let count = parts.len().min(PARTS_MAX);
            for (slice, part) in slices.iter_mut().zip(parts) {
                *slice = IoSlice::new(part);
            }
            slices[0] = IoSlice::new(&parts[0][skip..]);
            // SIGPIPE does not come: Rust's start-up code ignores it, and a broken pipe is this call's error.
            match self.inner.get_ref().write_vectored(&slices[..count]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => return Ok(written),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => self.inner.writable().await?,
                    io::ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
    }

    pub fn close(&self) {
        if !self.closed.replace(true) {
            // Wakes both directions' polls. An error says that the connection had ended before, which is as good.
            self.inner.get_ref().shutdown(Shutdown::Both).ok();
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // A poll that the ring still holds would keep the connection open past the descriptor's end.
        self.close();
    }
}

/// A socket that always has something would never let other tasks run.
async fn pause_if_due() {
    if task::should_yield() {
        task::yield_now().await;
    }
}
