//! One client's connection: what it has sent, what it is owed, and when it is closed. Lives on the core that accepted it.
//!
//! Two tasks: the reader hands every frame of a read to the service; the writer sends whatever replies are ready, in one
//! write. Invariants:
//! - `out` is bounded: beyond `OUT_BYTES_HIGH` no further frame is read and no pull is answered until the client has
//!   read; a client that takes nothing for `WRITE_STALL_MAX` is closed.
//! - A reply to a connection that is closed is dropped, never an error.
//!
//! Before: `net::listener`; after: `remoting::frame`, `broker::dispatch`.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use ringmq_shards::runtime::Signal;
use ringmq_shards::runtime::turns::Turns;
use ringmq_shards::runtime::{self, Lane, Stream};
use ringmq_shards::types::ShardId;

use super::budget::{Budget, Grant};
use super::log_limit::LogLimit;
use super::read_buffer::ReadBuffer;
use super::reads::{HELD_BYTES_MAX, HOLD_MAX, Holding, ReadNumber, Reads};
use super::{Connections, Flow, Service};
use crate::remoting::{self, BadFrame};

/// Replies that may wait for a client before we stop reading from it.
const OUT_BYTES_HIGH: usize = 1 << 20;
/// What a client may be owed, answers in the making included, before it gets another large one: as many as keep several
/// reads of the disk under way.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// A reply buffer that has grown beyond this for one large reply is not kept.
const OUT_BYTES_KEPT: usize = 256 * 1024;
/// A client that takes no byte for so long while it is owed some is closed.
const WRITE_STALL_MAX: Duration = Duration::from_secs(30);
/// Requests of one connection that may be unanswered at once, held pulls included.
const IN_FLIGHT_MAX: usize = 65_536;
/// A buffer is given back when a connection has been quiet for so long.
const QUIET: Duration = Duration::from_secs(5);

/// A connection's number on its core; never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionNumber(pub u64);

pub struct Connection {
    pub number: ConnectionNumber,
    pub peer: SocketAddr,
    pub local: SocketAddr,
    stream: Stream,
    out: RefCell<Out>,
    /// Raised when `out` has something to send, or the connection is to end.
    filled: Signal,
    /// Raised when the client has read what it was owed.
    drained: Signal,
    in_flight: Cell<usize>,
    /// Requests that nothing of this connection may overtake.
    detaining: Cell<usize>,
    budget: Rc<Budget>,
    /// Bytes of the write that is under way.
    sending_bytes: Cell<usize>,
    /// Bytes that large answers in the making may come to.
    promised_bytes: Cell<usize>,
    /// Large answers get their room one after the other, so that each wake finds one that waits, not thousands.
    room_turns: Rc<Turns>,
    ending: Cell<Ending>,
    last_read: Cell<Duration>,
    /// Raised when the connection is quiet and holds a buffer that it could give back.
    calm: Signal,
    holds_buffer: Cell<bool>,
    writing_since: Cell<Option<Duration>>,
    reads: RefCell<Reads>,
    /// All that is in `out` waits for more, until then.
    held_until: Cell<Option<Duration>>,
    /// It is among those of `Holding`.
    may_hold: Cell<bool>,
    /// What the service remembers of this connection: the cores where it has joined a group.
    pub joined: RefCell<Vec<ShardId>>,
}

struct Out {
    bytes: Vec<u8>,
    grant: Grant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Open,
    /// No further frame is read; what is owed is still sent.
    Finishing,
    Closed,
}

/// What all connections of a core share.
pub struct Shared {
    pub connections: Connections,
    pub budget: Rc<Budget>,
    pub connections_max: usize,
    pub idle_max: Duration,
    pub bad_frames: LogLimit,
    pub refused: LogLimit,
    pub holding: Holding,
}

impl Shared {
    pub fn new(budget_bytes: usize, connections_max: usize, idle_max: Duration) -> Shared {
        Shared {
            connections: Connections::default(),
            budget: Budget::new(budget_bytes),
            connections_max,
            idle_max,
            bad_frames: LogLimit::default(),
            refused: LogLimit::default(),
            holding: Holding::default(),
        }
    }

