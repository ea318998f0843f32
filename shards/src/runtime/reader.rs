//! Reading: pulls and single records. Plans are made under the borrow, then read without it.
//!
//! Memory first (the tail cache), else aligned reads past the page cache. What comes from the disk is checked (size,
//! magic, physical offset, queue offset, body CRC) before anybody sees it.
//!
//! Before: `broker::pull`, `broker::offset`, `broker::view`; after: `queue::plan`, `runtime::commit_log`.

use std::fmt;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use super::cold::HeldExtent;
use super::commit_log::Piece;
use super::live::LiveShard;
use super::selection::Selection;
use super::{Buffer, Lane, should_yield, sleep, spawn, uptime, yield_now};
use super::{SlotSetter, slot};
use crate::filter::{PropertyFilter, TagFilter};
use crate::queue::{IndexRead, Plan, PlannedRead, Pull, PullLimits, PullStatus, QueueSlot, Wants, plan};
use crate::record::{BadRecord, Record};
use crate::types::{LogPosition, Millis, QueueOffset};

/// So much is copied and checked before it is asked whether others should get their turn; asking reads the clock.
const SLICE_BYTES: usize = 16 << 10;
/// How long a pull may be held at most, whatever it asks for.
pub const HOLD_MILLIS_MAX: i64 = 120_000;
/// How often held pulls are looked through for those whose time is over.
const SWEEP: Duration = Duration::from_millis(32);

/// A pull, as it crosses cores.
#[derive(Clone, Debug)]
pub struct PullRequest {
    pub topic: String,
    pub queue_id: u32,
    pub offset: i64,
    pub messages_max: u32,
    pub bytes_max: usize,
    pub filter: TagFilter,
    /// What is wanted by properties; records are read to find out.
    pub properties: Option<PropertyFilter>,
    /// How long it may wait when there is nothing; 0: not at all.
    pub hold_millis: i64,
}

#[derive(Clone, Debug)]
pub struct Pulled {
    pub status: PullStatus,
    /// Nothing is there yet; a client that is willing to wait may be held.
    pub waits: bool,
    pub next_offset: i64,
    pub min_offset: i64,
    pub max_offset: i64,
    pub messages: u32,
    /// Records as stored, back to back.
    pub body: Vec<u8>,
}

/// What could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// No such topic or queue any more.
    Gone,
    /// The disk gave an error or wrong bytes.
    Disk { what: String },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Gone => write!(f, "the messages have been deleted"),
            ReadError::Disk { what } => write!(f, "{what}; run `ringmq store check` on the store"),
        }
    }
}

impl std::error::Error for ReadError {}

pub type Pulls = crate::queue::Waiters<SlotSetter<()>>;

/// The time by which pulls are held: a wall clock that is set back must not hold them longer.
pub fn steady() -> Millis {
    Millis(uptime().as_millis() as i64)
}

/// Ends the waiting of those whose time is over, for as long as the core runs.
pub(super) fn sweep(live: Rc<LiveShard>) {
    let _detached = spawn(Lane::Network, async move {
        loop {
            sleep(SWEEP).await;
            live.pulls.borrow_mut().expire(steady(), |setter| setter.set(()));
        }
    });
}

impl LiveShard {
    pub async fn pull(&self, request: &PullRequest) -> Result<Pulled, ReadError> {
        if let Some(properties) = &request.properties {
            let wanted = properties.compiled(&mut self.expressions.borrow_mut());
            return self.pull_selected(request, &wanted).await;
        }
        let mut reads = Vec::new();
        let pull = Pull::new(QueueOffset(request.offset), request.messages_max, request.bytes_max, &request.filter);
        let (slot, status, (next_begin, min, max)) = self.plan_loaded(request, pull, &PullLimits::DEFAULT, &mut reads).await?;
        let mut selection = Selection::of_all(&reads);
        if let (PullStatus::Found, Some(slot)) = (status, slot) {
            self.read_all(slot, &reads, &mut selection).await?;
        }
        let (messages, body) = (selection.messages, selection.body);
        let waits = is_waiting(status, request.offset);
        Ok(Pulled { status, waits, next_offset: next_begin.0, min_offset: min.0, max_offset: max.0, messages, body })
    }

    /// Waits until the pull has an answer, but no longer than `deadline`, which `steady` tells. Reads nothing: thousands
    /// of held pulls may end with one message, and whoever holds them makes room for its bytes first. False when there was
    /// no room to wait.
    pub async fn hold(&self, request: &PullRequest, deadline: Millis) -> Result<bool, ReadError> {
        let mut reads = Vec::new();
        let resets_made = self.resets_made.get();
        loop {
            let pull = Pull::new(QueueOffset(request.offset), 1, 1, &request.filter);
            let (slot, status, _) = self.plan_loaded(request, pull, &PullLimits::DEFAULT, &mut reads).await?;
            // Which of the queue's groups a reset was for is known where the pull came from.
            let was_reset = resets_made != self.resets_made.get();
            if !is_waiting(status, request.offset) || was_reset || steady() >= deadline {
                return Ok(true);
            }
            if !self.wait(slot, request, deadline).await {
                return Ok(false);
            }
        }
    }

