//! Making an index file from an index in memory, a slice at a time.
//!
//! The bytes come in the order of the file, so the caller appends what it gets and yields between slices. What is built
//! depends on nothing but the index and the links, so building it again gives the same file.
//!
//! Cost: sorting is n log n over all keys; everything else is one pass. A page is 170 entries or 255 keys.
//!
//! Before: `segment_index`; after: `seal`, `rebuild`, and the driver that writes the file.

use std::rc::Rc;

use hashbrown::HashMap;

use super::chain::Links;
use super::entry::{KeyEntry, Packed};
use super::layout::*;
use super::merge::{CHUNK, Merge};
use super::segment_index::{Run, SegmentIndex};
use crate::types::{LogPosition, Millis};

/// How much of each preparation costs about as much as a page.
const RUNS_PER_UNIT: usize = 256;
const UNITS_PER_SORT: usize = 8;

#[derive(Debug)]
pub(super) struct Build {
    segment: LogPosition,
    phase: Phase,
    header: IndexHeader,
    /// Of each run: its first entry's number, and where its topic's name is.
    places: Vec<(u32, u32)>,
    names: Vec<u8>,
    names_at: HashMap<Rc<str>, u32>,
    /// Runs by `mix(born)`.
    directory: Vec<Vec<(u64, u32)>>,
    directory_merge: Merge<(u64, u32)>,
    keys_merge: Merge<KeyEntry>,
    filter: Vec<u8>,
    page: u32,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Places,
    SortRuns,
    SortKeys,
    Header,
    /// The next entry is this one of that run.
    Entries {
        run: usize,
        at: usize,
    },
    Keys,
    Filter {
        page: usize,
    },
    Directory,
    Names {
        at: usize,
    },
    Done,
}

impl Build {
    pub fn new(index: &SegmentIndex) -> Build {
        let (first_time, last_time) = index.times.unwrap_or((Millis(0), Millis(0)));
        let header = IndexHeader {
            end: index.end,
            first_time,
            last_time,
            entries: index.entries,
            keys: index.keys,
            runs: index.runs.len() as u32,
            names_bytes: 0,
        };
        Build {
            segment: index.first,
            phase: Phase::Places,
            header,
            places: Vec::new(),
            names: Vec::new(),
            names_at: HashMap::new(),
            directory: Vec::new(),
            directory_merge: Merge::new(),
            keys_merge: Merge::new(),
            filter: Vec::new(),
            page: 0,
        }
    }

    /// Appends about `pages_max` pages or does as much work as they would be; true when the file is complete.
    pub fn slice(
        &mut self,
        index: &mut SegmentIndex,
        links: impl Fn(&Run) -> Links,
        out: &mut Vec<u8>,
        pages_max: usize,
    ) -> bool {
        assert_eq!(self.segment, index.first);
        let mut units = pages_max.max(1);
        while units > 0 {
            units = units.saturating_sub(match self.phase {
                Phase::Places => self.place(index),
                Phase::SortRuns => self.sort_runs(),
                Phase::SortKeys => self.sort_keys(index),
                Phase::Header => self.header(out),
                Phase::Entries { run, at } => self.entries(index, run, at, out),
                Phase::Keys => self.keys(index, out),
                Phase::Filter { page } => self.filter(page, out),
                Phase::Directory => self.directory(index, &links, out),
                Phase::Names { at } => self.names(at, out),
                Phase::Done => return true,
            });
        }
        matches!(self.phase, Phase::Done)
    }

    /// The header, once the file is complete.
    pub fn built(&self) -> IndexHeader {
        assert!(matches!(self.phase, Phase::Done));
        self.header
    }

    /// Numbers entries, collects names and what the directory is sorted by.
    fn place(&mut self, index: &SegmentIndex) -> usize {
        let from = self.places.len();
        let mut start = match from.checked_sub(1) {
            Some(last) => self.places[last].0 + index.runs[last].entries.len() as u32,
            None => 0,
        };
        for (number, run) in index.runs.iter().enumerate().skip(from).take(RUNS_PER_UNIT) {
            let name_at = match self.names_at.get(&run.topic) {
                Some(at) => *at,
                None => {
                    let at = self.names.len() as u32;
                    self.names.extend((run.topic.len() as u16).to_be_bytes());
                    self.names.extend(run.topic.as_bytes());
                    self.names_at.insert(Rc::clone(&run.topic), at);
                    at
                }
            };
            self.places.push((start, name_at));
            start += run.entries.len() as u32;
            if self.directory.last().is_none_or(|chunk| chunk.len() == CHUNK) {
                self.directory.push(Vec::new());
            }
            self.directory.last_mut().expect("just pushed").push((mix(run.born.0), number as u32));
        }
        if self.places.len() == index.runs.len() {
            assert_eq!(start, self.header.entries);
            self.header.names_bytes = self.names.len() as u32;
            self.phase = Phase::SortRuns;
        }
        1
    }