    /// Closes those that have been silent too long or do not read, takes buffers back from the quiet; called every few seconds.
    pub fn sweep(&self) {
        let now = runtime::uptime();
        for connection in self.connections.all() {
            let stalled = connection.writing_since.get().is_some_and(|since| now.saturating_sub(since) > WRITE_STALL_MAX);
            let silent = now.saturating_sub(connection.last_read.get());
            let idle = silent > self.idle_max;
            if silent > QUIET && connection.holds_buffer.take() {
                connection.calm.raise();
            }
            if stalled {
                tracing::info!(peer = %connection.peer, "closed: the client has read nothing for {} s", WRITE_STALL_MAX.as_secs());
            }
            if stalled || idle {
                connection.close();
            }
        }
    }
}

impl Connection {
    /// Takes a connected stream into the core's table and serves it until it ends.
    pub fn serve<S: Service>(stream: Stream, service: Rc<S>, shared: Rc<Shared>) -> std::io::Result<Rc<Connection>> {
        let (peer, local) = (stream.peer_addr()?, stream.local_addr()?);
        let connection = shared.connections.insert(|number| Connection {
            number,
            peer,
            local,
            stream,
            out: RefCell::new(Out { bytes: Vec::new(), grant: shared.budget.force(0) }),
            filled: Signal::new(),
            drained: Signal::new(),
            in_flight: Cell::new(0),
            detaining: Cell::new(0),
            budget: shared.budget.clone(),
            sending_bytes: Cell::new(0),
            promised_bytes: Cell::new(0),
            room_turns: Turns::one(),
            ending: Cell::new(Ending::Open),
            last_read: Cell::new(runtime::uptime()),
            calm: Signal::new(),
            holds_buffer: Cell::new(false),
            writing_since: Cell::new(None),
            reads: RefCell::default(),
            held_until: Cell::new(None),
            may_hold: Cell::new(false),
            joined: RefCell::default(),
        });
        let writer = connection.clone();
        let _detached = runtime::spawn(Lane::Network, async move { writer.write_replies().await });
        let reader = connection.clone();
        let _detached = runtime::spawn(Lane::Network, async move {
            reader.read_frames(&service, &shared).await;
            reader.finish();
            service.closed(&reader);
            shared.connections.remove(reader.number);
        });
        Ok(connection)
    }

    /// Appends whole reply frames; they leave when this pass is over.
    pub fn reply(&self, write: impl FnOnce(&mut Vec<u8>)) {
        self.put(write);
        self.let_go();
    }

    /// Counts a request whose answer `answer` will give.
    pub fn expect(&self) -> ReadNumber {
        self.reads.borrow_mut().expect(self.last_read.get())
    }

    /// It is not to be answered after all.
    pub fn forget(&self, read: ReadNumber) {
        if self.reads.borrow_mut().answered(read).is_none() {
            self.let_go();
        }
    }

    /// As `reply`, but waits for the answers to what came with the same read: see `net::reads`.
    pub fn answer(self: &Rc<Self>, read: ReadNumber, holding: &Holding, write: impl FnOnce(&mut Vec<u8>)) {
        let is_first = self.out.borrow().bytes.is_empty();
        self.put(write);
        let arrived = self.reads.borrow_mut().answered(read);
        match arrived {
            Some(arrived) if self.is_open() && self.out.borrow().bytes.len() <= HELD_BYTES_MAX => {
                if is_first {
                    let now = runtime::uptime();
                    self.held_until.set(Some(now + now.saturating_sub(arrived).min(HOLD_MAX)));
                }
                if !self.may_hold.replace(true) {
                    holding.add(self.clone());
                }
            }
            _ => self.let_go(),
        }
    }

    /// Whether something may still be held after `now`; what is due leaves.
    pub fn holds_after(&self, now: Duration) -> bool {
        let until = self.held_until.get();
        if until.is_some_and(|until| until > now) {
            return true;
        }
        if until.is_some() {
            self.let_go();
        }
        self.may_hold.set(false);
        false
    }

    fn let_go(&self) {
        self.held_until.set(None);
        self.filled.raise();
    }

