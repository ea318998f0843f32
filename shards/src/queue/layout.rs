//! The bytes of an index file: pages of 4096 bytes, each with its own checksum.
//!
//! So any part can be read and trusted by itself. A page names its place and its segment: a page of another file, or
//! one that was written to the wrong place, is not taken for it. Integers are big-endian.
//!
//! | at | bytes | of every page |
//! |---|---|---|
//! | 0 | 4 | CRC-32 of the rest of the page |
//! | 4 | 4 | number of the page in its file |
//! | 8 | 8 | first position of the segment |
//! | 16 | 4080 | payload, zero-padded |
//!
//! | at | bytes | of page 0's payload |
//! |---|---|---|
//! | 0 | 8 | magic "RINGMQIX" |
//! | 8 | 2 | version, 1 |
//! | 10 | 2 | zero |
//! | 12 | 4 | pages in the file |
//! | 16 | 8 | end of the last record that is indexed |
//! | 24 | 8, 8 | first and last store time; 0, 0 without entries |
//! | 40 | 4, 4, 4, 4 | number of entries, keys, runs; bytes of names |
//! | 56 | 4 × 5 | first page of entries, keys, filter, directory, names |
//!
//! | area | what is in a page's payload |
//! |---|---|
//! | entries | 170 × 24 bytes: u32 at, u32 size, i64 tags code, i64 store time; runs back to back, in their order |
//! | keys | 255 × 16 bytes: u64 hash, u32 at, u32 seconds after the first store time; sorted |
//! | filter | 32640 bits: a Bloom filter of the keys whose hashes fall to this page |
//! | directory | 36 × 112 bytes: one run each, sorted by `mix(born)` |
//! | names | u16 length and text of each topic; these may cross from page to page |
//!
//! | at | bytes | of a run in the directory |
//! |---|---|---|
//! | 0 | 8 | born: position of the queue's record 0; it names the queue, for no other queue has it |
//! | 8 | 8 | incarnation of the topic |
//! | 16 | 4 | queue id |
//! | 20 | 4 | byte of the names area where the topic's name begins |
//! | 24 | 8 | queue offset of the first entry |
//! | 32 | 4, 4 | number of entries; which entry of the file is the first |
//! | 40 | 8, 8 | first and last store time |
//! | 56 | 24 | previous run: segment, first offset, first store time; segment -1: none, -2: not known |
//! | 80 | 24 | jump, likewise |
//! | 104 | 8 | zero |

use std::fmt;

use super::chain::{Back, Link, Links};
use super::entry::{KeyEntry, Packed};
use crate::types::{LogPosition, Millis, QueueOffset};

pub const PAGE_BYTES: usize = 4096;
pub const INDEX_VERSION: u16 = 1;

const MAGIC: [u8; 8] = *b"RINGMQIX";
pub(super) const PAGE_HEAD: usize = 16;
pub(super) const PAYLOAD: usize = PAGE_BYTES - PAGE_HEAD;

pub(super) const ENTRY_BYTES: usize = 24;
pub(super) const ENTRIES_PER_PAGE: u32 = (PAYLOAD / ENTRY_BYTES) as u32;
pub(super) const KEY_BYTES: usize = 16;
pub(super) const KEYS_PER_PAGE: u32 = (PAYLOAD / KEY_BYTES) as u32;
pub(super) const RUN_BYTES: usize = 112;
pub(super) const RUNS_PER_PAGE: u32 = (PAYLOAD / RUN_BYTES) as u32;
pub(super) const FILTER_BITS_PER_PAGE: u64 = (PAYLOAD * 8) as u64;

/// About one key in a hundred that is not there looks as if it were.
const FILTER_BITS_PER_KEY: u64 = 10;
const FILTER_PROBES: u64 = 7;

const LINK_START: u64 = u64::MAX;
const LINK_UNKNOWN: u64 = u64::MAX - 1;

const _: () = assert!(ENTRIES_PER_PAGE == 170);
const _: () = assert!(KEYS_PER_PAGE == 255);
const _: () = assert!(RUNS_PER_PAGE == 36);

/// Why a page of an index file cannot be used. The file is rebuilt from its segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadIndex {
    /// The file ends before this page.
    Short {
        page: u32,
    },
    Crc {
        page: u32,
    },
    /// A good page, but of another place or another file.
    Misplaced {
        page: u32,
    },
    Magic,
    Version(u16),
    /// The header's numbers contradict each other.
    Header,
}

