//! Parts of the commit log that were read from the disk lately: what consumers share that are behind the tail cache.
//!
//! The messages of all queues lie mixed in the log. A consumer of eight queues that is behind has eight readers at about
//! the same place, and each extent holds messages for all of them: the first reader pays the disk, the others are served
//! from here. They stay together because whoever is ahead waits: for the disk, and, when all that is held is what others
//! will come to soon, for them; but not long, and not again soon for those who did not come.
//! A reader that is further behind than all of the cache pays for itself.
//!
//! Always true:
//! - What is held and what is being read is together within the budget; at most `READS_MAX` extents are being read.
//! - An extent is being read at most once at a time: who wants it meanwhile waits for that read.
//! - An extent lies in one segment and below the position up to which the log never changes again. Positions are never
//!   used twice, so what is held of a deleted segment is never taken for another's.
//!
//! Decides only; before: `runtime::cold`, which reads.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use super::queues::QueueSlot;
use super::streams::Streams;
use crate::runtime::Buffer;
use crate::types::LogPosition;

/// Long enough that the disk gives nearly its full rate, short enough that a write behind it does not wait long.
const EXTENT_BYTES_MAX: usize = 512 << 10;
const EXTENT_BYTES_MIN: usize = 64 << 10;
/// A small budget is still this many extents.
const EXTENTS_MIN: usize = 8;
/// Under way at once: the disk has the next when it has finished one, and the log's writes find no long line.
const READS_MAX: usize = 2;
const _: () = assert!(READS_MAX < EXTENTS_MIN);
/// How many extents are asked for before a sequential reader comes to them.
const AHEAD: usize = 2;
/// Extents that wait for their read; who comes then reads alone what it needs.
const WANTED_MAX: usize = 64;
/// How long a reader that is ahead waits for those behind.
const PATIENCE: Duration = Duration::from_millis(20);
/// Misses that are remembered, to see that a reader comes again.
const MISSED_MAX: usize = 128;

/// A part of one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    pub first: LogPosition,
    pub bytes: usize,
}

impl Extent {
    pub fn end(self) -> LogPosition {
        self.first.advance(self.bytes as u64)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Read(Extent),
    /// Somebody waits for readers that are behind: ask again in a moment.
    Blocked,
    Nothing,
}

#[derive(Debug)]
pub enum Look {
    Here(Rc<Buffer>),
    /// It is being read or will be: `park`, and look for `next_read`.
    Wait,
    /// Nobody else is expected here: read what you need and no more.
    Alone,
}

/// Lives on its shard's core. `W`: whoever waits for an extent.
pub struct ExtentCache<W> {
    segment_bytes: u64,
    extent_bytes: usize,
    bytes_max: usize,
    /// Of what is held and of what is being read.
    bytes: usize,
    extents: BTreeMap<LogPosition, Entry<W>>,
    wanted: VecDeque<Extent>,
    reading: usize,
    missed: VecDeque<LogPosition>,
    uses: u64,
    streams: Streams,
}

struct Entry<W> {
    extent: Extent,
    state: State<W>,
    /// Somebody came for it; an extent that was read ahead waits for that.
    touched: bool,
    used: u64,
}

enum State<W> {
    /// Since when.
    Wanted(Vec<W>, Duration),
    Reading(Vec<W>),
    Here(Rc<Buffer>),
}

impl<W> ExtentCache<W> {
    /// `unit`: what reads are aligned to.
    pub fn new(bytes_max: usize, segment_bytes: u64, unit: u32) -> ExtentCache<W> {
        let part = (bytes_max / EXTENTS_MIN).clamp(EXTENT_BYTES_MIN, EXTENT_BYTES_MAX);
        let extent_bytes = (1 << part.ilog2()).max(unit as usize);
        let bytes_max = bytes_max.max(EXTENTS_MIN * extent_bytes);
        ExtentCache {
            segment_bytes,
            extent_bytes,
            bytes_max,
            bytes: 0,
            extents: BTreeMap::new(),
            wanted: VecDeque::new(),
            reading: 0,
            missed: VecDeque::new(),
            uses: 0,
            streams: Streams::new(bytes_max),
        }
    }

