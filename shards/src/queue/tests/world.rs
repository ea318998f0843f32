//! A log, index files and queues over them, without a disk; and the model that answers from the log alone.

use std::collections::{BTreeMap, HashMap};

use crate::filter::TagFilter;
use crate::queue::*;
use crate::topic::Incarnation;
use crate::types::{LogPosition, Millis, QueueOffset};

pub const LIMITS: QueueLimits = QueueLimits { index_bytes_max: 1 << 20, page_bytes_max: 1 << 18 };

#[derive(Clone, Debug)]
pub enum Logged {
    Message { topic: String, queue_id: u32, offset: QueueOffset, entry: IndexEntry, keys: Vec<u64> },
    Put { topic: String, incarnation: Incarnation, at: LogPosition },
    Deleted { topic: String, incarnation: Incarnation, at: LogPosition },
}

impl Logged {
    pub fn at(&self) -> LogPosition {
        match self {
            Logged::Message { entry, .. } => entry.position,
            Logged::Put { at, .. } | Logged::Deleted { at, .. } => *at,
        }
    }

    pub fn end(&self) -> LogPosition {
        match self {
            Logged::Message { entry, .. } => entry.position.advance(u64::from(entry.size)),
            Logged::Put { at, .. } | Logged::Deleted { at, .. } => at.advance(10),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct ModelQueue {
    pub entries: Vec<(IndexEntry, Vec<u64>)>,
    pub min: usize,
    pub visible: usize,
}

/// What is on disk beside the log.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    pub position: LogPosition,
    pub replay_from: LogPosition,
    pub kept_from: LogPosition,
    pub topics: BTreeMap<String, Incarnation>,
    pub next_incarnation: u64,
    pub slices: Vec<Vec<u8>>,
    /// What was appended when the last slice was taken.
    pub end: LogPosition,
}

pub struct World {
    seed: u64,
    pub random: Random,
    pub queues: Queues,
    pub log: Vec<Logged>,
    pub files: HashMap<LogPosition, Vec<u8>>,
    pub building: Vec<u8>,
    /// Where segments begin, the active one last.
    pub segments: Vec<LogPosition>,
    pub position: LogPosition,
    pub durable: LogPosition,
    pub kept_from: LogPosition,
    pub now: i64,
    pub topics: BTreeMap<String, Incarnation>,
    pub next_incarnation: u64,
    pub stored: Stored,
    pub loads: usize,
    /// A question may lead to a rebuild, which syncs.
    pub damaged: bool,
}

/// xorshift: the same numbers for the same seed, for ever.
pub struct Random(u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound.max(1)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the seed is {}", self.seed);
        }
    }
}

impl World {
    pub fn new(seed: u64) -> World {
        let first = LogPosition::ZERO;
        World {
            seed,
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            queues: Queues::new(LIMITS, first),
            log: Vec::new(),
            files: HashMap::new(),
            building: Vec::new(),
            segments: vec![first],
            position: first,
            durable: first,
            kept_from: first,
            now: 1_000_000,
            topics: BTreeMap::new(),
            next_incarnation: 1,
            stored: Stored { next_incarnation: 1, ..Stored::default() },
            loads: 0,
            damaged: false,
        }
    }

    pub fn create(&mut self, topic: &str) {
        if !self.topics.contains_key(topic) {
            let incarnation = Incarnation(self.next_incarnation);
            self.next_incarnation += 1;
            self.topics.insert(topic.to_owned(), incarnation);
            self.push(Logged::Put { topic: topic.to_owned(), incarnation, at: self.position });
        }
    }

    pub fn delete(&mut self, topic: &str) {
        if let Some(incarnation) = self.topics.remove(topic) {
            self.push(Logged::Deleted { topic: topic.to_owned(), incarnation, at: self.position });
            let mut removed = Vec::new();
            self.queues.remove_topic(topic, incarnation, |slot| removed.push(slot));
            assert!(removed.iter().all(|slot| !self.queues.is_open(*slot)));
        }
    }

    pub fn append(&mut self, topic: &str, queue_id: u32, tag: i64, keys: Vec<u64>) -> QueueOffset {
        self.create(topic);
        let slot = self.queues.open(topic, self.topics[topic], queue_id);
        let size = 91 + self.random.below(60) as u32;
        let entry = IndexEntry { position: self.position, size, tags_code: tag, store_time: Millis(self.now) };
        let expected = self.queues.next_offset(slot);
        let offset = self.queues.append(slot, entry, keys.iter().copied());
        assert_eq!(offset, expected);
        self.push(Logged::Message { topic: topic.to_owned(), queue_id, offset, entry, keys });
        offset
    }

