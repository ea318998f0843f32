//! The simulated network: listeners, connections as two byte streams each, latencies, partitions. Pure but for the
//! scheduling of arrivals.
//!
//! Invariants:
//! - A direction's bytes arrive in order, whole and once, or the connection is reset.
//! - A direction holds at most `WINDOW` bytes that are not yet read: a writer waits for its reader.
//! - What a process had when it ended is never read again; its peer gets a reset, and its later bytes another.

use super::{
    process::{MachineId, ProcessId},
    trace::Event,
    world::Inner,
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io,
    net::{IpAddr, SocketAddr},
    ops::Range,
    rc::Rc,
    task::Waker,
    time::Duration,
};

/// Bytes on the way and unread, per direction: about what socket buffers hold.
pub const WINDOW: usize = 256 << 10;

/// Connections that wait to be accepted, per listener.
const BACKLOG: usize = 1024;

/// The first port given out when a program asks for any.
const FIRST_FREE_PORT: u16 = 32_768;

/// How often a partitioned direction tries again.
const RETRY: Range<Duration> = Duration::from_millis(5)..Duration::from_millis(200);

/// What can go wrong, and how far machines are apart. Chances are in a million.
#[derive(Clone, Debug)]
pub struct NetworkFaults {
    pub latency: Range<Duration>,
    /// A piece takes twenty times as long.
    pub slow: u32,
    /// A write is cut into pieces that arrive apart.
    pub split: u32,
    /// A read returns fewer bytes than there are.
    pub short_read: u32,
    /// A write resets its connection.
    pub reset: u32,
}

