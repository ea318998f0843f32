//! The commit log: commit blocks in segment files. Pure: bytes, positions and decisions; `runtime::commit_log` does the I/O.
//!
//! `block` is the unit on disk, `group_commit` decides what is written when and what is durable, `scan` reads a log back
//! and tells a torn tail from corruption, `segment` names the files, `meta` is the store's own description.

pub mod block;
pub mod group_commit;
pub mod meta;
pub mod scan;
pub mod segment;

pub use block::{BadBlock, BlockHeader, BlockKind, HEADER_BYTES};
pub use group_commit::{BlockWrite, Flush, GroupCommit, NoRoom, Reserved, Resume, WriteId};
pub use meta::{BadMeta, StoreMeta};
pub use scan::{Found, Scan, Verdict};

use std::path::PathBuf;

use crate::types::{LogPosition, ShardId};

/// Everything the log of one shard is built with. Lives as long as the log.
#[derive(Clone, Debug)]
pub struct LogOptions {
    pub dir: PathBuf,
    pub shard: ShardId,
    /// Blocks start and end at multiples of this; fixed in the store.
    pub block_unit: u32,
    pub segment_bytes: u64,
    /// What a block holds at most, unless one entry alone is larger.
    pub block_bytes_max: usize,
    /// The largest run of entries that may be reserved at once.
    pub entry_bytes_max: usize,
    /// Blocks being written at once.
    pub pipeline_depth: usize,
    /// Bytes of blocks that wait to be written; more is back-pressure.
    pub pending_bytes_max: usize,
    /// How far ahead of the writer the segment is filled with zeroes.
    pub zero_ahead_bytes: u64,
    pub flush: Flush,
    pub sync: SyncMethod,
}

/// How a block becomes durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncMethod {
    /// A write, then an fdatasync.
    WriteThenSync,
    /// One write that is durable when it returns (O_DSYNC).
    Dsync,
}

impl LogOptions {
    /// What may be behind the last good block after a crash: everything in flight and waiting.
    pub fn window_bytes(&self) -> u64 {
        let oversized = self.entry_bytes_max + HEADER_BYTES + self.block_unit as usize;
        (self.pending_bytes_max + self.pipeline_depth * self.block_bytes_max.max(oversized)) as u64
    }

    pub fn segment_of(&self, position: LogPosition) -> LogPosition {
        LogPosition(position.0 / self.segment_bytes * self.segment_bytes)
    }
}
