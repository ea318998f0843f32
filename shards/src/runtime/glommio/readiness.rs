//! Which sockets of a core can be read or written: one epoll for all of them, and io_uring's poll to wait for that one.
//!
//! A poll in the ring for each wait of each socket costs a kernel round, a completion and several allocations every time;
//! an edge-triggered registration costs one system call for all that has happened since (docs/decisions/009-epoll.md).
//!
//! Invariants:
//! - A direction is ready until its socket has said otherwise (`exhausted`); whatever arrives after that raises it again.
//! - A socket that has ended stays ready in both directions: reading it tells how it ended.
//! - At most one task waits for each direction of a socket.

use super::super::Lane;
use super::executor;
use ::glommio::io::PollableFd;
use rustix::buffer::spare_capacity;
use rustix::event::{
    Timespec,
    epoll::{self, CreateFlags, Event, EventData, EventFlags},
};
use std::{
    cell::{Cell, OnceCell, RefCell},
    future::poll_fn,
    io,
    os::fd::{AsFd, OwnedFd},
    rc::Rc,
    task::{Poll, Waker},
    time::Duration,
};

/// Events of one look; more come with the next.
const EVENTS_MAX: usize = 256;
/// How long to wait when the ring refuses to poll, which a full ring may do.
const POLL_RETRY: Duration = Duration::from_millis(1);
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

thread_local! {
    static CORE: OnceCell<Rc<Readiness>> = const { OnceCell::new() };
}

/// A core's table of watched sockets.
struct Readiness {
    epoll: PollableFd<OwnedFd>,
    watched: RefCell<Vec<Option<Rc<Directions>>>>,
    free: RefCell<Vec<usize>>,
}

#[derive(Default)]
struct Directions {
    read: Direction,
    write: Direction,
    ended: Cell<bool>,
}

/// One direction of a socket.
#[derive(Default)]
struct Direction {
    ready: Cell<bool>,
    waiter: Cell<Option<Waker>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Read,
    Write,
}

/// A socket that is being watched, until dropped. Belongs to the core that made it.
pub struct Watched<S: AsFd> {
    socket: S,
    place: usize,
    directions: Rc<Directions>,
    core: Rc<Readiness>,
}

impl Direction {
    fn raise(&self) {
        self.ready.set(true);
        if let Some(waiter) = self.waiter.take() {
            waiter.wake();
        }
    }

    async fn wait(&self) {
        poll_fn(|cx| {
            if self.ready.get() {
                return Poll::Ready(());
            }
            let waiter = self.waiter.take().filter(|waiter| waiter.will_wake(cx.waker()));
            self.waiter.set(Some(waiter.unwrap_or_else(|| cx.waker().clone())));
            Poll::Pending
        })
        .await;
    }
}

impl Directions {
    fn way(&self, way: Way) -> &Direction {
        match way {
            Way::Read => &self.read,
            Way::Write => &self.write,
        }
    }
}

impl Readiness {
    /// The one of this core; made, with the task that feeds it, at the first call.
    fn of_this_core() -> io::Result<Rc<Readiness>> {
        CORE.with(|core| {
            if let Some(made) = core.get() {
                return Ok(made.clone());
            }
            let epoll = PollableFd::new(epoll::create(CreateFlags::CLOEXEC)?)?;
            let made = Rc::new(Readiness { epoll, watched: RefCell::default(), free: RefCell::default() });
            let feeder = made.clone();
            let _detached = executor::spawn(Lane::Network, async move { feeder.feed().await });
            Ok(core.get_or_init(|| made).clone())
        })
    }

    async fn feed(&self) {
        let mut events = Vec::with_capacity(EVENTS_MAX);
        loop {
            if let Err(error) = self.epoll.readable().await {
                tracing::warn!("waiting for sockets failed: {error}");
                executor::sleep(POLL_RETRY).await;
            }
            self.look(&mut events);
        }
    }

    fn look(&self, events: &mut Vec<Event>) {
        events.clear();
        // An interrupted call finds its events with the next poll, which sees them still there.
        if epoll::wait(self.epoll.get_ref(), spare_capacity(events), Some(&AT_ONCE)).is_err() {
            return;
        }
        let watched = self.watched.borrow();
        for event in events.iter() {
            let (flags, place) = (event.flags, event.data.u64() as usize);
            let Some(Some(directions)) = watched.get(place) else { continue };
            let ended = flags.intersects(EventFlags::HUP | EventFlags::ERR | EventFlags::RDHUP);
            if ended {
                directions.ended.set(true);
            }
            if ended || flags.contains(EventFlags::IN) {
                directions.read.raise();
            }
            if ended || flags.contains(EventFlags::OUT) {
                directions.write.raise();
            }
        }
    }
}

impl<S: AsFd> Watched<S> {
    /// `socket` must be non-blocking.
    pub fn new(socket: S) -> io::Result<Watched<S>> {
        let core = Readiness::of_this_core()?;
        let directions = Rc::new(Directions::default());
        let place = core.free.borrow_mut().pop().unwrap_or(core.watched.borrow().len());
        {
            let mut watched = core.watched.borrow_mut();
            if place == watched.len() {
                watched.push(None);
            }
            watched[place] = Some(directions.clone());
        }
        let watched = Watched { socket, place, directions, core };
        let wanted = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(watched.core.epoll.get_ref(), &watched.socket, EventData::new_u64(place as u64), wanted)?;
        Ok(watched)
    }

    pub fn socket(&self) -> &S {
        &self.socket
    }

    /// Waits until the socket may have something, or room for something.
    pub async fn ready(&self, way: Way) {
        self.directions.way(way).wait().await;
    }

    /// The socket has given or taken all it could: the next call would find nothing.
    pub fn exhausted(&self, way: Way) {
        if !self.directions.ended.get() {
            self.directions.way(way).ready.set(false);
        }
    }

    /// Ends all waiting on this socket, now and later.
    pub fn end(&self) {
        self.directions.ended.set(true);
        self.directions.read.raise();
        self.directions.write.raise();
    }
}

impl<S: AsFd> Drop for Watched<S> {
    fn drop(&mut self) {
        // Fails only for one that could not be added. Explicit, because a socket whose descriptor is closed stays watched
        // for as long as anything else holds it open.
        _ = epoll::delete(self.core.epoll.get_ref(), &self.socket);
        self.core.watched.borrow_mut()[self.place] = None;
        self.core.free.borrow_mut().push(self.place);
    }
}
