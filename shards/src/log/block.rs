//! The commit block: what one group commit writes, once, and never again.
//!
//! Big endian. The first part is the same on every replica, the second each replica writes for itself.
//!
//! | offset | bytes | field | |
//! |---|---|---|---|
//! | 0 | 4 | magic | `RQCB` |
//! | 4 | 2 | format | 1 |
//! | 6 | 2 | kind | 1 data, 2 seal, 3 mark, 4 start |
//! | 8 | 2 | shard | |
//! | 10 | 2 | | zero |
//! | 12 | 4 | payload bytes | |
//! | 16 | 8 | term | 0 when not replicated |
//! | 24 | 8 | index | 0 when not replicated |
//! | 32 | 8 | position | of this block's first byte |
//! | 40 | 4 | entries | in the payload |
//! | 44 | 4 | payload CRC | |
//! | 48 | 16 | | zero |
//! | 64 | 8 | incarnation | of the store; higher after every recovery |
//! | 72 | 8 | sequence | of this block, without gaps |
//! | 80 | 8 | durable mark | everything before this position was durable here when the block was issued |
//! | 88 | 4 | previous CRC | the header CRC of the block before: the chain |
//! | 92 | 32 | | zero |
//! | 124 | 4 | header CRC | over bytes 0 to 123 |
//! | 128 | | payload | entries, back to back, then zeroes up to the block unit |
//!
//! Invariant: a length is never used before the header CRC has been checked.

use std::fmt;

use crate::types::{LogPosition, ShardId};

pub const HEADER_BYTES: usize = 128;
const MAGIC: u32 = u32::from_be_bytes(*b"RQCB");
pub const FORMAT: u16 = 1;
const CRC_AT: usize = 124;

const _: () = assert!(CRC_AT + 4 == HEADER_BYTES);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// Holds entries.
    Data,
    /// The last of its segment; the next block starts the next one.
    Seal,
    /// Holds nothing but its durable mark.
    Mark,
    /// The first after a recovery.
    Start,
}

impl BlockKind {
    fn number(self) -> u16 {
        match self {
            BlockKind::Data => 1,
            BlockKind::Seal => 2,
            BlockKind::Mark => 3,
            BlockKind::Start => 4,
        }
    }

    fn from_number(number: u16) -> Option<BlockKind> {
        [BlockKind::Data, BlockKind::Seal, BlockKind::Mark, BlockKind::Start].into_iter().find(|kind| kind.number() == number)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    pub kind: BlockKind,
    pub shard: ShardId,
    pub term: u64,
    pub index: u64,
    pub position: LogPosition,
    pub payload_bytes: u32,
    pub entries: u32,
    pub payload_crc: u32,
    pub incarnation: u64,
    pub sequence: u64,
    pub durable_mark: LogPosition,
    pub previous_crc: u32,
}

/// Why bytes are no block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadBlock {
    /// Nothing has been written here.
    Zero,
    NotABlock,
    HeaderCrc,
    Format(u16),
    Kind(u16),
    OtherPlace(LogPosition),
    OtherShard(ShardId),
    /// Whole, but not the successor of the block before.
    Unchained,
    Length(u32),
    PayloadCrc,
}

impl fmt::Display for BadBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadBlock::Zero => write!(f, "nothing has been written here"),
            BadBlock::NotABlock => write!(f, "no commit block starts here"),
            BadBlock::HeaderCrc => write!(f, "the header's checksum is wrong"),
            BadBlock::Format(found) => write!(f, "format {found} is newer than this version reads ({FORMAT})"),
            BadBlock::Kind(found) => write!(f, "there is no block kind {found}"),
            BadBlock::OtherPlace(position) => write!(f, "this block belongs at position {position}"),
            BadBlock::OtherShard(shard) => write!(f, "this block belongs to shard {shard}"),
            BadBlock::Unchained => write!(f, "this block does not follow the one before it"),
            BadBlock::Length(bytes) => write!(f, "a payload of {bytes} bytes does not fit its segment"),
            BadBlock::PayloadCrc => write!(f, "the payload's checksum is wrong"),
        }
    }
}

impl BlockHeader {
    /// Writes the header and returns its CRC, which the next block repeats.
    pub fn encode(&self, out: &mut [u8]) -> u32 {
        let out = &mut out[..HEADER_BYTES];
        out.fill(0);
        out[0..4].copy_from_slice(&MAGIC.to_be_bytes());
        out[4..6].copy_from_slice(&FORMAT.to_be_bytes());
        out[6..8].copy_from_slice(&self.kind.number().to_be_bytes());
        out[8..10].copy_from_slice(&self.shard.0.to_be_bytes());
        out[12..16].copy_from_slice(&self.payload_bytes.to_be_bytes());
        out[16..24].copy_from_slice(&self.term.to_be_bytes());
        out[24..32].copy_from_slice(&self.index.to_be_bytes());
        out[32..40].copy_from_slice(&self.position.0.to_be_bytes());
        out[40..44].copy_from_slice(&self.entries.to_be_bytes());
        out[44..48].copy_from_slice(&self.payload_crc.to_be_bytes());
        out[64..72].copy_from_slice(&self.incarnation.to_be_bytes());
        out[72..80].copy_from_slice(&self.sequence.to_be_bytes());
        out[80..88].copy_from_slice(&self.durable_mark.0.to_be_bytes());
        out[88..92].copy_from_slice(&self.previous_crc.to_be_bytes());
        let crc = crc32fast::hash(&out[..CRC_AT]);
        out[CRC_AT..].copy_from_slice(&crc.to_be_bytes());
        crc
    }

