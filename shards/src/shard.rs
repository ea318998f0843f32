//! One shard: all the state that one core owns, changed only by plain synchronous calls with the time passed in.
//!
//! Invariants:
//! - What an entry changes in settings and offsets is changed when it is appended, so that later entries are checked
//!   against it; whoever reports it to a client waits until the entry is durable.
//! - Messages become visible in their queues in log order, never before they may be acknowledged.
//! - storeTimestamp never goes backwards within a shard.
//! - The index's active segment is the log's: they rotate together.
//!
//! Before: `broker::send` and the mesh; after: `log::group_commit` (bytes), `queue` (index), `runtime::live` (the disk).

use std::fmt;

use crate::entry::{Control, OffsetRows, encode_offsets, offsets_len};
use crate::group::{GroupChange, Groups};
use crate::log::{BlockWrite, GroupCommit, NoRoom};
use crate::offsets::{ConsumerOffsets, OffsetCommit, ResetsFull};
use crate::placement::Placement;
use crate::pop::{ModeChange, Pops, RequestModes};
use crate::queue::{IndexEntry, QueueSlot, Queues, TailCache, Visible, key_hash};
use crate::record::{BadBatch, Batch, IndexedProperties, NewMessage, Record};
use crate::timer::{Timers, Wait, is_waiting_topic};
use crate::topic::{TopicChange, Topics};
use crate::transaction::{HALF_TOPIC, Half, HalfMessages};
use crate::types::{LogPosition, Millis, QueueOffset, ShardId};

/// `make_ready` has asked the log for the same bytes.
const READY: &str = "the log has just said that there is room";

/// Queues that are reset by one entry: with the longest names still half of a message of the largest size.
const RESET_ROWS_MAX: usize = 1_000;

pub struct Shard {
    pub id: ShardId,
    pub placement: Placement,
    pub log: GroupCommit,
    pub queues: Queues,
    pub tail: TailCache,
    pub topics: Topics,
    pub groups: Groups,
    pub offsets: ConsumerOffsets,
    /// Messages that wait for a commit or a rollback.
    pub halves: HalfMessages,
    /// What is popped and not acked.
    pub pops: Pops,
    pub request_modes: RequestModes,
    /// What waits for its time.
    pub timers: Timers,
    pub(crate) segment_bytes: u64,
    pub(crate) active_segment: LogPosition,
    pub(crate) store_time: Millis,
    /// Why messages are refused now although the log would take them.
    pub(crate) refusing: Option<DiskFull>,
    /// Why there will be no next segment for now.
    pub(crate) no_next_segment: Option<DiskFull>,
    /// Control entries are put together here.
    pub(crate) scratch: Vec<u8>,
}

/// A change of settings, decided at their home.
#[derive(Clone, Debug)]
pub enum Change {
    Topic(TopicChange),
    Group(GroupChange),
    RequestMode(ModeChange),
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
    NoTopic {
        topic: String,
    },
    BadBatch(BadBatch),
    /// Larger than an entry can be.
    TooLarge {
        bytes: usize,
        bytes_max: usize,
    },
    /// As many half messages wait for their end as may.
    HalvesFull {
        max: usize,
    },
    DiskFull(DiskFull),
    /// As many messages wait for their time as may.
    TimersFull {
        max: usize,
    },
    /// The disk has failed; only a restart with recovery goes on.
    Poisoned {
        reason: String,
    },
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

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AppendError::NoRoom => write!(f, "the log has as much unwritten as it may; send again"),
            AppendError::NoTopic { topic } => write!(f, "topic[{topic}] was deleted while the message was on its way"),
            AppendError::BadBatch(bad) => bad.fmt(f),
            AppendError::TooLarge { bytes, bytes_max } => {
                write!(f, "the record has {bytes} bytes, at most {bytes_max} are taken (maxMessageSize)")
            }
            AppendError::HalvesFull { max } => write!(
                f,
                "{max} transactions of this core wait for their commit or rollback, the most there may be; end some, then send again"
            ),
            AppendError::DiskFull(full) => full.fmt(f),
            AppendError::TimersFull { max } => write!(
                f,
                "timer message is under flow control: {max} messages wait for their time in this shard (delayedMessagesMax); \
                 send again when some have been delivered"
            ),
            AppendError::Poisoned { reason } => {
                write!(f, "the store takes nothing more: {reason}; check the disk, then restart the broker")
            }
        }
    }
}

impl fmt::Display for DiskFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DiskFull { path, used_percent, limit_percent, property } = self;
        write!(
            f,
            "the disk of {path} is {used_percent} % full, messages are taken below {limit_percent} % ({property}); free some space"
        )
    }
}