impl Default for NetworkFaults {
    fn default() -> NetworkFaults {
        NetworkFaults {
            latency: Duration::from_micros(10)..Duration::from_micros(200),
            slow: 5_000,
            split: 100_000,
            short_read: 100_000,
            reset: 0,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId(u64);

/// One end of a connection: side 0 has connected, side 1 was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    pub connection: ConnectionId,
    pub side: usize,
}

impl End {
    fn peer(self) -> End {
        End { connection: self.connection, side: 1 - self.side }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListenerId(u64);

struct ListenerState {
    machine: MachineId,
    process: ProcessId,
    port: u16,
    share: bool,
    waiting: VecDeque<End>,
    wakers: Vec<Waker>,
}

/// Something on its way to an end.
enum Item {
    Bytes(Vec<u8>),
    /// The peer will send no more.
    Fin,
    Reset,
}

struct EndState {
    machine: MachineId,
    process: ProcessId,
    address: SocketAddr,
    arriving: VecDeque<(Duration, Item)>,
    /// Bytes in `arriving`.
    arriving_bytes: usize,
    inbox: VecDeque<u8>,
    finished: bool,
    reset: bool,
    /// By this side.
    closed: bool,
    readers: Vec<Waker>,
    /// Tasks of this side that wait for room at the other.
    writers: Vec<Waker>,
}

impl EndState {
    fn new(machine: MachineId, process: ProcessId, address: SocketAddr) -> EndState {
        EndState {
            machine,
            process,
            address,
            arriving: VecDeque::new(),
            arriving_bytes: 0,
            inbox: VecDeque::new(),
            finished: false,
            reset: false,
            closed: false,
            readers: Vec::new(),
            writers: Vec::new(),
        }
    }

    fn unread(&self) -> usize {
        self.arriving_bytes + self.inbox.len()
    }

    fn wake_all(&mut self) {
        for waker in self.readers.drain(..).chain(self.writers.drain(..)) {
            waker.wake();
        }
    }
}

pub struct Network {
    pub faults: NetworkFaults,
    listeners: BTreeMap<ListenerId, ListenerState>,
    connections: BTreeMap<ConnectionId, [EndState; 2]>,
    partitions: BTreeSet<(MachineId, MachineId)>,
    last_number: u64,
    next_port: u16,
}

/// What a read or write finds.
pub enum Now<T> {
    Done(T),
    Wait,
}

impl Network {
    pub fn new() -> Network {
        Network {
            faults: NetworkFaults::default(),
            listeners: BTreeMap::new(),
            connections: BTreeMap::new(),
            partitions: BTreeSet::new(),
            last_number: 0,
            next_port: FIRST_FREE_PORT,
        }
    }

    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub fn free_port(&mut self) -> u16 {
        let port = self.next_port;
        self.next_port = port.checked_add(1).unwrap_or(FIRST_FREE_PORT);
        port
    }

    pub fn partition(&mut self, one: MachineId, two: MachineId) {
        self.partitions.insert((one.min(two), one.max(two)));
    }

    pub fn heal(&mut self, one: MachineId, two: MachineId) {
        self.partitions.remove(&(one.min(two), one.max(two)));
    }

    pub fn is_partitioned(&self, one: MachineId, two: MachineId) -> bool {
        self.partitions.contains(&(one.min(two), one.max(two)))
    }

    pub fn listen(&mut self, machine: MachineId, process: ProcessId, port: u16, share: bool) -> io::Result<(ListenerId, u16)> {
        let port = if port == 0 { self.free_port() } else { port };
        let taken =
            self.listeners.values().any(|other| other.machine == machine && other.port == port && !(share && other.share));
        if taken {
            return Err(io::Error::from_raw_os_error(libc::EADDRINUSE));
        }
        let id = ListenerId(self.number());
        let state = ListenerState { machine, process, port, share, waiting: VecDeque::new(), wakers: Vec::new() };
        self.listeners.insert(id, state);
        Ok((id, port))
    }

    /// The listeners of a port, any of which may get the next connection.
    pub fn listeners_at(&self, machine: MachineId, port: u16) -> Vec<ListenerId> {
        let here =
            |listener: &ListenerState| listener.machine == machine && listener.port == port && listener.waiting.len() < BACKLOG;
        self.listeners.iter().filter(|(_, listener)| here(listener)).map(|(id, _)| *id).collect()
    }

    /// A connection from an address to a listener; returns the connecting side's end.
    pub fn connect(&mut self, from: (MachineId, ProcessId, SocketAddr), to: SocketAddr, listener: ListenerId) -> End {
        let connection = ConnectionId(self.number());
        let target = self.listeners.get_mut(&listener).expect("just listed");
        let ends = [EndState::new(from.0, from.1, from.2), EndState::new(target.machine, target.process, to)];
        target.waiting.push_back(End { connection, side: 1 });
        for waker in target.wakers.drain(..) {
            waker.wake();
        }
        self.connections.insert(connection, ends);
        End { connection, side: 0 }
    }

    /// The next connection of a listener; `None` where the listener is gone.
    pub fn accept(&mut self, listener: ListenerId, waker: &Waker) -> Option<Now<End>> {
        let state = self.listeners.get_mut(&listener)?;
        Some(match state.waiting.pop_front() {
            Some(end) => Now::Done(end),
            None => {
                state.wakers.push(waker.clone());
                Now::Wait
            }
        })
    }

    fn end(&mut self, end: End) -> Option<&mut EndState> {
        Some(&mut self.connections.get_mut(&end.connection)?[end.side])
    }

    /// This end's and the peer's address.
    pub fn addresses(&self, end: End) -> (SocketAddr, SocketAddr) {
        let ends = &self.connections[&end.connection];
        (ends[end.side].address, ends[1 - end.side].address)
    }

    /// How many bytes may be sent now; an error when the connection has ended.
    pub fn room(&mut self, end: End, waker: &Waker) -> io::Result<Now<usize>> {
        let Some(ends) = self.connections.get_mut(&end.connection) else { return Err(io::ErrorKind::ConnectionReset.into()) };
        let unread = ends[1 - end.side].unread();
        let own = &mut ends[end.side];
        if own.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if own.reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if unread >= WINDOW {
            own.writers.push(waker.clone());
            return Ok(Now::Wait);
        }
        Ok(Now::Done(WINDOW - unread))
    }

    /// Takes what has arrived, up to `limit` bytes of it.
    pub fn read(
        &mut self,
        end: End,
        buffer: &mut [u8],
        limit: impl FnOnce(usize) -> usize,
        waker: &Waker,
    ) -> io::Result<Now<usize>> {
        let Some(ends) = self.connections.get_mut(&end.connection) else { return Err(io::ErrorKind::ConnectionReset.into()) };
        let own = &mut ends[end.side];
        if own.closed {
            return Ok(Now::Done(0));
        }
        let there = own.inbox.len().min(buffer.len());
        if there > 0 {
            let take = limit(there);
            let (front, back) = own.inbox.as_slices();
            let from_front = take.min(front.len());
            buffer[..from_front].copy_from_slice(&front[..from_front]);
            buffer[from_front..take].copy_from_slice(&back[..take - from_front]);
            own.inbox.drain(..take);
            for waker in ends[1 - end.side].writers.drain(..) {
                waker.wake();
            }
            return Ok(Now::Done(take));
        }
        if own.reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if own.finished || buffer.is_empty() {
            return Ok(Now::Done(0));
        }
        own.readers.push(waker.clone());
        Ok(Now::Wait)
    }
}

impl Inner {
    /// The machine that an address means when it is used on this one.
    pub fn machine_at(&self, address: IpAddr, seen_from: MachineId) -> Option<MachineId> {
        if address.is_loopback() || address.is_unspecified() {
            return Some(seen_from);
        }
        let machines = self.machines.borrow();
        let index = machines.iter().position(|machine| IpAddr::V4(machine.address) == address)?;
        Some(MachineId(index as u32))
    }

    /// Sends bytes that there is room for.
    pub fn send(self: &Rc<Inner>, end: End, bytes: &[u8]) {
        let (split, reset) = {
            let faults = &self.network.borrow().faults;
            let mut random = self.random.borrow_mut();
            let split = bytes.len() > 1 && random.chance(faults.split);
            (split.then(|| 1 + random.index(bytes.len() - 1)), random.chance(faults.reset))
        };
        if reset {
            self.transmit(end.peer(), Item::Reset, None);
            self.transmit(end, Item::Reset, None);
            return;
        }
        let (first, rest) = bytes.split_at(split.unwrap_or(bytes.len()));
        self.transmit(end.peer(), Item::Bytes(first.to_vec()), None);
        if !rest.is_empty() {
            self.transmit(end.peer(), Item::Bytes(rest.to_vec()), None);
        }
    }

    /// Puts something on its way to an end, behind everything that is on the way already.
    fn transmit(self: &Rc<Inner>, to: End, item: Item, within: Option<&Range<Duration>>) {
        let mut network = self.network.borrow_mut();
        let mut random = self.random.borrow_mut();
        let mut takes = random.duration(within.unwrap_or(&network.faults.latency));
        if within.is_none() && random.chance(network.faults.slow) {
            takes *= 20;
        }
        let Some(state) = network.end(to) else { return };
        let last = state.arriving.back().map_or(Duration::ZERO, |(at, _)| *at);
        let at = last.max(self.clock.get() + takes);
        if let Item::Bytes(bytes) = &item {
            state.arriving_bytes += bytes.len();
        }
        state.arriving.push_back((at, item));
        self.at(at, move |world| world.arrive(to));
    }

    /// What was due at an end by now has arrived.
    fn arrive(self: &Rc<Inner>, end: End) {
        let mut answer_with_reset = false;
        {
            let mut network = self.network.borrow_mut();
            let Some(ends) = network.connections.get(&end.connection) else { return };
            if network.is_partitioned(ends[0].machine, ends[1].machine) {
                let again = self.clock.get() + self.random.borrow_mut().duration(&RETRY);
                self.at(again, move |world| world.arrive(end));
                return;
            }
            let state = network.end(end).expect("looked up above");
            let mut bytes_arrived = 0;
            while state.arriving.front().is_some_and(|(at, _)| *at <= self.clock.get()) {
                let (_, item) = state.arriving.pop_front().expect("looked at above");
                match item {
                    Item::Bytes(bytes) => {
                        state.arriving_bytes -= bytes.len();
                        bytes_arrived += bytes.len();
                        if state.closed {
                            answer_with_reset = true;
                        } else if !state.reset {
                            // What was sent before the sender heard of a reset is lost, not delivered behind a hole.
                            state.inbox.extend(bytes);
                        }
                    }
                    Item::Fin => state.finished = true,
                    Item::Reset => {
                        state.reset = true;
                        state.inbox.clear();
                    }
                }
            }
            state.wake_all();
            let number = end.connection.0 * 2 + end.side as u64;
            self.note(Event::Deliver, number, bytes_arrived as u64);
            network.forget_if_over(end.connection);
        }
        if answer_with_reset {
            self.transmit(end.peer(), Item::Reset, None);
        }
    }

    /// Ends both directions at this end, in good order.
    pub fn close_end(self: &Rc<Inner>, end: End) {
        {
            let mut network = self.network.borrow_mut();
            let Some(state) = network.end(end) else { return };
            if std::mem::replace(&mut state.closed, true) {
                return;
            }
            state.wake_all();
        }
        self.transmit(end.peer(), Item::Fin, None);
        self.network.borrow_mut().forget_if_over(end.connection);
    }

    pub fn close_listener(self: &Rc<Inner>, listener: ListenerId) {
        let state = self.network.borrow_mut().listeners.remove(&listener);
        for end in state.into_iter().flat_map(|state| state.waiting) {
            self.abort(end, None);
        }
    }

    /// Ends a connection from this end without ceremony.
    fn abort(self: &Rc<Inner>, end: End, peer_notices_within: Option<&Range<Duration>>) {
        if let Some(state) = self.network.borrow_mut().end(end) {
            state.closed = true;
            state.wake_all();
        }
        self.transmit(end.peer(), Item::Reset, peer_notices_within);
        self.network.borrow_mut().forget_if_over(end.connection);
    }

    /// A process has ended: in good order (`None`), or so that its peers notice within this time.
    pub fn drop_sockets(self: &Rc<Inner>, process: ProcessId, reset: Option<Range<Duration>>) {
        let (listeners, ends) = {
            let network = self.network.borrow();
            let listeners: Vec<_> =
                network.listeners.iter().filter(|(_, listener)| listener.process == process).map(|(id, _)| *id).collect();
            (listeners, network.ends(|end| end.process == process && !end.closed))
        };
        for listener in listeners {
            self.close_listener(listener);
        }
        for end in ends {
            match &reset {
                None => self.close_end(end),
                Some(within) => self.abort(end, Some(within)),
            }
        }
    }

    pub fn reset_connections(self: &Rc<Inner>, machine: MachineId) {
        let ends = self.network.borrow().ends(|end| end.machine == machine);
        for end in ends {
            self.transmit(end, Item::Reset, None);
            self.transmit(end.peer(), Item::Reset, None);
        }
    }
}

impl Network {
    fn ends(&self, wanted: impl Fn(&EndState) -> bool) -> Vec<End> {
        let all = self
            .connections
            .iter()
            .flat_map(|(id, ends)| ends.iter().enumerate().map(move |(side, state)| (End { connection: *id, side }, state)));
        all.filter(|(_, state)| wanted(state)).map(|(end, _)| end).collect()
    }

    /// A connection that both sides have closed, with nothing on the way, is no more.
    fn forget_if_over(&mut self, connection: ConnectionId) {
        let over =
            self.connections.get(&connection).is_some_and(|ends| ends.iter().all(|end| end.closed && end.arriving.is_empty()));
        if over {
            self.connections.remove(&connection);
        }
    }
}