    /// A queue is read at this position.
    pub fn seen(&mut self, queue: QueueSlot, at: LogPosition, now: Duration) {
        self.streams.set_now(now);
        self.streams.seen(queue, at);
    }

    pub fn extent_of(&self, position: LogPosition) -> Extent {
        let segment = position.0 / self.segment_bytes * self.segment_bytes;
        let first = segment + (position.0 - segment) / self.extent_bytes as u64 * self.extent_bytes as u64;
        let bytes = (self.extent_bytes as u64).min(segment + self.segment_bytes - first);
        Extent { first: LogPosition(first), bytes: bytes as usize }
    }

    /// What somebody gets who wants bytes of this extent; nothing below `settled` changes any more.
    pub fn look(&mut self, extent: Extent, settled: LogPosition) -> Look {
        if extent.end() > settled {
            return Look::Alone;
        }
        let is_known = self.extents.contains_key(&extent.first);
        if !is_known && (!self.is_expected(extent) || !self.want(extent)) {
            self.miss(extent);
            return Look::Alone;
        }
        self.uses += 1;
        let entry = self.extents.get_mut(&extent.first).expect("there, or wanted just now");
        entry.used = self.uses;
        let first_touch = !std::mem::replace(&mut entry.touched, true);
        let look = match &entry.state {
            State::Here(buffer) => Look::Here(buffer.clone()),
            State::Wanted(..) | State::Reading(_) => Look::Wait,
        };
        if first_touch {
            self.want_ahead(extent, settled);
        }
        look
    }

    /// Waits for an extent that `look` has said to wait for.
    pub fn park(&mut self, extent: Extent, waiter: W) {
        match self.extents.get_mut(&extent.first).map(|entry| &mut entry.state) {
            Some(State::Wanted(waiters, _) | State::Reading(waiters)) => waiters.push(waiter),
            Some(State::Here(_)) | None => unreachable!("parked right after the look"),
        }
    }

    /// What to read now. Those that somebody waits for come first; one for which there is no room is passed over.
    pub fn next_read(&mut self, now: Duration) -> Next {
        self.streams.set_now(now);
        let mut blocked = false;
        for demanded in [true, false] {
            let mut place = 0;
            while let Some(extent) = self.wanted.get(place).copied().filter(|_| self.reading < READS_MAX) {
                if self.has_waiters(extent) != demanded {
                    place += 1;
                } else if self.make_room(extent, demanded) {
                    self.wanted.remove(place);
                    self.begin(extent);
                    return Next::Read(extent);
                } else if demanded {
                    blocked = true;
                    place += 1;
                } else {
                    self.wanted.remove(place);
                    self.extents.remove(&extent.first);
                }
            }
        }
        if blocked { Next::Blocked } else { Next::Nothing }
    }

    fn begin(&mut self, extent: Extent) {
        let entry = self.extents.get_mut(&extent.first).expect("what is wanted has an entry");
        let State::Wanted(waiters, _) = &mut entry.state else { unreachable!("it is read once") };
        entry.state = State::Reading(std::mem::take(waiters));
        self.bytes += extent.bytes;
        self.reading += 1;
    }

    /// A read has ended, without a buffer when it failed. Returns who waits for it.
    pub fn finish(&mut self, extent: Extent, buffer: Option<Rc<Buffer>>) -> Vec<W> {
        let entry = self.extents.get_mut(&extent.first).expect("an extent that is being read has an entry");
        let State::Reading(waiters) = &mut entry.state else { unreachable!("it is being read") };
        let waiters = std::mem::take(waiters);
        self.reading -= 1;
        match buffer {
            Some(buffer) => {
                assert!(buffer.len() >= extent.bytes, "an extent is read as a whole");
                entry.state = State::Here(buffer);
            }
            None => {
                self.extents.remove(&extent.first);
                self.bytes -= extent.bytes;
            }
        }
        waiters
    }

