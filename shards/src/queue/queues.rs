//! The table of a shard's queues: what is appended, what is visible, and which slot a name has.
//!
//! Appending and finding a queue are O(1) and allocate nothing in the long run. An appended message has its queue offset
//! at once, and is seen by nobody until `advance` says that the log is durable up to its end.
//!
//! Always true, for each queue: min <= visible <= next; entries in memory and in sealed segments cover [min, visible).
//!
//! Before: `broker::send` (append), `log` (durable); after: `lookup`, `waiters`.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::rc::Rc;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::chain::Chain;
use super::entry::{IndexEntry, Packed};
use super::layout::mix;
use super::puts::Puts;
use super::seal::Sealing;
use super::sealed::Sealed;
use super::segment_index::{Run, SegmentIndex, Spare};
use crate::topic::Incarnation;
use crate::types::{LogPosition, Millis, QueueOffset};

/// A (topic incarnation, queue id) of this shard while it runs. When the topic is deleted the slot means nothing any
/// more, also if another queue takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QueueSlot {
    pub(super) index: u32,
    pub(super) generation: u32,
}

/// Memory, summed where `config` explains it. The active index may take twice its bytes while vectors grow, and there
/// are two of them while one is being sealed.
#[derive(Clone, Copy, Debug)]
pub struct QueueLimits {
    /// The active segment's index; when it is full the segment is sealed early.
    pub index_bytes_max: usize,
    /// Loaded pages of sealed index files; at least 256 KiB, or searches would push out their own pages.
    pub page_bytes_max: usize,
}

/// Lives on its shard's core.
#[derive(Debug)]
pub struct Queues {
    pub(super) queues: Vec<Option<Queue>>,
    /// Of each place in `queues`: how many queues it has had.
    generations: Vec<u32>,
    /// Of each place in `queues`.
    pub(super) puts: Vec<Puts>,
    free: Vec<u32>,
    by_name: HashTable<u32>,
    /// Found by where their record 0 is; only queues that have had one.
    by_born: HashTable<u32>,
    hasher: DefaultHashBuilder,
    pub(super) active: SegmentIndex,
    /// Which segment in memory `active` is: counts up with each.
    pub(super) sequence: u32,
    pub(super) sealing: Option<Sealing>,
    pub(super) sealed: Sealed,
    pub(super) spare: Spare,
    /// Appended and not yet durable, in the order of positions.
    pending: VecDeque<Pending>,
    pub(super) durable: LogPosition,
    pub(super) retiring: Option<(LogPosition, u32)>,
    pub(super) scratch: Vec<IndexEntry>,
    /// The position up to which the snapshot knows all queues; see `replay`.
    pub(super) snapshot: LogPosition,
    index_bytes_max: usize,
}

#[derive(Debug)]
pub(super) struct Queue {
    /// Shared by the queues of the topic, mostly.
    pub topic: Rc<str>,
    pub incarnation: Incarnation,
    pub queue_id: u32,
    pub born: Birth,
    pub min: QueueOffset,
    pub visible: QueueOffset,
    pub next: QueueOffset,
    /// Its runs in the index that is active and in the one that is being sealed.
    pub runs: [RunRef; 2],
    pub chain: Chain,
    /// Store time of the last entry in sealed segments.
    pub sealed_time: Millis,
    /// Its place in the list that `advance` is filling.
    pub changed: u32,
    /// Found in a replay with an older part missing, and the snapshot does not know it.
    pub headless: bool,
}

/// Where a queue's record 0 is, if it has had one. Before that there are only records of older incarnations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Birth(LogPosition);

impl Birth {
    /// A log ends long before this position. An `Option` would take twice the bytes, in each of very many queues.
    pub const NONE: Birth = Birth(LogPosition(u64::MAX));

    pub fn at(position: LogPosition) -> Birth {
        assert!(position != Birth::NONE.0, "no log is that long");
        Birth(position)
    }

    pub fn get(self) -> Option<LogPosition> {
        (self != Birth::NONE).then_some(self.0)
    }
}

const _: () = assert!(size_of::<Option<Queue>>() <= 112, "there may be a million of them");

/// A run of the segment in memory with that sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RunRef {
    pub sequence: u32,
    pub run: u32,
}

impl RunRef {
    pub const NONE: RunRef = RunRef { sequence: u32::MAX, run: 0 };
}

#[derive(Debug)]
struct Pending {
    end: LogPosition,
    slot: QueueSlot,
}

/// A queue has new messages for its readers: [from, to).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visible {
    pub slot: QueueSlot,
    pub from: QueueOffset,
    pub to: QueueOffset,
}

