//! Waiting records that the disk would not give: when each is asked for again.
//!
//! Invariants:
//! - None keeps another from going. After a failure its segment rests for a moment, so that a disk that takes its time to say no is
//!   not asked record by record; the record itself rests longer, and longer each time, so that others of its segment come first.
//! - None is given up: an error of the disk may pass, and what was acknowledged is still there.
//! - At most `RECORDS_MAX` are known one by one. Beyond that a segment with another one rests as long as a record at most does.
//!
//! Plain state, with the time since the start passed in. Before: `runtime::timers`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::types::LogPosition;

const SEGMENT_REST: Duration = Duration::from_millis(500);
const REST_MIN: Duration = Duration::from_secs(1);
const REST_MAX: Duration = Duration::from_secs(60);
const RECORDS_MAX: usize = 4096;
/// Between two failures others of the segment must have had their turn.
const _: () = assert!(SEGMENT_REST.as_millis() < REST_MIN.as_millis());

#[derive(Clone, Copy, Debug)]
struct Rest {
    until: Duration,
    rest: Duration,
}

/// Lives with the task that delivers what waits in one shard.
#[derive(Debug)]
pub struct Unreadable {
    segment_bytes: u64,
    records: BTreeMap<LogPosition, Rest>,
    segments: BTreeMap<LogPosition, Duration>,
}

impl Unreadable {
    pub fn new(segment_bytes: u64) -> Unreadable {
        Unreadable { segment_bytes, records: BTreeMap::new(), segments: BTreeMap::new() }
    }

    /// The record at a position could not be read. True: for the first time, so that it is said once.
    pub fn failed(&mut self, position: LogPosition, now: Duration) -> bool {
        self.segments.retain(|_, until| *until > now);
        if self.records.len() >= RECORDS_MAX {
            // Who was not asked for at its time waits no more: taken back, or moved.
            self.records.retain(|_, rest| rest.until + REST_MAX > now);
        }
        let known = self.records.get(&position).copied();
        let rest = known.map_or(REST_MIN, |known| (known.rest * 2).min(REST_MAX));
        let has_place = known.is_some() || self.records.len() < RECORDS_MAX;
        if has_place {
            self.records.insert(position, Rest { until: now + rest, rest });
        }
        let segment = self.segment_of(position);
        self.segments.insert(segment, now + if has_place { SEGMENT_REST } else { REST_MAX });
        known.is_none()
    }

    /// It was read after all.
    pub fn was_read(&mut self, position: LogPosition) {
        self.records.remove(&position);
    }

    /// Nothing rests: the usual case.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.segments.is_empty()
    }

    /// Whether it is too soon to ask for the record at a position.
    pub fn rests(&self, position: LogPosition, now: Duration) -> bool {
        let segment = || self.segments.get(&self.segment_of(position)).is_some_and(|until| *until > now);
        !self.is_empty() && (segment() || self.records.get(&position).is_some_and(|rest| rest.until > now))
    }

    /// When the next may be asked for.
    pub fn next(&self, now: Duration) -> Option<Duration> {
        let records = self.records.values().map(|rest| rest.until);
        records.chain(self.segments.values().copied()).filter(|until| *until > now).min()
    }

    fn segment_of(&self, position: LogPosition) -> LogPosition {
        LogPosition(position.0 / self.segment_bytes * self.segment_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: LogPosition = LogPosition(1_100);
    const BESIDE: LogPosition = LogPosition(1_200);
    const ELSEWHERE: LogPosition = LogPosition(5);

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn others_of_the_segment_come_before_the_bad_one_again() {
        let mut unreadable = Unreadable::new(1_000);
        assert_eq!((unreadable.is_empty(), unreadable.next(millis(0))), (true, None));
        assert!(unreadable.failed(BAD, millis(0)), "it is said");
        let rest = |unreadable: &Unreadable, at| [BAD, BESIDE, ELSEWHERE].map(|position| unreadable.rests(position, millis(at)));
        assert_eq!(rest(&unreadable, 499), [true, true, false]);
        assert_eq!(unreadable.next(millis(0)), Some(millis(500)));
        assert_eq!(rest(&unreadable, 500), [true, false, false]);
        assert_eq!(unreadable.next(millis(500)), Some(millis(1_000)));
        assert_eq!(rest(&unreadable, 1_000), [false, false, false]);
        assert!(!unreadable.failed(BAD, millis(1_000)), "and not said again");
        assert_eq!(rest(&unreadable, 2_999), [true, false, false], "it rests twice as long");
        assert_eq!(rest(&unreadable, 3_000), [false, false, false]);
        for _ in 0..20 {
            unreadable.failed(BAD, millis(9_000));
        }
        assert_eq!(rest(&unreadable, 69_001), [false, false, false], "a minute at most");
        unreadable.was_read(BAD);
        assert!(unreadable.failed(BAD, millis(70_000)), "another story");
    }

    #[test]
    fn there_is_a_bound_and_the_forgotten_make_room() {
        let mut unreadable = Unreadable::new(1_000);
        for number in 0..RECORDS_MAX as u64 + 5 {
            unreadable.failed(LogPosition(number * 1_000), millis(0));
        }
        assert_eq!(unreadable.records.len(), RECORDS_MAX);
        let beyond = LogPosition((RECORDS_MAX as u64 + 1) * 1_000);
        assert!(unreadable.rests(beyond, millis(59_999)) && !unreadable.rests(beyond, millis(60_000)));
        unreadable.failed(beyond, millis(70_000));
        assert_eq!((unreadable.records.len(), unreadable.segments.len()), (1, 1));
    }
}
