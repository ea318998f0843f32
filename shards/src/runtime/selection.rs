//! Pulls that want messages by their properties, which only the records tell: they are read a few at a time, until enough
//! are found or enough were looked at.
//!
//! Invariant: whatever is asked, one pull looks at no more than `EXAMINED_MAX` messages, and reads few more than
//! `EXAMINED_BYTES_MAX`. A client that got nothing is told where to go on, and comes at once.
//!
//! Before: `reader`, `pop_ahead`; after: `filter::RecordFilter`, record by record.

use super::live::LiveShard;
use super::reader::{PullRequest, Pulled, ReadError, is_waiting};
use super::{should_yield, yield_now};
use crate::filter::RecordFilter;
use crate::queue::{PlannedRead, Pull, PullLimits, PullStatus};
use crate::types::QueueOffset;

/// As many as RocketMQ looks at with its default of maxFilterMessageSize.
const EXAMINED_MAX: i64 = PullLimits::DEFAULT.examined_max as i64;
/// Of records that are read for one pull.
const EXAMINED_BYTES_MAX: usize = 4 << 20;
/// So much is planned and read at once: most of it is for nothing when the pull is full early.
const STEP: PullLimits = PullLimits { messages_max: 64, bytes_max: 256 << 10, examined_max: 64 };

/// What a pull takes of the records that it reads.
pub(super) struct Selection<'a> {
    pub body: Vec<u8>,
    pub messages: u32,
    pub examined_bytes: usize,
    /// The first message that was not looked at.
    next: QueueOffset,
    /// `None`: everything.
    wanted: Option<&'a RecordFilter>,
    messages_max: u32,
    bytes_max: usize,
}

impl<'a> Selection<'a> {
    /// Whatever was planned.
    pub fn of_all(reads: &[PlannedRead]) -> Selection<'a> {
        let bytes = reads.iter().map(|read| read.size as usize).sum();
        let (next, messages_max) = (QueueOffset::ZERO, reads.len() as u32);
        let body = Vec::with_capacity(bytes);
        Selection { body, messages: 0, examined_bytes: 0, next, wanted: None, messages_max, bytes_max: bytes }
    }

    /// All that is wanted, of however much is planned.
    pub fn of_wanted(wanted: &'a RecordFilter) -> Selection<'a> {
        Selection {
            body: Vec::new(),
            messages: 0,
            examined_bytes: 0,
            next: QueueOffset::ZERO,
            wanted: Some(wanted),
            messages_max: u32::MAX,
            bytes_max: usize::MAX,
        }
    }

    fn of(request: &PullRequest, wanted: &'a RecordFilter) -> Selection<'a> {
        Selection {
            body: Vec::new(),
            messages: 0,
            examined_bytes: 0,
            next: QueueOffset(request.offset),
            wanted: Some(wanted),
            messages_max: request.messages_max.clamp(1, PullLimits::DEFAULT.messages_max),
            bytes_max: request.bytes_max.min(PullLimits::DEFAULT.bytes_max),
        }
    }

    /// Whether there is no room for this record; there always is for the first.
    pub fn is_full(&self, read: &PlannedRead) -> bool {
        self.messages > 0 && (self.messages == self.messages_max || self.body.len() + read.size as usize > self.bytes_max)
    }

    /// A record that is read: kept if it is wanted.
    pub fn offer(&mut self, read: &PlannedRead, record: &[u8]) {
        self.examined(read);
        if self.wanted.is_none_or(|wanted| wanted.wants_record(record)) {
            self.body.extend_from_slice(record);
            self.messages += 1;
        }
    }

    /// The same for a record that was read into the body, from `start` on.
    pub fn taken(&mut self, read: &PlannedRead, start: usize) {
        self.examined(read);
        if self.wanted.is_none_or(|wanted| wanted.wants_record(&self.body[start..])) {
            self.messages += 1;
        } else {
            self.body.truncate(start);
        }
    }

    fn examined(&mut self, read: &PlannedRead) {
        self.examined_bytes += read.size as usize;
        self.next = read.queue_offset.advance(1);
    }
}

impl LiveShard {
    pub(super) async fn pull_selected(&self, request: &PullRequest, wanted: &RecordFilter) -> Result<Pulled, ReadError> {
        let mut selection = Selection::of(request, wanted);
        let mut reads = Vec::new();
        let end = request.offset.saturating_add(EXAMINED_MAX);
        let (mut at, mut last) = (QueueOffset(request.offset), None);
        loop {
            let step = PullLimits { examined_max: STEP.examined_max.min((end - at.0) as u32), ..STEP };
            let pull = Pull::new(at, step.messages_max, step.bytes_max, &request.filter);
            let (slot, status, (next, min, max)) = self.plan_loaded(request, pull, &step, &mut reads).await?;
            match (status, slot) {
                (PullStatus::Found, Some(slot)) => {
                    selection.next = at;
                    self.read_all(slot, &reads, &mut selection).await?;
                    last = Some((min, max));
                    let all = reads.last().is_none_or(|read| selection.next > read.queue_offset);
                    at = if all { next } else { selection.next };
                    if !all {
                        break;
                    }
                }
                // Nothing by their tags; there may be further on.
                (PullStatus::NoMatchedMessage, _) => {
                    last = Some((min, max));
                    at = next;
                }
                // There is no message where the pull begins, or none any more where it has come to.
                _ if last.is_none() => {
                    let (next_offset, min_offset, max_offset) = (next.0, min.0, max.0);
                    let waits = is_waiting(status, request.offset);
                    let (messages, body) = (0, Vec::new());
                    return Ok(Pulled { status, waits, next_offset, min_offset, max_offset, messages, body });
                }
                _ => break,
            }
            if at.0 >= end || selection.examined_bytes >= EXAMINED_BYTES_MAX {
                break;
            }
            if should_yield() {
                yield_now().await;
            }
        }
        let (min, max) = last.unwrap_or((at, at));
        let status = if selection.messages > 0 { PullStatus::Found } else { PullStatus::NoMatchedMessage };
        let Selection { body, messages, .. } = selection;
        Ok(Pulled { status, waits: false, next_offset: at.0, min_offset: min.0, max_offset: max.0, messages, body })
    }
}
