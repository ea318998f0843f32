//! What the snapshot keeps of each queue, so that offsets go on where they were and expired or deleted messages stay so.
//!
//! A snapshot at p: settings as they are at p; wait until the log is durable up to p; then these slices, between which
//! messages may be appended, topics deleted, a segment begun. They tell what is durable only, so they may be later than p,
//! never ahead of the log. Published once the log is durable up to where it was at the last slice: a topic whose deletion
//! they have seen must stay deleted. Replaying from `replay_from` gives back what came since. Only `seal_finish` and `retire` must
//! not run between the slices: they change how the snapshot and the segments fit together.
//!
//! Before: `snapshot`; after: `replay`.

use super::chain::{Chain, Link, Node};
use super::queues::{Birth, Queue, Queues, RunRef};
use crate::topic::Incarnation;
use crate::types::{LogPosition, Millis, QueueOffset};
use crate::wire::{BadBytes, Reader, Writer, encode_slice};

const FORMAT: u16 = 1;

/// Name, incarnation, queue id, born, min, next, sealed time, path length.
const ROW_BYTES_MIN: usize = 2 + 8 + 4 + 8 + 8 + 8 + 8 + 4;
const NODE_BYTES: usize = 8 + 8 + 8 + 4;

impl Queues {
    /// Appends queues from number `from` on (0 at first), ending after `bytes_max` bytes or little more; returns where
    /// the next slice begins, `None` at the end. `snapshot` is p, and `replay_from` what it was at the first slice.
    ///
    /// | bytes | format 1 |
    /// |---|---|
    /// | u16 | format |
    /// | list | queues: text topic, u64 incarnation, u32 queue id, u64 born, i64 min, i64 next, i64 last sealed store time, path |
    /// | list | of a path, oldest first: u64 segment, i64 first offset, i64 first store time, u32 depth |
    pub fn encode_slice(
        &self,
        snapshot: LogPosition,
        replay_from: LogPosition,
        from: usize,
        bytes_max: usize,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        assert_eq!(self.replay_from(), replay_from, "no segment is finished between slices");
        assert!(!self.is_finishing(), "a segment is finished before a snapshot begins");
        assert!(self.durable >= snapshot, "a queue that only lost records knew would be forgotten with its others");
        encode_slice(&self.queues, (from, bytes_max), FORMAT, out, |queue, out| {
            // Without a durable message there is nothing to remember.
            let is_kept = queue.visible > QueueOffset::ZERO;
            if is_kept {
                encode(queue, out);
            }
            is_kept
        })
    }

    /// Takes one slice, before the replay.
    pub fn load_slice(&mut self, bytes: &[u8]) -> Result<(), BadBytes> {
        let mut read = Reader::new(bytes);
        read.version(FORMAT, "queues")?;
        for _ in 0..read.count(ROW_BYTES_MIN, "queues")? {
            let mut queue = decode(&mut read)?;
            queue.topic = self.name(&queue.topic, queue.queue_id);
            // What is replayed is not in files yet.
            if let Some(newest) = queue.chain.newest().filter(|newest| newest.segment >= self.replay_from()) {
                return Err(BadBytes::Value { what: "sealed segment", found: newest.segment.0 });
            }
            let born = queue.born.get().expect("just decoded");
            // Deleted and created again between two slices: the later one tells more.
            if let Some(slot) = self.slot(&queue.topic, queue.queue_id) {
                if self.at(slot.index).incarnation >= queue.incarnation {
                    return Err(BadBytes::Value { what: "queue told once", found: born.0 });
                }
                self.remove(slot.index);
            }
            if self.born_at(born).is_some() {
                return Err(BadBytes::Value { what: "position of record 0", found: born.0 });
            }
            self.insert(queue);
        }
        read.finish()
    }
}

fn encode(queue: &Queue, out: &mut Writer<'_>) {
    out.text(&queue.topic);
    out.u64(queue.incarnation.0);
    out.u32(queue.queue_id);
    out.u64(queue.born.get().expect("it has messages").0);
    out.i64(queue.min.0);
    out.i64(queue.visible.0);
    out.i64(queue.sealed_time.0);
    out.count(queue.chain.path().len());
    for node in queue.chain.path() {
        out.u64(node.link.segment.0);
        out.i64(node.link.first.0);
        out.i64(node.link.first_time.0);
        out.u32(node.depth);
    }
}

fn decode(read: &mut Reader<'_>) -> Result<Queue, BadBytes> {
    let topic = read.text("topic name")?.into();
    let incarnation = Incarnation(read.u64("topic incarnation")?);
    let queue_id = read.u32("queue id")?;
    let born = LogPosition(read.u64("position of record 0")?);
    let min = QueueOffset(read.i64("min offset")?);
    let next = QueueOffset(read.i64("next offset")?);
    let sealed_time = Millis(read.i64("store time")?);
    if born.0 == u64::MAX {
        return Err(BadBytes::Value { what: "position of record 0", found: born.0 });
    }
    if min < QueueOffset::ZERO || next <= QueueOffset::ZERO || min > next {
        return Err(BadBytes::Value { what: "min offset", found: min.0 as u64 });
    }
    let mut path = Vec::new();
    for _ in 0..read.count(NODE_BYTES, "path")? {
        let segment = LogPosition(read.u64("segment")?);
        let first = QueueOffset(read.i64("first offset")?);
        let first_time = Millis(read.i64("first store time")?);
        path.push(Node { link: Link { segment, first, first_time }, depth: read.u32("depth")? });
    }
    let chain = Chain::of_path(path).ok_or(BadBytes::Value { what: "path", found: 0 })?;
    Ok(Queue {
        topic,
        incarnation,
        queue_id,
        born: Birth::at(born),
        min,
        visible: next,
        next,
        runs: [RunRef::NONE; 2],
        chain,
        sealed_time,
        changed: 0,
        headless: false,
    })
}
