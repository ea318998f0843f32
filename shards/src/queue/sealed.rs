//! Index files of sealed segments, read by pages.
//!
//! A page that is not in memory is answered with `Miss::Need`: the caller loads that part of the file, hands it to
//! `Queues::loaded`, and asks its question again from the start. The pages of the way so far are in memory by then.
//!
//! Before: `lookup`, `time`, `keys`, `retention`; after: `pages`.

use hashbrown::HashMap;

use super::chain::Link;
use super::layout::*;
use super::pages::Pages;
use super::queues::Queues;
use crate::types::LogPosition;

/// After so many wrong guesses the keys are not spread evenly, and halving is better.
const GUESSES_MAX: u32 = 8;

/// Searches that are remembered; there are few rebuilt files.
const OLDER_MAX: usize = 4096;

/// A part of the index file of a segment that must be loaded. Whole pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexRead {
    /// The segment's first position: the file's name.
    pub segment: LogPosition,
    pub offset: u64,
    pub len: usize,
}

/// Why a question cannot be answered yet, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Miss {
    Need(IndexRead),
    /// There is no such segment any more.
    Gone,
}

#[derive(Debug)]
pub(super) struct Sealed {
    /// Oldest first.
    segments: Vec<SealedSegment>,
    pages: Pages,
    /// For runs with links that are not known, by segment and birth: how far the segments before were asked. Such a
    /// search may need more pages than there are frames, so it must not begin again with every page.
    older: HashMap<(LogPosition, LogPosition), Older>,
}

#[derive(Clone, Copy, Debug)]
enum Older {
    /// Not in this segment nor in those between.
    Before(LogPosition),
    Found(Option<Link>),
}

#[derive(Debug)]
struct SealedSegment {
    first: LogPosition,
    /// Loaded when first needed.
    header: Option<IndexHeader>,
}

impl Sealed {
    pub fn new(page_bytes_max: usize) -> Sealed {
        Sealed { segments: Vec::new(), pages: Pages::new(page_bytes_max), older: HashMap::new() }
    }

    pub fn add(&mut self, first: LogPosition, header: Option<IndexHeader>) {
        assert!(self.segments.last().is_none_or(|last| last.first < first), "segments are sealed in their order");
        self.segments.push(SealedSegment { first, header });
    }

    pub fn oldest(&self) -> Option<LogPosition> {
        self.segments.first().map(|segment| segment.first)
    }

    /// The segment before that one.
    pub fn before(&self, segment: LogPosition) -> Option<LogPosition> {
        let at = self.segments.partition_point(|found| found.first < segment);
        Some(self.segments[at.checked_sub(1)?].first)
    }

    pub fn remove_oldest(&mut self) {
        let removed = self.segments.remove(0);
        self.pages.remove(removed.first);
    }

    /// The file was made again.
    pub fn replaced(&mut self, segment: LogPosition) {
        if let Ok(at) = self.place(segment) {
            self.segments[at].header = None;
        }
        self.pages.remove(segment);
    }

    pub fn header(&mut self, segment: LogPosition) -> Result<IndexHeader, Miss> {
        let at = self.place(segment)?;
        self.segments[at].header.ok_or(Miss::Need(IndexRead { segment, offset: 0, len: PAGE_BYTES }))
    }

    /// The payload of a page; if it must be loaded, then with up to `ahead` that follow it.
    pub fn page(&mut self, segment: LogPosition, page: u32, ahead: u32) -> Result<&[u8], Miss> {
        match self.pages.find(segment, page) {
            Some(frame) => Ok(self.pages.payload(frame)),
            None => {
                let (offset, len) = (u64::from(page) * PAGE_BYTES as u64, (1 + ahead as usize) * PAGE_BYTES);
                Err(Miss::Need(IndexRead { segment, offset, len }))
            }
        }
    }

    fn loaded(&mut self, read: IndexRead, bytes: &[u8]) -> Result<(), BadIndex> {
        let Ok(at) = self.place(read.segment) else { return Ok(()) };
        let first = (read.offset / PAGE_BYTES as u64) as u32;
        if bytes.len() < PAGE_BYTES {
            return Err(BadIndex::Short { page: first });
        }
        for (number, page) in (first..).zip(bytes.chunks_exact(PAGE_BYTES)) {
            let payload = check_page(page, number, read.segment)?;
            match number {
                0 => self.segments[at].header = Some(IndexHeader::decode(payload)?),
                _ => self.pages.insert(read.segment, number, page),
            }
        }
        Ok(())
    }

