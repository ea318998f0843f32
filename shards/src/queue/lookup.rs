//! Entries of a queue by their offsets, wherever they are: in memory or in the index files of sealed segments.
//!
//! A queue's runs are in the order of segments. The two newest may be in memory; the others are found along the
//! queue's chain: a page of the directory for each step, then pages of entries. A reader that goes on where it stopped
//! finds all but the last ones in memory.
//!
//! Before: `plan`; after: `chain`, `sealed`.

use super::chain::{Back, Entrance, Link};
use super::entry::{IndexEntry, Packed};
use super::layout::{DirectoryRun, ENTRIES_PER_PAGE, ENTRY_BYTES};
use super::queues::{QueueSlot, Queues};
use super::sealed::{IndexRead, Miss, Sealed};
use crate::types::{LogPosition, QueueOffset};

/// Entry pages that are loaded with the one that is needed, as far as its run goes: 2720 entries in 64 KiB.
const PAGES_AHEAD: u32 = 15;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// At least one entry was appended; fewer than asked for if the rest must be loaded.
    Entries,
    /// There is no visible entry at that offset.
    Nothing,
    /// Load this, hand it to `loaded`, ask again.
    Need(IndexRead),
    /// The segment of that entry is lost, although it had not expired. What follows is at this offset.
    Gone(QueueOffset),
}

/// Where the search along a chain ended.
pub(super) struct Walked {
    /// The newest sealed run that is not too new.
    pub link: Option<Link>,
    /// The sealed run after it.
    pub newer: Option<Link>,
}

impl Queues {
    /// Appends up to `max` entries from offset `from` on.
    pub fn lookup(&mut self, slot: QueueSlot, from: QueueOffset, max: usize, out: &mut Vec<IndexEntry>) -> Lookup {
        let Some(queue) = self.get(slot) else { return Lookup::Nothing };
        let (min, visible) = (queue.min, queue.visible);
        if from < min || from >= visible {
            return Lookup::Nothing;
        }
        let (begin, mut at) = (out.len(), from);
        while out.len() - begin < max && at < visible {
            let left = (max - (out.len() - begin)).min((visible.0 - at.0) as usize);
            match self.lookup_run(slot, at, left, out) {
                Ok(()) => at = from.advance((out.len() - begin) as u32),
                Err(_) if out.len() > begin => break,
                Err(Miss::Need(read)) => return Lookup::Need(read),
                Err(Miss::Gone) => return self.lookup_gone(slot, at),
            }
        }
        Lookup::Entries
    }

    /// Appends entries of the run that has `at`: at least one, at most `max`.
    fn lookup_run(&mut self, slot: QueueSlot, at: QueueOffset, max: usize, out: &mut Vec<IndexEntry>) -> Result<(), Miss> {
        let queue = self.get(slot).ok_or(Miss::Gone)?;
        let in_memory = self.runs_in_memory(queue);
        for (run, segment) in in_memory.into_iter().zip(self.segments_in_memory()) {
            if let Some(run) = run.filter(|run| run.first <= at && at < run.end()) {
                let entries = run.slice(at, at.advance(max as u32));
                out.extend(entries.iter().map(|entry| entry.entry(segment)));
                return Ok(());
            }
        }
        let link = self.walk(slot, |link| link.first > at)?.link.ok_or(Miss::Gone)?;
        let born = self.get(slot).and_then(|queue| queue.born.get()).ok_or(Miss::Gone)?;
        let run = self.sealed.run(link.segment, born)?.ok_or(Miss::Gone)?;
        if at < run.first || at >= run.end() {
            return Err(Miss::Gone);
        }
        self.sealed.entries(link.segment, &run, at, max, |entry| out.push(entry.entry(link.segment)))
    }

    /// A segment was deleted by someone else. If all before it are gone too, the queue just begins later.
    fn lookup_gone(&mut self, slot: QueueSlot, at: QueueOffset) -> Lookup {
        let queue = self.get(slot).expect("the lookup found it");
        let in_memory = self.runs_in_memory(queue).into_iter().flatten().map(|run| run.first).next();
        let newest = in_memory.unwrap_or(queue.visible);
        let oldest = self.sealed.oldest();
        let found = self.walk(slot, |link| oldest.is_some_and(|oldest| link.segment >= oldest));
        let next = match found {
            Err(Miss::Need(read)) => return Lookup::Need(read),
            Err(Miss::Gone) => return Lookup::Gone(newest),
            Ok(walked) => walked.newer.map_or(newest, |link| link.first),
        };
        if next <= at {
            return Lookup::Gone(newest);
        }
        let queue = self.queues[slot.index as usize].as_mut().expect("just seen");
        queue.min = queue.min.max(next).min(queue.visible);
        Lookup::Nothing
    }

