//! Delivers what has waited long enough.
//!
//! One task for each shard. It sleeps until the first message is due, or until one that is due sooner is appended; reads what
//! is due by batches, from the tail cache or the disk; and appends each to its queue, in one block with the entry that ends
//! its waiting. So a crash leaves it waiting or delivered, never both or neither.
//!
//! Invariants:
//! - Nothing goes before its time, nor before its waiting record is durable.
//! - What cannot be delivered now (no room, a full disk) waits on; what can never be (no such topic, a damaged record) is
//!   dropped, with a counter and a line in the log.
//!
//! Before: `runtime::live` (append); after: `timer` (decides), `shard` (appends).

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use super::live::LiveShard;
use super::reader::ReadError;
use super::{Lane, now, should_yield, sleep, spawn, timeout, yield_now};
use crate::record::{NewMessage, REAL_TOPIC, Record};
use crate::shard::AppendError;
use crate::timer::{Pending, key_of, restore};
use crate::types::{LogPosition, Millis};

/// So much is read and appended before it is looked again who is due.
const BATCH_MAX: usize = 512;
const BATCH_BYTES_MAX: usize = 1 << 20;
/// Records that lie no further apart are read at once, up to so much.
const GAP_BYTES_MAX: u64 = 16 << 10;
const SPAN_BYTES_MAX: u64 = 512 << 10;
/// The wall clock may be set forward while one sleeps: nobody is later than this for it.
const SLEEP_MAX: Duration = Duration::from_millis(500);
/// A full or failing disk is asked again after this.
const REST: Duration = Duration::from_millis(500);

/// Since the start.
#[derive(Debug, Default)]
pub struct TimerCounters {
    pub delivered: Cell<u64>,
    /// They could not be delivered, ever.
    pub dropped: Cell<u64>,
    pub taken_back: Cell<u64>,
    /// Appended again because their segment was to be deleted.
    pub moved: Cell<u64>,
}

pub(super) fn add_one(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}

pub(super) fn start(live: &Rc<LiveShard>) {
    let live = live.clone();
    let _detached = spawn(Lane::Network, async move { deliver(&live).await });
}

async fn deliver(live: &Rc<LiveShard>) {
    let mut batch = Vec::new();
    let mut properties = Vec::new();
    while !live.is_stopping() {
        batch.clear();
        let (blocked, next) = {
            let mut state = live.state.borrow_mut();
            // Also where acknowledgements do not wait for the disk: what is read there must be there.
            let durable = state.log.durable();
            let due = state.timers.due(now(), durable, BATCH_MAX, BATCH_BYTES_MAX, &mut batch);
            (due.blocked, state.timers.wait_for_next())
        };
        if batch.is_empty() {
            match blocked {
                Some(end) => {
                    if live.durable(end).await.is_err() {
                        return;
                    }
                }
                None => wait(live, next).await,
            }
            continue;
        }
        if deliver_batch(live, &batch, &mut properties).await.is_err() {
            return;
        }
    }
}

async fn wait(live: &LiveShard, next: Option<Millis>) {
    match next {
        None => live.timer_nearer.wait().await,
        Some(at) => {
            let left = Duration::from_millis(at.since(now()) as u64).clamp(Duration::from_millis(1), SLEEP_MAX);
            let _sooner_or_not = timeout(left, live.timer_nearer.wait()).await;
        }
    }
}

/// The log takes nothing more: only a restart goes on.
struct Ended;

async fn deliver_batch(live: &Rc<LiveShard>, batch: &[Pending], properties: &mut Vec<u8>) -> Result<(), Ended> {
    let read = read_batch(live, batch).await;
    for due in batch {
        let read = match &read {
            Ok(read) => read.of(due),
            Err(_) => None,
        };
        let record = match read {
            Some(bytes) => Ok(bytes),
            // Together something failed: alone it shows whose fault it is.
            None => Err(read_one(live, due).await),
        };
        match record {
            Ok(bytes) => deliver_one(live, due, bytes, properties).await?,
            Err(Ok(bytes)) => deliver_one(live, due, &bytes, properties).await?,
            Err(Err(error)) => {
                tracing::error!(position = due.position.0, %error, "a delayed message cannot be read; it is tried again");
                sleep(REST).await;
                return Ok(());
            }
        }
        if should_yield() {
            yield_now().await;
        }
    }
    Ok(())
}