    /// The run of the queue that was born there.
    pub fn run(&mut self, segment: LogPosition, born: LogPosition) -> Result<Option<DirectoryRun>, Miss> {
        let header = self.header(segment)?;
        let (area, key) = (header.directory_area(), mix(born.0));
        let Some(page) = self.page_of(segment, area, RUN_BYTES, key, |run| DirectoryRun::key(run) <= key, DirectoryRun::key)?
        else {
            return Ok(None);
        };
        let count = items_in(header.runs, RUNS_PER_PAGE, page - area.page);
        let payload = self.page(segment, page, 0)?;
        let mut runs = payload.chunks_exact(RUN_BYTES).take(count);
        Ok(runs.find(|run| u64_at(run, 0) == born.0).map(DirectoryRun::decode))
    }

    /// The newest run in segments before that one, asked one by one.
    pub fn older_run(&mut self, segment: LogPosition, born: LogPosition) -> Result<Option<Link>, Miss> {
        let key = (segment, born);
        let mut at = match self.older.get(&key) {
            Some(Older::Found(link)) => return Ok(*link),
            Some(Older::Before(at)) => *at,
            None => segment,
        };
        let found = loop {
            let Some(older) = self.before(at) else { break None };
            match self.run(older, born) {
                Ok(Some(run)) => break Some(Link { segment: older, first: run.first, first_time: run.first_time }),
                Ok(None) => at = older,
                Err(miss) => {
                    self.remember(key, Older::Before(at));
                    return Err(miss);
                }
            }
        };
        self.remember(key, Older::Found(found));
        Ok(found)
    }

    fn remember(&mut self, key: (LogPosition, LogPosition), older: Older) {
        if self.older.len() >= OLDER_MAX && !self.older.contains_key(&key) {
            self.older.clear();
        }
        self.older.insert(key, older);
    }

    /// The last page of a sorted area whose first item satisfies `reaches`, which is true up to some item and false
    /// behind it. `wanted` is about where that is, its keys being spread evenly: so a few pages are looked at, not many.
    pub fn page_of(
        &mut self,
        segment: LogPosition,
        area: Area,
        item_bytes: usize,
        wanted: u64,
        reaches: impl Fn(&[u8]) -> bool,
        key: impl Fn(&[u8]) -> u64,
    ) -> Result<Option<u32>, Miss> {
        // Pages below `low` reach; those from `high` do not.
        let (mut low, mut high) = (0, area.pages);
        let mut guess = scale(wanted, area.pages);
        let mut tries = 0;
        while low < high {
            tries += 1;
            guess = if tries <= GUESSES_MAX { guess.clamp(low, high - 1) } else { low.midpoint(high) };
            let payload = self.page(segment, area.page + guess, 0)?;
            let item = &payload[..item_bytes];
            let first = key(item);
            if reaches(item) {
                low = guess + 1;
                guess = guess.saturating_add(1.max(scale(wanted.saturating_sub(first), area.pages)));
            } else {
                high = guess;
                guess = guess.saturating_sub(1.max(scale(first.saturating_sub(wanted), area.pages)));
            }
        }
        Ok(low.checked_sub(1).map(|page| area.page + page))
    }

    fn place(&self, segment: LogPosition) -> Result<usize, Miss> {
        self.segments.binary_search_by_key(&segment, |found| found.first).map_err(|_| Miss::Gone)
    }
}

/// How many items of an area with `count` items are on its page `page`.
pub(super) fn items_in(count: u32, per_page: u32, page: u32) -> usize {
    count.saturating_sub(page.saturating_mul(per_page)).min(per_page) as usize
}

impl Queues {
    /// A segment of the log that is sealed and has its index file. At start, oldest first, before anything is appended.
    pub fn add_sealed(&mut self, first: LogPosition) {
        assert!(first < self.replay_from(), "sealed segments are older than those in memory");
        self.sealed.add(first, None);
    }

    /// The part that was asked for. An error: the file must be made again from its segment, see `Rebuild`.
    pub fn loaded(&mut self, read: IndexRead, bytes: &[u8]) -> Result<(), BadIndex> {
        self.sealed.loaded(read, bytes)
    }

    /// Whether the segment is in the list of those with an index file; one that has been retired is not.
    pub fn is_sealed(&self, segment: LogPosition) -> bool {
        self.sealed.place(segment).is_ok()
    }

    /// A rebuilt file has taken the place of the one that was there.
    pub fn index_replaced(&mut self, segment: LogPosition) {
        self.sealed.replaced(segment);
    }
}