    fn put(&self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.ending.get() == Ending::Closed {
            return;
        }
        let mut out = self.out.borrow_mut();
        let out = &mut *out;
        write(&mut out.bytes);
        if out.bytes.capacity() != out.grant.bytes() {
            out.grant.follow(out.bytes.capacity());
        }
    }

    /// Waits until an answer of up to `bytes` may be made for this client: it has read most of what it is owed, and the
    /// core has memory for it. A client that is owed nothing always gets room, so that those who do not read cannot
    /// starve those who do. `None`: the connection has ended.
    pub async fn answer_room(self: &Rc<Self>, bytes: usize) -> Option<AnswerRoom> {
        let _turn = self.room_turns.take().await;
        loop {
            if self.ending.get() == Ending::Closed {
                return None;
            }
            let owed = self.owed_bytes() + self.promised_bytes.get();
            let fits = owed + bytes <= ANSWER_BYTES_MAX && self.budget.fits(bytes);
            if owed == 0 || fits {
                self.promised_bytes.set(self.promised_bytes.get() + bytes);
                return Some(AnswerRoom { connection: self.clone(), _grant: self.budget.force(bytes), bytes });
            }
            self.drained.wait().await;
        }
    }

    /// Waits until the client has read most of what it is owed.
    async fn writable(&self) {
        while self.owed_bytes() > OUT_BYTES_HIGH && self.is_open() {
            self.drained.wait().await;
        }
    }

    /// Replies that the system has not taken, those of the write under way included.
    fn owed_bytes(&self) -> usize {
        self.out.borrow().bytes.len() + self.sending_bytes.get()
    }

    /// Whether the client reads what it is owed, so that it may be sent what it has not asked for.
    pub fn takes_more(&self) -> bool {
        self.is_open() && self.owed_bytes() <= OUT_BYTES_HIGH
    }

    pub fn is_open(&self) -> bool {
        self.ending.get() == Ending::Open
    }

    /// Counts a request that is answered later, until the guard is dropped.
    pub fn begin(self: &Rc<Self>) -> InFlight {
        self.in_flight.set(self.in_flight.get() + 1);
        InFlight(self.clone())
    }

    /// Holds back what must not overtake a request of this connection that is still being served, until the guard is dropped.
    pub fn detain(self: &Rc<Self>) -> Detained {
        self.detaining.set(self.detaining.get() + 1);
        Detained(self.clone())
    }

    pub fn is_detained(&self) -> bool {
        self.detaining.get() > 0
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.get()
    }

    /// Reads no further frame; what is owed is still sent.
    pub fn finish(&self) {
        if self.ending.get() == Ending::Open {
            self.ending.set(Ending::Finishing);
            self.let_go();
            self.drained.raise();
        }
    }

    /// Whether all that was promised to this client has been sent.
    pub fn is_settled(&self) -> bool {
        self.in_flight.get() == 0 && self.out.borrow().bytes.is_empty() && self.writing_since.get().is_none()
    }

    /// At once, both directions.
    pub fn close(&self) {
        self.ending.set(Ending::Closed);
        self.stream.close();
        self.let_go();
        self.drained.raise();
    }

    async fn read_frames<S: Service>(self: &Rc<Self>, service: &Rc<S>, shared: &Rc<Shared>) {
        let mut buffer = ReadBuffer::new(&shared.budget);
        let mut frame_bytes = 0;
        loop {
            self.holds_buffer.set(buffer.can_shrink());
            let Some(room) = buffer.room(frame_bytes) else {
                self.complain(shared, "the memory for connections is used up (memoryBudget)");
                return self.close();
            };
            let read = match self.unless_calm(self.stream.read(room)).await {
                Some(Ok(0)) | Some(Err(_)) => return,
                Some(Ok(read)) => read,
                None => {
                    buffer.shrink();
                    continue;
                }
            };
            buffer.filled(read);
            self.last_read.set(runtime::uptime());
            self.reads.borrow_mut().next();
            frame_bytes = match self.take_frames(&mut buffer, service, shared).await {
                Some(bytes) => bytes,
                None => return,
            };
            buffer.trim();
            self.writable().await;
            while self.in_flight.get() >= IN_FLIGHT_MAX && self.is_open() {
                self.drained.wait().await;
            }
            if !self.is_open() {
                return;
            }
        }
    }