impl Queues {
    /// Without queues; the first segment begins at `first`.
    pub fn new(limits: QueueLimits, first: LogPosition) -> Queues {
        Queues {
            queues: Vec::new(),
            generations: Vec::new(),
            puts: Vec::new(),
            free: Vec::new(),
            by_name: HashTable::new(),
            by_born: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            active: SegmentIndex::new(first),
            sequence: 1,
            sealing: None,
            sealed: Sealed::new(limits.page_bytes_max),
            spare: Spare::new(limits.index_bytes_max),
            pending: VecDeque::new(),
            durable: first,
            retiring: None,
            scratch: Vec::new(),
            snapshot: LogPosition::ZERO,
            index_bytes_max: limits.index_bytes_max,
        }
    }

    /// The queue that has this name now.
    pub fn slot(&self, topic: &str, queue_id: u32) -> Option<QueueSlot> {
        let is_meant = |index: &u32| self.at(*index).is_named(topic, queue_id);
        let index = *self.by_name.find(self.hash(topic, queue_id), is_meant)?;
        Some(QueueSlot { index, generation: self.generations[index as usize] })
    }

    /// The queue of this topic's incarnation, made if need be. A queue of an older incarnation is forgotten.
    pub fn open(&mut self, topic: &str, incarnation: Incarnation, queue_id: u32) -> QueueSlot {
        if let Some(slot) = self.slot(topic, queue_id) {
            let found = self.at(slot.index).incarnation;
            if found == incarnation {
                return slot;
            }
            assert!(found < incarnation, "{topic} was created again, and its old incarnation is still in use");
            self.remove(slot.index);
        }
        self.insert(Queue {
            topic: self.name(topic, queue_id),
            incarnation,
            queue_id,
            born: Birth::NONE,
            min: QueueOffset::ZERO,
            visible: QueueOffset::ZERO,
            next: QueueOffset::ZERO,
            runs: [RunRef::NONE; 2],
            chain: Chain::default(),
            sealed_time: Millis(0),
            changed: 0,
            headless: false,
        })
    }

    /// The topic's name as a neighbour of the queue has it, so that the queues of a topic share one.
    pub(super) fn name(&self, topic: &str, queue_id: u32) -> Rc<str> {
        let neighbours = [queue_id.wrapping_sub(1), 0, queue_id.wrapping_add(1)];
        let neighbour = neighbours.into_iter().find_map(|id| self.slot(topic, id));
        neighbour.map_or_else(|| topic.into(), |slot| Rc::clone(&self.at(slot.index).topic))
    }

    pub(super) fn insert(&mut self, queue: Queue) -> QueueSlot {
        let index = self.free.pop().unwrap_or_else(|| {
            if self.queues.len() == self.queues.capacity() {
                // By an eighth: with twice the queues a third of their memory would stand empty on average.
                self.queues.reserve_exact(self.queues.len() / 8 + 64);
                self.puts.reserve_exact(self.queues.len() / 8 + 64);
            }
            self.queues.push(None);
            self.generations.push(0);
            self.puts.push(Puts::default());
            u32::try_from(self.queues.len() - 1).expect("queues are bounded far below 2^32")
        });
        let born = queue.born.get();
        let hash = self.hash(&queue.topic, queue.queue_id);
        self.queues[index as usize] = Some(queue);
        self.puts[index as usize] = Puts::default();
        let (queues, hasher) = (&self.queues, &self.hasher);
        self.by_name.insert_unique(hash, index, |index| {
            let queue = queues[*index as usize].as_ref().expect("names lead to queues");
            hasher.hash_one((&*queue.topic, queue.queue_id))
        });
        if let Some(born) = born {
            self.insert_born(index, born);
        }
        QueueSlot { index, generation: self.generations[index as usize] }
    }

    pub(super) fn insert_born(&mut self, index: u32, born: LogPosition) {
        let queues = &self.queues;
        self.by_born.insert_unique(mix(born.0), index, |index| {
            let queue = queues[*index as usize].as_ref().expect("births lead to queues");
            mix(queue.born.get().expect("only the born are here").0)
        });
    }

    /// The queue whose record 0 is there.
    pub(super) fn born_at(&self, born: LogPosition) -> Option<u32> {
        self.by_born.find(mix(born.0), |index| self.at(*index).born == Birth::at(born)).copied()
    }

    /// A topic was deleted: its queues up to that incarnation are forgotten, and with them their offsets. `removed` is
    /// told of each, for those who wait. Looks at every queue: topics are not deleted often.
    pub fn remove_topic(&mut self, topic: &str, incarnation: Incarnation, mut removed: impl FnMut(QueueSlot)) {
        for index in 0..self.queues.len() as u32 {
            let is_meant = |queue: &Queue| *queue.topic == *topic && queue.incarnation <= incarnation;
            if self.queues[index as usize].as_ref().is_some_and(is_meant) {
                removed(QueueSlot { index, generation: self.generations[index as usize] });
                self.remove(index);
            }
        }
    }

