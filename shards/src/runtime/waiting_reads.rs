//! Reading the records of messages that wait: many that are due at once, or one, from the tail cache or the disk, and checked.
//!
//! Only bytes that name themselves as the record which lies there, with the checksum of its body, are taken for it. What does
//! not is read once more, alone: then it is the disk that says so, and the record is damaged for good.
//!
//! Before: `runtime::timers`, `runtime::take_back`, `runtime::pending`; after: `runtime::cold`.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use super::live::LiveShard;
use super::reader::ReadError;
use super::{Lane, spawn};
use crate::record::{BadRecord, Record};
use crate::timer::Pending;
use crate::types::LogPosition;

/// Records that lie no further apart are read at once, up to so much.
const GAP_BYTES_MAX: u64 = 16 << 10;
const SPAN_BYTES_MAX: u64 = 512 << 10;

/// Why there is no record.
#[derive(Clone, Debug)]
pub(super) enum Unread {
    /// It never will be one.
    Damaged(String),
    /// It may be one later.
    Disk(ReadError),
}

/// The records of a batch, where they could be read.
pub(super) struct ReadBatch {
    bytes: Vec<u8>,
    /// In the order of positions.
    places: Vec<(LogPosition, Range<usize>)>,
}

impl ReadBatch {
    fn of(&self, due: &Pending) -> Option<&[u8]> {
        let place = self.places.binary_search_by_key(&due.position, |(position, _)| *position).ok()?;
        Some(&self.bytes[self.places[place].1.clone()])
    }

    /// The record, out of the batch or, if it is not there or not whole, read alone.
    pub async fn record(&self, live: &LiveShard, due: &Pending) -> Result<Cow<'_, [u8]>, Unread> {
        match self.of(due) {
            Some(bytes) if check(live, due, bytes).is_ok() => Ok(Cow::Borrowed(bytes)),
            Some(_) | None => read_one(live, due).await.map(Cow::Owned),
        }
    }

    fn take(&mut self, due: &Pending, bytes: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.places.push((due.position, start..self.bytes.len()));
    }
}

/// What lies together and could not be read together is left out: alone it shows whose fault it is.
pub(super) async fn read_batch(live: &Rc<LiveShard>, batch: &[Pending]) -> ReadBatch {
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
            if let Ok(piece) = live.cold.read_alone(first.position, len).await {
                pieces.borrow_mut().push((span, piece));
            }
        }));
    }
    for task in tasks {
        task.join().await;
    }
    for (span, piece) in pieces.take() {
        for due in &span {
            let start = due.position.since(span[0].position) as usize;
            read.take(due, &piece.bytes()[start..start + due.size as usize]);
        }
    }
    read.places.sort_unstable_by_key(|(position, _)| *position);
    read
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

/// The record of what waits, wherever it is now: only what is written can be read from the disk.
pub(super) async fn read_waiting(live: &LiveShard, pending: &Pending) -> Result<Vec<u8>, Unread> {
    let cached = {
        let state = live.state.borrow();
        state.tail.get(pending.position, pending.size as usize).map(|(buffer, range)| buffer.as_slice()[range].to_vec())
    };
    if let Some(bytes) = cached {
        return Ok(bytes);
    }
    let end = pending.position.advance(u64::from(pending.size));
    live.durable(end).await.map_err(|error| Unread::Disk(ReadError::Disk { what: error.to_string() }))?;
    read_one(live, pending).await
}

async fn read_one(live: &LiveShard, pending: &Pending) -> Result<Vec<u8>, Unread> {
    let damaged = |why: &dyn std::fmt::Display| {
        let path = live.log.path(live.log.options.segment_of(pending.position));
        Unread::Damaged(format!("its record at position {} of {} is damaged: {why}", pending.position, path.display()))
    };
    let piece = live.cold.read_alone(pending.position, pending.size as usize).await.map_err(|error| match error {
        ReadError::Gone => damaged(&"there is no such file"),
        ReadError::Disk { .. } => Unread::Disk(error),
    })?;
    check(live, pending, piece.bytes()).map_err(|bad| damaged(&bad))?;
    Ok(piece.bytes().to_vec())
}

fn check(live: &LiveShard, pending: &Pending, bytes: &[u8]) -> Result<(), BadRecord> {
    let physical_offset = {
        let state = live.state.borrow();
        state.placement.physical_offset(state.id, pending.position)
    };
    Record::parse(bytes)?.verify(physical_offset, None)
}
