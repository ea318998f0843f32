//! One non-blocking connection with a buffer each way, and `poll` over many of them: one thread drives all.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use ringmq::remoting::{Header, split};

const CONNECT_LIMIT: Duration = Duration::from_secs(3);
const READ_BYTES: usize = 256 << 10;

pub struct Connection {
    stream: TcpStream,
    /// Whole requests, of which the first `out_done` bytes have gone.
    pub out: Vec<u8>,
    out_done: usize,
    input: Vec<u8>,
    input_len: usize,
}

/// An answer that outlives its frame; for requests that come one at a time.
pub struct Answer {
    pub code: i32,
    pub remark: String,
    /// The extended field `offset`, of those that have one.
    pub offset: Option<i64>,
    pub body: Vec<u8>,
}

impl Connection {
    pub fn open(address: &str) -> io::Result<Connection> {
        let mut last = io::Error::new(ErrorKind::NotFound, format!("{address} is no host:port"));
        for address in address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT_LIMIT) {
                Err(error) => last = error,
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_nonblocking(true)?;
                    let input = vec![0; READ_BYTES];
                    return Ok(Connection { stream, out: Vec::new(), out_done: 0, input, input_len: 0 });
                }
            }
        }
        Err(last)
    }

    /// Sends what the socket takes now.
    pub fn flush(&mut self) -> io::Result<()> {
        while self.out_done < self.out.len() {
            match self.stream.write(&self.out[self.out_done..]) {
                Ok(bytes) => self.out_done += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out.clear();
        self.out_done = 0;
        Ok(())
    }

    /// Reads once and hands out the answers that are whole. The broker's own requests are passed over.
    pub fn read(&mut self, mut each: impl FnMut(&Header<'_>, &[u8])) -> io::Result<()> {
        if self.input_len == self.input.len() {
            self.input.resize(2 * self.input_len, 0);
        }
        match self.stream.read(&mut self.input[self.input_len..]) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(bytes) => self.input_len += bytes,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return Ok(()),
            Err(error) => return Err(error),
        }
        let mut used = 0;
        while let Some((frame, bytes)) = split(&self.input[used..self.input_len]).map_err(bad)? {
            let header = Header::parse(&frame).map_err(bad)?;
            if header.is_response() {
                each(&header, frame.body);
            }
            used += bytes;
        }
        self.input.copy_within(used..self.input_len, 0);
        self.input_len -= used;
        Ok(())
    }

    /// Sends what is in `out` and waits for one answer; nothing else may be under way.
    pub fn call(&mut self, limit: Duration) -> io::Result<Answer> {
        let deadline = Instant::now() + limit;
        let mut answer = None;
        loop {
            self.flush()?;
            self.read(|header, body| {
                answer = Some(Answer {
                    code: header.code,
                    remark: header.remark.as_deref().unwrap_or_default().to_string(),
                    offset: header.field("offset").and_then(|text| text.parse().ok()),
                    body: body.to_vec(),
                });
            })?;
            if let Some(answer) = answer {
                return Ok(answer);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::Error::new(ErrorKind::TimedOut, format!("no answer for {limit:?}")));
            }
            wait(std::slice::from_ref(self), left, &mut Vec::new())?;
        }
    }
}

impl AsRawFd for Connection {
    fn as_raw_fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }
}

fn bad(error: impl std::fmt::Display) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error.to_string())
}

/// Waits until something can be read, or written where something waits to be; `ready` gets the indices.
pub fn wait(connections: &[Connection], limit: Duration, ready: &mut Vec<usize>) -> io::Result<()> {
    let mut polled: Vec<libc::pollfd> = connections
        .iter()
        .map(|connection| {
            let writes = if connection.out.is_empty() { 0 } else { libc::POLLOUT };
            libc::pollfd { fd: connection.stream.as_raw_fd(), events: libc::POLLIN | writes, revents: 0 }
        })
        .collect();
    let millis = limit.as_millis().clamp(1, 1_000_000) as i32;
    // SAFETY: the pointer and length are of one live vector of pollfd.
    let found = unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, millis) };
    ready.clear();
    if found < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == ErrorKind::Interrupted { Ok(()) } else { Err(error) };
    }
    ready.extend(polled.iter().enumerate().filter(|(_, one)| one.revents != 0).map(|(index, _)| index));
    Ok(())
}
