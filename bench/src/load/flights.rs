//! Which sends are under way on one thread's connections, and whether another one may start: pure, in virtual time.
//!
//! Must always be true:
//! - a slot is free or holds one send; a connection has never more under way than it has slots;
//! - in an open loop a send's latency counts from when it was due, however late it goes, and none is dropped;
//! - what a lost connection had under way has failed, and its slots stay away until it is back.

use std::collections::VecDeque;

use super::clock::Span;
use super::schedule::Schedule;

/// Sends that go this long after they were due count as late.
pub const LATE_AFTER: u64 = 1_000_000;

#[derive(Clone, Debug)]
pub enum Pace {
    /// Each answer starts the next send.
    Closed,
    /// The clock starts them.
    Open(Schedule),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flight {
    /// Latency counts from here.
    pub due: u64,
    pub messages: u32,
    pub bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    pub connection: usize,
    /// Within the connection; the opaque of its request.
    pub slot: usize,
    pub due: u64,
    /// How long after its due time it goes.
    pub late: u64,
}

pub struct Flights {
    pace: Pace,
    span: Span,
    /// How many more may start.
    left: u64,
    /// First the one that has been free longest, which goes round all connections.
    free: VecDeque<(usize, usize)>,
    slots: Vec<Vec<Option<Flight>>>,
    under_way: usize,
}

impl Flights {
    pub fn new(pace: Pace, span: Span, count: u64, connections: usize, in_flight: usize) -> Flights {
        let free = (0..in_flight).flat_map(|slot| (0..connections).map(move |connection| (connection, slot))).collect();
        Flights { pace, span, left: count, free, slots: vec![vec![None; in_flight]; connections], under_way: 0 }
    }

    /// The send that is to go now, if there is one and room for it. The caller says with `started` what it was.
    pub fn next(&mut self, now: u64) -> Option<Start> {
        if self.left == 0 {
            return None;
        }
        let due = match &self.pace {
            Pace::Closed => now,
            Pace::Open(schedule) => schedule.next_due(),
        };
        if due > now || due >= self.span.end {
            return None;
        }
        let (connection, slot) = self.free.pop_front()?;
        if let Pace::Open(schedule) = &mut self.pace {
            schedule.take();
        }
        self.left -= 1;
        Some(Start { connection, slot, due, late: now - due })
    }

    pub fn started(&mut self, start: Start, messages: u32, bytes: u64) {
        let slot = &mut self.slots[start.connection][start.slot];
        assert!(slot.is_none(), "a slot holds one send");
        *slot = Some(Flight { due: start.due, messages, bytes });
        self.under_way += 1;
    }

    /// None: nothing was asked under this number, so the server answered twice or made it up.
    pub fn answered(&mut self, connection: usize, slot: usize) -> Option<Flight> {
        let flight = self.slots[connection].get_mut(slot)?.take()?;
        self.free.push_back((connection, slot));
        self.under_way -= 1;
        Some(flight)
    }

    /// What was under way on it.
    pub fn lost(&mut self, connection: usize) -> Vec<Flight> {
        self.free.retain(|(of, _)| *of != connection);
        let lost: Vec<Flight> = self.slots[connection].iter_mut().filter_map(Option::take).collect();
        self.under_way -= lost.len();
        lost
    }

    pub fn back(&mut self, connection: usize) {
        assert!(self.slots[connection].iter().all(Option::is_none), "a lost connection has nothing under way");
        self.free.extend((0..self.slots[connection].len()).map(|slot| (connection, slot)));
    }

    /// When to look again if no answer comes before. None: only an answer can start the next send.
    pub fn wake_at(&self) -> Option<u64> {
        if self.free.is_empty() || self.all_started(0) {
            return None;
        }
        match &self.pace {
            Pace::Open(schedule) => Some(schedule.next_due()),
            Pace::Closed => Some(0),
        }
    }

    pub fn under_way(&self) -> usize {
        self.under_way
    }

    pub fn is_finished(&self, now: u64) -> bool {
        self.under_way == 0 && self.all_started(now)
    }

    /// Nothing more is to start.
    pub fn all_started(&self, now: u64) -> bool {
        self.left == 0
            || match &self.pace {
                Pace::Closed => now >= self.span.end,
                Pace::Open(schedule) => schedule.next_due() >= self.span.end,
            }
    }

    /// Due, and never sent: at the end of a run that the server did not keep up with.
    pub fn unsent(&self) -> u64 {
        match &self.pace {
            Pace::Closed => 0,
            Pace::Open(schedule) => (schedule.planned(self.span.end) - schedule.planned(schedule.next_due())).min(self.left),
        }
    }
}

#[cfg(test)]
#[path = "flights_tests.rs"]
mod tests;