    /// `None` when the sweep finds the connection quiet first. A timer for each read would cost two allocations.
    async fn unless_calm<T>(&self, read: impl Future<Output = T>) -> Option<T> {
        let (mut read, mut calm) = (pin!(read), pin!(self.calm.wait()));
        poll_fn(|cx| match read.as_mut().poll(cx) {
            Poll::Ready(read) => Poll::Ready(Some(read)),
            Poll::Pending => calm.as_mut().poll(cx).map(|()| None),
        })
        .await
    }

    /// Hands on every whole frame in the buffer. Returns the size of the one that has begun (0: not known), or `None`
    /// when the connection is to end.
    async fn take_frames<S: Service>(
        self: &Rc<Self>,
        buffer: &mut ReadBuffer,
        service: &Rc<S>,
        shared: &Rc<Shared>,
    ) -> Option<usize> {
        loop {
            let (frame, used) = match remoting::split(buffer.unread()) {
                Ok(Some(whole)) => whole,
                Ok(None) => return Some(announced(buffer.unread())),
                Err(bad) => {
                    self.complain_frame(shared, &bad);
                    return None;
                }
            };
            match service.frame(self, &frame) {
                Flow::Taken => buffer.take(used),
                Flow::Later if self.is_detained() => self.drained.wait().await,
                Flow::Later => service.room().await,
                Flow::Close => return None,
            }
            if !self.is_open() {
                return None;
            }
        }
    }

    async fn write_replies(&self) {
        let mut sending = Vec::new();
        loop {
            if self.held_until.get().is_none() {
                std::mem::swap(&mut sending, &mut self.out.borrow_mut().bytes);
            }
            if sending.is_empty() {
                match self.ending.get() {
                    Ending::Open => {}
                    Ending::Finishing if self.in_flight.get() > 0 => {}
                    Ending::Finishing | Ending::Closed => break,
                }
                self.filled.wait().await;
                continue;
            }
            self.writing_since.set(Some(runtime::uptime()));
            self.sending_bytes.set(sending.len());
            if self.stream.write_all(&sending).await.is_err() {
                self.writing_since.set(None);
                break;
            }
            self.writing_since.set(None);
            self.sending_bytes.set(0);
            sending.clear();
            if sending.capacity() > OUT_BYTES_KEPT {
                sending = Vec::new();
            }
            self.drained.raise();
        }
        self.close();
        *self.out.borrow_mut() = Out { bytes: Vec::new(), grant: Grant::none() };
    }

    fn complain(&self, shared: &Shared, what: &str) {
        if let Some(left_out) = shared.bad_frames.pass() {
            tracing::warn!(peer = %self.peer, left_out, "closed: {what}");
        }
    }

    fn complain_frame(&self, shared: &Shared, bad: &BadFrame) {
        if let Some(left_out) = shared.bad_frames.pass() {
            tracing::warn!(peer = %self.peer, left_out, "closed: {bad}");
        }
    }
}

/// The bytes of the frame that has begun, as far as its length has come; it was checked when the frame was split.
fn announced(begun: &[u8]) -> usize {
    begun.first_chunk::<4>().map_or(0, |length| 4 + i32::from_be_bytes(*length).max(0) as usize)
}

/// A request that is still to be answered.
pub struct InFlight(Rc<Connection>);

impl InFlight {
    pub fn connection(&self) -> &Rc<Connection> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let connection = &self.0;
        connection.in_flight.set(connection.in_flight.get() - 1);
        connection.drained.raise();
        if connection.ending.get() != Ending::Open {
            connection.filled.raise();
        }
    }
}

/// A request that those behind it must not overtake.
pub struct Detained(Rc<Connection>);

impl Drop for Detained {
    fn drop(&mut self) {
        self.0.detaining.set(self.0.detaining.get() - 1);
        self.0.drained.raise();
    }
}

/// Room for a large answer, until it is written or given up.
pub struct AnswerRoom {
    connection: Rc<Connection>,
    bytes: usize,
    _grant: Grant,
}

impl Drop for AnswerRoom {
    fn drop(&mut self) {
        let promised = &self.connection.promised_bytes;
        promised.set(promised.get() - self.bytes);
        self.connection.drained.raise();
    }
}