    pub(super) fn remove(&mut self, index: u32) {
        let queue = self.at(index);
        let hash = self.hash(&queue.topic, queue.queue_id);
        let born = queue.born.get();
        let found = self.by_name.find_entry(hash, |found| *found == index);
        found.expect("every queue has a name").remove();
        if let Some(born) = born {
            let found = self.by_born.find_entry(mix(born.0), |found| *found == index);
            found.expect("a queue that was born is found by it").remove();
        }
        self.queues[index as usize] = None;
        self.generations[index as usize] = self.generations[index as usize].wrapping_add(1);
        self.free.push(index);
    }

    /// Gives the message at `entry.position` the next offset of its queue. `keys` are what it can be found by, see
    /// `key_hash`. `rotate` was called before if the position is in another segment than the last one.
    pub fn append(&mut self, slot: QueueSlot, entry: IndexEntry, keys: impl IntoIterator<Item = u64>) -> QueueOffset {
        let offset = self.push(slot, &entry);
        self.puts[slot.index as usize].add(entry.size);
        for hash in keys {
            self.active.push_key(hash, &entry, &mut self.spare);
        }
        let end = entry.position.advance(u64::from(entry.size));
        assert!(self.pending.back().is_none_or(|last| last.end <= entry.position), "records are appended in their order");
        self.pending.push_back(Pending { end, slot });
        offset
    }

    /// A record that is found by its keys but is in no queue (a prepared one).
    pub fn append_keys(&mut self, entry: &IndexEntry, keys: impl IntoIterator<Item = u64>) {
        for hash in keys {
            self.active.push_key(hash, entry, &mut self.spare);
        }
    }

    pub(super) fn push(&mut self, slot: QueueSlot, entry: &IndexEntry) -> QueueOffset {
        assert!(self.get(slot).is_some(), "the queue was removed");
        let sequence = self.sequence;
        let queue = self.queues[slot.index as usize].as_mut().expect("just checked");
        let offset = queue.next;
        let newly_born = queue.born == Birth::NONE;
        if newly_born {
            queue.born = Birth::at(entry.position);
        }
        let born = queue.born.get().expect("born by now");
        let run = &mut queue.runs[(sequence & 1) as usize];
        if run.sequence != sequence {
            let opened = Run {
                slot: Some(slot),
                topic: Rc::clone(&queue.topic),
                incarnation: queue.incarnation,
                queue_id: queue.queue_id,
                born,
                first: offset,
                entries: self.spare.entries(),
            };
            *run = RunRef { sequence, run: self.active.open_run(opened) };
        }
        self.active.push(run.run, entry);
        queue.next = offset.advance(1);
        if newly_born {
            self.insert_born(slot.index, born);
        }
        offset
    }

    /// The log is durable up to there: what is appended up to there can be seen. `changed` gets each queue once.
    pub fn advance(&mut self, durable: LogPosition, changed: &mut Vec<Visible>) {
        assert!(self.durable <= durable, "what is durable stays so");
        self.durable = durable;
        while self.pending.front().is_some_and(|pending| pending.end <= durable) {
            let slot = self.pending.pop_front().expect("just seen").slot;
            // A queue that was removed meanwhile is nobody's.
            if self.get(slot).is_none() {
                continue;
            }
            let queue = self.queues[slot.index as usize].as_mut().expect("just checked");
            let to = queue.visible.advance(1);
            match changed.get_mut(queue.changed as usize).filter(|changed| changed.slot == slot) {
                Some(changed) => changed.to = to,
                None => {
                    queue.changed = changed.len() as u32;
                    changed.push(Visible { slot, from: queue.visible, to });
                }
            }
            queue.visible = to;
            assert!(queue.visible <= queue.next);
        }
    }

    pub fn durable(&self) -> LogPosition {
        self.durable
    }

    /// Whether the slot's queue still exists.
    pub fn is_open(&self, slot: QueueSlot) -> bool {
        self.get(slot).is_some()
    }

    /// The offset that the next appended message gets.
    pub fn next_offset(&self, slot: QueueSlot) -> QueueOffset {
        self.get(slot).map_or(QueueOffset::ZERO, |queue| queue.next)
    }

    /// Behind the last message that readers see.
    pub fn max_visible(&self, slot: QueueSlot) -> QueueOffset {
        self.get(slot).map_or(QueueOffset::ZERO, |queue| queue.visible)
    }

