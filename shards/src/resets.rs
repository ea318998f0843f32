//! Resets of consumer offsets that their consumers have not followed yet.
//!
//! A reset sets the offset and leaves a mark on the queue. While the mark is there, commits of the group for this queue are
//! ignored: they tell of messages from before the reset. The next pull of each client is answered with the reset offset
//! instead of messages; a client that pulls again after that has been told, follows, and the mark goes.
//!
//! Stricter than RocketMQ, which forgets the mark with the first pull: a client that was told goes on committing what it had
//! read before, for up to ten seconds, and a reset that is undone so is lost without a trace.
//!
//! Always true: a marked queue has an offset, which is the mark's; marks are at most `RESETS_MAX`. Who was told lives in
//! memory only: after a restart clients are told again.
//!
//! Before: `offsets::ConsumerOffsets`, which owns the marks; after: `entry::Control::Reset` in the shard's log.

use std::collections::BTreeMap;

use crate::group::ConnectionId;
use crate::offsets::OffsetCommit;
use crate::types::{LogPosition, QueueOffset};
use crate::wire::{BadBytes, Reader, Writer};

const FORMAT: u16 = 1;

/// Marks of one shard; a section of the snapshot that is written at once.
pub const RESETS_MAX: usize = 65_536;
/// Clients of one queue that are remembered as told; the one told first is forgotten for the next.
const TOLD_MAX: usize = 16;

/// In name order, so that a snapshot's bytes do not depend on chance.
#[derive(Debug, Default)]
pub struct Resets {
    topics: BTreeMap<Box<str>, Groups>,
    len: usize,
}

type Groups = BTreeMap<Box<str>, BTreeMap<u32, Mark>>;

#[derive(Clone, Debug)]
struct Mark {
    offset: QueueOffset,
    logged: LogPosition,
    told: Vec<ConnectionId>,
}

/// What a pull of a queue is to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulling {
    /// Messages.
    Free,
    /// The reset offset, once the log is durable up to `logged`.
    Tell { offset: QueueOffset, logged: LogPosition },
    /// Messages, after the mark was taken away: this client knows.
    Follows,
}

impl Resets {
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn has(&self, topic: &str, group: &str, queue_id: u32) -> bool {
        !self.is_empty() && self.mark(topic, group, queue_id).is_some()
    }

    /// The offset that a marked queue was reset to.
    pub fn offset(&self, topic: &str, group: &str, queue_id: u32) -> Option<QueueOffset> {
        Some(self.mark(topic, group, queue_id)?.offset)
    }

    /// A client pulls; it counts as told from now on.
    pub fn pulled(&mut self, topic: &str, group: &str, queue_id: u32, client: ConnectionId) -> Pulling {
        if self.is_empty() {
            return Pulling::Free;
        }
        let mark = self.topics.get_mut(topic).and_then(|groups| groups.get_mut(group)?.get_mut(&queue_id));
        let Some(mark) = mark else { return Pulling::Free };
        if mark.told.contains(&client) {
            return Pulling::Follows;
        }
        if mark.told.len() == TOLD_MAX {
            mark.told.remove(0);
        }
        mark.told.push(client);
        Pulling::Tell { offset: mark.offset, logged: mark.logged }
    }

    /// A reset that is in the log up to `logged`. One that was there before is forgotten, with all who knew of it.
    pub(crate) fn put(&mut self, reset: &OffsetCommit<'_>, logged: LogPosition) {
        let groups = self.topics.entry(reset.topic.into()).or_default();
        let queues = groups.entry(reset.group.into()).or_default();
        let mark = Mark { offset: reset.offset, logged, told: Vec::new() };
        if queues.insert(reset.queue_id, mark).is_none() {
            self.len += 1;
        }
    }

    pub(crate) fn remove(&mut self, topic: &str, group: &str, queue_id: u32) {
        let Some(groups) = self.topics.get_mut(topic) else { return };
        let Some(queues) = groups.get_mut(group) else { return };
        if queues.remove(&queue_id).is_some() {
            self.len -= 1;
        }
        if queues.is_empty() {
            groups.remove(group);
        }
        if groups.is_empty() {
            self.topics.remove(topic);
        }
    }

    pub(crate) fn remove_where(&mut self, is_meant: impl Fn(&str, &str) -> bool) {
        for (topic, groups) in &mut self.topics {
            groups.retain(|group, _| !is_meant(topic, group));
        }
        self.topics.retain(|_, groups| !groups.is_empty());
        self.len = self.topics.values().flat_map(BTreeMap::values).map(BTreeMap::len).sum();
    }

