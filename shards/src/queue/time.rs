//! Offsets by store time. Store times never go back within a shard, so a queue is sorted by them.
//!
//! As RocketMQ answers: LOWER is the first message stored at that time or later, UPPER the last one stored at that time or
//! earlier; what lies outside ends at the queue's ends.
//!
//! Before: `broker::offset`; after: `lookup` (the walk along the chain), `sealed`.

use super::lookup::Walked;
use super::queues::{QueueSlot, Queues};
use super::sealed::{IndexRead, Miss};
use crate::types::{Millis, QueueOffset};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary {
    Lower,
    Upper,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeSearch {
    Offset(QueueOffset),
    /// Load this, hand it to `loaded`, ask again.
    Need(IndexRead),
    /// A segment that is needed to know is lost.
    Gone,
}

impl Queues {
    /// LOWER: the first visible message with a store time of `time` or later, the end of the queue if there is none.
    /// UPPER: the last one with `time` or earlier, 0 if there is none.
    pub fn search_time(&mut self, slot: QueueSlot, time: Millis, boundary: Boundary) -> TimeSearch {
        let found = match boundary {
            Boundary::Lower => self.partition(slot, |stored| stored < time),
            Boundary::Upper => self.partition(slot, |stored| stored <= time),
        };
        let min = self.min(slot);
        match (found, boundary) {
            (Ok(offset), Boundary::Lower) => TimeSearch::Offset(offset),
            (Ok(offset), Boundary::Upper) if offset == min => TimeSearch::Offset(QueueOffset::ZERO),
            (Ok(offset), Boundary::Upper) => TimeSearch::Offset(QueueOffset(offset.0 - 1)),
            (Err(Miss::Need(read)), _) => TimeSearch::Need(read),
            (Err(Miss::Gone), _) => TimeSearch::Gone,
        }
    }

    /// The first visible offset whose store time is not `before`.
    fn partition(&mut self, slot: QueueSlot, before: impl Fn(Millis) -> bool) -> Result<QueueOffset, Miss> {
        let Some(queue) = self.get(slot) else { return Ok(QueueOffset::ZERO) };
        let (min, visible, born) = (queue.min, queue.visible, queue.born.get());
        if min == visible {
            return Ok(visible);
        }
        for run in self.runs_in_memory(queue).into_iter().rev().flatten() {
            let entries = run.slice(run.first, visible);
            if entries.first().is_some_and(|first| before(Millis(first.store_time))) {
                let count = entries.partition_point(|entry| before(Millis(entry.store_time)));
                return Ok(run.first.advance(count as u32).max(min));
            }
        }
        let Walked { link: Some(link), .. } = self.walk(slot, |link| !before(link.first_time))? else { return Ok(min) };
        if link.first < min {
            return Ok(min);
        }
        let run = self.sealed.run(link.segment, born.ok_or(Miss::Gone)?)?.ok_or(Miss::Gone)?;
        if before(run.last_time) {
            return Ok(run.end().max(min));
        }
        // Entry `low` and those before it are `before`; entry `high` is not.
        let (mut low, mut high) = (0, run.count - 1);
        while low + 1 < high {
            let middle = low.midpoint(high);
            let entry = self.sealed.entry(link.segment, &run, run.start + middle)?;
            if before(Millis(entry.store_time)) {
                low = middle;
            } else {
                high = middle;
            }
        }
        Ok(run.first.advance(high).max(min))
    }
}