async fn deliver_one(live: &LiveShard, due: &Pending, bytes: &[u8], properties: &mut Vec<u8>) -> Result<(), Ended> {
    let (physical_offset, owner_of) = {
        let state = live.state.borrow();
        let (id, placement) = (state.id, state.placement);
        (placement.physical_offset(id, due.position), move |topic: &str, queue_id| placement.queue(topic, queue_id, id) == id)
    };
    let checked = Record::parse(bytes).and_then(|record| record.verify(physical_offset, None).map(|()| record));
    let record = match checked {
        Ok(record) => record,
        Err(bad) => return drop_one(live, due, &format!("its record at position {} is damaged: {bad}", due.position)).await,
    };
    loop {
        let now = now();
        let Some(to) = restore(&record, now, properties) else {
            return drop_one(live, due, "its record does not say to which topic and queue it goes").await;
        };
        if !owner_of(to.topic, to.queue_id) {
            let why = format!("queue {} of topic {} is not of this shard", to.queue_id, to.topic);
            return drop_one(live, due, &why).await;
        }
        let message = NewMessage { topic: to.topic, queue_id: to.queue_id, properties, ..record.as_new_message() };
        if live.is_stopping() || now < due.deliver_at {
            // The clock was set back: it waits on.
            return Ok(());
        }
        match live.release_timer(now, due, &message) {
            Ok(released) => {
                if released {
                    add_one(&live.timers.delivered);
                }
                return Ok(());
            }
            Err(AppendError::NoRoom) => live.room().await,
            Err(AppendError::DiskFull(_)) => sleep(REST).await,
            Err(AppendError::Poisoned { .. }) => return Err(Ended),
            Err(never @ (AppendError::NoTopic { .. } | AppendError::TooLarge { .. })) => {
                return drop_one(live, due, &never.to_string()).await;
            }
            Err(other @ (AppendError::BadBatch(_) | AppendError::TimersFull { .. } | AppendError::HalvesFull { .. })) => {
                panic!("{other} is said of what clients send")
            }
        }
    }
}

async fn drop_one(live: &LiveShard, due: &Pending, why: &str) -> Result<(), Ended> {
    loop {
        if live.is_stopping() {
            return Ok(());
        }
        let dropped = live.state.borrow_mut().drop_timer(due);
        match dropped {
            Ok(None) => return Ok(()),
            Ok(Some(_)) => {
                live.log.wake();
                add_one(&live.timers.dropped);
                tracing::warn!(position = due.position.0, "a delayed message is dropped: {why}");
                return Ok(());
            }
            Err(AppendError::NoRoom) => live.room().await,
            Err(AppendError::Poisoned { .. }) => return Err(Ended),
            Err(_) => sleep(REST).await,
        }
    }
}

/// The records of a batch, where they could be read.
struct ReadBatch {
    bytes: Vec<u8>,
    /// In the order of positions.
    places: Vec<(LogPosition, Range<usize>)>,
}

impl ReadBatch {
    fn of(&self, due: &Pending) -> Option<&[u8]> {
        let place = self.places.binary_search_by_key(&due.position, |(position, _)| *position).ok()?;
        Some(&self.bytes[self.places[place].1.clone()])
    }
}

async fn read_batch(live: &Rc<LiveShard>, batch: &[Pending]) -> Result<ReadBatch, ReadError> {
    let mut by_position = batch.to_vec();
    by_position.sort_unstable_by_key(|due| due.position);
    let mut read = ReadBatch { bytes: Vec::new(), places: Vec::with_capacity(batch.len()) };
    let mut from_disk: Vec<Pending> = Vec::new();
    {
        let state = live.state.borrow();
        for due in by_position {
            match state.tail.get(due.position, due.size as usize) {
                Some((buffer, range)) => read.take(&due, &buffer.as_slice()[range]),
                None => from_disk.push(due),
            }
        }
    }
    // Reads go side by side; how many at once is bounded where they are made.
    let pieces: Rc<RefCell<Vec<_>>> = Rc::default();
    let mut tasks = Vec::new();
    for span in spans(&from_disk, live.log.options.segment_bytes) {
        let (first, last) = (span[0], span[span.len() - 1]);
        let len = (last.position.0 + u64::from(last.size) - first.position.0) as usize;
        let (live, pieces, span) = (live.clone(), pieces.clone(), span.to_vec());
        tasks.push(spawn(Lane::Network, async move {
            let piece = live.cold.read_alone(first.position, len).await;
            pieces.borrow_mut().push((span, piece));
        }));
    }
    for task in tasks {
        task.join().await;
    }
    for (span, piece) in pieces.take() {
        let piece = piece?;
        for due in &span {
            let start = due.position.since(span[0].position) as usize;
            read.take(due, &piece.bytes()[start..start + due.size as usize]);
        }
    }
    read.places.sort_unstable_by_key(|(position, _)| *position);
    Ok(read)
}