impl fmt::Display for BadIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadIndex::Short { page } => write!(f, "the index file ends before page {page}"),
            BadIndex::Crc { page } => write!(f, "page {page} of the index file does not match its CRC"),
            BadIndex::Misplaced { page } => write!(f, "page {page} of the index file belongs elsewhere"),
            BadIndex::Magic => f.write_str("this is no index file"),
            BadIndex::Version(version) => {
                write!(f, "the index file has format version {version}; this program knows version {INDEX_VERSION}")
            }
            BadIndex::Header => f.write_str("the index file's header contradicts itself"),
        }
    }
}

impl std::error::Error for BadIndex {}

/// Spreads numbers over all of u64, one to one: what is sorted by it is found by interpolation.
pub(super) fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// Fills in the head of a page whose payload is in its place.
pub(super) fn seal_page(page: &mut [u8], number: u32, segment: LogPosition) {
    assert_eq!(page.len(), PAGE_BYTES);
    page[4..8].copy_from_slice(&number.to_be_bytes());
    page[8..16].copy_from_slice(&segment.0.to_be_bytes());
    let crc = crc32fast::hash(&page[4..]);
    page[..4].copy_from_slice(&crc.to_be_bytes());
}

/// Checks a whole index file: its head and every page.
pub fn verify_index(bytes: &[u8], segment: LogPosition) -> Result<IndexHeader, BadIndex> {
    let head = bytes.get(..PAGE_BYTES).ok_or(BadIndex::Short { page: 0 })?;
    let header = IndexHeader::decode(check_page(head, 0, segment)?)?;
    for number in 1..header.pages() {
        let start = number as usize * PAGE_BYTES;
        let page = bytes.get(start..start + PAGE_BYTES).ok_or(BadIndex::Short { page: number })?;
        check_page(page, number, segment)?;
    }
    Ok(header)
}

/// Whether a page is the one that was meant; returns its payload.
pub(super) fn check_page(page: &[u8], number: u32, segment: LogPosition) -> Result<&[u8], BadIndex> {
    if page.len() < PAGE_BYTES {
        return Err(BadIndex::Short { page: number });
    }
    let page = &page[..PAGE_BYTES];
    if u32_at(page, 0) != crc32fast::hash(&page[4..]) {
        return Err(BadIndex::Crc { page: number });
    }
    if u32_at(page, 4) != number || u64_at(page, 8) != segment.0 {
        return Err(BadIndex::Misplaced { page: number });
    }
    Ok(&page[PAGE_HEAD..])
}

/// A stretch of pages with items of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Area {
    pub page: u32,
    pub pages: u32,
}

/// What page 0 says about the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexHeader {
    /// The end of the last record that is indexed.
    pub end: LogPosition,
    pub first_time: Millis,
    pub last_time: Millis,
    pub entries: u32,
    pub keys: u32,
    pub runs: u32,
    pub names_bytes: u32,
}

impl IndexHeader {
    pub(super) fn entries_area(&self) -> Area {
        Area { page: 1, pages: self.entries.div_ceil(ENTRIES_PER_PAGE) }
    }

    pub(super) fn keys_area(&self) -> Area {
        Area { page: self.entries_area().end(), pages: self.keys.div_ceil(KEYS_PER_PAGE) }
    }

    pub(super) fn filter_area(&self) -> Area {
        let bits = u64::from(self.keys) * FILTER_BITS_PER_KEY;
        Area { page: self.keys_area().end(), pages: bits.div_ceil(FILTER_BITS_PER_PAGE) as u32 }
    }

    pub(super) fn directory_area(&self) -> Area {
        Area { page: self.filter_area().end(), pages: self.runs.div_ceil(RUNS_PER_PAGE) }
    }

    pub(super) fn names_area(&self) -> Area {
        Area { page: self.directory_area().end(), pages: self.names_bytes.div_ceil(PAYLOAD as u32) }
    }

    /// Pages of the whole file.
    pub fn pages(&self) -> u32 {
        self.names_area().end()
    }

    fn area_pages(&self) -> [u32; 5] {
        [self.entries_area(), self.keys_area(), self.filter_area(), self.directory_area(), self.names_area()].map(|a| a.page)
    }

    pub(super) fn encode(&self, payload: &mut [u8]) {
        payload[0..8].copy_from_slice(&MAGIC);
        payload[8..10].copy_from_slice(&INDEX_VERSION.to_be_bytes());
        payload[12..16].copy_from_slice(&self.pages().to_be_bytes());
        payload[16..24].copy_from_slice(&self.end.0.to_be_bytes());
        payload[24..32].copy_from_slice(&self.first_time.0.to_be_bytes());
        payload[32..40].copy_from_slice(&self.last_time.0.to_be_bytes());
        let counts = [self.entries, self.keys, self.runs, self.names_bytes];
        for (word, value) in payload[40..76].chunks_exact_mut(4).zip(counts.into_iter().chain(self.area_pages())) {
            word.copy_from_slice(&value.to_be_bytes());
        }
    }