impl std::error::Error for AppendError {}

/// Why offsets were not reset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResetError {
    Append(AppendError),
    Full(ResetsFull),
}

impl fmt::Display for ResetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResetError::Append(error) => error.fmt(f),
            ResetError::Full(full) => full.fmt(f),
        }
    }
}

impl std::error::Error for ResetError {}

impl Shard {
    /// Gives one message its place. Memory only: the caller wakes the writer.
    pub fn append(&mut self, now: Millis, message: &NewMessage<'_>) -> Result<Appended, AppendError> {
        if message.topic == HALF_TOPIC && self.halves.is_full() {
            return Err(AppendError::HalvesFull { max: self.halves.max() });
        }
        if is_waiting_topic(message.topic) && self.timers.is_full() {
            return Err(AppendError::TimersFull { max: self.timers.len_max() });
        }
        self.append_behind(now, &[], message)
    }

    /// Gives a message its place right behind the control entry that says why it is there, in one block: after a crash
    /// there are both or neither.
    pub fn append_after(
        &mut self,
        now: Millis,
        control: &Control<'_>,
        message: &NewMessage<'_>,
    ) -> Result<Appended, AppendError> {
        let mut bytes = std::mem::take(&mut self.scratch);
        bytes.clear();
        control.encode(&mut bytes);
        let appended = self.append_behind(now, &bytes, message);
        self.scratch = bytes;
        appended
    }

    /// Gives a record a place again, behind the control entry that ends its old one, so that a segment can be deleted.
    /// Also while messages are refused: it makes room.
    pub fn append_again(&mut self, now: Millis, control: &Control<'_>, record: &Record<'_>) -> Result<Appended, AppendError> {
        let refusing = self.refusing.take();
        let appended = self.append_after(now, control, &record.as_new_message());
        self.refusing = refusing;
        appended
    }

    fn append_behind(&mut self, now: Millis, control: &[u8], message: &NewMessage<'_>) -> Result<Appended, AppendError> {
        let slot = self.queue_of(message)?;
        let bytes = message.encoded_len();
        self.make_ready(control.len() + bytes)?;
        let queue_offset = self.queues.next_offset(slot);
        let store_time = self.store_time.max(now);
        let reserved = self.log.reserve(control.len() + bytes, 1).expect(READY);
        let position = reserved.position.advance(control.len() as u64);
        let (before, buffer) = reserved.buffer.split_at_mut(control.len());
        before.copy_from_slice(control);
        let physical_offset = self.placement.physical_offset(self.id, position);
        message.encode(queue_offset, physical_offset, store_time, buffer);
        let properties = IndexedProperties::of(message.properties);
        let entry = IndexEntry { position, size: bytes as u32, tags_code: properties.tags_code(), store_time };
        let keys = properties.keys().map(|key| key_hash(message.topic, key));
        let given = self.queues.append(slot, entry, keys);
        assert!(given == queue_offset, "the queue gives the offset that the record says");
        self.store_time = store_time;
        if message.topic == HALF_TOPIC {
            let half = Half::of(queue_offset, message.born_timestamp, store_time, message.properties);
            self.halves.add(position, half);
        }
        if let Some(wait) = Wait::of(message.topic, message.queue_id, self.placement.parts(), message.properties) {
            self.timers.wait(&wait, position, bytes);
        }
        Ok(Appended { queue_offset, physical_offset, end: position.advance(bytes as u64) })
    }

    /// Gives the messages of a batch consecutive places in one block; `offsets` gets the physical offset of each.
    pub fn append_batch(
        &mut self,
        now: Millis,
        envelope: &NewMessage<'_>,
        offsets: &mut Vec<i64>,
    ) -> Result<Appended, AppendError> {
        let batch = Batch::parse(*envelope).map_err(AppendError::BadBatch)?;
        let slot = self.queue_of(envelope)?;
        let bytes = batch.encoded_len();
        self.make_ready(bytes)?;
        let first = self.queues.next_offset(slot);
        let store_time = self.store_time.max(now);
        let reserved = self.log.reserve(bytes, batch.len()).expect(READY);
        let position = reserved.position;
        let (id, placement) = (self.id, self.placement);
        let (queues, timers) = (&mut self.queues, &mut self.timers);
        let physical_offset = |at: usize| placement.physical_offset(id, position.advance(at as u64));
        batch.encode(first, store_time, reserved.buffer, physical_offset, |stored| {
            let properties = IndexedProperties::of(stored.properties);
            let position = position.advance(stored.at as u64);
            let entry = IndexEntry { position, size: stored.size as u32, tags_code: properties.tags_code(), store_time };
            let given = queues.append(slot, entry, properties.keys().map(|key| key_hash(envelope.topic, key)));
            assert!(given == stored.queue_offset, "the queue gives the offset that the record says");
            offsets.push(stored.physical_offset);
            if let Some(wait) = Wait::of(envelope.topic, envelope.queue_id, placement.parts(), stored.properties) {
                timers.wait(&wait, position, stored.size);
            }
        });
        self.store_time = store_time;
        Ok(Appended { queue_offset: first, physical_offset: physical_offset(0), end: position.advance(bytes as u64) })
    }

