//! Records by key: where messages may be that have a certain key.
//!
//! Only hashes are kept, so what is found must be read and compared. Newest first, across segments, as RocketMQ looks. In a
//! sealed segment the filter is asked first: one page tells nearly always whether the key is there at all.
//!
//! A search goes on in steps: at most one page of a file or `CHUNKS_PER_STEP` chunks in memory, so that a key which every
//! message has costs neither much memory nor a long stop. Where a search is, is a position of the log, which stays right when
//! the segment is sealed meanwhile.
//!
//! Before: `runtime::query`; after: `sealed`.

use super::entry::KeyEntry;
use super::layout::{KEY_BYTES, KEYS_PER_PAGE, filter_bits, filter_page, u64_at};
use super::queues::Queues;
use super::sealed::{IndexRead, Miss, items_in};
use super::segment_index::SegmentIndex;
use crate::types::{LogPosition, Millis};

/// 256 Ki keys, which are compared in about as much time as two reads of a page take.
const CHUNKS_PER_STEP: usize = 64;

/// A search that goes from segment to segment. Kept by whoever asks.
#[derive(Clone, Debug)]
pub struct KeySearch {
    hash: u64,
    from: Millis,
    to: Millis,
    /// Records that begin before it are left.
    before: LogPosition,
    /// In the segment in memory that begins there: chunks from this one on were searched.
    chunks: Option<(LogPosition, usize)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStep {
    /// Load this, hand it to `loaded`, ask again.
    Need(IndexRead),
    /// A part was searched; there may be more.
    More,
    Done,
}

impl KeySearch {
    /// For the hash of a key (`key_hash`) and store times in [from, to], to the second.
    pub fn new(hash: u64, from: Millis, to: Millis) -> KeySearch {
        KeySearch { hash, from, to, before: LogPosition(u64::MAX), chunks: None }
    }

    fn is_wanted(&self, key: &KeyEntry, first_time: Millis) -> bool {
        let second = first_time.plus(i64::from(key.seconds) * 1_000);
        key.hash == self.hash && second <= self.to && (key.seconds == u32::MAX || second.plus(999) >= self.from)
    }
}

impl Queues {
    /// Looks a step further and appends the positions of records that may have the key, newest first. A record whose key
    /// is in it twice may come twice.
    pub fn find_key(&mut self, search: &mut KeySearch, out: &mut Vec<LogPosition>) -> KeyStep {
        let durable = self.durable;
        let sealing = self.sealing.as_ref().map(|sealing| &sealing.index);
        for index in [Some(&self.active), sealing].into_iter().flatten() {
            if index.first < search.before && !index.key_chunks.is_empty() {
                find_in_memory(index, search, durable, out);
                return KeyStep::More;
            }
        }
        let Some(segment) = self.sealed.before(search.before.min(self.active.first)) else { return KeyStep::Done };
        match self.find_in_file(segment, search, out) {
            Ok(before) => {
                search.before = before;
                KeyStep::More
            }
            Err(Miss::Gone) => {
                search.before = segment;
                KeyStep::More
            }
            Err(Miss::Need(read)) => KeyStep::Need(read),
        }
    }

    /// Of the keys that are left in the file, those of the newest page. Returns before which position the search goes on.
    fn find_in_file(
        &mut self,
        segment: LogPosition,
        search: &KeySearch,
        out: &mut Vec<LogPosition>,
    ) -> Result<LogPosition, Miss> {
        let header = self.sealed.header(segment)?;
        if header.keys == 0 || header.last_time < search.from || header.first_time > search.to {
            return Ok(segment);
        }
        let (area, hash) = (header.filter_area(), search.hash);
        let filter = self.sealed.page(segment, area.page + filter_page(hash, area.pages), 0)?;
        if !filter_bits(hash).all(|bit| filter[bit / 8] & (1 << (bit % 8)) != 0) {
            return Ok(segment);
        }
        let area = header.keys_area();
        let limit = search.before.since(segment);
        let is_before = |key: KeyEntry| (key.hash, u64::from(key.at)) < (hash, limit);
        let reaches = |item: &[u8]| is_before(KeyEntry::decode(item));
        let Some(page) = self.sealed.page_of(segment, area, KEY_BYTES, hash, reaches, |item| u64_at(item, 0))? else {
            return Ok(segment);
        };
        let count = items_in(header.keys, KEYS_PER_PAGE, page - area.page);
        let payload = self.sealed.page(segment, page, 0)?;
        let begin = out.len();
        let keys = payload.chunks_exact(KEY_BYTES).take(count).map(KeyEntry::decode);
        let wanted = keys.filter(|key| is_before(*key) && search.is_wanted(key, header.first_time));
        out.extend(wanted.map(|key| segment.advance(u64::from(key.at))));
        out[begin..].reverse();
        let first = KeyEntry::decode(&payload[..KEY_BYTES]);
        let begins_here = first.hash < hash || page == area.page;
        Ok(if begins_here { segment } else { segment.advance(u64::from(first.at)) })
    }
}

/// Keys are sorted only when the segment is sealed, and then within their chunks; the chunks stay in the order of the log.
fn find_in_memory(index: &SegmentIndex, search: &mut KeySearch, durable: LogPosition, out: &mut Vec<LogPosition>) {
    let Some((first_time, _)) = index.times else {
        search.before = index.first;
        return;
    };
    let searched = search.chunks.filter(|(segment, _)| *segment == index.first).map(|(_, chunk)| chunk);
    let end = searched.unwrap_or(index.key_chunks.len()).min(index.key_chunks.len());
    let begin = end.saturating_sub(CHUNKS_PER_STEP);
    let limit = search.before.since(index.first);
    let found = out.len();
    let chunks = &index.key_chunks[begin..end];
    let keys = chunks.iter().flatten().filter(|key| u64::from(key.at) < limit && search.is_wanted(key, first_time));
    let positions = keys.map(|key| index.first.advance(u64::from(key.at)));
    // Blocks hold whole records, so one that begins below the mark ends below it.
    out.extend(positions.filter(|position| *position < durable));
    out[found..].sort_unstable_by(|a, b| b.cmp(a));
    search.chunks = Some((index.first, begin));
    search.before = match chunks.first().and_then(|chunk| chunk.iter().map(|key| key.at).min()) {
        // A record's keys may lie in two chunks, so the first record of this one is looked at again.
        Some(at) if begin > 0 => index.first.advance(u64::from(at) + 1).min(search.before),
        _ => index.first,
    };
}
