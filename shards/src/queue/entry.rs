//! One message's place in its queue's index, and what else the indexes keep of it.

use super::layout::mix;
use crate::record::{Record, SYS_FLAG_PREPARED, SYS_FLAG_ROLLBACK};
use crate::types::{LogPosition, Millis};

/// What the index knows of one message. RocketMQ's 20 bytes, and the store time, so that a search by time reads no
/// record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    pub position: LogPosition,
    /// Of the whole record.
    pub size: u32,
    pub tags_code: i64,
    /// Never less than that of the entry before.
    pub store_time: Millis,
}

impl IndexEntry {
    /// The entry of a record that begins at `position`.
    pub fn of(position: LogPosition, record: &Record<'_>) -> IndexEntry {
        IndexEntry {
            position,
            size: record.bytes().len() as u32,
            tags_code: record.tags_code(),
            store_time: record.store_timestamp(),
        }
    }
}

/// Whether a record is in its queue: prepared and rolled back ones are not.
pub fn is_queued(record: &Record<'_>) -> bool {
    !matches!(record.transaction(), SYS_FLAG_PREPARED | SYS_FLAG_ROLLBACK)
}

/// What a message is found by. Written into index files: it never changes under one index version.
pub fn key_hash(topic: &str, key: &[u8]) -> u64 {
    let bytes = topic.as_bytes().iter().chain(b"#").chain(key);
    mix(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)))
}

/// An entry as it is kept, in memory and on disk: the position counts from the segment's first byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Packed {
    pub at: u32,
    pub size: u32,
    pub tags_code: i64,
    pub store_time: i64,
}

impl Packed {
    pub fn of(entry: &IndexEntry, segment: LogPosition) -> Packed {
        let at = entry.position.since(segment);
        let at = u32::try_from(at).expect("a segment is shorter than 4 GiB");
        Packed { at, size: entry.size, tags_code: entry.tags_code, store_time: entry.store_time.0 }
    }

    pub fn entry(&self, segment: LogPosition) -> IndexEntry {
        IndexEntry {
            position: segment.advance(u64::from(self.at)),
            size: self.size,
            tags_code: self.tags_code,
            store_time: Millis(self.store_time),
        }
    }
}

/// One key of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KeyEntry {
    pub hash: u64,
    /// The record's first byte, counted from the segment's.
    pub at: u32,
    /// Since the segment's first store time; u32::MAX for all that is later.
    pub seconds: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Index files on disk have these numbers.
    #[test]
    fn the_key_hash_is_pinned() {
        assert_eq!(key_hash("T", b"k"), 0x79f068b1dc3ae7d9);
        assert_eq!(key_hash("", b""), 0xeefddbb43b4cb18e);
    }
}