    /// Logs a change and makes it. Returns the position up to which the log must be durable before anybody is told, and the
    /// queues that are no more.
    pub fn change(&mut self, change: Change) -> Result<(LogPosition, Vec<QueueSlot>), AppendError> {
        let control = match &change {
            Change::Topic(change) => Control::Topic(change.clone()),
            Change::Group(change) => Control::Group(change.clone()),
            Change::RequestMode(change) => Control::RequestMode(change.clone()),
        };
        let end = self.append_control(&control)?;
        let mut removed = Vec::new();
        let Shard { topics, groups, queues, offsets, pops, request_modes, .. } = self;
        let tables = Tables { topics, groups, queues, offsets, pops, request_modes };
        apply(change, tables, &mut |slot| removed.push(slot));
        Ok((end, removed))
    }

    /// Logs an entry that is no message. The caller makes the change that it stands for.
    pub fn append_control(&mut self, control: &Control<'_>) -> Result<LogPosition, AppendError> {
        let mut bytes = std::mem::take(&mut self.scratch);
        bytes.clear();
        control.encode(&mut bytes);
        let reserved = self.make_ready(bytes.len()).map(|()| self.log.reserve_control(bytes.len()).expect(READY));
        let end = reserved.map(|reserved| {
            reserved.buffer.copy_from_slice(&bytes);
            reserved.position.advance(bytes.len() as u64)
        });
        self.scratch = bytes;
        end
    }

    /// Logs the consumer offsets that are not in the log yet. Returns where the log must be durable for them.
    pub fn log_offsets(&mut self) -> Result<LogPosition, AppendError> {
        let mut offsets = std::mem::replace(&mut self.offsets, ConsumerOffsets::new(0));
        let mut result = Ok(());
        offsets.ride(|commit| match self.append_offset(commit) {
            Ok(end) => Some(end),
            Err(error) => {
                result = Err(error);
                None
            }
        });
        self.offsets = offsets;
        result.map(|()| self.log.appended())
    }

    fn append_offset(&mut self, commit: OffsetCommit<'_>) -> Result<LogPosition, AppendError> {
        let rows = [commit];
        let bytes = offsets_len(&rows);
        self.make_ready(bytes)?;
        let reserved = self.log.reserve_control(bytes).expect(READY);
        encode_offsets(&rows, reserved.buffer);
        Ok(reserved.position.advance(bytes as u64))
    }

