//! The bytes of one simulated file, and which of them would survive a power cut. Pure.
//!
//! A drive may lose, keep or reorder any sector that was written since the last sync, and may even hold an older unsynced
//! version of it. So every page keeps its durable image and the images after each unsynced write, with the sectors that
//! write changed; a power cut chooses per sector among them.
//!
//! Invariants:
//! - Reads see the newest image. The images of a page are cumulative: each includes the writes before it.
//! - After `sync(s)` the effect of every write numbered up to s survives any cut, unless a sync that covered it failed
//!   before (then it is doomed: a device that has lost its cache once cannot promise those bytes later).
//! - A page that is absent is all zeroes, so zero-filling a new file costs no memory.

use super::random::Random;
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

const PAGE: usize = 4096;
/// The smallest unit a drive writes whole.
pub const SECTOR: usize = 512;
const SECTORS: usize = PAGE / SECTOR;

static ZEROES: [u8; PAGE] = [0; PAGE];

/// A page's bytes; `None` is all zeroes.
type Image = Option<Rc<[u8; PAGE]>>;

#[derive(Default)]
struct Page {
    durable: Image,
    unsynced: Vec<Version>,
}

struct Version {
    sequence: u64,
    /// Bit i: this write changed sector i.
    sectors: u8,
    image: Image,
    doomed: bool,
}

impl Page {
    fn newest(&self) -> &Image {
        self.unsynced.last().map_or(&self.durable, |version| &version.image)
    }
}

#[derive(Default)]
pub struct Pages {
    pages: BTreeMap<u64, Page>,
    /// Those with unsynced versions.
    dirty: BTreeSet<u64>,
}

/// How a power cut treats what was not synced.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// The chance of a sector to hold one of its unsynced versions, in a million.
    pub kept: u32,
    /// Bytes that survive or vanish together: 512 or 4096.
    pub unit: usize,
}