    pub(super) fn decode(payload: &[u8]) -> Result<IndexHeader, BadIndex> {
        if payload[..8] != MAGIC {
            return Err(BadIndex::Magic);
        }
        match u16::from_be_bytes([payload[8], payload[9]]) {
            INDEX_VERSION => {}
            other => return Err(BadIndex::Version(other)),
        }
        let header = IndexHeader {
            end: LogPosition(u64_at(payload, 16)),
            first_time: Millis(i64_at(payload, 24)),
            last_time: Millis(i64_at(payload, 32)),
            entries: u32_at(payload, 40),
            keys: u32_at(payload, 44),
            runs: u32_at(payload, 48),
            names_bytes: u32_at(payload, 52),
        };
        // Entries and keys are at least 91 bytes of a segment below 4 GiB; more would overflow the page numbers.
        let sane = [header.entries, header.keys, header.runs, header.names_bytes].into_iter().all(|n| n < 1 << 30);
        if !sane || u32_at(payload, 12) != header.pages() {
            return Err(BadIndex::Header);
        }
        let areas = (0..5).map(|n| u32_at(payload, 56 + 4 * n));
        if areas.ne(header.area_pages()) { Err(BadIndex::Header) } else { Ok(header) }
    }
}

impl Area {
    pub fn end(&self) -> u32 {
        self.page + self.pages
    }
}

/// One run in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DirectoryRun {
    pub born: LogPosition,
    pub incarnation: u64,
    pub queue_id: u32,
    pub name_at: u32,
    pub first: QueueOffset,
    pub count: u32,
    /// Which entry of the file is the run's first.
    pub start: u32,
    pub first_time: Millis,
    pub last_time: Millis,
    pub links: Links,
}

impl DirectoryRun {
    pub fn end(&self) -> QueueOffset {
        self.first.advance(self.count)
    }

    pub fn encode(&self, out: &mut [u8]) {
        out[0..8].copy_from_slice(&self.born.0.to_be_bytes());
        out[8..16].copy_from_slice(&self.incarnation.to_be_bytes());
        out[16..20].copy_from_slice(&self.queue_id.to_be_bytes());
        out[20..24].copy_from_slice(&self.name_at.to_be_bytes());
        out[24..32].copy_from_slice(&self.first.0.to_be_bytes());
        out[32..36].copy_from_slice(&self.count.to_be_bytes());
        out[36..40].copy_from_slice(&self.start.to_be_bytes());
        out[40..48].copy_from_slice(&self.first_time.0.to_be_bytes());
        out[48..56].copy_from_slice(&self.last_time.0.to_be_bytes());
        encode_back(self.links.previous, &mut out[56..80]);
        encode_back(self.links.jump, &mut out[80..104]);
    }

    pub fn decode(bytes: &[u8]) -> DirectoryRun {
        DirectoryRun {
            born: LogPosition(u64_at(bytes, 0)),
            incarnation: u64_at(bytes, 8),
            queue_id: u32_at(bytes, 16),
            name_at: u32_at(bytes, 20),
            first: QueueOffset(i64_at(bytes, 24)),
            count: u32_at(bytes, 32),
            start: u32_at(bytes, 36),
            first_time: Millis(i64_at(bytes, 40)),
            last_time: Millis(i64_at(bytes, 48)),
            links: Links { previous: decode_back(&bytes[56..80]), jump: decode_back(&bytes[80..104]) },
        }
    }

    /// What the directory is sorted by.
    pub fn key(bytes: &[u8]) -> u64 {
        mix(u64_at(bytes, 0))
    }
}

fn encode_back(back: Back, out: &mut [u8]) {
    let none = |segment| Link { segment: LogPosition(segment), first: QueueOffset(0), first_time: Millis(0) };
    let link = match back {
        Back::Start => none(LINK_START),
        Back::Unknown => none(LINK_UNKNOWN),
        Back::At(link) => link,
    };
    out[0..8].copy_from_slice(&link.segment.0.to_be_bytes());
    out[8..16].copy_from_slice(&link.first.0.to_be_bytes());
    out[16..24].copy_from_slice(&link.first_time.0.to_be_bytes());
}

fn decode_back(bytes: &[u8]) -> Back {
    match u64_at(bytes, 0) {
        LINK_START => Back::Start,
        LINK_UNKNOWN => Back::Unknown,
        segment => Back::At(Link {
            segment: LogPosition(segment),
            first: QueueOffset(i64_at(bytes, 8)),
            first_time: Millis(i64_at(bytes, 16)),
        }),
    }
}

