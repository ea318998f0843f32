//! One second of one thread, or of all threads together.

use hdrhistogram::Histogram;
use serde::Serialize;

use super::latency::{self, Percentiles};

pub struct Interval {
    /// Seconds since the run's begin, of its first moment.
    pub second: u64,
    /// Less than 1 only for the last one.
    pub seconds: f64,
    pub messages: u64,
    pub requests: u64,
    pub bytes: u64,
    pub send_failed: u64,
    pub response_failed: u64,
    /// One for each metric of the role.
    pub latencies: Vec<Histogram<u64>>,
}

impl Interval {
    pub fn new(second: u64, metrics: usize) -> Interval {
        Interval {
            second,
            seconds: 1.0,
            messages: 0,
            requests: 0,
            bytes: 0,
            send_failed: 0,
            response_failed: 0,
            latencies: (0..metrics).map(|_| latency::histogram()).collect(),
        }
    }

    /// Adds another thread's part of the same second.
    pub fn merge(&mut self, other: &Interval) {
        assert_eq!(self.second, other.second);
        self.messages += other.messages;
        self.requests += other.requests;
        self.bytes += other.bytes;
        self.send_failed += other.send_failed;
        self.response_failed += other.response_failed;
        for (own, other) in self.latencies.iter_mut().zip(&other.latencies) {
            own.add(other).expect("all have the same bounds");
        }
    }

    pub fn row(&self, warmup: bool) -> Row {
        Row {
            second: self.second,
            seconds: self.seconds,
            warmup,
            messages: self.messages,
            requests: self.requests,
            bytes: self.bytes,
            send_failed: self.send_failed,
            response_failed: self.response_failed,
            latencies_ms: self.latencies.iter().map(Percentiles::of).collect(),
        }
    }
}

/// What is kept of a second once it is over, and shown.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub second: u64,
    pub seconds: f64,
    /// It began before the warm-up had ended.
    pub warmup: bool,
    pub messages: u64,
    pub requests: u64,
    pub bytes: u64,
    pub send_failed: u64,
    pub response_failed: u64,
    /// By answers that came in this second; in the order of the result's latencies.
    pub latencies_ms: Vec<Percentiles>,
}

impl Row {
    pub fn messages_per_second(&self) -> f64 {
        if self.seconds > 0.0 { self.messages as f64 / self.seconds } else { 0.0 }
    }
}