    /// All of them, by topic, group and queue.
    pub fn rows(&self) -> impl Iterator<Item = OffsetCommit<'_>> {
        let groups =
            self.topics.iter().flat_map(|(topic, groups)| groups.iter().map(move |(group, queues)| (topic, group, queues)));
        groups.flat_map(|(topic, group, queues)| {
            queues.iter().map(move |(queue_id, mark)| OffsetCommit { topic, group, queue_id: *queue_id, offset: mark.offset })
        })
    }

    /// | bytes | format 1 |
    /// |---|---|
    /// | u16 | format |
    /// | list | marks: u32 queue id, i64 offset, text topic, text group |
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut out = Writer::new(out);
        out.u16(FORMAT);
        out.count(self.len);
        for row in self.rows() {
            out.u32(row.queue_id);
            out.i64(row.offset.0);
            out.text(row.topic);
            out.text(row.group);
        }
    }

    /// The section of a snapshot whose log is durable up to `snapshot`.
    pub fn decode(bytes: &[u8], snapshot: LogPosition) -> Result<Resets, BadBytes> {
        let mut read = Reader::new(bytes);
        read.version(FORMAT, "resets")?;
        let mut resets = Resets::default();
        for _ in 0..read.count(4 + 8 + 2 + 2, "resets")? {
            let queue_id = read.u32("queue id")?;
            let offset = QueueOffset(read.i64("reset offset")?);
            let topic = read.text("topic name")?;
            let group = read.text("group name")?;
            resets.put(&OffsetCommit { topic, group, queue_id, offset }, snapshot);
        }
        read.finish()?;
        Ok(resets)
    }

    fn mark(&self, topic: &str, group: &str, queue_id: u32) -> Option<&Mark> {
        self.topics.get(topic)?.get(group)?.get(&queue_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: LogPosition = LogPosition(100);

    fn client(number: u64) -> ConnectionId {
        ConnectionId { core: 0, number }
    }

    fn reset(queue_id: u32, offset: i64) -> OffsetCommit<'static> {
        OffsetCommit { topic: "T", group: "g", queue_id, offset: QueueOffset(offset) }
    }

    #[test]
    fn each_client_is_told_once_and_who_was_told_follows() {
        let mut resets = Resets::default();
        assert_eq!(resets.pulled("T", "g", 0, client(1)), Pulling::Free);
        resets.put(&reset(0, 7), END);
        let told = Pulling::Tell { offset: QueueOffset(7), logged: END };
        assert_eq!(resets.pulled("T", "g", 1, client(1)), Pulling::Free);
        assert_eq!(resets.pulled("T", "h", 0, client(1)), Pulling::Free);
        assert_eq!(resets.pulled("T", "g", 0, client(1)), told);
        assert_eq!(resets.pulled("T", "g", 0, client(2)), told, "who takes the queue over is told too");
        assert_eq!(resets.pulled("T", "g", 0, client(1)), Pulling::Follows);
        resets.put(&reset(0, 5), END);
        assert_eq!(resets.pulled("T", "g", 0, client(1)), Pulling::Tell { offset: QueueOffset(5), logged: END }, "a new reset");
        resets.remove("T", "g", 0);
        assert_eq!(resets.pulled("T", "g", 0, client(1)), Pulling::Free);
        assert!(resets.is_empty());
    }

    #[test]
    fn those_who_were_told_are_bounded() {
        let mut resets = Resets::default();
        resets.put(&reset(0, 7), END);
        for number in 0..100 {
            assert!(matches!(resets.pulled("T", "g", 0, client(number)), Pulling::Tell { .. }));
        }
        assert_eq!(resets.pulled("T", "g", 0, client(99)), Pulling::Follows);
        assert!(matches!(resets.pulled("T", "g", 0, client(1)), Pulling::Tell { .. }), "forgotten, so told again");
    }

    #[test]
    fn marks_go_with_their_topic_and_their_group() {
        let mut resets = Resets::default();
        for (topic, group) in [("T", "g"), ("T", "h"), ("U", "g")] {
            for queue_id in 0..2 {
                resets.put(&OffsetCommit { topic, group, queue_id, offset: QueueOffset(1) }, END);
            }
        }
        resets.remove_where(|topic, group| topic == "T" && group == "g");
        assert_eq!(resets.len(), 4);
        resets.remove_where(|topic, _| topic == "T");
        assert_eq!(
            resets.rows().map(|row| (row.topic, row.group, row.queue_id)).collect::<Vec<_>>(),
            [("U", "g", 0), ("U", "g", 1)]
        );
    }

    /// Stores of this format exist: these bytes must be readable for ever.
    #[test]
    fn format_1_is_pinned() {
        let mut resets = Resets::default();
        resets.put(&reset(3, 258), END);
        let mut bytes = Vec::new();
        resets.encode(&mut bytes);
        let expected: &[u8] = b"\x00\x01\x00\x00\x00\x01\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x01\x02\x00\x01T\x00\x01g";
        assert_eq!(bytes, expected);
        let read = Resets::decode(&bytes, END).unwrap();
        assert_eq!(read.rows().collect::<Vec<_>>(), [reset(3, 258)]);
        crate::wire::garble(&bytes, |garbage| {
            let _ = Resets::decode(garbage, END);
        });
    }
}
