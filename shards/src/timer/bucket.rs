//! All that is due within one second.
//!
//! Mostly filled in the order of the log, emptied from the front when its time has come. It is sorted only then: until the
//! second comes nobody asks for the order. What leaves from the middle leaves its place behind until half of the bucket is
//! such places, so that no removal moves much memory.

use super::packed::{Packed, Pending};
use crate::types::{LogPosition, Millis};

/// A bucket grows by a quarter: with twice the room a third of millions of entries would stand empty.
const GROWTH_MIN: usize = 4;
/// Fewer gone places than this are not worth a tidying.
const TIDY_MIN: usize = 64;

#[derive(Debug)]
pub(super) struct Bucket {
    entries: Vec<Packed>,
    /// Before here all are gone.
    first: usize,
    /// Behind `first`.
    gone: usize,
    sorted: bool,
}

impl Bucket {
    pub fn new() -> Bucket {
        Bucket { entries: Vec::new(), first: 0, gone: 0, sorted: true }
    }

    pub fn with_capacity(entries: usize) -> Bucket {
        Bucket { entries: Vec::with_capacity(entries), first: 0, gone: 0, sorted: true }
    }

    pub fn push(&mut self, entry: Packed) {
        self.sorted &= self.entries.last().is_none_or(|last| *last < entry);
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact((self.entries.len() / 4).max(GROWTH_MIN));
        }
        self.entries.push(entry);
    }

    pub fn len(&self) -> usize {
        self.entries.len() - self.first - self.gone
    }

    pub fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Packed>()
    }

    pub fn sort(&mut self) {
        if !self.sorted {
            // Stable sorting finds the runs that are in order already, which is nearly all of them.
            self.entries[self.first..].sort();
            self.sorted = true;
        }
    }

    pub fn is_sorted(&self) -> bool {
        self.sorted
    }

    /// In their order, if sorted.
    pub fn iter(&self) -> impl Iterator<Item = Packed> {
        self.entries[self.first..].iter().copied().filter(|entry| !entry.is_gone())
    }

    pub fn find(&self, deliver_at: Millis, position: LogPosition) -> Option<Packed> {
        self.place(deliver_at, position).map(|place| self.entries[place])
    }

    pub fn remove(&mut self, deliver_at: Millis, position: LogPosition) -> Option<Packed> {
        let place = self.place(deliver_at, position)?;
        let removed = self.entries[place];
        self.entries[place] = removed.gone();
        self.gone += 1;
        while self.entries.get(self.first).is_some_and(|entry| entry.is_gone()) {
            self.first += 1;
            self.gone -= 1;
        }
        if self.gone >= TIDY_MIN && self.gone > self.len() {
            self.entries.drain(..self.first);
            self.entries.retain(|entry| !entry.is_gone());
            self.entries.shrink_to_fit();
            (self.first, self.gone) = (0, 0);
        }
        Some(removed)
    }

    fn place(&self, deliver_at: Millis, position: LogPosition) -> Option<usize> {
        let entries = &self.entries[self.first..];
        let place = if self.sorted {
            let wanted = Packed::place(deliver_at, position);
            entries.partition_point(|entry| *entry < wanted)
        } else {
            entries.iter().position(|entry| entry.is_at(deliver_at, position))?
        };
        let entry = entries.get(place)?;
        (entry.is_at(deliver_at, position) && !entry.is_gone()).then_some(self.first + place)
    }

    /// Those with that key.
    pub fn with_key(&self, second: i64, key: u32) -> impl Iterator<Item = Pending> {
        self.iter().filter(move |entry| entry.key() == key).map(move |entry| entry.pending(second))
    }
}
