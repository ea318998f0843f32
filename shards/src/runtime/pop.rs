//! POP on a shard at work: reading what was handed out, waiting until that is durable, and waiting for messages.
//!
//! A pop's messages leave only when the entry that makes them invisible is durable: otherwise a crash would have them
//! handed out a second time while the first consumer still holds them.
//!
//! Before: `broker::pop`; after: `pop` (decides), `runtime::reader` (reads), `pop_ahead` (where properties decide).

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use hashbrown::HashMap;

use super::live::LiveShard;
use super::reader::{PullRequest, ReadError, steady};
use super::selection::Selection;
use super::{Signal, now, timeout, yield_now};
use crate::filter::TagFilter;
use crate::pop::{AckOutcome, Extended, Handed, LookBudget, PopError, PopRequest, PopScan, Taken, Took};
use crate::queue::QueueSlot;
use crate::record::Record;
use crate::shard::{AppendError, Shard};
use crate::types::{LogPosition, Millis, QueueOffset};

/// What a pop got of one queue.
#[derive(Clone, Debug, Default)]
pub struct Popped {
    pub queue_id: u32,
    pub start: QueueOffset,
    pub offsets: Vec<QueueOffset>,
    /// How often each was handed out in order before.
    pub counts: Vec<i32>,
    /// Messages of the queue behind those.
    pub rest: i64,
    /// Some were not looked at, only because a pop looks at so many: there may be something for whoever comes again at once.
    pub is_cut: bool,
    /// Records as stored, back to back.
    pub body: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PopFailed {
    Pop(PopError),
    Read(ReadError),
}

impl From<ReadError> for PopFailed {
    fn from(error: ReadError) -> PopFailed {
        PopFailed::Read(error)
    }
}

impl From<AppendError> for PopFailed {
    fn from(error: AppendError) -> PopFailed {
        PopFailed::Pop(PopError::Append(error))
    }
}

impl fmt::Display for PopFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PopFailed::Pop(error) => error.fmt(f),
            PopFailed::Read(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PopFailed {}

/// A queue that somebody wants to pop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedQueue {
    pub topic: String,
    pub queue_id: u32,
}

/// Who waits for messages of which queues.
#[derive(Default)]
pub(super) struct PopWatches {
    /// By the order in which they came: who wakes first must not depend on a table's random hashes.
    all: RefCell<BTreeMap<u64, Rc<Signal>>>,
    by_queue: RefCell<HashMap<QueueSlot, Vec<u64>>>,
    last: Cell<u64>,
}

impl PopWatches {
    /// A queue has something new.
    pub fn raise(&self, slot: QueueSlot) {
        let mut by_queue = self.by_queue.borrow_mut();
        if by_queue.is_empty() {
            return;
        }
        let all = self.all.borrow();
        for number in by_queue.remove(&slot).into_iter().flatten() {
            all.get(&number).expect("who leaves takes its queues along").raise();
        }
    }

    /// Topics have changed: whoever waits looks which queues there are now.
    pub fn raise_all(&self) {
        self.all.borrow().values().for_each(|signal| signal.raise());
    }

    pub fn len(&self) -> usize {
        self.all.borrow().len()
    }
}

/// One wait among the watches, taken out when it ends.
struct Watching<'l> {
    watches: &'l PopWatches,
    number: u64,
    signal: Rc<Signal>,
    slots: Vec<QueueSlot>,
}

impl<'l> Watching<'l> {
    fn begin(watches: &'l PopWatches) -> Watching<'l> {
        let number = watches.last.get() + 1;
        watches.last.set(number);
        let signal = Rc::new(Signal::new());
        watches.all.borrow_mut().insert(number, signal.clone());
        Watching { watches, number, signal, slots: Vec::new() }
    }

    fn add(&mut self, slot: QueueSlot) {
        self.watches.by_queue.borrow_mut().entry(slot).or_default().push(self.number);
        self.slots.push(slot);
    }

    fn forget_queues(&mut self) {
        let mut by_queue = self.watches.by_queue.borrow_mut();
        for slot in self.slots.drain(..) {
            let Some(numbers) = by_queue.get_mut(&slot) else { continue };
            numbers.retain(|number| *number != self.number);
            if numbers.is_empty() {
                by_queue.remove(&slot);
            }
        }
    }
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.forget_queues();
        self.watches.all.borrow_mut().remove(&self.number);
    }
}