    /// Reads a header that must stand at `position` of `shard`'s log. Returns it with its own CRC.
    pub fn decode(bytes: &[u8], shard: ShardId, position: LogPosition) -> Result<(BlockHeader, u32), BadBlock> {
        let bytes = bytes.get(..HEADER_BYTES).ok_or(BadBlock::NotABlock)?;
        if u32_at(bytes, 0) != MAGIC {
            let zero = bytes.iter().all(|byte| *byte == 0);
            return Err(if zero { BadBlock::Zero } else { BadBlock::NotABlock });
        }
        let crc = u32_at(bytes, CRC_AT);
        if crc32fast::hash(&bytes[..CRC_AT]) != crc {
            return Err(BadBlock::HeaderCrc);
        }
        let format = u16_at(bytes, 4);
        if format != FORMAT {
            return Err(BadBlock::Format(format));
        }
        let header = BlockHeader {
            kind: BlockKind::from_number(u16_at(bytes, 6)).ok_or(BadBlock::Kind(u16_at(bytes, 6)))?,
            shard: ShardId(u16_at(bytes, 8)),
            payload_bytes: u32_at(bytes, 12),
            term: u64_at(bytes, 16),
            index: u64_at(bytes, 24),
            position: LogPosition(u64_at(bytes, 32)),
            entries: u32_at(bytes, 40),
            payload_crc: u32_at(bytes, 44),
            incarnation: u64_at(bytes, 64),
            sequence: u64_at(bytes, 72),
            durable_mark: LogPosition(u64_at(bytes, 80)),
            previous_crc: u32_at(bytes, 88),
        };
        if header.shard != shard {
            return Err(BadBlock::OtherShard(header.shard));
        }
        if header.position != position {
            return Err(BadBlock::OtherPlace(header.position));
        }
        Ok((header, crc))
    }

    /// Bytes on disk, padding included.
    pub fn block_bytes(&self, unit: u32) -> u64 {
        (HEADER_BYTES as u64 + u64::from(self.payload_bytes)).next_multiple_of(u64::from(unit))
    }

    pub fn payload_position(&self) -> LogPosition {
        self.position.advance(HEADER_BYTES as u64)
    }

    pub fn verify_payload(&self, payload: &[u8]) -> Result<(), BadBlock> {
        assert!(payload.len() == self.payload_bytes as usize, "the whole payload");
        if crc32fast::hash(payload) == self.payload_crc { Ok(()) } else { Err(BadBlock::PayloadCrc) }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> BlockHeader {
        BlockHeader {
            kind: BlockKind::Data,
            shard: ShardId(3),
            term: 5,
            index: 6,
            position: LogPosition(8192),
            payload_bytes: 700,
            entries: 2,
            payload_crc: 0x1234_5678,
            incarnation: 9,
            sequence: 10,
            durable_mark: LogPosition(4096),
            previous_crc: 0xdead_beef,
        }
    }

    #[test]
    fn a_header_reads_back() {
        let mut bytes = [0; HEADER_BYTES];
        let crc = header().encode(&mut bytes);
        assert_eq!(BlockHeader::decode(&bytes, ShardId(3), LogPosition(8192)), Ok((header(), crc)));
        assert_eq!(header().block_bytes(4096), 4096);
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let mut bytes = [0; HEADER_BYTES];
        header().encode(&mut bytes);
        for bit in 0..HEADER_BYTES * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(BlockHeader::decode(&bytes, ShardId(3), LogPosition(8192)).is_err(), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn a_block_at_another_place_or_of_another_shard_is_refused() {
        let mut bytes = [0; HEADER_BYTES];
        header().encode(&mut bytes);
        assert_eq!(BlockHeader::decode(&bytes, ShardId(3), LogPosition(0)), Err(BadBlock::OtherPlace(LogPosition(8192))));
        assert_eq!(BlockHeader::decode(&bytes, ShardId(1), LogPosition(8192)), Err(BadBlock::OtherShard(ShardId(3))));
        assert_eq!(BlockHeader::decode(&[0; HEADER_BYTES], ShardId(3), LogPosition(0)), Err(BadBlock::Zero));
    }
}