    fn push(&mut self, logged: Logged) {
        self.position = logged.end();
        self.log.push(logged);
    }

    /// The log is durable up to the end of some entry.
    pub fn sync(&mut self, upto: LogPosition) -> Vec<Visible> {
        let mut changed = Vec::new();
        self.durable = upto;
        self.queues.advance(upto, &mut changed);
        changed
    }

    pub fn rotate(&mut self) {
        let first = LogPosition(self.position.0.next_multiple_of(4096).max(self.segments.last().unwrap().0 + 4096));
        self.position = first;
        self.queues.rotate(first);
        self.segments.push(first);
        self.building.clear();
    }

    /// The seal block is durable, so the next segment has begun for good.
    pub fn rotate_durably(&mut self) {
        self.rotate();
        self.sync(self.position);
    }

    /// One step of sealing; false when there is none to make now.
    pub fn seal_step(&mut self) -> bool {
        let Some(segment) = self.queues.sealing() else { return false };
        let pages = 1 + self.random.below(3);
        if !self.files.contains_key(&segment) {
            if self.random.below(500) == 0 {
                // Writing failed.
                self.queues.seal_again();
                self.building.clear();
            }
            match self.queues.seal_slice(&mut self.building, pages) {
                Seal::Wait(end) => {
                    assert!(end > self.durable);
                    return false;
                }
                Seal::More => return true,
                Seal::Built => {
                    self.files.insert(segment, std::mem::take(&mut self.building));
                    return true;
                }
                Seal::Idle => unreachable!(),
            }
        }
        self.queues.seal_finish(1 + self.random.below(3));
        true
    }

    pub fn seal(&mut self) {
        while self.seal_step() {}
        assert!(self.queues.can_rotate());
    }

    pub fn load(&mut self, read: IndexRead) {
        self.loads += 1;
        let file = &self.files[&read.segment];
        let (from, to) = (read.offset as usize, (read.offset as usize + read.len).min(file.len()));
        if self.queues.loaded(read, &file[from..to]).is_err() {
            self.rebuild(read.segment);
        }
    }

    pub fn rebuild(&mut self, segment: LogPosition) {
        // Or a topic that was deleted a moment ago might come back without its entries.
        self.sync(self.position);
        let end = self.segments.iter().copied().find(|first| *first > segment).unwrap_or(LogPosition(u64::MAX));
        let mut rebuild = Rebuild::new(segment);
        for logged in self.log.iter().filter(|logged| logged.at() >= segment && logged.at() < end) {
            if let Logged::Message { topic, queue_id, offset, entry, keys } = logged {
                rebuild.push(&self.queues, topic, *queue_id, *offset, *entry, keys.iter().copied());
            }
        }
        let mut file = Vec::new();
        while !rebuild.slice(&mut file, 2) {}
        self.files.insert(segment, file);
        self.queues.index_replaced(segment);
    }

    /// The oldest sealed segment leaves the queues; its file stays until a snapshot knows.
    pub fn retire(&mut self) {
        let Some(segment) = self.queues.oldest_sealed() else { return };
        loop {
            match self.queues.retire(segment) {
                Retire::Need(read) => self.load(read),
                Retire::More => {}
                Retire::Done => break,
            }
        }
        self.kept_from = *self.segments.iter().find(|first| **first > segment).unwrap();
    }

    /// Begins a snapshot: what must be exact is taken now.
    pub fn snapshot_begin(&self) -> Stored {
        Stored {
            position: self.position,
            replay_from: self.queues.replay_from(),
            kept_from: self.kept_from,
            topics: self.topics.clone(),
            next_incarnation: self.next_incarnation,
            slices: Vec::new(),
            end: self.position,
        }
    }

    /// Publishes it: what it does not need any more is deleted.
    pub fn snapshot_publish(&mut self, stored: Stored) {
        assert!(stored.end <= self.durable);
        self.files.retain(|segment, _| *segment >= stored.kept_from);
        self.stored = stored;
    }

    pub fn snapshot(&mut self) {
        self.sync(self.position);
        let mut stored = self.snapshot_begin();
        let mut next = Some(0);
        while let Some(from) = next {
            let mut slice = Vec::new();
            next = self.queues.encode_slice(stored.position, stored.replay_from, from, 60, &mut slice);
            stored.slices.push(slice);
        }
        self.snapshot_publish(stored);
    }

