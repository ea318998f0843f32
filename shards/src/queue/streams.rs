//! Readers of the disk and where they are: which extents somebody comes to soon, and who is not waited for.
//!
//! A stream is a queue that is being read; two consumers at different places of one queue are two. Streams that were not
//! seen for a moment are over, or so slow that nobody should wait for them.
//!
//! Next to it: `extents`, which asks.

use std::time::Duration;

use super::extents::Extent;
use super::queues::QueueSlot;
use crate::types::LogPosition;

const ACTIVE: Duration = Duration::from_millis(50);
/// For so long a stream that could not keep up is not waited for.
const LEFT: Duration = Duration::from_secs(1);
const STREAMS_MAX: usize = 256;

pub(super) struct Streams {
    streams: Vec<Stream>,
    /// How far a stream goes until what is held now has no value for it.
    reach: u64,
    now: Duration,
}

struct Stream {
    queue: QueueSlot,
    at: LogPosition,
    seen: Duration,
    /// It was left behind at this time.
    left: Option<Duration>,
}

impl Stream {
    fn is_active(&self, now: Duration) -> bool {
        now.saturating_sub(self.seen) < ACTIVE && self.left.is_none_or(|left| now.saturating_sub(left) > LEFT)
    }
}

impl Streams {
    pub fn new(reach: usize) -> Streams {
        Streams { streams: Vec::new(), reach: reach as u64, now: Duration::ZERO }
    }

    pub fn now(&self) -> Duration {
        self.now
    }

    pub fn set_now(&mut self, now: Duration) {
        assert!(now >= self.now, "time does not run back");
        self.now = now;
    }

    /// A queue is read at this position.
    pub fn seen(&mut self, queue: QueueSlot, at: LogPosition) {
        let reach = self.reach;
        let is_same = |stream: &&mut Stream| stream.queue == queue && at.0.abs_diff(stream.at.0) <= reach;
        if let Some(stream) = self.streams.iter_mut().find(is_same) {
            (stream.at, stream.seen) = (at, self.now);
            return;
        }
        let stream = Stream { queue, at, seen: self.now, left: None };
        if self.streams.len() < STREAMS_MAX {
            self.streams.push(stream);
        } else if let Some(oldest) = self.streams.iter_mut().min_by_key(|stream| stream.seen) {
            *oldest = stream;
        }
    }

    /// Whether somebody comes to it soon.
    pub fn needs(&self, extent: Extent) -> bool {
        self.streams
            .iter()
            .any(|stream| stream.at < extent.end() && extent.first < stream.at.advance(self.reach) && stream.is_active(self.now))
    }

    pub fn is_in_reach(&self, from: Extent, ahead: Extent) -> bool {
        from.first < ahead.first && ahead.first < from.first.advance(self.reach)
    }

    /// Does not wait any longer for those who are far behind this extent.
    pub fn leave_behind(&mut self, extent: Extent) {
        for stream in &mut self.streams {
            if stream.at.advance(self.reach / 2) < extent.first {
                stream.left = Some(self.now);
            }
        }
    }
}