    /// Has groups read on from these offsets, whatever they commit until they have followed. Returns where the log must be
    /// durable for it. After an error some may be reset: to do it again does no harm.
    pub fn reset_offsets(&mut self, rows: &[OffsetCommit<'_>]) -> Result<LogPosition, ResetError> {
        self.offsets.room_for_resets(rows).map_err(ResetError::Full)?;
        for rows in rows.chunks(RESET_ROWS_MAX) {
            let mut bytes = Vec::new();
            let control = Control::Reset(OffsetRows::of(rows, &mut bytes));
            let end = self.append_control(&control).map_err(ResetError::Append)?;
            for reset in rows {
                self.offsets.reset(*reset, end).expect("there is room: it was asked for");
            }
        }
        Ok(self.log.appended())
    }

    /// A consumer has followed a reset: what its group commits from now on counts, and lies behind this in the log.
    pub fn reset_followed(&mut self, topic: &str, group: &str, queue_id: u32) -> Result<LogPosition, AppendError> {
        let Some(offset) = self.offsets.resets().offset(topic, group, queue_id) else { return Ok(self.log.appended()) };
        let mut bytes = Vec::new();
        let rows = OffsetRows::of(&[OffsetCommit { topic, group, queue_id, offset }], &mut bytes);
        let end = self.append_control(&Control::ResetFollowed(rows))?;
        self.offsets.reset_followed(topic, group, queue_id);
        Ok(end)
    }

    /// The next block for the disk. The tail cache keeps it if consumers may want something of it: thousands of topics made
    /// one after the other, each in a block of its own, would only push out messages.
    pub fn next_write(&mut self) -> Option<BlockWrite> {
        let write = self.log.next_write()?;
        if write.has_messages {
            let position = write.position.advance(write.payload.start as u64);
            self.tail.insert(position, write.buffer.clone(), write.payload.clone());
        }
        Some(write)
    }

    /// The log may be acknowledged up to its mark: what is appended up to there can be seen. `changed` gets each queue once.
    pub fn advance(&mut self, changed: &mut Vec<Visible>) -> LogPosition {
        let acknowledged = self.log.acknowledged();
        if acknowledged > self.queues.durable() {
            self.queues.advance(acknowledged, changed);
        }
        acknowledged
    }

    /// The store time of what was appended last.
    pub fn stored_until(&self) -> Millis {
        self.store_time
    }

    /// Not when the log has failed: whatever memory says then may be more than what is, or was to be, in the log.
    pub fn can_log(&self) -> Result<(), AppendError> {
        match self.log.poisoned() {
            Some(reason) => Err(AppendError::Poisoned { reason: reason.to_owned() }),
            None => Ok(()),
        }
    }

    fn segment_of(&self, position: LogPosition) -> LogPosition {
        LogPosition(position.0 / self.segment_bytes * self.segment_bytes)
    }

    /// The index follows the log into the next segment before anything is appended there.
    fn make_ready(&mut self, bytes: usize) -> Result<(), AppendError> {
        let position = self.log.peek(bytes).map_err(|no| match no {
            NoRoom::Pending => AppendError::NoRoom,
            NoRoom::Segment => self.no_next_segment.clone().map_or(AppendError::NoRoom, AppendError::DiskFull),
            NoRoom::TooLarge { bytes_max } => AppendError::TooLarge { bytes, bytes_max },
            NoRoom::Poisoned { reason } => AppendError::Poisoned { reason },
        })?;
        let segment = self.segment_of(position);
        if segment != self.active_segment {
            if !self.queues.can_rotate() {
                return Err(AppendError::NoRoom);
            }
            self.queues.rotate(segment);
            self.active_segment = segment;
        }
        Ok(())
    }

    /// The queue, made if its topic has it.
    pub(crate) fn open_queue(&mut self, topic: &str, queue_id: u32) -> Option<QueueSlot> {
        if let Some(slot) = self.queues.slot(topic, queue_id) {
            return Some(slot);
        }
        let topic = self.topics.get(topic).filter(|topic| queue_id < topic.queues())?;
        Some(self.queues.open(&topic.name, topic.incarnation, queue_id))
    }

    fn queue_of(&mut self, message: &NewMessage<'_>) -> Result<QueueSlot, AppendError> {
        if let Some(full) = &self.refusing {
            return Err(AppendError::DiskFull(full.clone()));
        }
        if let Some(slot) = self.queues.slot(message.topic, message.queue_id) {
            return Ok(slot);
        }
        let Some(topic) = self.topics.get(message.topic) else {
            self.can_log()?;
            return Err(AppendError::NoTopic { topic: message.topic.to_owned() });
        };
        Ok(self.queues.open(&topic.name, topic.incarnation, message.queue_id))
    }
}

/// All that a change of settings may touch.
pub(crate) struct Tables<'s> {
    pub topics: &'s mut Topics,
    pub groups: &'s mut Groups,
    pub queues: &'s mut Queues,
    pub offsets: &'s mut ConsumerOffsets,
    pub pops: &'s mut Pops,
    pub request_modes: &'s mut RequestModes,
}

/// Makes a change that is in the log. `removed` is told of the queues that are no more.
pub(crate) fn apply(change: Change, tables: Tables<'_>, removed: &mut dyn FnMut(QueueSlot)) {
    let Tables { topics, groups, queues, offsets, pops, request_modes } = tables;
    match change {
        Change::Topic(change) => {
            let put = match &change {
                TopicChange::Put { topic, .. } => Some(topic.incarnation),
                TopicChange::Deleted { .. } => None,
            };
            let Some(before) = topics.apply(change) else { return };
            if put != Some(before.incarnation) {
                queues.remove_topic(&before.name, before.incarnation, removed);
                offsets.remove_topic(&before.name);
                pops.remove_topic(&before.name);
            }
        }
        Change::Group(change) => {
            if let GroupChange::Deleted { name, clean_offsets, .. } = &change {
                if *clean_offsets {
                    offsets.remove_group(name);
                }
                // What a deleted group has in its hands comes back to nobody.
                pops.remove_group(name);
                request_modes.remove_group(name);
            }
            groups.apply(change);
        }
        Change::RequestMode(change) => request_modes.apply(change),
    }
}