impl LiveShard {
    /// Hands out messages of several queues, in their order, until there are enough; returns when that is durable. `request`
    /// is for one queue after the other; its bounds are those of all.
    pub async fn pop(&self, request: &PopRequest<'_>, queues: &[u32]) -> Result<Vec<Popped>, PopFailed> {
        let (mut messages_left, mut bytes_left) = (request.messages_max, request.bytes_max);
        let filter = request.properties.map(|properties| properties.compiled(&mut self.expressions.borrow_mut()));
        let mut budget = LookBudget::FULL;
        let mut end = None;
        let mut popped = Vec::new();
        for queue_id in queues {
            if messages_left == 0 || bytes_left == 0 {
                break;
            }
            let of_queue =
                PopRequest { queue_id: *queue_id, messages_max: messages_left, bytes_max: bytes_left, ..request.clone() };
            self.take_reset_first(&of_queue).await?;
            let (of_queue, logged) = match &filter {
                Some(filter) => self.take_selected(&of_queue, filter, &mut budget).await?,
                None => {
                    let taken = self.take(&of_queue).await?;
                    let logged = taken.end;
                    (self.read_taken(*queue_id, taken).await?, logged)
                }
            };
            messages_left -= of_queue.offsets.len() as u32;
            bytes_left = bytes_left.saturating_sub(of_queue.body.len());
            end = end.max(logged);
            popped.push(of_queue);
        }
        if let Some(end) = end {
            self.durable(end).await?;
        }
        Ok(popped)
    }

    async fn read_taken(&self, queue_id: u32, taken: Taken) -> Result<Popped, PopFailed> {
        let Taken { slot, reads, start, counts, rest, .. } = taken;
        let offsets = reads.iter().map(|read| read.queue_offset).collect();
        let mut selection = Selection::of_all(&reads);
        if let Some(slot) = slot {
            self.read_all(slot, &reads, &mut selection).await?;
        }
        Ok(Popped { queue_id, start, offsets, counts, rest, is_cut: false, body: selection.body })
    }

    async fn take_reset_first(&self, request: &PopRequest<'_>) -> Result<(), PopFailed> {
        // The consumer offset is another one already, and tells where this pop begins.
        let taken = self.take_reset(request.topic, request.group, request.queue_id).await;
        taken.map_err(|error| PopFailed::Pop(PopError::Append(error)))
    }

    /// A step of a pop, which perhaps is logged.
    pub(super) fn popping<T>(&self, step: impl FnOnce(&mut Shard) -> T) -> T {
        let mut state = self.state.borrow_mut();
        let before = state.log.appended();
        let done = step(&mut state);
        let logged = state.log.appended() != before;
        drop(state);
        if logged {
            self.appended();
        }
        done
    }

    async fn take(&self, request: &PopRequest<'_>) -> Result<Taken, PopFailed> {
        let mut scan = PopScan::default();
        loop {
            match self.popping(|state| state.pop(now(), request, &mut scan)) {
                Ok(Took::Done(taken)) => return Ok(taken),
                Ok(Took::More) => yield_now().await,
                Ok(Took::Need(read)) => self.load_index(read).await?,
                Err(PopError::Append(AppendError::NoRoom)) => self.room().await,
                Err(error) => return Err(PopFailed::Pop(error)),
            }
        }
    }

    /// A group has consumed messages. Waits neither for room in the log, which an error says, nor until it is durable; who waits for a queue
    /// that is freed by it is for the caller to tell with `pop_freed`.
    pub fn pop_ack(&self, topic: &str, group: &str, queue_id: u32, messages: &[Handed]) -> Result<AckOutcome, AppendError> {
        self.popping(|shard| shard.pop_ack(topic, group, queue_id, messages))
    }

