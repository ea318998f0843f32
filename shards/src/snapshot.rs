//! The snapshot file of a shard: its tables as they were at one position of the log, in one checksummed file.
//!
//! Big endian.
//!
//! | offset | bytes | field | |
//! |---|---|---|---|
//! | 0 | 4 | magic | `RQSN` |
//! | 4 | 4 | format | 2; 1 had the first four kinds of sections |
//! | 8 | 2 | shard | |
//! | 10 | 6 | | zero |
//! | 16 | 8 | position | settings are as they were here; entries from here on are replayed into them |
//! | 24 | 8 | replay from | the first segment without an index file |
//! | 32 | 8 | store time | of the newest record, ms since 1970 |
//! | 40 | 8 | body bytes | |
//! | 48 | 4 | body CRC | |
//! | 52 | 4 | head CRC | over bytes 0 to 51 |
//! | 56 | | sections | u32 kind, u32 bytes, the bytes, again and again |
//!
//! Section kinds: 1 topics, 2 groups, 3 consumer offsets (several), 4 queues (several), 5 timers (several), 6 half messages
//! (several), 7 messages in flight (several), 8 resets, 9 message request modes. Unknown kinds are an error: a newer version would
//! raise the format.

use std::fmt;

use crate::types::{LogPosition, Millis, ShardId};

pub const FILE_NAME: &str = "snapshot";
pub const FORMAT: u32 = 2;
const MAGIC: u32 = u32::from_be_bytes(*b"RQSN");
const HEAD_BYTES: usize = 56;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Topics,
    Groups,
    Offsets,
    Queues,
    Halves,
    Pops,
    RequestModes,
    Timers,
    Resets,
}

impl Section {
    fn number(self) -> u32 {
        match self {
            Section::Topics => 1,
            Section::Groups => 2,
            Section::Offsets => 3,
            Section::Queues => 4,
            Section::Halves => 6,
            Section::Pops => 7,
            Section::RequestModes => 9,
            Section::Timers => 5,
            Section::Resets => 8,
        }
    }

    fn from_number(number: u32) -> Option<Section> {
        use Section::{Groups, Halves, Offsets, Pops, Queues, RequestModes, Resets, Timers, Topics};
        let known = [Topics, Groups, Offsets, Queues, Timers, Halves, Pops, Resets, RequestModes];
        known.into_iter().find(|kind| kind.number() == number)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotHead {
    pub shard: ShardId,
    pub position: LogPosition,
    pub replay_from: LogPosition,
    pub store_time: Millis,
}

/// Why bytes are no snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadSnapshot {
    Short,
    NotASnapshot,
    NewerFormat(u32),
    Crc,
    OtherShard(ShardId),
    Section(u32),
}

impl fmt::Display for BadSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadSnapshot::Short => write!(f, "the file ends early"),
            BadSnapshot::NotASnapshot => write!(f, "this is no snapshot"),
            BadSnapshot::NewerFormat(found) => write!(f, "format {found} is newer than this version reads ({FORMAT})"),
            BadSnapshot::Crc => write!(f, "the checksum is wrong"),
            BadSnapshot::OtherShard(shard) => write!(f, "it belongs to shard {shard}"),
            BadSnapshot::Section(kind) => write!(f, "section {kind} makes no sense"),
        }
    }
}

impl std::error::Error for BadSnapshot {}

/// A snapshot that is being put together.
pub struct SnapshotWriter {
    head: SnapshotHead,
    bytes: Vec<u8>,
}

impl SnapshotWriter {
    pub fn new(head: SnapshotHead) -> SnapshotWriter {
        SnapshotWriter { head, bytes: vec![0; HEAD_BYTES] }
    }

    /// Adds a section, written by `write`.
    pub fn section<T>(&mut self, kind: Section, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        self.bytes.extend_from_slice(&kind.number().to_be_bytes());
        let length_at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        let result = write(&mut self.bytes);
        let length = u32::try_from(self.bytes.len() - length_at - 4).expect("sections are far below 4 GiB");
        self.bytes[length_at..length_at + 4].copy_from_slice(&length.to_be_bytes());
        result
    }