    /// A plan for which the index was there, with its next, least and greatest offsets.
    pub(super) async fn plan_loaded(
        &self,
        request: &PullRequest,
        mut pull: Pull<'_>,
        limits: &PullLimits,
        reads: &mut Vec<PlannedRead>,
    ) -> Result<(Option<QueueSlot>, PullStatus, (QueueOffset, QueueOffset, QueueOffset)), ReadError> {
        loop {
            match self.plan(request, &mut pull, limits, reads) {
                (_, Plan::Need(read)) => self.load_index(read).await?,
                (slot, Plan::Ready { status, next_begin, min, max }) => return Ok((slot, status, (next_begin, min, max))),
            }
        }
    }

    fn plan(
        &self,
        request: &PullRequest,
        pull: &mut Pull<'_>,
        limits: &PullLimits,
        reads: &mut Vec<PlannedRead>,
    ) -> (Option<QueueSlot>, Plan) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let slot = state.queues.slot(&request.topic, request.queue_id);
        let slot = match (slot, state.topics.get(&request.topic)) {
            (None, Some(topic)) if request.queue_id < topic.queues() => {
                if request.hold_millis == 0 {
                    // The queue exists, but nobody has sent to it: it costs memory only from then on.
                    let zero = QueueOffset::ZERO;
                    let status = PullStatus::NoMessageInQueue;
                    return (None, Plan::Ready { status, next_begin: zero, min: zero, max: zero });
                }
                // Whoever waits for a queue's first message waits for a queue that is there.
                state.open_queue(&request.topic, request.queue_id)
            }
            (slot, _) => slot,
        };
        (slot, plan(&mut state.queues, slot, pull, limits, reads))
    }

    /// False when there is no room to wait: the pull is answered as it is.
    async fn wait(&self, queue: Option<QueueSlot>, request: &PullRequest, deadline: Millis) -> bool {
        let Some(queue) = queue else { return false };
        let (setter, waiter) = slot();
        let offset = QueueOffset(request.offset);
        let properties = request.properties.as_ref().map(|filter| filter.compiled(&mut self.expressions.borrow_mut()));
        let wants = Wants { tags: request.filter.clone(), properties };
        let parked = self.pulls.borrow_mut().park(queue, offset, wants, deadline, setter);
        if parked.is_err() {
            return false;
        }
        waiter.await;
        true
    }

    /// All planned records, in their order, offered to the selection, until it is full.
    pub(super) async fn read_all(
        &self,
        slot: QueueSlot,
        reads: &[PlannedRead],
        selection: &mut Selection<'_>,
    ) -> Result<(), ReadError> {
        let mut rest = reads;
        let mut held: Option<HeldExtent> = None;
        let mut yielded = selection.examined_bytes;
        while let Some(first) = rest.first() {
            if selection.is_full(first) {
                break;
            }
            if self.take_from_tail(first, selection) {
                rest = &rest[1..];
                continue;
            }
            let held = held.get_or_insert_with(|| {
                self.cold.seen(slot, first.position);
                None
            });
            if self.take_shared(first, held, selection).await? {
                rest = &rest[1..];
                // Between slices those who send get their turn.
                if selection.examined_bytes - yielded >= SLICE_BYTES && should_yield() {
                    // Who does not run keeps no extent from being given up.
                    *held = None;
                    yielded = selection.examined_bytes;
                    yield_now().await;
                }
                continue;
            }
            *held = None;
            // What follows in the next extent is perhaps no longer read alone.
            let end = self.cold.end_of_extent(first.position);
            let near = rest.iter().take_while(|read| read.position.advance(u64::from(read.size)) <= end).count();
            let (span, after) = rest.split_at(near.max(1));
            self.read_span(span, selection).await?;
            rest = after;
        }
        Ok(())
    }

    /// Out of what readers of the disk share; false when this read is better made alone.
    async fn take_shared(
        &self,
        read: &PlannedRead,
        held: &mut HeldExtent,
        selection: &mut Selection<'_>,
    ) -> Result<bool, ReadError> {
        let settled = self.state.borrow().log.durable();
        let body = &mut selection.body;
        let start = body.len();
        if !self.cold.append(read.position, read.size as usize, settled, held, body).await? {
            body.truncate(start);
            return Ok(false);
        }
        if self.verify(read, &body[start..]).is_err() {
            // Whether the disk says so too is seen by reading it again, alone.
            self.cold.forget(read.position, read.position.advance(u64::from(read.size)));
            *held = None;
            body.truncate(start);
            return Ok(false);
        }
        selection.taken(read, start);
        Ok(true)
    }

    fn take_from_tail(&self, read: &PlannedRead, selection: &mut Selection<'_>) -> bool {
        let state = self.state.borrow();
        let Some((buffer, range)) = state.tail.get(read.position, read.size as usize) else { return false };
        selection.offer(read, &buffer.as_slice()[range]);
        true
    }

    /// One read for records that lie near to each other, in one segment.
    async fn read_span(&self, span: &[PlannedRead], selection: &mut Selection<'_>) -> Result<(), ReadError> {
        let (first, last) = (span[0], span[span.len() - 1]);
        let len = (last.position.0 + u64::from(last.size) - first.position.0) as usize;
        let piece = self.read_disk(first.position, len).await?;
        for read in span {
            if selection.is_full(read) {
                break;
            }
            let start = read.position.since(first.position) as usize;
            let bytes = &piece.bytes()[start..start + read.size as usize];
            self.check(read, bytes)?;
            selection.offer(read, bytes);
        }
        Ok(())
    }

    async fn read_disk(&self, position: LogPosition, len: usize) -> Result<Piece, ReadError> {
        self.cold.read_alone(position, len).await
    }

    fn verify(&self, read: &PlannedRead, bytes: &[u8]) -> Result<(), BadRecord> {
        let (id, placement) = { (self.state.borrow().id, self.state.borrow().placement) };
        let physical_offset = placement.physical_offset(id, read.position);
        let record = Record::parse(bytes)?;
        record.verify(physical_offset, Some(read.queue_offset))?;
        record.verify_crc()
    }

    fn check(&self, read: &PlannedRead, bytes: &[u8]) -> Result<(), ReadError> {
        self.verify(read, bytes).map_err(|bad| {
            let path = self.log.path(self.log.options.segment_of(read.position));
            let what = format!("the record at position {} of {} is damaged: {bad}", read.position, path.display());
            tracing::error!("{what}");
            ReadError::Disk { what }
        })
    }

    /// The record that starts at `position`, if there is one that clients may see.
    pub async fn record(&self, position: LogPosition) -> Result<Option<Vec<u8>>, ReadError> {
        const SIZE_BYTES: usize = 4;
        let (acknowledged, entry_bytes_max) = { (self.state.borrow().log.acknowledged(), self.log.options.entry_bytes_max) };
        if position < self.log.first() || position.0 + SIZE_BYTES as u64 > acknowledged.0 {
            return Ok(None);
        }
        let Some(head) = self.bytes(position, SIZE_BYTES).await? else { return Ok(None) };
        let size = u32::from_be_bytes(head[..SIZE_BYTES].try_into().expect("four bytes")) as usize;
        if size < SIZE_BYTES || size > entry_bytes_max || position.0 + size as u64 > acknowledged.0 {
            return Ok(None);
        }
        let Some(bytes) = self.bytes(position, size).await? else { return Ok(None) };
        let physical_offset = {
            let state = self.state.borrow();
            state.placement.physical_offset(state.id, position)
        };
        // A client's number may point anywhere: only bytes that name themselves as this record are one.
        let is_record =
            Record::parse(&bytes).is_ok_and(|record| record.verify(physical_offset, None).is_ok() && record.verify_crc().is_ok());
        Ok(is_record.then_some(bytes))
    }

    /// The same without a copy, of a record that the shard itself knows to start there. `None`: memory does not have it, or nobody may see
    /// it yet; `record` says which.
    pub fn record_in_memory(&self, position: LogPosition) -> Option<(Rc<Buffer>, Range<usize>)> {
        let state = self.state.borrow();
        let (head, size) = state.tail.get(position, 4)?;
        let size = u32::from_be_bytes(head.as_slice()[size].try_into().expect("four bytes")) as usize;
        if position.advance(size as u64) > state.log.acknowledged() {
            return None;
        }
        state.tail.get(position, size)
    }

    async fn bytes(&self, position: LogPosition, len: usize) -> Result<Option<Vec<u8>>, ReadError> {
        let cached = self.state.borrow().tail.get(position, len).map(|(buffer, range)| buffer.as_slice()[range].to_vec());
        if cached.is_some() {
            return Ok(cached);
        }
        let segment = self.log.options.segment_of(position);
        if position.0 + len as u64 > segment.0 + self.log.options.segment_bytes {
            return Ok(None);
        }
        match self.read_disk(position, len).await {
            Ok(piece) => Ok(Some(piece.bytes().to_vec())),
            Err(ReadError::Gone) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn load_index(&self, read: IndexRead) -> Result<(), ReadError> {
        self.indexes.load(self, read).await
    }
}

/// Whether a pull with this outcome waits for a message.
pub(super) fn is_waiting(status: PullStatus, offset: i64) -> bool {
    match status {
        PullStatus::OffsetOverflowOne => true,
        PullStatus::NoMatchedLogicQueue | PullStatus::NoMessageInQueue => offset == 0,
        PullStatus::Found
        | PullStatus::NoMatchedMessage
        | PullStatus::MessageWasRemoving
        | PullStatus::OffsetOverflowBadly
        | PullStatus::OffsetTooSmall
        | PullStatus::OffsetReset => false,
    }
}
