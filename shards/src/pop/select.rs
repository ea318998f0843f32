//! A pop that wants messages by their properties, which only the records tell: it looks ahead of what it takes.
//!
//! Records are read between two steps here, so others may pop meanwhile. What is taken is decided and logged in one step all
//! the same, against the state as it is then: of what was found, that which is still free, and nothing when the group has
//! gone elsewhere; then the search begins again there.
//!
//! Invariants:
//! - Whatever is asked, one request looks at no more messages and reads few more bytes than its `LookBudget`.
//! - A message that is not wanted is never in flight: the group's next offset goes past it, and its consumer offset with it.
//!
//! Before: `runtime::pop_ahead`, which reads; after: `take`.

use super::take::{Begin, PopError, PopRequest, Taken, is_free};
use crate::queue::{IndexRead, Plan, PlannedRead, Pull, PullLimits, PullStatus, QueueSlot, plan};
use crate::shard::Shard;
use crate::types::{Millis, QueueOffset};

/// So much is planned and read at once: most of it is for nothing when the pop is full early.
const STEP: PullLimits = PullLimits { messages_max: 64, bytes_max: 256 << 10, examined_max: 64 };
/// Steps without anything to read before others get their turn.
const ROUNDS_MAX: usize = 16;

/// What one request may still look at, in all of its queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookBudget {
    messages: i64,
    bytes: usize,
}

impl LookBudget {
    /// As a pull of the same kind.
    pub const FULL: LookBudget = LookBudget { messages: PullLimits::DEFAULT.examined_max as i64, bytes: 4 << 20 };

    fn is_spent(self) -> bool {
        self.messages <= 0 || self.bytes == 0
    }
}

/// How far a pop has looked into its queue.
#[derive(Debug)]
pub struct PopAhead {
    pub budget: LookBudget,
    slot: Option<QueueSlot>,
    /// All in [from, at) was looked at, and what is wanted of it found.
    from: QueueOffset,
    at: QueueOffset,
    found: Vec<PlannedRead>,
    /// Where `at` goes when all of the step is looked at.
    step_end: QueueOffset,
    is_full: bool,
}

#[derive(Clone, Debug)]
pub enum Selected {
    /// Load this, then ask again.
    Need(IndexRead),
    /// Read these, tell `looked` which are wanted, then ask again.
    Look { slot: QueueSlot, reads: Vec<PlannedRead> },
    /// Let others have their turn, then ask again.
    More,
    /// `is_cut`: what lies behind was not looked at, for nothing but the budget.
    Done { taken: Taken, is_cut: bool },
}

impl PopAhead {
    pub fn new(budget: LookBudget) -> PopAhead {
        let zero = QueueOffset::ZERO;
        PopAhead { budget, slot: None, from: zero, at: zero, found: Vec::new(), step_end: zero, is_full: false }
    }

    /// What was planned is read; `is_wanted` says of each of `reads`, in their order, what has become known.
    pub fn looked(&mut self, request: &PopRequest<'_>, reads: &[PlannedRead], mut is_wanted: impl FnMut(&PlannedRead) -> bool) {
        for read in reads {
            if is_wanted(read) {
                let bytes: usize = self.found.iter().map(|read| read.size as usize).sum();
                let has_room =
                    (self.found.len() as u32) < messages_max(request) && bytes + read.size as usize <= request.bytes_max;
                // There always is room for the first.
                if !has_room && !self.found.is_empty() {
                    self.is_full = true;
                    return self.go_to(read.queue_offset);
                }
                self.found.push(*read);
            }
            self.budget.bytes = self.budget.bytes.saturating_sub(read.size as usize);
        }
        self.is_full = self.found.len() as u32 >= messages_max(request);
        match reads.last().filter(|_| self.is_full) {
            Some(last) => self.go_to(last.queue_offset.advance(1)),
            None => self.go_to(self.step_end),
        }
    }

    fn go_to(&mut self, at: QueueOffset) {
        self.budget.messages -= (at.0 - self.at.0).max(0);
        self.at = at;
    }

    /// The group pops from `start` on: what was found behind it is still good, if the search was there.
    fn follow(&mut self, slot: QueueSlot, start: QueueOffset) {
        if self.slot == Some(slot) && self.from <= start && start <= self.at {
            let found = self.found.len();
            self.found.retain(|read| read.queue_offset >= start);
            self.is_full &= self.found.len() == found;
            self.from = start;
        } else {
            *self = PopAhead { slot: Some(slot), from: start, at: start, ..PopAhead::new(self.budget) };
        }
    }
}