    /// The process dies; what was not durable is there up to `cut`, and no further.
    pub fn crash(&mut self, cut: LogPosition) {
        assert!(cut >= self.durable);
        self.log.retain(|logged| logged.end() <= cut);
        self.position = cut;
        self.segments.retain(|first| *first <= cut);
        self.durable = cut;
        self.building.clear();
        let stored = self.stored.clone();
        (self.kept_from, self.topics) = (stored.kept_from, stored.topics.clone());
        self.next_incarnation = stored.next_incarnation;
        self.queues = Queues::restoring(LIMITS, stored.replay_from, stored.position);
        for segment in self.segments.clone() {
            if segment >= stored.kept_from && segment < stored.replay_from {
                self.queues.add_sealed(segment);
            }
        }
        for slice in &stored.slices {
            self.queues.load_slice(slice).unwrap();
        }
        let starts: Vec<LogPosition> = self.segments.iter().copied().filter(|first| *first > stored.replay_from).collect();
        let mut starts = starts.into_iter().peekable();
        for logged in self.log.clone().iter().filter(|logged| logged.at() >= stored.replay_from) {
            while let Some(first) = starts.next_if(|first| *first <= logged.at()) {
                self.replay_rotate(first);
            }
            self.replay(logged, stored.position);
        }
        for first in starts {
            self.replay_rotate(first);
        }
        self.queues.replay_done(cut).unwrap();
    }

    fn replay_rotate(&mut self, first: LogPosition) {
        self.seal();
        self.queues.replay_rotate(first);
        self.building.clear();
    }

    fn replay(&mut self, logged: &Logged, snapshot: LogPosition) {
        let is_setting = logged.at() >= snapshot;
        match logged {
            Logged::Message { topic, queue_id, offset, entry, keys } => {
                let incarnation = self.topics.get(topic).copied();
                self.queues.replay(topic, incarnation, *queue_id, *offset, *entry, keys.iter().copied()).unwrap();
            }
            Logged::Put { topic, incarnation, .. } if is_setting => {
                self.topics.insert(topic.clone(), *incarnation);
                self.next_incarnation = incarnation.0 + 1;
            }
            Logged::Deleted { topic, incarnation, .. } if is_setting => {
                self.topics.remove(topic);
                self.queues.remove_topic(topic, *incarnation, |_| ());
            }
            Logged::Put { .. } | Logged::Deleted { .. } => {}
        }
    }

    /// Everything, from the log alone.
    pub fn model(&self) -> BTreeMap<(String, u32), ModelQueue> {
        let mut model: BTreeMap<(String, u32), ModelQueue> = BTreeMap::new();
        for logged in &self.log {
            match logged {
                Logged::Message { topic, queue_id, entry, keys, .. } => {
                    let queue = model.entry((topic.clone(), *queue_id)).or_default();
                    queue.entries.push((*entry, keys.clone()));
                    queue.min += usize::from(logged.at() < self.kept_from);
                    queue.visible += usize::from(logged.end() <= self.durable);
                }
                Logged::Put { .. } => {}
                Logged::Deleted { topic: deleted, .. } => model.retain(|(topic, _), _| topic != deleted),
            }
        }
        model
    }

    /// Entries as `lookup` gives them when all that it needs is loaded: at least one, maybe not all.
    pub fn lookup(&mut self, slot: QueueSlot, from: QueueOffset, max: usize) -> Vec<IndexEntry> {
        let mut found = Vec::new();
        loop {
            match self.queues.lookup(slot, from, max, &mut found) {
                Lookup::Need(read) => self.load(read),
                Lookup::Entries | Lookup::Nothing => return found,
                Lookup::Gone(next) => panic!("nothing was lost before {next}"),
            }
        }
    }

    pub fn search_time(&mut self, slot: QueueSlot, time: i64, boundary: Boundary) -> QueueOffset {
        loop {
            match self.queues.search_time(slot, Millis(time), boundary) {
                TimeSearch::Need(read) => self.load(read),
                TimeSearch::Offset(offset) => return offset,
                TimeSearch::Gone => panic!("nothing was lost"),
            }
        }
    }

    pub fn find_key(&mut self, hash: u64) -> Vec<LogPosition> {
        let mut search = KeySearch::new(hash, Millis(0), Millis(i64::MAX));
        let mut found = Vec::new();
        loop {
            match self.queues.find_key(&mut search, &mut found) {
                KeyStep::Need(read) => self.load(read),
                KeyStep::More => {}
                KeyStep::Done => return found,
            }
        }
    }

    pub fn plan(
        &mut self,
        slot: Option<QueueSlot>,
        offset: i64,
        messages_max: u32,
        filter: &TagFilter,
    ) -> (Plan, Vec<PlannedRead>) {
        let mut pull = Pull::new(QueueOffset(offset), messages_max, usize::MAX, filter);
        let mut reads = Vec::new();
        loop {
            match plan(&mut self.queues, slot, &mut pull, &PullLimits::DEFAULT, &mut reads) {
                Plan::Need(read) => self.load(read),
                ready => return (ready, reads),
            }
        }
    }
}
