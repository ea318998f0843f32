//! The floor on a bare ring: multishot accept and receive, provided buffers, one send per connection and pass.
//!
//! One thread submits and takes completions (SINGLE_ISSUER), and the kernel's part of the work runs when that thread
//! asks for completions (DEFER_TASKRUN): a pass is one system call, however many connections have something.
//!
//! Invariants:
//! - A connection has at most one send under way, and the bytes of that send stay where they are until it has completed.
//! - A connection is dropped, and its place given to another, only when neither its receive nor a send is under way.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd};

use io_uring::{IoUring, cqueue, opcode, squeue, types};

use super::answer::{Answers, Input};
use super::buffers::{Buffers, GROUP};

const ENTRIES: u32 = 512;
/// A pass may find several completions per connection.
const COMPLETIONS: u32 = 4096;

/// The upper half of a completion's number says what it was; the lower half is the connection's place.
const ACCEPT: u64 = 0;
const RECEIVE: u64 = 1 << 32;
const SEND: u64 = 2 << 32;

struct Connection {
    stream: TcpStream,
    input: Input,
    /// Answers for the next send.
    out: Vec<u8>,
    /// Answers of which `sent` bytes have gone, and the rest is under way while `sends`.
    sending: Vec<u8>,
    sent: usize,
    sends: bool,
    receives: bool,
    ended: bool,
}

/// Dropped in this order: the ring knows the buffers, and it may still be sending what connections hold.
struct Server {
    ring: IoUring,
    buffers: Buffers,
    connections: Vec<Option<Connection>>,
}

/// Returns only when it cannot go on.
pub fn serve(listener: TcpListener) -> io::Result<()> {
    let ring = IoUring::builder().setup_single_issuer().setup_defer_taskrun().setup_cqsize(COMPLETIONS).build(ENTRIES)?;
    let buffers = Buffers::register(&ring)?;
    let mut server = Server { ring, buffers, connections: Vec::new() };
    let answers = Answers::new();
    let accept = opcode::AcceptMulti::new(types::Fd(listener.as_raw_fd())).build().user_data(ACCEPT);
    server.push(&accept)?;
    let (mut completions, mut touched) = (Vec::new(), Vec::new());
    loop {
        match server.ring.submit_and_wait(1) {
            Ok(_) => {}
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINTR | libc::EBUSY)) => {}
            Err(error) => return Err(error),
        }
        completions.extend(server.ring.completion());
        for completion in completions.drain(..) {
            let place = completion.user_data() as u32 as usize;
            match completion.user_data() & !u64::from(u32::MAX) {
                ACCEPT => {
                    server.accepted(&completion)?;
                    if !cqueue::more(completion.flags()) {
                        server.push(&accept)?;
                    }
                    continue;
                }
                RECEIVE => server.received(place, &completion, &answers)?,
                _ => server.sent(place, &completion),
            }
            touched.push(place);
        }
        for place in touched.drain(..) {
            server.go_on(place)?;
        }
    }
}

impl Server {
    fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        // SAFETY: what entries point to are the connections' `sending`, see the invariants.
        while unsafe { self.ring.submission().push(entry) }.is_err() {
            self.ring.submit()?;
        }
        Ok(())
    }

    fn accepted(&mut self, completion: &cqueue::Entry) -> io::Result<()> {
        if completion.result() < 0 {
            return Err(io::Error::from_raw_os_error(-completion.result()));
        }
        // SAFETY: the kernel has just opened this descriptor for us.
        let stream = unsafe { TcpStream::from_raw_fd(completion.result()) };
        stream.set_nodelay(true)?;
        let place = self.connections.iter().position(Option::is_none).unwrap_or(self.connections.len());
        if place == self.connections.len() {
            self.connections.push(None);
        }
        self.connections[place] = Some(Connection {
            stream,
            input: Input::default(),
            out: Vec::new(),
            sending: Vec::new(),
            sent: 0,
            sends: false,
            receives: false,
            ended: false,
        });
        self.go_on(place)
    }

    fn received(&mut self, place: usize, completion: &cqueue::Entry, answers: &Answers) -> io::Result<()> {
        let connection = self.connections[place].as_mut().expect("it stays while its receive is under way");
        connection.receives = cqueue::more(completion.flags());
        match completion.result() {
            read @ 1.. => {
                let (id, bytes) = self.buffers.filled(completion.flags(), read as usize);
                if let Err(error) = connection.input.answer(bytes, answers, &mut connection.out) {
                    connection.end(&error.to_string());
                }
                self.buffers.give_back(id);
            }
            0 => connection.ended = true,
            // All buffers were in use, and are not any more: `go_on` receives again.
            error if -error == libc::ENOBUFS => {}
            error => connection.end(&io::Error::from_raw_os_error(-error).to_string()),
        }
        Ok(())
    }

    fn sent(&mut self, place: usize, completion: &cqueue::Entry) {
        let connection = self.connections[place].as_mut().expect("it stays while its send is under way");
        connection.sends = false;
        match usize::try_from(completion.result()) {
            Ok(sent) => connection.sent += sent,
            Err(_) => connection.end(&io::Error::from_raw_os_error(-completion.result()).to_string()),
        }
    }

    /// Once per pass: sends what has gathered, receives again where that has stopped, drops what has ended.
    fn go_on(&mut self, place: usize) -> io::Result<()> {
        // Touched twice in a pass, and dropped the first time.
        let Some(connection) = &mut self.connections[place] else { return Ok(()) };
        if connection.ended {
            if !connection.receives && !connection.sends {
                self.connections[place] = None;
            }
            return Ok(());
        }
        let fd = types::Fd(connection.stream.as_raw_fd());
        let receives = std::mem::replace(&mut connection.receives, true);
        let send = connection.next_send().map(|rest| {
            // Sends all, unless the connection ends: the kernel goes on where the socket was full.
            let send = opcode::Send::new(fd, rest.as_ptr(), rest.len() as u32).flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL);
            send.build().user_data(SEND | place as u64)
        });
        if !receives {
            self.push(&opcode::RecvMulti::new(fd, GROUP).build().user_data(RECEIVE | place as u64))?;
        }
        match send {
            Some(send) => self.push(&send),
            None => Ok(()),
        }
    }
}

impl Connection {
    /// What is to be sent now, if no send is under way.
    fn next_send(&mut self) -> Option<&[u8]> {
        if self.sends {
            return None;
        }
        if self.sent == self.sending.len() {
            self.sending.clear();
            self.sent = 0;
            std::mem::swap(&mut self.sending, &mut self.out);
        }
        self.sends = !self.sending.is_empty();
        self.sends.then(|| &self.sending[self.sent..])
    }

    fn end(&mut self, why: &str) {
        eprintln!("a connection ended: {why}");
        self.ended = true;
        // Ends the receive as well. An error says that it has ended already.
        self.stream.shutdown(Shutdown::Both).ok();
    }
}
