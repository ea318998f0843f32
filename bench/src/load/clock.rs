//! One time for all threads of a run: nanoseconds since its begin, and the wall time of that begin.
//!
//! Must always be true: a run is its warm-up, then its measured time, then a drain in which only answers come.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub const SECOND: u64 = 1_000_000_000;
/// How long answers may take once nothing new is sent.
pub const DRAIN_LIMIT: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug)]
pub struct Clock {
    begun: Instant,
    /// Milliseconds since 1970.
    pub begun_at: i64,
}

/// What of a run is measured. Nanoseconds since its begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub warmup: u64,
    /// Nothing is due from here on.
    pub end: u64,
}

impl Clock {
    pub fn start() -> Clock {
        Clock { begun: Instant::now(), begun_at: wall_millis() }
    }

    pub fn now(&self) -> u64 {
        self.begun.elapsed().as_nanos() as u64
    }

    /// The wall time of a moment of the run. It does not follow the wall clock when that is set.
    pub fn wall(&self, now: u64) -> i64 {
        self.begun_at + (now / 1_000_000) as i64
    }
}

impl Span {
    /// Without a time the run ends by its count.
    pub fn new(warmup_seconds: f64, seconds: Option<f64>) -> Span {
        let nanos = |seconds: f64| (seconds * SECOND as f64) as u64;
        let warmup = nanos(warmup_seconds);
        Span { warmup, end: seconds.map_or(u64::MAX / 2, |seconds| warmup + nanos(seconds)) }
    }

    pub fn drained(&self) -> u64 {
        self.end + DRAIN_LIMIT.as_nanos() as u64
    }
}

pub fn wall_millis() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
