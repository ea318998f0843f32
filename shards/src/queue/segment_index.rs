//! The index of one segment while it is in memory: a run of entries for each queue, and the keys.
//!
//! There are at most two: of the segment that is written and of the one whose file is being made. Vectors that are done
//! with wait in `Spare` for the next segment, so that appending allocates nothing in the long run.
//!
//! Before: `queues`; after: `build`.

use std::rc::Rc;

use super::entry::{IndexEntry, KeyEntry, Packed};
use super::merge::CHUNK;
use super::queues::QueueSlot;
use crate::topic::Incarnation;
use crate::types::{LogPosition, Millis, QueueOffset};

/// Entries of one queue in one segment, without gaps.
#[derive(Debug)]
pub(super) struct Run {
    /// `None`: made for a rebuilt file, and no live queue looks for it here.
    pub slot: Option<QueueSlot>,
    pub topic: Rc<str>,
    pub incarnation: Incarnation,
    pub queue_id: u32,
    pub born: LogPosition,
    pub first: QueueOffset,
    pub entries: Vec<Packed>,
}

impl Run {
    pub fn end(&self) -> QueueOffset {
        self.first.advance(self.entries.len() as u32)
    }
}

#[derive(Debug)]
pub(super) struct SegmentIndex {
    pub first: LogPosition,
    /// End of the last record that is indexed.
    pub end: LogPosition,
    pub runs: Vec<Run>,
    /// Full chunks, and the last one that is not.
    pub key_chunks: Vec<Vec<KeyEntry>>,
    pub keys: u32,
    pub entries: u32,
    /// Store times of the first and the last entry.
    pub times: Option<(Millis, Millis)>,
}

impl SegmentIndex {
    pub fn new(first: LogPosition) -> SegmentIndex {
        SegmentIndex { first, end: first, runs: Vec::new(), key_chunks: Vec::new(), keys: 0, entries: 0, times: None }
    }

    /// Bytes of memory for what is in it; vectors have up to twice that.
    pub fn bytes(&self) -> usize {
        self.entries as usize * size_of::<Packed>()
            + self.runs.len() * size_of::<Run>()
            + self.keys as usize * size_of::<KeyEntry>()
    }

    /// Adds a run without entries and returns its number.
    pub fn open_run(&mut self, run: Run) -> u32 {
        assert!(run.entries.is_empty());
        self.runs.push(run);
        (self.runs.len() - 1) as u32
    }

    pub fn push(&mut self, run: u32, entry: &IndexEntry) {
        let packed = Packed::of(entry, self.first);
        self.runs[run as usize].entries.push(packed);
        self.entries += 1;
        self.reach(entry.position.advance(u64::from(entry.size)), entry.store_time);
    }

    pub fn push_key(&mut self, hash: u64, entry: &IndexEntry, spare: &mut Spare) {
        self.reach(entry.position.advance(u64::from(entry.size)), entry.store_time);
        let (first_time, _) = self.times.expect("just reached");
        let at = Packed::of(entry, self.first).at;
        let seconds = u32::try_from(entry.store_time.since(first_time) / 1_000).unwrap_or(u32::MAX);
        if self.key_chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.key_chunks.push(spare.key_chunk());
        }
        self.key_chunks.last_mut().expect("just pushed").push(KeyEntry { hash, at, seconds });
        self.keys += 1;
    }

    fn reach(&mut self, end: LogPosition, time: Millis) {
        self.end = self.end.max(end);
        let (first, last) = self.times.unwrap_or((time, time));
        self.times = Some((first, last.max(time)));
    }
}

/// Emptied vectors for the next segment's index. What a whole segment had no use for is given up: a time in which very many
/// queues were written would otherwise cost memory for ever.
#[derive(Debug)]
pub(super) struct Spare {
    entries: Vec<Vec<Packed>>,
    /// The fewest that were left since the last `rotated`.
    entries_unused: usize,
    key_chunks: Vec<Vec<KeyEntry>>,
    bytes: usize,
    bytes_max: usize,
}

impl Spare {
    pub fn new(bytes_max: usize) -> Spare {
        Spare { entries: Vec::new(), entries_unused: 0, key_chunks: Vec::new(), bytes: 0, bytes_max }
    }

    pub fn entries(&mut self) -> Vec<Packed> {
        let taken = self.entries.pop().unwrap_or_default();
        self.bytes -= taken.capacity() * size_of::<Packed>();
        self.entries_unused = self.entries_unused.min(self.entries.len());
        taken
    }

    pub fn keep_entries(&mut self, mut emptied: Vec<Packed>) {
        let bytes = emptied.capacity() * size_of::<Packed>();
        if bytes > 0 && self.bytes + bytes <= self.bytes_max {
            emptied.clear();
            self.bytes += bytes;
            self.entries.push(emptied);
        }
    }

    /// A segment has ended.
    pub fn rotated(&mut self) {
        let unused: usize = self.entries.drain(..self.entries_unused).map(|unused| unused.capacity()).sum();
        self.bytes -= unused * size_of::<Packed>();
        self.entries.shrink_to(2 * self.entries.len());
        self.entries_unused = self.entries.len();
    }

    fn key_chunk(&mut self) -> Vec<KeyEntry> {
        match self.key_chunks.pop() {
            Some(chunk) => {
                self.bytes -= chunk.capacity() * size_of::<KeyEntry>();
                chunk
            }
            None => Vec::with_capacity(64),
        }
    }

    pub fn keep_key_chunk(&mut self, mut emptied: Vec<KeyEntry>) {
        let bytes = emptied.capacity() * size_of::<KeyEntry>();
        if self.bytes + bytes <= self.bytes_max {
            emptied.clear();
            self.bytes += bytes;
            self.key_chunks.push(emptied);
        }
    }
}