impl Pages {
    pub fn write(&mut self, sequence: u64, mut pos: u64, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let within = (pos % PAGE as u64) as usize;
            let len = bytes.len().min(PAGE - within);
            self.write_page(sequence, pos / PAGE as u64, within, &bytes[..len]);
            pos += len as u64;
            bytes = &bytes[len..];
        }
    }

    fn write_page(&mut self, sequence: u64, number: u64, within: usize, bytes: &[u8]) {
        let zero = bytes == &ZEROES[..bytes.len()];
        if zero && !self.pages.contains_key(&number) {
            return;
        }
        let page = self.pages.entry(number).or_default();
        let image = if bytes.len() == PAGE {
            if zero { None } else { Some(Rc::new(bytes.try_into().expect("a page long"))) }
        } else {
            let mut image = *page.newest().as_deref().unwrap_or(&ZEROES);
            image[within..within + bytes.len()].copy_from_slice(bytes);
            Some(Rc::new(image))
        };
        let (first, last) = (within / SECTOR, (within + bytes.len() - 1) / SECTOR);
        let sectors = (first..=last).fold(0, |bits, sector| bits | 1 << sector);
        page.unsynced.push(Version { sequence, sectors, image, doomed: false });
        self.dirty.insert(number);
    }

    pub fn read(&self, mut pos: u64, mut out: &mut [u8]) {
        while !out.is_empty() {
            let within = (pos % PAGE as u64) as usize;
            let len = out.len().min(PAGE - within);
            let image = self.pages.get(&(pos / PAGE as u64)).and_then(|page| page.newest().as_deref()).unwrap_or(&ZEROES);
            out[..len].copy_from_slice(&image[within..within + len]);
            pos += len as u64;
            out = &mut out[len..];
        }
    }

    /// The first byte from `pos` on that lies in a page which is there.
    pub fn next_data(&self, pos: u64) -> Option<u64> {
        let (number, _) = self.pages.range(pos / PAGE as u64..).next()?;
        Some(pos.max(number * PAGE as u64))
    }

    /// Every write numbered up to `sequence` is durable from here on.
    pub fn sync(&mut self, sequence: u64) {
        self.dirty.retain(|number| {
            let page = self.pages.get_mut(number).expect("dirty pages exist");
            if page.unsynced.iter().any(|version| version.doomed) {
                return page.sync_doomed(sequence);
            }
            let covered = page.unsynced.iter().take_while(|version| version.sequence <= sequence).count();
            if let Some(last) = page.unsynced.drain(..covered).next_back() {
                page.durable = last.image;
            }
            if page.unsynced.is_empty() && page.durable.is_none() {
                self.pages.remove(number);
                return false;
            }
            !page.unsynced.is_empty()
        });
    }

    /// A sync up to `sequence` has failed: no later sync can vouch for those writes.
    pub fn doom(&mut self, sequence: u64) {
        for number in &self.dirty {
            let page = self.pages.get_mut(number).expect("dirty pages exist");
            for version in page.unsynced.iter_mut().take_while(|version| version.sequence <= sequence) {
                version.doomed = true;
            }
        }
    }

    /// The power fails: each unit of each unsynced page becomes one of the versions it has had since it was durable.
    pub fn cut(&mut self, random: &mut Random, cut: Cut) {
        for number in std::mem::take(&mut self.dirty) {
            let page = self.pages.get_mut(&number).expect("dirty pages exist");
            let mut result = *page.durable.as_deref().unwrap_or(&ZEROES);
            for unit in (0..PAGE).step_by(cut.unit) {
                if !random.chance(cut.kept) {
                    continue;
                }
                let sectors = (unit / SECTOR..(unit + cut.unit) / SECTOR).fold(0, |bits, sector| bits | 1u8 << sector);
                let written: Vec<&Version> = page.unsynced.iter().filter(|version| version.sectors & sectors != 0).collect();
                if !written.is_empty() {
                    let image = written[random.index(written.len())].image.as_deref().unwrap_or(&ZEROES);
                    result[unit..unit + cut.unit].copy_from_slice(&image[unit..unit + cut.unit]);
                }
            }
            self.replace(number, &result);
        }
    }

    /// Changes stored bytes behind everyone's back, durably: rot. What else was unsynced in those pages becomes durable.
    pub fn poke(&mut self, mut pos: u64, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let number = pos / PAGE as u64;
            let within = (pos % PAGE as u64) as usize;
            let len = bytes.len().min(PAGE - within);
            let mut image = [0; PAGE];
            self.read(number * PAGE as u64, &mut image);
            image[within..within + len].copy_from_slice(&bytes[..len]);
            self.dirty.remove(&number);
            self.replace(number, &image);
            pos += len as u64;
            bytes = &bytes[len..];
        }
    }

    /// The page is exactly this, durably.
    fn replace(&mut self, number: u64, bytes: &[u8; PAGE]) {
        if bytes == &ZEROES {
            self.pages.remove(&number);
        } else {
            self.pages.insert(number, Page { durable: Some(Rc::new(*bytes)), unsynced: Vec::new() });
        }
    }

    /// Forgets what lies behind `len`.
    pub fn truncate(&mut self, len: u64) {
        let pages = len.div_ceil(PAGE as u64);
        drop(self.pages.split_off(&pages));
        drop(self.dirty.split_off(&pages));
        if self.pages.contains_key(&(len / PAGE as u64)) {
            self.poke(len, &vec![0; (pages * PAGE as u64 - len) as usize]);
        }
    }
}

