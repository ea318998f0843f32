//! What waits in one shard, by the second in which it is due.
//!
//! Adding is a push; what is due is looked at, then read, appended and only then removed, so a snapshot in between tells
//! either all or nothing of one message. Memory: 16 bytes each, a quarter more at most while a bucket grows, and about a
//! hundred for each second that has any.
//!
//! Before: `shard`; after: `runtime::timers`.

use std::collections::BTreeMap;

use super::bucket::Bucket;
use super::lanes::Lanes;
use super::packed::{Packed, Pending, SECOND, second_of};
use super::wait::{Wait, WaitsFor};
use crate::types::{LogPosition, Millis};

/// What one second costs besides its entries: its node in the tree and what the allocator adds.
const SECOND_BYTES: usize = 96;

/// Lives on its shard's core.
#[derive(Debug)]
pub struct Timers {
    pub(super) seconds: BTreeMap<i64, Bucket>,
    len: usize,
    len_max: usize,
    pub(super) lanes: Lanes,
    /// What the driver sleeps for, at the latest.
    expected: Millis,
    nearer: bool,
}

/// What may go, and what keeps the next from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The log must be durable up to here before the next may go.
    pub blocked: Option<LogPosition>,
}

impl Timers {
    /// Room for `len_max` that come from clients; what the log has is always taken.
    pub fn new(len_max: usize) -> Timers {
        Timers { seconds: BTreeMap::new(), len: 0, len_max, lanes: Lanes::new(), expected: Millis(i64::MAX), nearer: false }
    }

    /// Whether one more would be too many.
    pub fn is_full(&self) -> bool {
        self.len >= self.len_max
    }

    pub fn len_max(&self) -> usize {
        self.len_max
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many of one lane wait.
    pub fn waiting(&self, lane: u16) -> u64 {
        self.lanes.waiting(lane)
    }

    /// How many wait in each delay level, from level 1 on; the last is all from 63 on.
    pub fn levels(&self) -> impl Iterator<Item = u64> {
        self.lanes.levels()
    }

    /// Real topics for which timers wait, and how many.
    pub fn topics(&self) -> impl Iterator<Item = (&str, u64)> {
        self.lanes.topics()
    }

    pub fn bytes(&self) -> usize {
        self.seconds.values().map(|bucket| bucket.bytes() + SECOND_BYTES).sum()
    }

    /// A record has come that waits; it lies at `position`.
    pub fn wait(&mut self, wait: &Wait<'_>, position: LogPosition, size: usize) {
        let lane = match wait.waits_for {
            WaitsFor::Level(lane) => lane,
            WaitsFor::Topic(topic) => self.lanes.of_topic(topic),
        };
        self.add(&Pending { position, size: size as u32, deliver_at: wait.deliver_at, lane, key: wait.key });
    }

    /// Each position comes once.
    pub fn add(&mut self, pending: &Pending) {
        let second = second_of(pending.deliver_at);
        self.seconds.entry(second).or_insert_with(Bucket::new).push(Packed::of(pending));
        self.count(pending.lane);
        if pending.deliver_at < self.expected {
            self.expected = pending.deliver_at;
            self.nearer = true;
        }
    }

    pub(super) fn count(&mut self, lane: u16) {
        self.len += 1;
        self.lanes.add(lane);
    }

    /// Whether something came that is due before what was expected; asked after each append.
    pub fn take_nearer(&mut self) -> bool {
        std::mem::take(&mut self.nearer)
    }

    pub fn contains(&self, deliver_at: Millis, position: LogPosition) -> bool {
        self.seconds.get(&second_of(deliver_at)).is_some_and(|bucket| bucket.find(deliver_at, position).is_some())
    }

    /// Takes one away; false when it does not wait (any more).
    pub fn remove(&mut self, deliver_at: Millis, position: LogPosition) -> bool {
        let second = second_of(deliver_at);
        let Some(bucket) = self.seconds.get_mut(&second) else { return false };
        let Some(removed) = bucket.remove(deliver_at, position) else { return false };
        if bucket.len() == 0 {
            self.seconds.remove(&second);
        }
        self.len -= 1;
        self.lanes.remove(removed.lane());
        true
    }

    /// Appends to `out` what may go at `now`, in the order of times and positions: at most `max` and not much more than
    /// `bytes_max`. Takes nothing away. What rests is passed over.
    pub fn due(
        &mut self,
        now: Millis,
        durable: LogPosition,
        rests: impl Fn(LogPosition) -> bool,
        max: usize,
        bytes_max: usize,
        out: &mut Vec<Pending>,
    ) -> Due {
        let mut bytes = 0;
        for (second, bucket) in self.seconds.range_mut(..=second_of(now)) {
            bucket.sort();
            for entry in bucket.iter() {
                let pending = entry.pending(*second);
                if out.len() >= max || bytes >= bytes_max || pending.deliver_at > now {
                    return Due { blocked: None };
                }
                if rests(pending.position) {
                    continue;
                }
                let end = pending.position.advance(u64::from(pending.size));
                if end > durable {
                    return Due { blocked: Some(end) };
                }
                bytes += pending.size as usize;
                out.push(pending);
            }
        }
        Due { blocked: None }
    }

    /// When somebody should look again: not later than the first is due of those that do not rest. Something nearer that comes
    /// meanwhile raises `take_nearer`.
    pub fn wait_for_next(&mut self, rests: impl Fn(LogPosition) -> bool) -> Option<Millis> {
        let next = self.seconds.iter().find_map(|(second, bucket)| {
            let first = bucket.iter().find(|entry| !rests(entry.position()))?;
            Some(if bucket.is_sorted() { first.deliver_at(*second) } else { Millis(second.saturating_mul(SECOND)) })
        });
        self.expected = next.unwrap_or(Millis(i64::MAX));
        self.nearer = false;
        next
    }

    /// What is due in the same second and has that key.
    pub fn with_key(&self, deliver_at: Millis, key: u32) -> Vec<Pending> {
        let second = second_of(deliver_at);
        self.seconds.get(&second).map_or_else(Vec::new, |bucket| bucket.with_key(second, key).collect())
    }

    /// Appends to `out` what lies between two positions of the log, looking at little more than `looks_max` of those due
    /// from `second` on; returns where to go on.
    pub fn between(
        &self,
        from: LogPosition,
        to: LogPosition,
        second: i64,
        looks_max: usize,
        out: &mut Vec<Pending>,
    ) -> Option<i64> {
        let mut looks = 0;
        for (second, bucket) in self.seconds.range(second..) {
            if looks >= looks_max {
                return Some(*second);
            }
            looks += bucket.len();
            out.extend(bucket.iter().filter(|e| from <= e.position() && e.position() < to).map(|e| e.pending(*second)));
        }
        None
    }
}
