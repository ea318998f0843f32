//! Answers that leave together: those to the requests that one read of a connection brought.
//!
//! Where several cores have a part in the requests of a read, their answers come core by core. A client that gets them in
//! parts sends its next requests in parts, and those are parted again: a window of 16 falls apart into pieces of 4 or 5,
//! and every piece costs a `send`, a `recv` and a wake on both sides, which is more than the messages in it. So the first
//! answers wait for the rest: no longer than the first of them took to come, so that no latency more than doubles, and
//! no longer than `HOLD_MAX`.
//!
//! Invariant: what is held leaves with the last answer of its read, with any answer that is not held, or when it is due.
//!
//! Before: `broker::ack`; after: `net::connection`, which writes.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use ringmq_shards::runtime::{self, Lane, Signal};

use super::Connection;
use super::connection::Shared;

/// The longest that an answer is held.
pub const HOLD_MAX: Duration = Duration::from_millis(5);
/// More than this is not held.
pub const HELD_BYTES_MAX: usize = 64 << 10;
/// How often it is looked for what is due.
const LOOK: Duration = Duration::from_micros(500);

/// Names a read of one connection until its requests are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadNumber(u32);

/// The reads of a connection whose answers are not complete.
#[derive(Debug, Default)]
pub struct Reads {
    /// The number of the first in `open`.
    first: u32,
    open: VecDeque<Read>,
    /// The next request is the first of a new read.
    begins: bool,
}

#[derive(Debug)]
struct Read {
    unanswered: u32,
    arrived: Duration,
}

impl Reads {
    /// What is expected from now on came with another read.
    pub fn next(&mut self) {
        self.begins = true;
    }

    /// Counts a request of the read that came last, at `arrived`.
    pub fn expect(&mut self, arrived: Duration) -> ReadNumber {
        if std::mem::take(&mut self.begins) || self.open.is_empty() {
            self.open.push_back(Read { unanswered: 0, arrived });
        }
        let last = self.open.len() - 1;
        self.open[last].unanswered += 1;
        ReadNumber(self.first.wrapping_add(last as u32))
    }

    /// Counts an answer. Returns when the read came if other requests of it are still to be answered.
    pub fn answered(&mut self, number: ReadNumber) -> Option<Duration> {
        let read = &mut self.open[number.0.wrapping_sub(self.first) as usize];
        read.unanswered -= 1;
        if read.unanswered > 0 {
            return Some(read.arrived);
        }
        while self.open.front().is_some_and(|first| first.unanswered == 0) {
            self.open.pop_front();
            self.first = self.first.wrapping_add(1);
        }
        None
    }
}

/// The connections of a core that may hold answers.
#[derive(Default)]
pub struct Holding {
    connections: RefCell<Vec<Rc<Connection>>>,
    filled: Signal,
}

impl Holding {
    /// Each connection once, until a look finds that it holds nothing.
    pub fn add(&self, connection: Rc<Connection>) {
        let mut connections = self.connections.borrow_mut();
        connections.push(connection);
        if connections.len() == 1 {
            self.filled.raise();
        }
    }

    fn look(&self) {
        let now = runtime::uptime();
        self.connections.borrow_mut().retain(|connection| connection.holds_after(now));
    }
}

/// Lets go what is due, for as long as the core runs.
pub fn release(shared: Rc<Shared>) {
    let _detached = runtime::spawn(Lane::Network, async move {
        loop {
            shared.holding.filled.wait().await;
            while !shared.holding.connections.borrow().is_empty() {
                runtime::sleep(LOOK).await;
                shared.holding.look();
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(2)];

    #[test]
    fn a_read_is_answered_with_its_last_request() {
        let mut reads = Reads::default();
        let (one, two) = (reads.expect(AT[0]), reads.expect(AT[0]));
        assert_eq!(one, two);
        assert_eq!(reads.answered(one), Some(AT[0]));
        assert_eq!(reads.answered(two), None);
    }

    #[test]
    fn reads_are_answered_in_any_order() {
        let mut reads = Reads::default();
        let early = [reads.expect(AT[0]), reads.expect(AT[0])];
        reads.next();
        let late = [reads.expect(AT[1]), reads.expect(AT[1])];
        assert_ne!(early[0], late[0]);
        assert_eq!(reads.answered(late[0]), Some(AT[1]));
        assert_eq!(reads.answered(early[0]), Some(AT[0]));
        assert_eq!(reads.answered(late[1]), None);
        assert_eq!(reads.answered(early[1]), None);
        assert!(reads.open.is_empty());
        reads.next();
        let next = reads.expect(AT[1]);
        assert_ne!(next, late[0]);
        assert_eq!(reads.answered(next), None);
    }

    #[test]
    fn what_is_answered_while_its_read_is_still_served_is_complete() {
        let mut reads = Reads::default();
        reads.next();
        let one = reads.expect(AT[0]);
        assert_eq!(reads.answered(one), None);
        let two = reads.expect(AT[0]);
        assert_eq!(reads.answered(two), None);
    }
}
