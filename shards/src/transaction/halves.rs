//! The half messages of one shard that have not ended, by their position in the log.
//!
//! Changed by what is in the log and by nothing else. Always true: an end or a check of what is not here changes nothing,
//! so that entries may be replayed into a table that knows them already.
//!
//! Bounded: `max` half messages, about 80 bytes each. Beyond it no new one is taken; those that are moved on in the log
//! and those of a replay always are.

use std::collections::BTreeMap;

use super::property;
use crate::record;
use crate::types::{LogPosition, Millis, QueueOffset};
use crate::wire::{BadBytes, Reader, Writer};

/// Of one shard.
pub const HALVES_MAX: usize = 1_000_000;

const FORMAT: u16 = 1;
const ROW_BYTES: usize = 8 + 8 + 8 + 8 + 4 + 4;
/// Stands for no wish in the stored form.
const NO_WISH: i32 = i32::MIN;

/// What is kept of one in memory; all else is in its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Half {
    pub queue_offset: QueueOffset,
    /// By the clock of the client.
    pub born: Millis,
    pub stored: Millis,
    /// CHECK_IMMUNITY_TIME_IN_SECONDS, where it is given; -1 when it is no number.
    pub immunity_s: Option<i32>,
    /// How often the producer was asked.
    pub checks: u32,
}

impl Half {
    pub fn of(queue_offset: QueueOffset, born: i64, stored: Millis, properties: &[u8]) -> Half {
        let number = |value: &[u8]| std::str::from_utf8(value).ok()?.parse::<i64>().ok();
        let clamped = |number: i64| number.clamp(-1, i64::from(i32::MAX)) as i32;
        let immunity = record::property(properties, property::IMMUNITY);
        let checks = record::property(properties, property::CHECK_TIMES).and_then(number);
        Half {
            queue_offset,
            born: Millis(born),
            stored,
            immunity_s: immunity.map(|value| clamped(number(value).unwrap_or(-1))),
            checks: checks.map_or(0, |checks| clamped(checks).max(0) as u32),
        }
    }

    /// Whether a commit or rollback that is no answer to a check comes too late: only who asks for an immunity of its own
    /// is held to it.
    pub fn is_too_late(&self, now: Millis, timeout_millis: i64) -> bool {
        let allowed = |seconds: i32| (i64::from(seconds) * 1000).max(timeout_millis);
        self.immunity_s.is_some_and(|seconds| now.0.saturating_sub(self.born.0) > allowed(seconds))
    }

    fn due(&self, now: Millis, rules: &CheckRules) -> Option<Due> {
        // A client whose clock is behind must not lose its message for it: here the younger of the two times counts.
        let kept = now.0.saturating_sub(self.born.max(self.stored).0);
        if self.checks >= rules.checks_max || kept > rules.reserved_millis {
            return Some(Due::GiveUp);
        }
        let age = now.0.saturating_sub(self.born.0);
        let is_due = match self.immunity_s {
            Some(-1) => age > rules.timeout_millis,
            Some(seconds) => age > i64::from(seconds) * 1000,
            // A client whose clock is ahead is not waited for.
            None => age > rules.timeout_millis || age < 0,
        };
        is_due.then_some(Due::Check)
    }
}

/// The properties that decide when a producer is asked.
#[derive(Clone, Copy, Debug)]
pub struct CheckRules {
    /// transactionTimeOut
    pub timeout_millis: i64,
    /// transactionCheckMax
    pub checks_max: u32,
    /// fileReservedTime
    pub reserved_millis: i64,
}

/// What is to be done about a half message that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Its producer is asked.
    Check,
    /// It was asked often enough.
    GiveUp,
}

#[derive(Debug)]
pub struct HalfMessages {
    pending: BTreeMap<LogPosition, Half>,
    max: usize,
}

impl HalfMessages {
    pub fn new(max: usize) -> HalfMessages {
        HalfMessages { pending: BTreeMap::new(), max }
    }

    pub fn len(&self) -> usize {
        self.pending.len()
    }

    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    pub fn max(&self) -> usize {
        self.max
    }

