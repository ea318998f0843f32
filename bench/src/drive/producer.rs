//! One thread that sends: it decides with `Flights` what goes when, and moves bytes.

use super::lines::Lines;
use super::message::{Messages, Payload};
use crate::load::clock::{Clock, SECOND, Span};
use crate::load::failures::{Kind, NO_ANSWER};
use crate::load::flights::{Flight, Flights};
use crate::load::recorder::Recorder;
use crate::load::results::{Role, Style};
use crate::setup;

pub const ROLE: Role = Role { name: "produce", metrics: &["send"], style: Style::Producer };
const SEND: usize = 0;

/// Looks at the clock at least so often.
const WAIT_MAX: u64 = SECOND / 20;

pub struct Producer<P> {
    pub clock: Clock,
    pub span: Span,
    pub lines: Lines,
    pub flights: Flights,
    pub messages: Messages,
    pub payload: P,
    pub recorder: Recorder,
    pub one_way: bool,
    /// A good answer to a send asks for its commit; the answer to that is the one that counts.
    pub transactions: bool,
}

impl<P: Payload> Producer<P> {
    /// Gives back the payload, which may know what became of its messages.
    pub fn run(mut self) -> Result<P, String> {
        // What each slot's first message was called by the payload.
        let mut tickets = vec![Vec::new(); self.lines.len()];
        // Connections with something new to send.
        let mut dirty: Vec<usize> = Vec::new();
        // One-way sends that the socket has not taken.
        let mut leaving: Vec<Vec<usize>> = vec![Vec::new(); self.lines.len()];
        // Which slots wait for the answer to a commit.
        let mut committing = vec![Vec::new(); if self.transactions { self.lines.len() } else { 0 }];
        let mut halves = Vec::new();
        let (mut ready, mut answered) = (Vec::new(), Vec::new());
        loop {
            let now = self.clock.now();
            self.recorder.tick(now);
            while let Some(index) = self.lines.reopen(now) {
                self.flights.back(index);
            }
            while let Some(start) = self.flights.next(now) {
                let index = start.connection;
                let Some(connection) = self.lines.get(index) else { unreachable!("a lost connection has no free slot") };
                let place = (index, start.slot);
                let born = self.clock.wall(now);
                let written = self.messages.write(&mut self.payload, place, start.due, born, &mut connection.out);
                self.flights.started(start, written.messages, written.bytes);
                self.recorder.sent(start.due, start.late);
                if dirty.last() != Some(&index) {
                    dirty.push(index);
                }
                let slots: &mut Vec<u64> = &mut tickets[index];
                if slots.len() <= start.slot {
                    slots.resize(start.slot + 1, 0);
                }
                slots[start.slot] = written.ticket;
                if self.one_way {
                    leaving[index].push(start.slot);
                }
            }
            for index in dirty.drain(..) {
                self.flush(index, &mut leaving[index]);
            }
            let now = self.clock.now();
            if self.flights.is_finished(now) || now > self.span.drained() {
                break;
            }
            let until = self.flights.wake_at().map_or(now + WAIT_MAX, |due| due.min(now + WAIT_MAX));
            self.lines.wait(until.saturating_sub(now), &mut ready)?;
            for &index in &ready {
                let Some(connection) = self.lines.get(index) else { continue };
                let recorder = &mut self.recorder;
                let read = connection.read(|header, _| {
                    let refused = if header.code == 0 { None } else { header.remark.as_deref().or(Some("")) };
                    if let Some(remark) = refused {
                        recorder.failure(Kind::Response, header.code, remark, 1);
                    }
                    let slot = header.opaque as usize;
                    if let Some(committing) = committing.get_mut(index)
                        && refused.is_none()
                        && !take(committing, slot)
                        && let Some(stored) = setup::stored_at(header)
                    {
                        halves.push((slot, stored));
                        return;
                    }
                    answered.push((slot, refused.is_none()));
                });
                for (slot, stored) in halves.drain(..) {
                    let Some(connection) = self.lines.get(index) else { break };
                    self.messages.commit(slot, stored, &mut connection.out);
                    committing[index].push(slot);
                }
                let now = self.clock.now();
                for (slot, good) in answered.drain(..) {
                    let flight = self.flights.answered(index, slot);
                    let flight = flight.ok_or_else(|| format!("the broker answered request {slot}, which was not asked"))?;
                    if good {
                        self.success(flight, now);
                        self.payload.acknowledged(index, tickets[index][slot]);
                    }
                }
                match read {
                    Ok(()) => self.flush(index, &mut leaving[index]),
                    Err(error) => {
                        committing.get_mut(index).into_iter().for_each(Vec::clear);
                        self.broke(index, &error, &mut leaving[index]);
                    }
                }
            }
        }
        let now = self.clock.now();
        let unanswered = self.flights.under_way() as u64;
        if unanswered > 0 {
            self.recorder.failure(Kind::Send, NO_ANSWER, "no answer came until the end of the run", unanswered);
        }
        self.recorder.finish(now, self.flights.unsent());
        Ok(self.payload)
    }

    fn flush(&mut self, index: usize, leaving: &mut Vec<usize>) {
        if let Err(error) = self.lines.flush(index) {
            return self.broke(index, &error, leaving);
        }
        if !leaving.is_empty() && self.lines.waiting(index) == 0 {
            let now = self.clock.now();
            for slot in leaving.drain(..) {
                let flight = self.flights.answered(index, slot).expect("nobody else ends a one-way send");
                self.success(flight, now);
            }
        }
    }

    fn success(&mut self, flight: Flight, now: u64) {
        self.recorder.success(flight.due, now, u64::from(flight.messages), flight.bytes);
        self.recorder.latency(SEND, flight.due, now - flight.due);
    }

    fn broke(&mut self, index: usize, error: &std::io::Error, leaving: &mut Vec<usize>) {
        let remark = self.lines.broke(index, error, self.clock.now());
        let lost = self.flights.lost(index).len() as u64;
        self.recorder.failure(Kind::Send, NO_ANSWER, &remark, lost);
        leaving.clear();
    }
}

/// Takes a slot off the list, if it is on it.
fn take(slots: &mut Vec<usize>, slot: usize) -> bool {
    let found = slots.iter().position(|one| *one == slot);
    found.map(|at| slots.swap_remove(at)).is_some()
}