    /// Wakes who waits for a queue that acks have freed, once they are durable.
    pub async fn pop_freed(&self, topic: &str, queue_id: u32, end: LogPosition) {
        if self.durable(end).await.is_ok() {
            self.raise_queue(topic, queue_id);
        }
    }

    /// Messages whose invisible time was over are stored elsewhere, or gone.
    pub async fn pop_revived(&self, topic: &str, group: &str, queue_id: u32, messages: &[Handed]) -> Result<(), AppendError> {
        let outcome = self.when_there_is_room(|shard| shard.pop_revived(topic, group, queue_id, messages)).await?;
        let AckOutcome::Done { end, freed } = outcome else { return Ok(()) };
        self.appended();
        let durable = self.durable(end).await;
        if freed {
            self.raise_queue(topic, queue_id);
        }
        durable
    }

    /// A consumer wants to hold a message for another time; returns when that is durable.
    pub async fn pop_extend(
        &self,
        topic: &str,
        group: &str,
        queue_id: u32,
        message: Handed,
        pop_time: Millis,
        visible_at: Millis,
    ) -> Result<Extended, AppendError> {
        let extend = |shard: &mut Shard| shard.pop_extend(topic, group, queue_id, message, pop_time, visible_at);
        let extended = self.when_there_is_room(extend).await?;
        self.appended();
        self.durable(extended.end).await?;
        // A batch in order may be free earlier now.
        self.raise_queue(topic, queue_id);
        Ok(extended)
    }

    fn raise_queue(&self, topic: &str, queue_id: u32) {
        let slot = self.state.borrow().queues.slot(topic, queue_id);
        if let Some(slot) = slot {
            self.watches.raise(slot);
        }
    }

    /// Those who wait in `pop_watch`.
    pub fn pop_watches(&self) -> usize {
        self.watches.len()
    }

    /// The record at an offset, to be stored elsewhere; `None`: it is gone.
    pub async fn pop_read(&self, topic: &str, queue_id: u32, offset: QueueOffset) -> Result<Option<Vec<u8>>, ReadError> {
        let request = PullRequest {
            topic: topic.to_owned(),
            queue_id,
            offset: offset.0,
            messages_max: 1,
            bytes_max: 1,
            filter: TagFilter::ALL,
            properties: None,
            hold_millis: 0,
        };
        let pulled = self.pull(&request).await?;
        let is_it = Record::parse(&pulled.body).is_ok_and(|record| record.queue_offset() == offset);
        Ok(is_it.then_some(pulled.body))
    }

    /// Returns true when one of the queues has something that the group could pop; false at the `deadline`, which `steady`
    /// tells. `queues` says which queues of this shard are meant, and is asked again when topics have changed.
    pub async fn pop_watch(
        &self,
        group: &str,
        queues: impl Fn() -> Vec<WatchedQueue>,
        in_flight_max: usize,
        deadline: Millis,
    ) -> bool {
        let mut watching = Watching::begin(&self.watches);
        loop {
            let mut free_at: Option<Millis> = None;
            watching.forget_queues();
            for WatchedQueue { topic, queue_id } in queues() {
                let mut state = self.state.borrow_mut();
                let time = now();
                if state.pop_has_messages(&topic, group, queue_id, in_flight_max, time) {
                    return true;
                }
                let unblocks = state.pop_unblocks(&topic, group, queue_id, time);
                free_at = [free_at, unblocks].into_iter().flatten().min();
                if let Some(slot) = state.open_queue(&topic, queue_id) {
                    watching.add(slot);
                }
            }
            let left = deadline.since(steady());
            if left == 0 {
                return false;
            }
            // One more than is left of the batch's time, so that it is over then.
            let wait = free_at.map_or(left, |free_at| left.min(free_at.since(now()) + 1));
            let _raised_or_not = timeout(Duration::from_millis(wait as u64), watching.signal.wait()).await;
        }
    }
}