    /// First positions of the segments that `runs_in_memory` speaks of.
    pub(super) fn segments_in_memory(&self) -> [LogPosition; 2] {
        [self.sealing().unwrap_or_default(), self.active.first]
    }

    /// Finds the newest sealed run that is not `too_new`, which must be true for all runs newer than some run, and
    /// false for the others.
    pub(super) fn walk(&mut self, slot: QueueSlot, too_new: impl Fn(&Link) -> bool) -> Result<Walked, Miss> {
        let queue = self.get(slot).ok_or(Miss::Gone)?;
        let (min, born) = (queue.min, queue.born.get());
        let mut at = match queue.chain.enter(&too_new) {
            Entrance::Empty => return Ok(Walked { link: None, newer: None }),
            Entrance::Found { link, newer } => return Ok(Walked { link: Some(link), newer }),
            Entrance::AllTooNew(first) => return Ok(Walked { link: None, newer: Some(first) }),
            Entrance::Before(link) => link,
        };
        let born = born.expect("a queue with runs was born");
        loop {
            // What is older has expired.
            if at.first <= min {
                return Ok(Walked { link: None, newer: Some(at) });
            }
            let links = self.sealed.run(at.segment, born)?.ok_or(Miss::Gone)?.links;
            let previous = match links.previous {
                Back::Start => None,
                Back::At(link) => Some(link),
                Back::Unknown => self.sealed.older_run(at.segment, born)?,
            };
            let Some(previous) = previous else { return Ok(Walked { link: None, newer: Some(at) }) };
            if !too_new(&previous) {
                return Ok(Walked { link: Some(previous), newer: Some(at) });
            }
            at = match links.jump {
                Back::At(jump) if too_new(&jump) => jump,
                Back::At(_) | Back::Start | Back::Unknown => previous,
            };
        }
    }
}

impl Sealed {
    /// Hands out entries of a run from `at` on, at most `max`; at least one if it is not an error.
    fn entries(
        &mut self,
        segment: LogPosition,
        run: &DirectoryRun,
        at: QueueOffset,
        max: usize,
        mut each: impl FnMut(Packed),
    ) -> Result<(), Miss> {
        let skipped = (at.0 - run.first.0) as u32;
        let end = run.start + run.count.min(skipped.saturating_add(max as u32));
        let mut number = run.start + skipped;
        let mut found = false;
        while number < end {
            let in_page = number % ENTRIES_PER_PAGE;
            let taken = (ENTRIES_PER_PAGE - in_page).min(end - number);
            let payload = match self.entries_page(segment, run, number) {
                Ok(payload) => payload,
                Err(_) if found => return Ok(()),
                Err(miss) => return Err(miss),
            };
            let bytes = &payload[in_page as usize * ENTRY_BYTES..][..taken as usize * ENTRY_BYTES];
            bytes.chunks_exact(ENTRY_BYTES).for_each(|entry| each(Packed::decode(entry)));
            number += taken;
            found = true;
        }
        Ok(())
    }

    /// The page with entry `number` of the file, which is one of `run`.
    fn entries_page(&mut self, segment: LogPosition, run: &DirectoryRun, number: u32) -> Result<&[u8], Miss> {
        let area = self.header(segment)?.entries_area();
        let page = number / ENTRIES_PER_PAGE;
        let last = (run.start + run.count - 1) / ENTRIES_PER_PAGE;
        if last >= area.pages {
            return Err(Miss::Gone);
        }
        self.page(segment, area.page + page, (last - page).min(PAGES_AHEAD))
    }

    /// Entry `number` of the file, which is one of `run`.
    pub(super) fn entry(&mut self, segment: LogPosition, run: &DirectoryRun, number: u32) -> Result<Packed, Miss> {
        let payload = self.entries_page(segment, run, number)?;
        Ok(Packed::decode(&payload[(number % ENTRIES_PER_PAGE) as usize * ENTRY_BYTES..]))
    }
}
