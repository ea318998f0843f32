//! Records by key: where messages may be that have a certain key.
//!
//! Only hashes are kept, so what is found must be read and compared. Newest segments first, as RocketMQ looks. In a
//! sealed segment the filter is asked first: one page tells nearly always whether the key is there at all.
//!
//! Before: `broker::query`; after: `sealed`.

use super::entry::KeyEntry;
use super::layout::{KEY_BYTES, KEYS_PER_PAGE, filter_bits, filter_page, u64_at};
use super::queues::Queues;
use super::sealed::{IndexRead, Miss, items_in};
use super::segment_index::SegmentIndex;
use crate::types::{LogPosition, Millis};

/// A search that goes from segment to segment. Kept by whoever asks.
#[derive(Clone, Debug)]
pub struct KeySearch {
    hash: u64,
    from: Millis,
    to: Millis,
    /// Segments that begin before that are left; `None`: all.
    below: Option<LogPosition>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStep {
    /// Load this, hand it to `loaded`, ask again.
    Need(IndexRead),
    /// One segment was searched; there may be more.
    More,
    Done,
}

impl KeySearch {
    /// For the hash of a key (`key_hash`) and store times in [from, to], to the second.
    pub fn new(hash: u64, from: Millis, to: Millis) -> KeySearch {
        KeySearch { hash, from, to, below: None }
    }

    fn is_wanted(&self, key: &KeyEntry, first_time: Millis) -> bool {
        let second = first_time.plus(i64::from(key.seconds) * 1_000);
        key.hash == self.hash && second <= self.to && (key.seconds == u32::MAX || second.plus(999) >= self.from)
    }

    fn is_left(&self, segment: LogPosition) -> bool {
        self.below.is_none_or(|below| segment < below)
    }
}

impl Queues {
    /// Looks into the next segment and appends the positions of records that may have the key, newest first.
    pub fn find_key(&mut self, search: &mut KeySearch, out: &mut Vec<LogPosition>) -> KeyStep {
        let durable = self.durable;
        let sealing = self.sealing.as_ref().map(|sealing| &sealing.index);
        for index in [Some(&self.active), sealing].into_iter().flatten() {
            if search.is_left(index.first) && !index.key_chunks.is_empty() {
                find_in_memory(index, search, durable, out);
                search.below = Some(index.first);
                return KeyStep::More;
            }
        }
        let below = search.below.unwrap_or(self.active.first);
        let Some(segment) = self.sealed.before(below) else { return KeyStep::Done };
        match self.find_in_file(segment, search, out) {
            Ok(()) | Err(Miss::Gone) => {
                search.below = Some(segment);
                KeyStep::More
            }
            Err(Miss::Need(read)) => KeyStep::Need(read),
        }
    }

    fn find_in_file(&mut self, segment: LogPosition, search: &KeySearch, out: &mut Vec<LogPosition>) -> Result<(), Miss> {
        let header = self.sealed.header(segment)?;
        if header.keys == 0 || header.last_time < search.from || header.first_time > search.to {
            return Ok(());
        }
        let (area, hash) = (header.filter_area(), search.hash);
        let filter = self.sealed.page(segment, area.page + filter_page(hash, area.pages), 0)?;
        if !filter_bits(hash).all(|bit| filter[bit / 8] & (1 << (bit % 8)) != 0) {
            return Ok(());
        }
        let area = header.keys_area();
        let key = |bytes: &[u8]| u64_at(bytes, 0);
        let found = self.sealed.page_of(segment, area, KEY_BYTES, hash, |first| first < hash, key)?;
        let begin = out.len();
        for page in found.unwrap_or(area.page)..area.end() {
            let count = items_in(header.keys, KEYS_PER_PAGE, page - area.page);
            let payload = match self.sealed.page(segment, page, 0) {
                Ok(payload) => payload,
                Err(miss) => {
                    out.truncate(begin);
                    return Err(miss);
                }
            };
            let keys = payload.chunks_exact(KEY_BYTES).take(count).map(KeyEntry::decode);
            let mut past = false;
            for key in keys.inspect(|key| past |= key.hash > hash).filter(|key| search.is_wanted(key, header.first_time)) {
                out.push(segment.advance(u64::from(key.at)));
            }
            if past {
                break;
            }
        }
        out[begin..].reverse();
        Ok(())
    }
}

/// Linear: keys are sorted only when the segment is sealed, and its index has a byte budget.
fn find_in_memory(index: &SegmentIndex, search: &KeySearch, durable: LogPosition, out: &mut Vec<LogPosition>) {
    let Some((first_time, _)) = index.times else { return };
    let begin = out.len();
    let keys = index.key_chunks.iter().flatten().filter(|key| search.is_wanted(key, first_time));
    let positions = keys.map(|key| index.first.advance(u64::from(key.at)));
    // Blocks hold whole records, so one that begins below the mark ends below it.
    out.extend(positions.filter(|position| *position < durable));
    out[begin..].sort_unstable_by(|a, b| b.cmp(a));
}
