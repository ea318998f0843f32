//! One shard: all the state that one core owns, changed only by plain synchronous calls with the time passed in.
//!
//! Invariants:
//! - An entry's effect on settings and offsets is applied when it is appended, so that later entries are checked against it;
//!   what *clients* see of it waits until it is durable (`runtime::live` awaits that before it answers).
//! - Messages become visible in their queues in log order, never before they are durable: `awaiting` holds, in log
//!   order, which queue each not yet durable run of messages belongs to.
//! - storeTimestamp never goes backwards within a shard.
//!
//! Before: `broker::send` and the mesh; after: `log::group_commit` (bytes), `queue` (index), `runtime::live` (the disk).

use std::collections::VecDeque;

use crate::entry::Control;
use crate::group::Groups;
use crate::log::{GroupCommit, NoRoom};
use crate::offsets::ConsumerOffsets;
use crate::placement::Placement;
use crate::queue::{IndexEntry, QueueSlot, Queues, TailCache};
use crate::record::{BadBatch, NewMessage};
use crate::topic::Topics;
use crate::types::{LogPosition, Millis, QueueOffset, ShardId};

pub struct Shard {
    pub id: ShardId,
    pub placement: Placement,
    pub log: GroupCommit,
    pub queues: Queues,
    pub tail: TailCache,
    pub topics: Topics,
    pub groups: Groups,
    pub offsets: ConsumerOffsets,
    awaiting: VecDeque<Awaiting>,
    store_time: Millis,
    refusing: Option<AppendError>,
}

/// Messages that have their place in the log and are not durable yet.
struct Awaiting {
    end: LogPosition,
    slot: QueueSlot,
    messages: u32,
}

/// The place that a message, or the first of a batch, has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    pub queue_offset: QueueOffset,
    pub physical_offset: i64,
    /// Durable when the log is durable up to here.
    pub end: LogPosition,
}

/// Why nothing was appended. Each has one response code: see `broker::response`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendError {
    /// The log has as much unwritten as it may; try again when some of it has been written.
    NoRoom,
    /// The topic was deleted while the message was on its way.
    NoTopic { topic: String },
    /// A batch body that does not parse.
    BadBatch(BadBatch),
    /// Larger than an entry can be.
    TooLarge { bytes: usize, bytes_max: usize },
    /// The disk is above the watermark, or has no room for another segment.
    DiskFull(DiskFull),
    /// The disk has failed; only a restart with recovery goes on.
    Poisoned { reason: String },
}

/// What an operator needs to know about a full disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskFull {
    pub path: String,
    pub used_percent: u8,
    pub limit_percent: u8,
    /// The property that sets the limit.
    pub property: &'static str,
}

impl Shard {
    /// Gives one message its place. Memory only: the caller wakes the writer.
    pub fn append(&mut self, now: Millis, message: &NewMessage<'_>) -> Result<Appended, AppendError> {
        let slot = self.queue_of(message)?;
        let (first, store_time) = (self.queues.next_offset(slot), self.store_time.max(now));
        let bytes = message.encoded_len();
        let reserved = self.log.reserve(bytes)?;
        let position = reserved.position;
        let physical_offset = self.placement.physical_offset(self.id, position);
        message.encode(first, physical_offset, store_time, reserved.buffer);
        let entry = IndexEntry { position, size: bytes as u32, tags_code: message.tags_code() };
        self.queues.append(slot, entry, store_time);
        self.store_time = store_time;
        Ok(self.await_durable(slot, 1, first, position, bytes))
    }

    fn queue_of(&mut self, message: &NewMessage<'_>) -> Result<QueueSlot, AppendError> {
        if let Some(refusal) = &self.refusing {
            return Err(refusal.clone());
        }
        if let Some(slot) = self.queues.slot(message.topic, message.queue_id) {
            return Ok(slot);
        }
        let Some(topic) = self.topics.get(message.topic) else {
            return Err(AppendError::NoTopic { topic: message.topic.to_owned() });
        };
        Ok(self.queues.open(&topic.name, topic.incarnation, message.queue_id))
    }
}
