//! What a pop gets of one queue, decided and logged in one step: between the decision and its entry nobody else pops.
//!
//! The offset from which a group pops: what is in flight says it; else the group's consumer offset; else, for a group that is
//! new to the queue, what the request asks for (broker-semantics §12). Messages in flight are passed over, which happens
//! only when the consumer offset was set back meanwhile.

use std::fmt;

use super::event::{PopEvent, PopStep};
use super::table::PopQueue;
use crate::filter::{PropertyFilter, TagFilter};
use crate::offsets::{OffsetCommit, OffsetsFull};
use crate::queue::{IndexEntry, IndexRead, Lookup, Plan, PlannedRead, Pull, PullLimits, PullStatus, QueueSlot, plan};
use crate::shard::{AppendError, Shard};
use crate::types::{LogPosition, Millis, QueueOffset};

/// Plans that found nothing wanted before others get their turn.
const ROUNDS_MAX: usize = 16;
/// A queue whose first message was written so little ago is young: a new group gets all of it.
const YOUNG_BYTES: u64 = 1 << 30;

/// A pop of one queue.
#[derive(Clone, Debug)]
pub struct PopRequest<'a> {
    pub topic: &'a str,
    pub group: &'a str,
    pub queue_id: u32,
    pub messages_max: u32,
    pub bytes_max: usize,
    pub filter: &'a TagFilter,
    /// What is wanted by properties: such a pop goes by `Shard::pop_selected`.
    pub properties: Option<&'a PropertyFilter>,
    pub pop_time: Millis,
    pub invisible_millis: i64,
    pub initial: InitialOffset,
    /// In order, with this attempt's name.
    pub orderly: Option<&'a str>,
    /// Messages of this queue that the group may have in flight.
    pub in_flight_max: usize,
}

/// Where a group begins that is new to a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitialOffset {
    First,
    /// The last message; all of a young queue.
    Last,
}

/// How far a pop has looked: what must be loaded for a far-reaching search may be more than fits in memory at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct PopScan<'a> {
    pull: Option<(QueueOffset, Pull<'a>)>,
}

#[derive(Clone, Debug)]
pub enum Took {
    /// Load this, then ask again.
    Need(IndexRead),
    /// Much was looked at and nothing wanted; let others have their turn, then ask again.
    More,
    Done(Taken),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    pub slot: Option<QueueSlot>,
    pub reads: Vec<PlannedRead>,
    /// The offset at which this pop began.
    pub start: QueueOffset,
    /// How often each was handed out in order before.
    pub counts: Vec<i32>,
    /// Messages behind those.
    pub rest: i64,
    /// To be told when the log is durable up to here; `None`: nothing was handed out.
    pub end: Option<LogPosition>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PopError {
    Append(AppendError),
    Offsets(OffsetsFull),
}

impl From<AppendError> for PopError {
    fn from(error: AppendError) -> PopError {
        PopError::Append(error)
    }
}

impl fmt::Display for PopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PopError::Append(error) => error.fmt(f),
            PopError::Offsets(full) => full.fmt(f),
        }
    }
}

impl std::error::Error for PopError {}

/// Where a pop begins.
pub(super) struct Begin {
    pub at: QueueOffset,
    /// The consumer offset is not what POP has written.
    pub moved: Option<QueueOffset>,
}

