//! From the log back into memory, at start.
//!
//! The snapshot at position p knows every queue that had a durable record below p; the log is read from `replay_from`,
//! the first segment without an index file, which is at or before p. So:
//! - a record below p whose queue is not known belongs to a topic that was deleted before p;
//! - a record before its queue's record 0 belongs to an older incarnation of the topic;
//! - the snapshot was written while appending went on, and may know a queue's later state: counting goes on from the
//!   higher number.
//!
//! The caller applies entries in the order of the log: `replay_rotate` where a segment begins, settings only from p on, and
//! `remove_topic` where a topic is deleted.
//!
//! Before: `log::recover`, `state`; after: `queues`.

use std::fmt;

use super::entry::IndexEntry;
use super::queues::{Birth, QueueLimits, Queues};
use crate::topic::Incarnation;
use crate::types::{LogPosition, QueueOffset};

/// Whose a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    Indexed,
    /// Of a queue that does not exist any more.
    Forgotten,
}

/// A record that must be there is not: something was lost, and the shard must not serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayGap {
    pub topic: String,
    pub queue_id: u32,
    pub position: LogPosition,
    pub expected: QueueOffset,
    pub found: QueueOffset,
}

impl fmt::Display for ReplayGap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "queue {} of topic {} continues with offset {} at position {} of the log, where {} was expected",
            self.queue_id, self.topic, self.found, self.position, self.expected
        )
    }
}

impl std::error::Error for ReplayGap {}

impl Queues {
    /// Empty, to be filled from a snapshot (`load_slice`) and by a replay that begins at `replay_from`.
    pub fn restoring(limits: QueueLimits, replay_from: LogPosition, snapshot: LogPosition) -> Queues {
        let mut queues = Queues::new(limits, replay_from);
        queues.snapshot = snapshot;
        queues
    }

    /// A queued record found in the log. `incarnation` is what the topic's is at this point of the log, `None` if there
    /// is no such topic.
    pub fn replay(
        &mut self,
        topic: &str,
        incarnation: Option<Incarnation>,
        queue_id: u32,
        offset: QueueOffset,
        entry: IndexEntry,
        keys: impl IntoIterator<Item = u64>,
    ) -> Result<Replayed, ReplayGap> {
        let end = entry.position.advance(u64::from(entry.size));
        self.durable = self.durable.max(end);
        let Some(incarnation) = incarnation else { return Ok(Replayed::Forgotten) };
        let known = self.slot(topic, queue_id).map(|slot| (slot, self.at(slot.index)));
        let slot = match known {
            Some((_, queue)) if queue.incarnation > incarnation => return Ok(Replayed::Forgotten),
            Some((_, queue)) if queue.born.get().is_some_and(|born| entry.position < born) => return Ok(Replayed::Forgotten),
            Some((slot, queue)) if queue.incarnation == incarnation => slot,
            Some(_) | None if entry.position < self.snapshot => return Ok(Replayed::Forgotten),
            Some(_) | None => self.open(topic, incarnation, queue_id),
        };
        let queue = self.at(slot.index);
        let run = self.runs_in_memory(queue)[1];
        let expected = run.map_or(queue.next, |run| run.end());
        let headless = queue.born == Birth::NONE && offset > QueueOffset::ZERO;
        let fits = if run.is_some() { offset == expected } else { offset <= expected || headless };
        if !fits || offset < QueueOffset::ZERO {
            let topic = topic.to_owned();
            return Err(ReplayGap { topic, queue_id, position: entry.position, expected, found: offset });
        }
        let queue = self.queues[slot.index as usize].as_mut().expect("just seen");
        if headless {
            (queue.headless, queue.min, queue.visible) = (true, offset, offset);
        }
        let counted = queue.next;
        queue.next = offset;
        self.push(slot, &entry);
        let queue = self.queues[slot.index as usize].as_mut().expect("just seen");
        queue.next = queue.next.max(counted);
        queue.visible = queue.next;
        for hash in keys {
            self.active.push_key(hash, &entry, &mut self.spare);
        }
        Ok(Replayed::Indexed)
    }

    /// The replay has come to the segment that begins at `first`, so the one before it is complete.
    pub fn replay_rotate(&mut self, first: LogPosition) {
        self.rotate(first);
        self.durable = self.durable.max(first);
    }

    /// The log ends at `durable`, and all of it is. A queue whose beginning was nowhere is a gap.
    pub fn replay_done(&mut self, durable: LogPosition) -> Result<(), ReplayGap> {
        assert!(self.durable <= durable);
        self.durable = durable;
        match self.queues.iter().flatten().find(|queue| queue.headless) {
            None => Ok(()),
            Some(queue) => Err(ReplayGap {
                topic: queue.topic.to_string(),
                queue_id: queue.queue_id,
                position: queue.born.get().unwrap_or_default(),
                expected: QueueOffset::ZERO,
                found: queue.min,
            }),
        }
    }
}