    /// The first message that has not expired; the same as `max_visible` when all have.
    pub fn min(&self, slot: QueueSlot) -> QueueOffset {
        self.get(slot).map_or(QueueOffset::ZERO, |queue| queue.min)
    }

    /// When the last visible message was stored; `None` without one.
    pub fn last_store_time(&self, slot: QueueSlot) -> Option<Millis> {
        let queue = self.get(slot)?;
        if queue.visible == queue.min {
            return None;
        }
        let last = QueueOffset(queue.visible.0 - 1);
        let in_memory = self.runs_in_memory(queue).into_iter().flatten().find(|run| run.first <= last && last < run.end());
        Some(in_memory.map_or(queue.sealed_time, |run| Millis(run.entries[(last.0 - run.first.0) as usize].store_time)))
    }

    /// Tag codes of messages that just became visible, for those who wait for them.
    pub fn tags_codes(&self, visible: Visible) -> impl Iterator<Item = i64> {
        let queue = self.get(visible.slot);
        let runs = queue.into_iter().flat_map(|queue| self.runs_in_memory(queue).into_iter().flatten());
        runs.flat_map(move |run| run.slice(visible.from, visible.to).iter().map(|entry| entry.tags_code))
    }

    /// Where records are that just became visible, and their sizes, for those who look into them.
    pub fn places(&self, visible: Visible) -> impl Iterator<Item = (LogPosition, u32)> {
        let queue = self.get(visible.slot);
        let firsts = [self.sealing.as_ref().map(|sealing| sealing.index.first), Some(self.active.first)];
        let runs = queue.into_iter().flat_map(move |queue| self.runs_in_memory(queue).into_iter().zip(firsts));
        let runs = runs.filter_map(|(run, first)| Some((run?, first?)));
        runs.flat_map(move |(run, first)| {
            let entries = run.slice(visible.from, visible.to);
            entries.iter().map(move |entry| (entry.entry(first).position, entry.size))
        })
    }

    /// Whether a record at that position belongs to the queue that has this name now.
    pub fn owns(&self, topic: &str, queue_id: u32, position: LogPosition) -> bool {
        let queue = self.slot(topic, queue_id).map(|slot| self.at(slot.index));
        queue.and_then(|queue| queue.born.get()).is_some_and(|born| born <= position)
    }

    /// Topic, incarnation and queue id of every queue, in no useful order. For administration.
    pub fn names(&self) -> impl Iterator<Item = (&str, Incarnation, u32)> {
        self.queues.iter().flatten().map(|queue| (&*queue.topic, queue.incarnation, queue.queue_id))
    }

    pub fn len(&self) -> usize {
        self.queues.len() - self.free.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The active segment is to be sealed although it is not full.
    pub fn is_full(&self) -> bool {
        self.active.bytes() >= self.index_bytes_max
    }

    /// Runs that are in memory: of the segment being sealed, then of the active one.
    pub(super) fn runs_in_memory(&self, queue: &Queue) -> [Option<&Run>; 2] {
        let sealing = self.sealing.as_ref().map(|sealing| &sealing.index);
        [run_of(sealing, queue, self.sequence.wrapping_sub(1)), run_of(Some(&self.active), queue, self.sequence)]
    }

    pub(super) fn get(&self, slot: QueueSlot) -> Option<&Queue> {
        let queue = self.queues.get(slot.index as usize)?.as_ref()?;
        (self.generations[slot.index as usize] == slot.generation).then_some(queue)
    }

    pub(super) fn at(&self, index: u32) -> &Queue {
        self.queues[index as usize].as_ref().expect("an index of a queue that is there")
    }

    fn hash(&self, topic: &str, queue_id: u32) -> u64 {
        self.hasher.hash_one((topic, queue_id))
    }
}

fn run_of<'i>(index: Option<&'i SegmentIndex>, queue: &Queue, sequence: u32) -> Option<&'i Run> {
    let found = queue.runs[(sequence & 1) as usize];
    if found.sequence != sequence {
        return None;
    }
    // Runs leave the index at the end of sealing; then they are found in the file.
    index?.runs.get(found.run as usize)
}

impl Queue {
    fn is_named(&self, topic: &str, queue_id: u32) -> bool {
        self.queue_id == queue_id && *self.topic == *topic
    }
}

impl Run {
    /// Its entries in [from, to).
    pub(super) fn slice(&self, from: QueueOffset, to: QueueOffset) -> &[Packed] {
        let clamp = |offset: QueueOffset| (offset.0 - self.first.0).clamp(0, self.entries.len() as i64) as usize;
        let (from, to) = (clamp(from), clamp(to));
        &self.entries[from..to.max(from)]
    }
}