    fn sort_runs(&mut self) -> usize {
        if self.directory_merge.sort_next(&mut self.directory) {
            return UNITS_PER_SORT;
        }
        self.phase = Phase::SortKeys;
        1
    }

    fn sort_keys(&mut self, index: &mut SegmentIndex) -> usize {
        if self.keys_merge.sort_next(&mut index.key_chunks) {
            return UNITS_PER_SORT;
        }
        self.phase = Phase::Header;
        1
    }

    fn header(&mut self, out: &mut Vec<u8>) -> usize {
        let header = self.header;
        self.emit(out, |payload| header.encode(payload));
        self.filter = vec![0; self.header.filter_area().pages as usize * PAYLOAD];
        self.phase = Phase::Entries { run: 0, at: 0 };
        1
    }

    fn entries(&mut self, index: &SegmentIndex, mut run: usize, mut at: usize, out: &mut Vec<u8>) -> usize {
        if self.page == self.header.entries_area().end() {
            self.phase = Phase::Keys;
            return 0;
        }
        self.emit(out, |payload| {
            for place in payload.chunks_exact_mut(ENTRY_BYTES) {
                while index.runs.get(run).is_some_and(|found| found.entries.len() == at) {
                    (run, at) = (run + 1, 0);
                }
                let Some(found) = index.runs.get(run) else { break };
                found.entries[at].encode(place);
                at += 1;
            }
        });
        self.phase = Phase::Entries { run, at };
        1
    }

    fn keys(&mut self, index: &SegmentIndex, out: &mut Vec<u8>) -> usize {
        if self.page == self.header.keys_area().end() {
            self.phase = Phase::Filter { page: 0 };
            return 0;
        }
        let filter_pages = self.header.filter_area().pages;
        let (mut merge, mut filter) = (std::mem::replace(&mut self.keys_merge, Merge::new()), std::mem::take(&mut self.filter));
        self.emit(out, |payload| {
            for place in payload.chunks_exact_mut(KEY_BYTES) {
                let Some(key) = merge.next(&index.key_chunks) else { break };
                key.encode(place);
                let page = filter_page(key.hash, filter_pages) as usize * PAYLOAD;
                for bit in filter_bits(key.hash) {
                    filter[page + bit / 8] |= 1 << (bit % 8);
                }
            }
        });
        (self.keys_merge, self.filter) = (merge, filter);
        1
    }

    fn filter(&mut self, page: usize, out: &mut Vec<u8>) -> usize {
        if self.page == self.header.filter_area().end() {
            self.phase = Phase::Directory;
            return 0;
        }
        let filter = std::mem::take(&mut self.filter);
        self.emit(out, |payload| payload.copy_from_slice(&filter[page * PAYLOAD..][..PAYLOAD]));
        self.filter = filter;
        self.phase = Phase::Filter { page: page + 1 };
        1
    }

    fn directory(&mut self, index: &SegmentIndex, links: impl Fn(&Run) -> Links, out: &mut Vec<u8>) -> usize {
        if self.page == self.header.directory_area().end() {
            self.phase = Phase::Names { at: 0 };
            return 0;
        }
        let mut merge = std::mem::replace(&mut self.directory_merge, Merge::new());
        let (directory, places) = (std::mem::take(&mut self.directory), std::mem::take(&mut self.places));
        self.emit(out, |payload| {
            for place in payload.chunks_exact_mut(RUN_BYTES) {
                let Some((_, number)) = merge.next(&directory) else { break };
                let (start, name_at) = places[number as usize];
                let run = &index.runs[number as usize];
                described(run, start, name_at, links(run)).encode(place);
            }
        });
        (self.directory_merge, self.directory, self.places) = (merge, directory, places);
        1
    }

    fn names(&mut self, at: usize, out: &mut Vec<u8>) -> usize {
        if self.page == self.header.names_area().end() {
            assert_eq!(self.page, self.header.pages());
            self.phase = Phase::Done;
            return 0;
        }
        let end = self.names.len().min(at + PAYLOAD);
        let names = std::mem::take(&mut self.names);
        self.emit(out, |payload| payload[..end - at].copy_from_slice(&names[at..end]));
        self.names = names;
        self.phase = Phase::Names { at: end };
        1
    }

    fn emit(&mut self, out: &mut Vec<u8>, fill: impl FnOnce(&mut [u8])) {
        let begin = out.len();
        out.resize(begin + PAGE_BYTES, 0);
        let page = &mut out[begin..];
        fill(&mut page[PAGE_HEAD..]);
        seal_page(page, self.page, self.segment);
        self.page += 1;
    }
}

fn described(run: &Run, start: u32, name_at: u32, links: Links) -> DirectoryRun {
    let time = |entry: Option<&Packed>| Millis(entry.expect("a run has entries").store_time);
    DirectoryRun {
        born: run.born,
        incarnation: run.incarnation.0,
        queue_id: run.queue_id,
        name_at,
        first: run.first,
        count: run.entries.len() as u32,
        start,
        first_time: time(run.entries.first()),
        last_time: time(run.entries.last()),
        links,
    }
}