    /// Gives up what is held between two positions: it is damaged, or its segment is gone.
    pub fn forget(&mut self, from: LogPosition, to: LogPosition) {
        let is_held = |entry: &Entry<W>| matches!(entry.state, State::Here(_));
        let held: Vec<Extent> = self.extents.range(from..to).filter(|(_, e)| is_held(e)).map(|(_, e)| e.extent).collect();
        for extent in held {
            self.extents.remove(&extent.first);
            self.bytes -= extent.bytes;
        }
    }

    /// Of what is held and of what is being read.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// A lone reader, as one who looks at a single message, needs a page and not an extent; one who comes for the second
    /// time, or from the extent before, or is joined by another, will want the rest.
    fn is_expected(&self, extent: Extent) -> bool {
        let before = extent.first.0.checked_sub(1).map(|last| self.extent_of(LogPosition(last)).first);
        let was_near = |first: &LogPosition| *first == extent.first || Some(*first) == before;
        before.is_some_and(|first| self.extents.get(&first).is_some_and(|entry| entry.touched))
            || self.missed.iter().any(was_near)
    }

    fn miss(&mut self, extent: Extent) {
        if self.missed.len() == MISSED_MAX {
            self.missed.pop_front();
        }
        self.missed.push_back(extent.first);
    }

    fn want(&mut self, extent: Extent) -> bool {
        if self.wanted.len() >= WANTED_MAX {
            return false;
        }
        self.wanted.push_back(extent);
        self.uses += 1;
        let entry = Entry { extent, state: State::Wanted(Vec::new(), self.streams.now()), touched: false, used: self.uses };
        let before = self.extents.insert(extent.first, entry);
        assert!(before.is_none(), "an extent is wanted once");
        true
    }

    fn want_ahead(&mut self, extent: Extent, settled: LogPosition) {
        let mut next = self.extent_of(extent.end());
        for _ in 0..AHEAD {
            if next.end() > settled || (!self.extents.contains_key(&next.first) && !self.want(next)) {
                return;
            }
            next = self.extent_of(next.end());
        }
    }

    fn has_waiters(&self, extent: Extent) -> bool {
        match self.extents.get(&extent.first).map(|entry| &entry.state) {
            Some(State::Wanted(waiters, _)) => !waiters.is_empty(),
            Some(State::Reading(_) | State::Here(_)) | None => false,
        }
    }

    /// False: all that is held is needed more, at least for now.
    fn make_room(&mut self, extent: Extent, demanded: bool) -> bool {
        while self.bytes + extent.bytes > self.bytes_max {
            let Some(victim) = self.victim(extent, demanded) else { return false };
            self.extents.remove(&victim.first);
            self.bytes -= victim.bytes;
        }
        true
    }

    /// What nobody comes to soon goes first, the one that was not used for the longest time. When somebody will come to all of it,
    /// whoever is behind takes the room of what is furthest ahead, and whoever is ahead of it all waits a moment.
    fn victim(&mut self, extent: Extent, demanded: bool) -> Option<Extent> {
        let held = || self.extents.values().filter(|entry| matches!(entry.state, State::Here(_)));
        let unneeded = held().filter(|entry| !self.streams.needs(entry.extent)).min_by_key(|entry| entry.used);
        // A read-ahead does not drive out another that nobody came for yet: each would push out what the next one needs.
        if let Some(entry) = unneeded.filter(|entry| demanded || entry.touched) {
            return Some(entry.extent);
        }
        if !demanded {
            return None;
        }
        let ahead = held().map(|entry| entry.extent).rfind(|held| self.streams.is_in_reach(extent, *held));
        if ahead.is_some() {
            return ahead;
        }
        let since = match self.extents.get(&extent.first).map(|entry| &entry.state) {
            Some(State::Wanted(_, since)) => *since,
            Some(State::Reading(_) | State::Here(_)) | None => unreachable!("room is made for what is wanted"),
        };
        if self.streams.now().saturating_sub(since) < PATIENCE {
            return None;
        }
        let oldest = held().min_by_key(|entry| entry.used).map(|entry| entry.extent);
        self.streams.leave_behind(extent);
        Some(oldest.expect("what is being read fits the budget without what is held"))
    }
}
