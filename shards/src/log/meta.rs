//! `store.meta`: what a store was made with and keeps. One file per store, 4096 bytes, written once.
//!
//! Big endian.
//!
//! | offset | bytes | field | |
//! |---|---|---|---|
//! | 0 | 4 | magic | `RQSM` |
//! | 4 | 4 | format | 1 |
//! | 8 | 4 | placement version | |
//! | 12 | 2 | shards | |
//! | 14 | 1 | routing | 0 mesh, 1 direct |
//! | 15 | 1 | | zero |
//! | 16 | 4 | block unit | bytes |
//! | 20 | 8 | segment bytes | |
//! | 28 | 8 | store id | random, so that two stores are never taken for one another |
//! | 36 | 8 | created | ms since 1970 |
//! | 44 | 4 | CRC | over bytes 0 to 43 |

use std::fmt;
use std::path::{Path, PathBuf};

use crate::placement::{PLACEMENT_VERSION, Routing, SHARDS_MAX};
use crate::types::{Millis, ShardId};

pub const FILE_NAME: &str = "store.meta";
pub const FORMAT: u32 = 1;
const MAGIC: u32 = u32::from_be_bytes(*b"RQSM");
const CRC_AT: usize = 44;
const BYTES: usize = 48;

/// The folder of a shard in the store's folder.
pub fn shard_dir(store: &Path, shard: ShardId) -> PathBuf {
    store.join(format!("shard-{:03}", shard.0))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreMeta {
    pub shards: u16,
    pub routing: Routing,
    pub block_unit: u32,
    pub segment_bytes: u64,
    pub store_id: u64,
    pub created: Millis,
}

/// Why a store cannot be opened by this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadMeta {
    Short,
    NotAStore,
    Crc,
    NewerFormat(u32),
    Placement(u32),
    Value(&'static str),
}

impl fmt::Display for BadMeta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadMeta::Short | BadMeta::NotAStore => write!(f, "this is no {FILE_NAME} of RingMQ; restore it from a backup"),
            BadMeta::Crc => write!(f, "the checksum is wrong; restore the file from a backup"),
            BadMeta::NewerFormat(found) => {
                write!(f, "the store has format {found}, this version reads up to {FORMAT}; start a newer ringmq")
            }
            BadMeta::Placement(found) => {
                write!(
                    f,
                    "the store places queues by version {found}, this ringmq by {PLACEMENT_VERSION}; start the version that made it"
                )
            }
            BadMeta::Value(what) => write!(f, "the {what} makes no sense; restore the file from a backup"),
        }
    }
}

impl std::error::Error for BadMeta {}

impl StoreMeta {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(BYTES);
        out.extend_from_slice(&MAGIC.to_be_bytes());
        out.extend_from_slice(&FORMAT.to_be_bytes());
        out.extend_from_slice(&PLACEMENT_VERSION.to_be_bytes());
        out.extend_from_slice(&self.shards.to_be_bytes());
        out.push(match self.routing {
            Routing::Mesh => 0,
            Routing::Direct => 1,
        });
        out.push(0);
        out.extend_from_slice(&self.block_unit.to_be_bytes());
        out.extend_from_slice(&self.segment_bytes.to_be_bytes());
        out.extend_from_slice(&self.store_id.to_be_bytes());
        out.extend_from_slice(&self.created.0.to_be_bytes());
        assert!(out.len() == CRC_AT, "the table above");
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_be_bytes());
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<StoreMeta, BadMeta> {
        let bytes: &[u8; BYTES] = bytes.get(..BYTES).and_then(|bytes| bytes.try_into().ok()).ok_or(BadMeta::Short)?;
        let u32_at = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let u64_at = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        if u32_at(0) != MAGIC {
            return Err(BadMeta::NotAStore);
        }
        // The format before the checksum: a newer one may keep its checksum elsewhere.
        if u32_at(4) > FORMAT {
            return Err(BadMeta::NewerFormat(u32_at(4)));
        }
        if crc32fast::hash(&bytes[..CRC_AT]) != u32_at(CRC_AT) {
            return Err(BadMeta::Crc);
        }
        if u32_at(8) != PLACEMENT_VERSION {
            return Err(BadMeta::Placement(u32_at(8)));
        }
        let shards = u16::from_be_bytes([bytes[12], bytes[13]]);
        if shards == 0 || shards > SHARDS_MAX {
            return Err(BadMeta::Value("number of shards"));
        }
        let routing = match bytes[14] {
            0 => Routing::Mesh,
            1 => Routing::Direct,
            _ => return Err(BadMeta::Value("routing")),
        };
        let (block_unit, segment_bytes) = (u32_at(16), u64_at(20));
        if !block_unit.is_power_of_two() || block_unit < 4096 {
            return Err(BadMeta::Value("block unit"));
        }
        if segment_bytes == 0 || !segment_bytes.is_multiple_of(u64::from(block_unit)) {
            return Err(BadMeta::Value("segment size"));
        }
        Ok(StoreMeta { shards, routing, block_unit, segment_bytes, store_id: u64_at(28), created: Millis(u64_at(36) as i64) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta() -> StoreMeta {
        StoreMeta {
            shards: 4,
            routing: Routing::Direct,
            block_unit: 4096,
            segment_bytes: 1 << 30,
            store_id: 77,
            created: Millis(1_700_000_000_000),
        }
    }

    #[test]
    fn reads_back_also_when_padded() {
        let mut bytes = meta().encode();
        bytes.resize(4096, 0);
        assert_eq!(StoreMeta::decode(&bytes), Ok(meta()));
    }

    #[test]
    fn a_newer_format_is_said_before_anything_else() {
        let mut bytes = meta().encode();
        bytes[7] = 2;
        assert_eq!(StoreMeta::decode(&bytes), Err(BadMeta::NewerFormat(2)));
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let good = meta().encode();
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(StoreMeta::decode(&bytes).is_err(), "bit {bit}");
        }
        for len in 0..good.len() {
            assert_eq!(StoreMeta::decode(&good[..len]), Err(BadMeta::Short));
        }
    }
}