impl ReadBatch {
    fn take(&mut self, due: &Pending, bytes: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.places.push((due.position, start..self.bytes.len()));
    }
}

/// Runs of records that are read together: near to each other, in one segment.
fn spans(sorted: &[Pending], segment_bytes: u64) -> impl Iterator<Item = &[Pending]> {
    let mut rest = sorted;
    std::iter::from_fn(move || {
        let first = rest.first()?;
        let mut len = 1;
        for (before, next) in rest.iter().zip(&rest[1..]) {
            let gap = next.position.0 - (before.position.0 + u64::from(before.size)).min(next.position.0);
            let bytes = next.position.0 + u64::from(next.size) - first.position.0;
            let same_segment = next.position.0 / segment_bytes == first.position.0 / segment_bytes;
            if gap > GAP_BYTES_MAX || bytes > SPAN_BYTES_MAX || !same_segment {
                break;
            }
            len += 1;
        }
        let (span, after) = rest.split_at(len);
        rest = after;
        Some(span)
    })
}

async fn read_one(live: &LiveShard, due: &Pending) -> Result<Vec<u8>, ReadError> {
    let piece = live.cold.read_alone(due.position, due.size as usize).await?;
    Ok(piece.bytes().to_vec())
}

impl LiveShard {
    /// A message whose time has come; false: it does not wait any more.
    fn release_timer(&self, now: Millis, due: &Pending, message: &NewMessage<'_>) -> Result<bool, AppendError> {
        let released = self.state.borrow_mut().release_timer(now, due, message)?;
        if released.is_some() {
            self.appended();
        }
        Ok(released.is_some())
    }

    /// Takes back what waits for a topic under a unique key and is due in the second of `deliver_at`; returns how many,
    /// when that is durable.
    pub async fn take_back_timers(&self, deliver_at: Millis, topic: &str, unique_key: &str) -> Result<usize, TakeBackError> {
        let key = key_of(topic.as_bytes(), unique_key.as_bytes());
        let found = self.state.borrow().timers.with_key(deliver_at, key);
        let mut taken = 0;
        for pending in found {
            let bytes = read_waiting(self, &pending).await.map_err(TakeBackError::Read)?;
            let Ok(record) = Record::parse(&bytes) else { continue };
            let is = |name: &str, value: &str| record.property(name) == Some(value.as_bytes());
            if !is(REAL_TOPIC, topic) || !is("UNIQ_KEY", unique_key) {
                continue;
            }
            let dropped = self.when_there_is_room(|shard| shard.drop_timer(&pending)).await;
            let Some(end) = dropped.map_err(TakeBackError::Append)? else { continue };
            self.log.wake();
            self.durable(end).await.map_err(TakeBackError::Append)?;
            add_one(&self.timers.taken_back);
            taken += 1;
        }
        Ok(taken)
    }
}

#[derive(Clone, Debug)]
pub enum TakeBackError {
    Read(ReadError),
    Append(AppendError),
}

/// The record of what waits, wherever it is now: only what is written can be read from the disk.
pub(super) async fn read_waiting(live: &LiveShard, pending: &Pending) -> Result<Vec<u8>, ReadError> {
    let cached = |live: &LiveShard| {
        let state = live.state.borrow();
        state.tail.get(pending.position, pending.size as usize).map(|(buffer, range)| buffer.as_slice()[range].to_vec())
    };
    if let Some(bytes) = cached(live) {
        return Ok(bytes);
    }
    let end = pending.position.advance(u64::from(pending.size));
    live.durable(end).await.map_err(|error| ReadError::Disk { what: error.to_string() })?;
    read_one(live, pending).await
}
