//! epoll for one thread: many sockets, and waits that end to the microsecond.
//!
//! All `unsafe` of it is here. Level-triggered: what is left undone is reported again.

use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

const EVENTS_MAX: usize = 1024;

pub struct Epoll {
    fd: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Epoll {
    pub fn new() -> io::Result<Epoll> {
        // SAFETY: takes no pointer.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and nobody else's.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Epoll { fd, events: vec![libc::epoll_event { events: 0, u64: 0 }; EVENTS_MAX] })
    }

    /// Told of what can be read. It leaves by being closed.
    pub fn add(&self, socket: &impl AsRawFd, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, socket, token, false)
    }

    /// Told also, or no more, when it can be written.
    pub fn set_writes(&self, socket: &impl AsRawFd, token: u64, writes: bool) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, socket, token, writes)
    }

    /// The tokens of what is ready, into `ready`.
    pub fn wait(&mut self, limit: Duration, ready: &mut Vec<u64>) -> io::Result<()> {
        ready.clear();
        // epoll_wait itself counts in milliseconds, and rounds up: what is due sooner is waited for with ppoll.
        let mut millis = limit.as_millis().min(60_000) as i32;
        if !limit.subsec_nanos().is_multiple_of(1_000_000) && millis < 100 {
            self.wait_precisely(limit)?;
            millis = 0;
        }
        // SAFETY: the pointer and length are of one live vector.
        let found =
            unsafe { libc::epoll_wait(self.fd.as_raw_fd(), self.events.as_mut_ptr(), self.events.len() as libc::c_int, millis) };
        if found < 0 {
            return no_interrupt(io::Error::last_os_error());
        }
        ready.extend(self.events[..found as usize].iter().map(|event| event.u64));
        Ok(())
    }

    /// An epoll descriptor can itself be polled.
    fn wait_precisely(&self, limit: Duration) -> io::Result<()> {
        let mut polled = libc::pollfd { fd: self.fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let limit = libc::timespec { tv_sec: limit.as_secs() as libc::time_t, tv_nsec: limit.subsec_nanos() as libc::c_long };
        // SAFETY: one live pollfd, one live timespec, and no signal mask.
        let found = unsafe { libc::ppoll(&mut polled, 1, &limit, std::ptr::null()) };
        if found < 0 { no_interrupt(io::Error::last_os_error()) } else { Ok(()) }
    }

    fn control(&self, what: i32, socket: &impl AsRawFd, token: u64, writes: bool) -> io::Result<()> {
        let events = libc::EPOLLIN as u32 | if writes { libc::EPOLLOUT as u32 } else { 0 };
        let mut event = libc::epoll_event { events, u64: token };
        // SAFETY: the event is live for the call; a wrong descriptor is an error, not undefined.
        match unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), what, socket.as_raw_fd(), &mut event) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

fn no_interrupt(error: io::Error) -> io::Result<()> {
    if error.kind() == ErrorKind::Interrupted { Ok(()) } else { Err(error) }
}
