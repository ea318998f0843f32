//! What a pull must read: RocketMQ's getMessage, decided from the index alone.
//!
//! A plan owns what it needs, so nothing is borrowed while its ranges are read, from the tail cache or from the log.
//! Limits as RocketMQ's for messages in memory, wherever ours are: 32 messages, 256 KiB, but always one. Entries that the
//! filter does not want count only as examined; after 800 of them the client is told to come again further on.
//!
//! Before: `broker::pull`; after: `lookup`, then `TailCache` or `log`.

use super::entry::IndexEntry;
use super::lookup::Lookup;
use super::queues::{QueueSlot, Queues};
use super::sealed::IndexRead;
use crate::filter::TagFilter;
use crate::types::{LogPosition, QueueOffset};

/// Entries that are looked up at once: few more than a pull takes when all match.
const LOOKUP_ENTRIES: usize = 64;

/// What a client may ask for at most, whatever it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PullLimits {
    pub messages_max: u32,
    pub bytes_max: usize,
    pub examined_max: u32,
}

impl PullLimits {
    pub const DEFAULT: PullLimits = PullLimits { messages_max: 32, bytes_max: 256 * 1024, examined_max: 800 };
}

/// What a client asks for, and how far it was planned: what must be loaded for a far-reaching search may be more than
/// fits in memory at once, so `plan` goes on where it was and does not begin again.
#[derive(Clone, Copy, Debug)]
pub struct Pull<'a> {
    offset: QueueOffset,
    messages_max: u32,
    bytes_max: usize,
    filter: &'a TagFilter,
    /// All before this was examined, and nothing was wanted.
    at: QueueOffset,
}

impl<'a> Pull<'a> {
    pub fn new(offset: QueueOffset, messages_max: u32, bytes_max: usize, filter: &'a TagFilter) -> Pull<'a> {
        Pull { offset, messages_max, bytes_max, filter, at: offset }
    }
}

/// RocketMQ's GetMessageStatus, as far as a plan can know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullStatus {
    Found,
    NoMatchedMessage,
    /// The log has lost them, or a search met their deletion.
    MessageWasRemoving,
    OffsetOverflowBadly,
    OffsetOverflowOne,
    OffsetTooSmall,
    NoMatchedLogicQueue,
    NoMessageInQueue,
    /// Not a plan's: the group was told to read on from elsewhere.
    OffsetReset,
}

impl PullStatus {
    /// The remark of the response.
    pub fn name(self) -> &'static str {
        match self {
            PullStatus::Found => "FOUND",
            PullStatus::NoMatchedMessage => "NO_MATCHED_MESSAGE",
            PullStatus::MessageWasRemoving => "MESSAGE_WAS_REMOVING",
            PullStatus::OffsetOverflowBadly => "OFFSET_OVERFLOW_BADLY",
            PullStatus::OffsetOverflowOne => "OFFSET_OVERFLOW_ONE",
            PullStatus::OffsetTooSmall => "OFFSET_TOO_SMALL",
            PullStatus::NoMatchedLogicQueue => "NO_MATCHED_LOGIC_QUEUE",
            PullStatus::NoMessageInQueue => "NO_MESSAGE_IN_QUEUE",
            PullStatus::OffsetReset => "OFFSET_RESET",
        }
    }
}

/// One record to read. The record at `position` must name itself as `queue_offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedRead {
    pub position: LogPosition,
    pub size: u32,
    pub queue_offset: QueueOffset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    Ready {
        status: PullStatus,
        next_begin: QueueOffset,
        min: QueueOffset,
        max: QueueOffset,
    },
    /// Load this, hand it to `loaded`, plan again.
    Need(IndexRead),
}

/// Decides what a pull gets. `reads` is emptied, and filled if the status is `Found`.
pub fn plan(
    queues: &mut Queues,
    slot: Option<QueueSlot>,
    pull: &mut Pull<'_>,
    limits: &PullLimits,
    reads: &mut Vec<PlannedRead>,
) -> Plan {
    reads.clear();
    let Some(slot) = slot.filter(|slot| queues.is_open(*slot)) else {
        let zero = QueueOffset::ZERO;
        return Plan::Ready { status: PullStatus::NoMatchedLogicQueue, next_begin: zero, min: zero, max: zero };
    };
    let mut entries = std::mem::take(&mut queues.scratch);
    let found = examine(queues, slot, pull, limits, &mut entries, reads);
    queues.scratch = entries;
    match found {
        Ok((status, next_begin)) => Plan::Ready { status, next_begin, min: queues.min(slot), max: queues.max_visible(slot) },
        Err(read) => {
            assert!(reads.is_empty(), "what was found is sent");
            Plan::Need(read)
        }
    }
}

fn examine(
    queues: &mut Queues,
    slot: QueueSlot,
    pull: &mut Pull<'_>,
    limits: &PullLimits,
    entries: &mut Vec<IndexEntry>,
    reads: &mut Vec<PlannedRead>,
) -> Result<(PullStatus, QueueOffset), IndexRead> {
    let max = queues.max_visible(slot);
    if let Some(outside) = outside(pull.at, queues.min(slot), max) {
        return Ok(outside);
    }
    let messages_max = pull.messages_max.clamp(1, limits.messages_max) as usize;
    let bytes_max = pull.bytes_max.min(limits.bytes_max);
    let end = QueueOffset(max.0.min(pull.offset.0 + i64::from(limits.examined_max.max(1))));
    let (mut at, mut bytes) = (pull.at, 0);
    while at < end {
        entries.clear();
        let wanted = LOOKUP_ENTRIES.min((end.0 - at.0) as usize);
        match queues.lookup(slot, at, wanted, entries) {
            Lookup::Entries => {}
            // What was found is sent; the rest is asked for again.
            _ if !reads.is_empty() => break,
            Lookup::Need(read) => {
                pull.at = at;
                return Err(read);
            }
            Lookup::Gone(next) => return Ok((PullStatus::MessageWasRemoving, next)),
            // The queue turned out to begin later.
            Lookup::Nothing => {
                let gone = (PullStatus::MessageWasRemoving, queues.min(slot));
                return Ok(outside(at, queues.min(slot), max).unwrap_or(gone));
            }
        }
        for entry in entries.iter() {
            if pull.filter.matches(entry.tags_code) {
                let size = entry.size as usize;
                if !reads.is_empty() && (reads.len() == messages_max || bytes + size > bytes_max) {
                    return Ok((PullStatus::Found, at));
                }
                bytes += size;
                reads.push(PlannedRead { position: entry.position, size: entry.size, queue_offset: at });
            }
            at = at.advance(1);
        }
        if reads.len() == messages_max {
            break;
        }
    }
    let status = if reads.is_empty() { PullStatus::NoMatchedMessage } else { PullStatus::Found };
    Ok((status, at))
}

/// The answer to an offset at which there is no message.
fn outside(offset: QueueOffset, min: QueueOffset, max: QueueOffset) -> Option<(PullStatus, QueueOffset)> {
    if max == QueueOffset::ZERO {
        Some((PullStatus::NoMessageInQueue, QueueOffset::ZERO))
    } else if offset < min {
        Some((PullStatus::OffsetTooSmall, min))
    } else if offset == max {
        Some((PullStatus::OffsetOverflowOne, offset))
    } else if offset > max {
        Some((PullStatus::OffsetOverflowBadly, max))
    } else {
        None
    }
}