    pub fn finish(mut self) -> Vec<u8> {
        let body = (self.bytes.len() - HEAD_BYTES) as u64;
        let body_crc = crc32fast::hash(&self.bytes[HEAD_BYTES..]);
        let head = &mut self.bytes[..HEAD_BYTES];
        head[0..4].copy_from_slice(&MAGIC.to_be_bytes());
        head[4..8].copy_from_slice(&FORMAT.to_be_bytes());
        head[8..10].copy_from_slice(&self.head.shard.0.to_be_bytes());
        head[16..24].copy_from_slice(&self.head.position.0.to_be_bytes());
        head[24..32].copy_from_slice(&self.head.replay_from.0.to_be_bytes());
        head[32..40].copy_from_slice(&self.head.store_time.0.to_be_bytes());
        head[40..48].copy_from_slice(&body.to_be_bytes());
        head[48..52].copy_from_slice(&body_crc.to_be_bytes());
        let head_crc = crc32fast::hash(&head[..52]);
        head[52..56].copy_from_slice(&head_crc.to_be_bytes());
        self.bytes
    }
}

/// The sections of a snapshot, in their order.
pub type Sections<'a> = Vec<(Section, &'a [u8])>;

/// A snapshot's head and its sections, all checked.
pub fn decode(bytes: &[u8], shard: ShardId) -> Result<(SnapshotHead, Sections<'_>), BadSnapshot> {
    let head = bytes.get(..HEAD_BYTES).ok_or(BadSnapshot::Short)?;
    let u32_at = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().expect("four bytes"));
    let u64_at = |at: usize| u64::from_be_bytes(head[at..at + 8].try_into().expect("eight bytes"));
    if u32_at(0) != MAGIC {
        return Err(BadSnapshot::NotASnapshot);
    }
    if u32_at(4) > FORMAT {
        return Err(BadSnapshot::NewerFormat(u32_at(4)));
    }
    if crc32fast::hash(&head[..52]) != u32_at(52) {
        return Err(BadSnapshot::Crc);
    }
    let found = SnapshotHead {
        shard: ShardId(u16::from_be_bytes([head[8], head[9]])),
        position: LogPosition(u64_at(16)),
        replay_from: LogPosition(u64_at(24)),
        store_time: Millis(u64_at(32) as i64),
    };
    if found.shard != shard {
        return Err(BadSnapshot::OtherShard(found.shard));
    }
    let body_bytes = usize::try_from(u64_at(40)).map_err(|_| BadSnapshot::Short)?;
    let body = bytes[HEAD_BYTES..].get(..body_bytes).ok_or(BadSnapshot::Short)?;
    if crc32fast::hash(body) != u32_at(48) {
        return Err(BadSnapshot::Crc);
    }
    let mut sections = Vec::new();
    let mut rest = body;
    while let Some((kind, after)) = rest.split_first_chunk::<4>() {
        let number = u32::from_be_bytes(*kind);
        let kind = Section::from_number(number).ok_or(BadSnapshot::Section(number))?;
        let (length, after) = after.split_first_chunk::<4>().ok_or(BadSnapshot::Short)?;
        let length = u32::from_be_bytes(*length) as usize;
        sections.push((kind, after.get(..length).ok_or(BadSnapshot::Short)?));
        rest = &after[length..];
    }
    Ok((found, sections))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> Vec<u8> {
        let head = SnapshotHead {
            shard: ShardId(2),
            position: LogPosition(8192),
            replay_from: LogPosition(4096),
            store_time: Millis(5),
        };
        let mut writer = SnapshotWriter::new(head);
        writer.section(Section::Topics, |out| out.extend_from_slice(b"topics"));
        writer.section(Section::Queues, |out| out.extend_from_slice(b"queues"));
        writer.finish()
    }

    #[test]
    fn reads_back_also_when_padded() {
        let mut bytes = snapshot();
        bytes.resize(4096, 0);
        let (head, sections) = decode(&bytes, ShardId(2)).expect("whole");
        assert_eq!((head.position, head.replay_from, head.store_time), (LogPosition(8192), LogPosition(4096), Millis(5)));
        assert_eq!(sections, [(Section::Topics, &b"topics"[..]), (Section::Queues, b"queues")]);
    }

    /// Stores of that format exist.
    #[test]
    fn format_1_is_read() {
        let mut bytes = snapshot();
        bytes[4..8].copy_from_slice(&1u32.to_be_bytes());
        let crc = crc32fast::hash(&bytes[..52]);
        bytes[52..56].copy_from_slice(&crc.to_be_bytes());
        assert!(decode(&bytes, ShardId(2)).is_ok());
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_seen() {
        let good = snapshot();
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bytes, ShardId(2)).is_err(), "bit {bit}");
        }
        for len in 0..good.len() {
            assert!(decode(&good[..len], ShardId(2)).is_err(), "{len} bytes");
        }
    }
}