fn messages_max(request: &PopRequest<'_>) -> u32 {
    request.messages_max.clamp(1, PullLimits::DEFAULT.messages_max)
}

impl Shard {
    /// Hands out messages as `pop` does, of those that `ahead` has found to be wanted.
    pub fn pop_selected(&mut self, now: Millis, request: &PopRequest<'_>, ahead: &mut PopAhead) -> Result<Selected, PopError> {
        let done = |taken: Taken| Ok(Selected::Done { taken, is_cut: false });
        let begin = self.pop_begin(request)?;
        let start = begin.at;
        let Some(slot) = self.queues.slot(request.topic, request.queue_id) else {
            return done(Taken { start, ..Taken::default() });
        };
        if self.pop_blocked_until(request, now).is_some() {
            return done(Taken { slot: Some(slot), start, ..Taken::default() });
        }
        let room = self.pop_room(request);
        if room == 0 {
            return done(self.pop_nothing(slot, start));
        }
        ahead.follow(slot, start);
        for _ in 0..ROUNDS_MAX {
            let is_cut = ahead.budget.is_spent() && !self.is_in_batch(request, &begin, ahead.at);
            if ahead.is_full || is_cut {
                return self.pop_found(request, begin, slot, room, ahead, is_cut);
            }
            let mut reads = Vec::new();
            // A batch is looked at to its end, also beyond the budget.
            let left = u32::try_from(ahead.budget.messages).ok().filter(|left| *left > 0).unwrap_or(STEP.examined_max);
            let step = PullLimits { examined_max: STEP.examined_max.min(left), ..STEP };
            let mut pull = Pull::new(ahead.at, step.messages_max, step.bytes_max, request.filter);
            let (status, next) = match plan(&mut self.queues, Some(slot), &mut pull, &step, &mut reads) {
                Plan::Need(read) => return Ok(Selected::Need(read)),
                Plan::Ready { status, next_begin, .. } => (status, next_begin),
            };
            match status {
                PullStatus::OffsetOverflowOne | PullStatus::NoMatchedLogicQueue | PullStatus::NoMessageInQueue => {
                    ahead.at = next;
                    return self.pop_found(request, begin, slot, room, ahead, false);
                }
                // Some are gone, or the offset was never there.
                PullStatus::OffsetReset
                | PullStatus::MessageWasRemoving
                | PullStatus::OffsetOverflowBadly
                | PullStatus::OffsetTooSmall => ahead.at = next,
                PullStatus::Found | PullStatus::NoMatchedMessage => {
                    let queue = self.pops.get(request.topic, request.group, request.queue_id);
                    reads.retain(|read| is_free(queue, request, read.queue_offset));
                    if !reads.is_empty() {
                        ahead.step_end = next;
                        return Ok(Selected::Look { slot, reads });
                    }
                    ahead.go_to(next);
                }
            }
        }
        Ok(Selected::More)
    }

    /// Before all of a batch that was given up is looked at, nothing may be said about the rest of it.
    fn is_in_batch(&self, request: &PopRequest<'_>, begin: &Begin, at: QueueOffset) -> bool {
        let queue = self.pops.get(request.topic, request.group, request.queue_id);
        begin.moved.is_none()
            && request.orderly.is_some()
            && queue.is_some_and(|queue| queue.orderly.is_some() && at < queue.next)
    }

    fn pop_found(
        &mut self,
        request: &PopRequest<'_>,
        begin: Begin,
        slot: QueueSlot,
        room: usize,
        ahead: &mut PopAhead,
        is_cut: bool,
    ) -> Result<Selected, PopError> {
        let queue = self.pops.get(request.topic, request.group, request.queue_id);
        let mut reads = std::mem::take(&mut ahead.found);
        reads.retain(|read| is_free(queue, request, read.queue_offset));
        let next = match reads.get(room) {
            Some(first_left) => first_left.queue_offset,
            None => ahead.at,
        };
        reads.truncate(room);
        if reads.is_empty() && ahead.is_full {
            // Others have taken all of it meanwhile.
            ahead.is_full = false;
            return Ok(Selected::More);
        }
        if reads.is_empty() {
            self.pop_pass(request, begin.moved, begin.at, next)?;
            return Ok(Selected::Done { taken: self.pop_nothing(slot, next), is_cut });
        }
        let taken = self.pop_take(request, begin, slot, reads, next)?;
        Ok(Selected::Done { taken, is_cut })
    }
}