impl Page {
    /// `sync` for a page with doomed versions: it becomes durable only when everything doomed was written again.
    /// Returns whether the page stays dirty.
    fn sync_doomed(&mut self, sequence: u64) -> bool {
        const ALL: u8 = u8::MAX;
        const { assert!(SECTORS == 8) };
        let covered = self.unsynced.iter().take_while(|version| version.sequence <= sequence).count();
        let doomed = self.unsynced[..covered].iter().rposition(|version| version.doomed);
        let rewritten = self.unsynced[doomed.map_or(0, |last| last + 1)..covered].iter().fold(0, |bits, v| bits | v.sectors);
        if (doomed.is_none() || rewritten == ALL)
            && let Some(last) = self.unsynced.drain(..covered).next_back()
        {
            self.durable = last.image;
        }
        !self.unsynced.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP_ALL: Cut = Cut { kept: 1_000_000, unit: SECTOR };
    const LOSE_ALL: Cut = Cut { kept: 0, unit: SECTOR };
    const HALF: Cut = Cut { kept: 500_000, unit: SECTOR };

    /// The first byte of each sector.
    fn sectors(pages: &Pages) -> [u8; SECTORS] {
        let mut bytes = [0; PAGE];
        pages.read(0, &mut bytes);
        std::array::from_fn(|sector| bytes[sector * SECTOR])
    }

    #[test]
    fn a_sync_protects_what_came_before_it_and_nothing_else() {
        let mut pages = Pages::default();
        pages.write(1, 0, &[1; PAGE]);
        pages.write(2, 0, &[2; SECTOR]);
        pages.sync(1);
        assert_eq!(sectors(&pages), [2, 1, 1, 1, 1, 1, 1, 1]);
        pages.cut(&mut Random::new(0), LOSE_ALL);
        assert_eq!(sectors(&pages), [1; 8]);
    }

    #[test]
    fn a_cut_tears_between_sectors() {
        let mut torn = false;
        for seed in 0..20 {
            let mut pages = Pages::default();
            pages.write(1, 0, &[1; PAGE]);
            pages.sync(1);
            pages.write(2, 0, &[2; PAGE]);
            pages.write(3, 0, &[3; PAGE]);
            pages.cut(&mut Random::new(seed), HALF);
            let found = sectors(&pages);
            assert!(found.iter().all(|byte| (1..=3).contains(byte)), "{found:?}");
            torn |= (1..=3).all(|version| found.contains(&version));
        }
        assert!(torn, "among twenty cuts one has all three versions");
    }

    #[test]
    fn a_cut_that_keeps_all_keeps_some_version_of_what_was_written_and_leaves_the_rest() {
        let mut pages = Pages::default();
        pages.write(1, SECTOR as u64, &[7; SECTOR]);
        pages.cut(&mut Random::new(3), KEEP_ALL);
        assert_eq!(sectors(&pages), [0, 7, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn after_a_failed_sync_a_later_one_vouches_only_for_what_was_written_again() {
        let mut pages = Pages::default();
        pages.write(1, 0, &[1; PAGE]);
        pages.doom(1);
        pages.sync(2);
        pages.cut(&mut Random::new(0), LOSE_ALL);
        assert_eq!(sectors(&pages), [0; 8]);

        pages.write(3, 0, &[3; PAGE]);
        pages.doom(3);
        pages.write(4, 0, &[4; PAGE]);
        pages.sync(4);
        pages.cut(&mut Random::new(0), LOSE_ALL);
        assert_eq!(sectors(&pages), [4; 8]);
    }

    #[test]
    fn zeroes_over_nothing_take_no_memory() {
        let mut pages = Pages::default();
        pages.write(1, 0, &vec![0; 1 << 20]);
        assert!(pages.pages.is_empty());
        pages.write(2, 0, &[1; PAGE]);
        pages.write(3, 0, &[0; PAGE]);
        pages.sync(3);
        assert!(pages.pages.is_empty());
        assert!(pages.dirty.is_empty());
    }

    #[test]
    fn what_was_truncated_reads_as_zeroes() {
        let mut pages = Pages::default();
        pages.write(1, 0, &[1; 3 * PAGE]);
        pages.truncate(PAGE as u64 + 512);
        let mut bytes = vec![9; 3 * PAGE];
        pages.read(0, &mut bytes);
        assert!(bytes[..PAGE + 512].iter().all(|byte| *byte == 1));
        assert!(bytes[PAGE + 512..].iter().all(|byte| *byte == 0));
    }
}
