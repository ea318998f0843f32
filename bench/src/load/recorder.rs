//! What one thread counts. It is the thread's own; each second that is over goes to the thread that prints.
//!
//! Must always be true: a second is handed over even when nothing happened in it, and all seconds in order, so that the
//! collector knows when it has all parts of one.

use std::sync::mpsc::Sender;

use hdrhistogram::Histogram;

use super::clock::{SECOND, Span};
use super::failures::{Failures, Kind};
use super::flights::LATE_AFTER;
use super::interval::Interval;
use super::latency;

/// From a thread of load to the collector.
pub struct Event {
    /// Which of the run's roles, and which of that role's threads.
    pub role: usize,
    pub thread: usize,
    pub what: What,
}

pub enum What {
    Interval(Box<Interval>),
    Done(Box<Totals>),
    /// The thread has ended because of this.
    Failed(String),
}

/// The measured part of one thread's run: all that was due after the warm-up.
pub struct Totals {
    pub sent: u64,
    pub unsent: u64,
    pub late: u64,
    pub late_max: u64,
    pub requests: u64,
    pub messages: u64,
    pub bytes: u64,
    pub failures: Failures,
    pub latencies: Vec<Histogram<u64>>,
    /// Moments of the run.
    pub last_success: u64,
    pub finished: u64,
}

pub struct Recorder {
    role: usize,
    thread: usize,
    events: Sender<Event>,
    span: Span,
    totals: Totals,
    current: Interval,
}

impl Recorder {
    pub fn new(role: usize, thread: usize, events: Sender<Event>, span: Span, metrics: usize) -> Recorder {
        let totals = Totals {
            sent: 0,
            unsent: 0,
            late: 0,
            late_max: 0,
            requests: 0,
            messages: 0,
            bytes: 0,
            failures: Failures::default(),
            latencies: (0..metrics).map(|_| latency::histogram()).collect(),
            last_success: 0,
            finished: 0,
        };
        Recorder { role, thread, events, span, totals, current: Interval::new(0, metrics) }
    }

    /// Hands over the seconds that are over.
    pub fn tick(&mut self, now: u64) {
        while now / SECOND > self.current.second {
            self.hand_over(self.current.second + 1);
        }
    }

    pub fn sent(&mut self, due: u64, late: u64) {
        if due >= self.span.warmup {
            self.totals.sent += 1;
            self.totals.late += u64::from(late > LATE_AFTER);
            self.totals.late_max = self.totals.late_max.max(late);
        }
    }

    /// A request that was due then has done its work now.
    pub fn success(&mut self, due: u64, now: u64, messages: u64, bytes: u64) {
        self.current.requests += 1;
        self.current.messages += messages;
        self.current.bytes += bytes;
        self.totals.last_success = now;
        if due >= self.span.warmup {
            self.totals.requests += 1;
            self.totals.messages += messages;
            self.totals.bytes += bytes;
        }
    }

    /// One value of one metric; `due` says whether the warm-up was over.
    pub fn latency(&mut self, metric: usize, due: u64, nanos: u64) {
        self.current.latencies[metric].saturating_record(nanos);
        if due >= self.span.warmup {
            self.totals.latencies[metric].saturating_record(nanos);
        }
    }

    pub fn failure(&mut self, kind: Kind, code: i32, remark: &str, count: u64) {
        if count == 0 {
            return;
        }
        match kind {
            Kind::Send => self.current.send_failed += count,
            Kind::Response => self.current.response_failed += count,
        }
        self.totals.failures.add(kind, code, remark, count);
    }

    pub fn finish(mut self, now: u64, unsent: u64) {
        self.tick(now);
        self.current.seconds = (now - self.current.second * SECOND) as f64 / SECOND as f64;
        self.hand_over(self.current.second + 1);
        self.totals.finished = now;
        self.totals.unsent = unsent;
        send(&self.events, Event { role: self.role, thread: self.thread, what: What::Done(Box::new(self.totals)) });
    }

    fn hand_over(&mut self, next: u64) {
        let fresh = Interval::new(next, self.current.latencies.len());
        let over = std::mem::replace(&mut self.current, fresh);
        send(&self.events, Event { role: self.role, thread: self.thread, what: What::Interval(Box::new(over)) });
    }
}

/// The collector outlives the threads, unless it has failed, and then nobody needs to know.
pub fn send(events: &Sender<Event>, event: Event) {
    _ = events.send(event);
}