    /// Whether no new one is taken.
    pub fn is_full(&self) -> bool {
        self.pending.len() >= self.max
    }

    pub fn get(&self, position: LogPosition) -> Option<&Half> {
        self.pending.get(&position)
    }

    /// A half message is in the log.
    pub(crate) fn add(&mut self, position: LogPosition, half: Half) {
        let known = self.pending.entry(position).or_insert(half);
        known.checks = known.checks.max(half.checks);
    }

    /// It was committed, rolled back or given up. False: it is not waiting.
    pub(crate) fn end(&mut self, position: LogPosition) -> bool {
        self.pending.remove(&position).is_some()
    }

    /// Its producer has been asked so often.
    pub(crate) fn checked(&mut self, position: LogPosition, checks: u32) {
        if let Some(half) = self.pending.get_mut(&position) {
            half.checks = half.checks.max(checks);
        }
    }

    /// Finds those that are due among the next `look_max` from `from` on, in log order. Returns where to go on.
    pub fn due(
        &self,
        from: LogPosition,
        look_max: usize,
        now: Millis,
        rules: &CheckRules,
        found: &mut Vec<(LogPosition, Due)>,
    ) -> Option<LogPosition> {
        let mut rest = self.pending.range(from..);
        for (position, half) in rest.by_ref().take(look_max) {
            found.extend(half.due(now, rules).map(|due| (*position, due)));
        }
        rest.next().map(|(position, _)| *position)
    }

    /// Appends to `out` up to `max` that lie in [from, to). Returns where to go on.
    pub fn between(&self, from: LogPosition, to: LogPosition, max: usize, out: &mut Vec<LogPosition>) -> Option<LogPosition> {
        let mut rest = self.pending.range(from..to.max(from));
        out.extend(rest.by_ref().take(max).map(|(position, _)| *position));
        rest.next().map(|(position, _)| *position)
    }

    #[cfg(test)]
    pub(super) fn pending_for_tests(&self) -> impl Iterator<Item = (&LogPosition, &Half)> {
        self.pending.iter()
    }

    /// The first that lies at `from` or behind it.
    #[cfg(test)]
    pub(crate) fn first_from(&self, from: LogPosition) -> Option<LogPosition> {
        self.pending.range(from..).next().map(|(position, _)| *position)
    }

    /// Appends a slice of the table from `from` on. Returns where the next one begins.
    ///
    /// | bytes | format 1 |
    /// |---|---|
    /// | u16 | format |
    /// | list | u64 position, i64 queue offset, i64 born, i64 stored, i32 immunity in s (least: none), u32 checks |
    pub fn encode_slice(&self, from: LogPosition, bytes_max: usize, out: &mut Vec<u8>) -> Option<LogPosition> {
        let rows_max = (bytes_max / ROW_BYTES).max(1);
        let rows = self.pending.range(from..);
        let mut out = Writer::new(out);
        out.u16(FORMAT);
        out.count(rows.clone().take(rows_max).count());
        for (position, half) in rows.clone().take(rows_max) {
            out.u64(position.0);
            out.i64(half.queue_offset.0);
            out.i64(half.born.0);
            out.i64(half.stored.0);
            out.i32(half.immunity_s.unwrap_or(NO_WISH));
            out.u32(half.checks);
        }
        let mut rest = rows.skip(rows_max);
        rest.next().map(|(position, _)| *position)
    }

    /// Adds what `encode_slice` wrote.
    pub fn load_slice(&mut self, bytes: &[u8]) -> Result<(), BadBytes> {
        let mut read = Reader::new(bytes);
        read.version(FORMAT, "the half messages")?;
        for _ in 0..read.count(ROW_BYTES, "half messages")? {
            let position = LogPosition(read.u64("position")?);
            let half = Half {
                queue_offset: QueueOffset(read.i64("queue offset")?),
                born: Millis(read.i64("born time")?),
                stored: Millis(read.i64("store time")?),
                immunity_s: Some(read.i32("immunity")?).filter(|seconds| *seconds != NO_WISH),
                checks: read.u32("checks")?,
            };
            self.add(position, half);
        }
        read.finish()
    }
}