impl Packed {
    pub fn encode(&self, out: &mut [u8]) {
        out[0..4].copy_from_slice(&self.at.to_be_bytes());
        out[4..8].copy_from_slice(&self.size.to_be_bytes());
        out[8..16].copy_from_slice(&self.tags_code.to_be_bytes());
        out[16..24].copy_from_slice(&self.store_time.to_be_bytes());
    }

    pub fn decode(bytes: &[u8]) -> Packed {
        Packed { at: u32_at(bytes, 0), size: u32_at(bytes, 4), tags_code: i64_at(bytes, 8), store_time: i64_at(bytes, 16) }
    }
}

impl KeyEntry {
    pub fn encode(&self, out: &mut [u8]) {
        out[0..8].copy_from_slice(&self.hash.to_be_bytes());
        out[8..12].copy_from_slice(&self.at.to_be_bytes());
        out[12..16].copy_from_slice(&self.seconds.to_be_bytes());
    }

    pub fn decode(bytes: &[u8]) -> KeyEntry {
        KeyEntry { hash: u64_at(bytes, 0), at: u32_at(bytes, 8), seconds: u32_at(bytes, 12) }
    }
}

/// The page of a filter of `pages` pages that this key's bits are in.
pub(super) fn filter_page(hash: u64, pages: u32) -> u32 {
    scale(mix(hash ^ 0x5851_f42d_4c95_7f2d), pages)
}

/// The bits of a key within its page's payload.
pub(super) fn filter_bits(hash: u64) -> impl Iterator<Item = usize> {
    let (start, step) = (hash >> 32, (hash & 0xffff_ffff) | 1);
    (0..FILTER_PROBES).map(move |n| ((start + n * step) % FILTER_BITS_PER_PAGE) as usize)
}

/// Where a number spread over all of u64 falls among `parts`.
pub(super) fn scale(number: u64, parts: u32) -> u32 {
    ((u128::from(number) * u128::from(parts)) >> 64) as u32
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(*bytes[at..].first_chunk().expect("within the page"))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(*bytes[at..].first_chunk().expect("within the page"))
}

fn i64_at(bytes: &[u8], at: usize) -> i64 {
    u64_at(bytes, at) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_only_itself() {
        let segment = LogPosition(1 << 30);
        let mut page = vec![7; PAGE_BYTES];
        seal_page(&mut page, 3, segment);
        assert_eq!(check_page(&page, 3, segment), Ok(&[7; PAYLOAD][..]));
        assert_eq!(check_page(&page, 4, segment), Err(BadIndex::Misplaced { page: 4 }));
        assert_eq!(check_page(&page, 3, LogPosition(0)), Err(BadIndex::Misplaced { page: 3 }));
        assert_eq!(check_page(&page[1..], 3, segment), Err(BadIndex::Short { page: 3 }));
        page[4000] ^= 1;
        assert_eq!(check_page(&page, 3, segment), Err(BadIndex::Crc { page: 3 }));
    }

    #[test]
    fn a_header_is_read_or_refused() {
        let header = IndexHeader {
            end: LogPosition(77),
            first_time: Millis(5),
            last_time: Millis(9),
            entries: 341,
            keys: 256,
            runs: 37,
            names_bytes: 10,
        };
        let mut payload = vec![0; PAYLOAD];
        header.encode(&mut payload);
        assert_eq!(IndexHeader::decode(&payload), Ok(header));
        assert_eq!(header.pages(), 1 + 3 + 2 + 1 + 2 + 1);
        crate::wire::garble(&payload[..80], |bytes| {
            let mut garbled = payload.clone();
            garbled[..bytes.len().min(PAYLOAD)].copy_from_slice(&bytes[..bytes.len().min(PAYLOAD)]);
            let _ = IndexHeader::decode(&garbled);
        });
        payload[9] = 2;
        assert_eq!(IndexHeader::decode(&payload), Err(BadIndex::Version(2)));
    }

    #[test]
    fn a_run_is_read_as_it_was_written() {
        let link = Link { segment: LogPosition(64), first: QueueOffset(3), first_time: Millis(4) };
        let run = DirectoryRun {
            born: LogPosition(1),
            incarnation: 2,
            queue_id: 3,
            name_at: 4,
            first: QueueOffset(5),
            count: 6,
            start: 7,
            first_time: Millis(8),
            last_time: Millis(9),
            links: Links { previous: Back::At(link), jump: Back::Unknown },
        };
        let mut bytes = [0; RUN_BYTES];
        run.encode(&mut bytes);
        assert_eq!(DirectoryRun::decode(&bytes), run);
        let run = DirectoryRun { links: Links::START, ..run };
        run.encode(&mut bytes);
        assert_eq!(DirectoryRun::decode(&bytes), run);
    }
}
