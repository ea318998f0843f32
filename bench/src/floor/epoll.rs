//! The floor on epoll: one loop that waits, reads once from each socket that has something, and answers it.
//!
//! Level-triggered, because one read takes what a closed loop has under way, and what it leaves is shown again.
//! A connection whose answers do not fit the socket is not read until they have gone.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use super::answer::{Answers, Input, READ_BYTES};

/// What an event of the listener carries; connections carry their place, and there are fewer of them.
const LISTENER: u64 = u64::MAX;
const EVENTS_MAX: usize = 256;

struct Connection {
    stream: TcpStream,
    input: Input,
    out: Vec<u8>,
    sent: usize,
}

/// Returns only when it cannot go on.
pub fn serve(listener: TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let events_of = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&events_of, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let answers = Answers::new();
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut events = Vec::with_capacity(EVENTS_MAX);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        events.clear();
        match epoll::wait(&events_of, spare_capacity(&mut events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            if event.data.u64() == LISTENER {
                let (stream, _) = match listener.accept() {
                    Ok(accepted) => accepted,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                    Err(error) => return Err(error),
                };
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true)?;
                let place = connections.iter().position(Option::is_none).unwrap_or(connections.len());
                if place == connections.len() {
                    connections.push(None);
                }
                epoll::add(&events_of, &stream, EventData::new_u64(place as u64), EventFlags::IN)?;
                connections[place] = Some(Connection { stream, input: Input::default(), out: Vec::new(), sent: 0 });
                continue;
            }
            let place = event.data.u64() as usize;
            // Gone, when an earlier event of this look has ended it.
            let Some(connection) = &mut connections[place] else { continue };
            let was_full = !connection.out.is_empty();
            let lives = if was_full { connection.send() } else { connection.converse(&mut buffer, &answers) };
            match lives {
                Ok(true) => {
                    let is_full = !connection.out.is_empty();
                    if is_full != was_full {
                        let wanted = if is_full { EventFlags::OUT } else { EventFlags::IN };
                        epoll::modify(&events_of, &connection.stream, EventData::new_u64(place as u64), wanted)?;
                    }
                }
                ended => {
                    if let Err(error) = ended {
                        eprintln!("a connection ended: {error}");
                    }
                    // Closing the socket takes it out of the epoll as well.
                    connections[place] = None;
                }
            }
        }
    }
}

impl Connection {
    /// One read and its answers; `false` when the peer has closed.
    fn converse(&mut self, buffer: &mut [u8], answers: &Answers) -> io::Result<bool> {
        let read = match self.stream.read(buffer) {
            Ok(0) => return Ok(false),
            Ok(read) => read,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return Ok(true),
            Err(error) => return Err(error),
        };
        self.input.answer(&buffer[..read], answers, &mut self.out).map_err(io::Error::other)?;
        self.send()
    }

    /// What the socket takes now.
    fn send(&mut self) -> io::Result<bool> {
        while self.sent < self.out.len() {
            match self.stream.write(&self.out[self.sent..]) {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out.clear();
        self.sent = 0;
        Ok(true)
    }
}