impl Shard {
    /// Hands out messages: see the head of this file.
    pub fn pop<'a>(&mut self, now: Millis, request: &PopRequest<'a>, scan: &mut PopScan<'a>) -> Result<Took, PopError> {
        let begin = self.pop_begin(request)?;
        let Begin { at: start, moved } = begin;
        let Some(slot) = self.queues.slot(request.topic, request.queue_id) else {
            return Ok(Took::Done(Taken { start, ..Taken::default() }));
        };
        let room = self.pop_room(request);
        if self.pop_blocked_until(request, now).is_some() {
            return Ok(Took::Done(Taken { slot: Some(slot), start, ..Taken::default() }));
        }
        if room == 0 {
            return Ok(Took::Done(self.pop_nothing(slot, start)));
        }
        let messages_max = request.messages_max.min(u32::try_from(room).unwrap_or(u32::MAX));
        let mut pull = match scan.pull {
            Some((begun, pull)) if begun == start => pull,
            _ => Pull::new(start, messages_max, request.bytes_max, request.filter),
        };
        let mut reads = Vec::new();
        for _ in 0..ROUNDS_MAX {
            let (status, next) = match plan(&mut self.queues, Some(slot), &mut pull, &PullLimits::DEFAULT, &mut reads) {
                Plan::Need(read) => {
                    scan.pull = Some((start, pull));
                    return Ok(Took::Need(read));
                }
                Plan::Ready { status, next_begin, .. } => (status, next_begin),
            };
            let queue = self.pops.get(request.topic, request.group, request.queue_id);
            reads.retain(|read| is_free(queue, request, read.queue_offset));
            if !reads.is_empty() {
                return Ok(Took::Done(self.pop_take(request, begin, slot, reads, next)?));
            }
            let is_at_end = match status {
                PullStatus::OffsetOverflowOne => true,
                // The topic was made anew.
                PullStatus::NoMatchedLogicQueue | PullStatus::NoMessageInQueue => true,
                // Said of pulls only, which have no place of their own.
                PullStatus::OffsetReset
                | PullStatus::Found
                | PullStatus::NoMatchedMessage
                | PullStatus::MessageWasRemoving
                | PullStatus::OffsetOverflowBadly
                | PullStatus::OffsetTooSmall => false,
            };
            if is_at_end {
                self.pop_pass(request, moved, start, next)?;
                return Ok(Took::Done(self.pop_nothing(slot, next)));
            }
            pull = Pull::new(next, messages_max, request.bytes_max, request.filter);
            scan.pull = Some((start, pull));
        }
        Ok(Took::More)
    }

    /// Where a peek of the same group would begin; changes nothing.
    pub fn pop_position(&self, topic: &str, group: &str, queue_id: u32) -> Option<QueueOffset> {
        let committed = self.offsets.get(topic, group, queue_id).map(|committed| committed.offset);
        match (self.pops.get(topic, group, queue_id), committed) {
            (Some(queue), Some(committed)) if committed == queue.written => Some(queue.next),
            (Some(queue), None) => Some(queue.next),
            (_, committed) => committed,
        }
    }

    /// Whether a pop would look at messages now: some are there, and neither a batch in order nor a bound is in its way.
    pub fn pop_has_messages(&self, topic: &str, group: &str, queue_id: u32, in_flight_max: usize, now: Millis) -> bool {
        let Some(slot) = self.queues.slot(topic, queue_id) else { return false };
        let max = self.queues.max_visible(slot);
        let queue = self.pops.get(topic, group, queue_id);
        if let Some(batch) = queue.and_then(|queue| queue.orderly.as_ref()) {
            return batch.blocked_until(now, "").is_none();
        }
        let is_full = queue.is_some_and(|queue| queue.flights.len() >= in_flight_max) || self.pops.room() == 0;
        !is_full && self.pop_position(topic, group, queue_id).is_none_or(|position| position != max) && max > QueueOffset::ZERO
    }

    /// When a batch that is held in order is given up.
    pub fn pop_unblocks(&self, topic: &str, group: &str, queue_id: u32, now: Millis) -> Option<Millis> {
        self.pops.orderly(topic, group, queue_id)?.blocked_until(now, "")
    }

    pub(super) fn pop_nothing(&self, slot: QueueSlot, at: QueueOffset) -> Taken {
        let rest = (self.queues.max_visible(slot).0 - at.0).max(0);
        Taken { slot: Some(slot), start: at, rest, ..Taken::default() }
    }

    /// The offset is fixed with a group's first pop, so that messages that come later are for it.
    pub(super) fn pop_begin(&mut self, request: &PopRequest<'_>) -> Result<Begin, PopError> {
        let PopRequest { topic, group, queue_id, .. } = *request;
        let committed = self.offsets.get(topic, group, queue_id).map(|committed| committed.offset);
        if let Some(queue) = self.pops.get(topic, group, queue_id) {
            let moved = committed.filter(|committed| *committed != queue.written);
            let at = match (moved, request.orderly) {
                (Some(moved), _) => moved,
                // What is left of a batch that was given up comes again.
                (None, Some(_)) => queue.orderly.as_ref().and_then(|batch| batch.first()).unwrap_or(queue.next),
                (None, None) => queue.next,
            };
            return Ok(Begin { at, moved });
        }
        // An offset below 0 is none: that of a group that begins.
        if let Some(at) = committed.filter(|at| *at >= QueueOffset::ZERO) {
            return Ok(Begin { at, moved: None });
        }
        let at = match self.queues.slot(topic, queue_id) {
            None => QueueOffset::ZERO,
            Some(slot) => match request.initial {
                InitialOffset::First => self.queues.min(slot),
                InitialOffset::Last if self.pop_is_young(slot) => QueueOffset::ZERO,
                InitialOffset::Last => QueueOffset((self.queues.max_visible(slot).0 - 1).max(0)),
            },
        };
        self.offsets.commit(OffsetCommit { topic, group, queue_id, offset: at }).map_err(PopError::Offsets)?;
        Ok(Begin { at, moved: None })
    }

    fn pop_is_young(&mut self, slot: QueueSlot) -> bool {
        if self.queues.min(slot) > QueueOffset::ZERO {
            return false;
        }
        let mut first: Vec<IndexEntry> = Vec::new();
        match self.queues.lookup(slot, QueueOffset::ZERO, 1, &mut first) {
            Lookup::Entries => first.first().is_some_and(|entry| self.log.appended().0 - entry.position.0 < YOUNG_BYTES),
            // Its index has left the memory already, or there is nothing yet.
            Lookup::Need(_) | Lookup::Gone(_) => false,
            Lookup::Nothing => true,
        }
    }

    pub(super) fn pop_room(&self, request: &PopRequest<'_>) -> usize {
        let in_queue = self.pops.in_flight(request.topic, request.group, request.queue_id);
        request.in_flight_max.saturating_sub(in_queue).min(self.pops.room())
    }

    pub(super) fn pop_blocked_until(&self, request: &PopRequest<'_>, now: Millis) -> Option<Millis> {
        let attempt = request.orderly?;
        self.pops.orderly(request.topic, request.group, request.queue_id)?.blocked_until(now, attempt)
    }

    pub(super) fn pop_take(
        &mut self,
        request: &PopRequest<'_>,
        begin: Begin,
        slot: QueueSlot,
        reads: Vec<PlannedRead>,
        next: QueueOffset,
    ) -> Result<Taken, PopError> {
        let PopRequest { topic, group, queue_id, .. } = *request;
        let queue = self.pops.get(topic, group, queue_id);
        let batch = queue.and_then(|queue| queue.orderly.as_ref()).filter(|_| begin.moved.is_none());
        let counts: Vec<i32> = match request.orderly {
            Some(attempt) => {
                let count = |read: &PlannedRead| batch.map_or(0, |batch| batch.count(read.queue_offset, attempt));
                reads.iter().map(count).collect()
            }
            None => Vec::new(),
        };
        let offsets = reads.iter().map(|read| read.queue_offset).collect();
        // In order a pop may give out again what lies before the messages that are in flight without.
        let next_of_all = match (queue, begin.moved) {
            (Some(queue), None) => queue.next.max(next),
            _ => next,
        };
        let event = PopEvent {
            topic,
            group,
            queue_id,
            step: PopStep::Popped {
                next: next_of_all,
                pop_time: request.pop_time,
                invisible_millis: request.invisible_millis,
                moved: begin.moved,
                offsets,
                orderly: request.orderly.map(|attempt| (attempt, counts.clone())),
            },
        };
        let end = self.pop_event(event)?;
        let rest = (self.queues.max_visible(slot).0 - next.0).max(0);
        Ok(Taken { slot: Some(slot), reads, start: begin.at, counts, rest, end: Some(end) })
    }

    /// Nothing was wanted up to `next`. In memory only, unless somebody has moved the consumer offset: after a crash the same is looked at once more.
    pub(super) fn pop_pass(
        &mut self,
        request: &PopRequest<'_>,
        moved: Option<QueueOffset>,
        start: QueueOffset,
        next: QueueOffset,
    ) -> Result<(), PopError> {
        let PopRequest { topic, group, queue_id, .. } = *request;
        // A batch that was given up and of which nothing is wanted any more blocks the queue no longer.
        let leaves_batch = request.orderly.is_some() && self.pops.orderly(topic, group, queue_id).is_some();
        if moved.is_some() || leaves_batch {
            let step = PopStep::Popped {
                next,
                pop_time: request.pop_time,
                invisible_millis: 0,
                moved,
                offsets: Vec::new(),
                orderly: request.orderly.map(|attempt| (attempt, Vec::new())),
            };
            self.pop_event(PopEvent { topic, group, queue_id, step })?;
        } else if next != start {
            match self.pops.get_mut(topic, group, queue_id) {
                Some(queue) => queue.next = next,
                None => {
                    let commit = OffsetCommit { topic, group, queue_id, offset: next };
                    self.offsets.commit(commit).map_err(PopError::Offsets)?;
                }
            }
        }
        Ok(())
    }
}

/// Whether a message may be handed out: it is in nobody's hands, and not acked out of the batch that comes again.
pub(super) fn is_free(queue: Option<&PopQueue>, request: &PopRequest<'_>, offset: QueueOffset) -> bool {
    let Some(queue) = queue else { return true };
    let acked = request.orderly.is_some() && queue.orderly.as_ref().is_some_and(|batch| batch.is_acked(offset));
    !acked && !queue.flights.contains(offset)
}
