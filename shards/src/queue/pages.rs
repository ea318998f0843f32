//! Pages of index files that were read lately, in a fixed number of frames.
//!
//! Clock replacement: a page that was used since the hand last came by stays for another round. It comes near to least
//! recently used, and a use costs one store.
//!
//! Before: `sealed`.

use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;

use super::layout::{PAGE_BYTES, PAGE_HEAD};
use crate::types::LogPosition;

/// A search must find its own pages again when it goes on.
const FRAMES_MIN: usize = 64;

#[derive(Debug)]
pub(super) struct Pages {
    frames: Vec<Frame>,
    frames_max: usize,
    by_key: HashTable<u32>,
    hasher: DefaultHashBuilder,
    hand: usize,
}

#[derive(Debug)]
struct Frame {
    /// `None`: free.
    key: Option<Key>,
    used: bool,
    page: Box<[u8]>,
}

type Key = (LogPosition, u32);

impl Pages {
    pub fn new(bytes_max: usize) -> Pages {
        Pages {
            frames: Vec::new(),
            frames_max: (bytes_max / PAGE_BYTES).max(FRAMES_MIN),
            by_key: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            hand: 0,
        }
    }

    /// Which frame has the page; its use is noted.
    pub fn find(&mut self, segment: LogPosition, page: u32) -> Option<u32> {
        let key = (segment, page);
        let found = *self.by_key.find(self.hasher.hash_one(key), |at| self.frames[*at as usize].key == Some(key))?;
        self.frames[found as usize].used = true;
        Some(found)
    }

    /// The payload of a frame that `find` found.
    pub fn payload(&self, frame: u32) -> &[u8] {
        &self.frames[frame as usize].page[PAGE_HEAD..]
    }

    /// Keeps a page that was checked.
    pub fn insert(&mut self, segment: LogPosition, page: u32, bytes: &[u8]) {
        if self.find(segment, page).is_some() {
            return;
        }
        let frame = self.take_frame();
        self.frames[frame].page.copy_from_slice(&bytes[..PAGE_BYTES]);
        self.frames[frame].used = true;
        let key = (segment, page);
        self.frames[frame].key = Some(key);
        let (frames, hasher) = (&self.frames, &self.hasher);
        self.by_key.insert_unique(hasher.hash_one(key), frame as u32, |at| {
            hasher.hash_one(frames[*at as usize].key.expect("keys lead to frames in use"))
        });
    }

    /// Forgets a segment's pages.
    pub fn remove(&mut self, segment: LogPosition) {
        for at in 0..self.frames.len() {
            if self.frames[at].key.is_some_and(|(found, _)| found == segment) {
                self.release(at);
            }
        }
    }

    fn take_frame(&mut self) -> usize {
        if self.frames.len() < self.frames_max {
            self.frames.push(Frame { key: None, used: false, page: vec![0; PAGE_BYTES].into() });
            return self.frames.len() - 1;
        }
        loop {
            let at = self.hand;
            self.hand = (at + 1) % self.frames.len();
            if !std::mem::take(&mut self.frames[at].used) {
                self.release(at);
                return at;
            }
        }
    }

    fn release(&mut self, at: usize) {
        if let Some(key) = self.frames[at].key {
            let found = self.by_key.find_entry(self.hasher.hash_one(key), |found| *found as usize == at);
            found.expect("frames in use are found by their key").remove();
            self.frames[at].key = None;
            self.frames[at].used = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(byte: u8) -> Vec<u8> {
        vec![byte; PAGE_BYTES]
    }

    #[test]
    fn what_is_used_stays() {
        let mut pages = Pages::new(0);
        let segment = LogPosition(0);
        for number in 0..FRAMES_MIN as u32 {
            pages.insert(segment, number, &page(number as u8));
        }
        // The hand clears all marks once, and takes page 0.
        pages.insert(segment, 1_000, &page(9));
        assert!(pages.find(segment, 0).is_none());
        for number in 0..500 {
            let kept = pages.find(segment, 5).expect("it is used all the time");
            assert_eq!(pages.payload(kept)[0], 5);
            pages.insert(LogPosition(1), number, &page(1));
        }
        assert!(pages.find(segment, 6).is_none());
        assert_eq!(pages.frames.len(), FRAMES_MIN);
        pages.remove(LogPosition(1));
        assert!(pages.find(LogPosition(1), 499).is_none());
        assert_eq!(pages.by_key.len(), 1);
    }
}
