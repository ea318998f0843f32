//! Group commit: which bytes go to disk together, in which order, and from when on they are durable.
//!
//! Adaptive, with no timer: an idle disk gets what is there at once; while blocks are being written the next one fills.
//! Up to `pipeline_depth` blocks are written at once; their syncs may end in any order, but what is durable is always a
//! prefix of the log.
//!
//! Invariants:
//! - `durable <= appended`, and both only move forward.
//! - A block that was handed out by `next_write` is never written again: what comes later gets a block of its own. Otherwise a
//!   crash during the rewrite of a part-filled block could tear records that were acknowledged before.
//! - A block's header names the CRC of the one before: headers are made in log order, when a block is closed.
//! - Once poisoned, nothing becomes durable any more, even if a sync that was under way succeeds.
//!
//! Before: `shard`; after: `runtime::commit_log`, which writes, syncs and reports back.

use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;

use super::LogOptions;
use super::block::{BlockHeader, BlockKind, HEADER_BYTES};
use crate::runtime::Buffer;
use crate::types::LogPosition;

/// When an entry is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// When it is on disk (SYNC_FLUSH).
    Sync,
    /// When it is in memory (ASYNC_FLUSH): faster on slow disks, lost in a crash.
    Async,
}

/// Names a block from `next_write` to `synced`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteId(u64);

/// One block, ready for the disk.
pub struct BlockWrite {
    pub id: WriteId,
    pub position: LogPosition,
    pub buffer: Rc<Buffer>,
    /// Where the entries lie in the buffer.
    pub payload: Range<usize>,
    pub kind: BlockKind,
    /// Whether some entry is a message, which consumers may want.
    pub has_messages: bool,
}

/// Room for a run of entries, all in one block.
pub struct Reserved<'a> {
    pub position: LogPosition,
    pub buffer: &'a mut [u8],
}

/// Why nothing can be reserved now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// As much waits to be written as may; comes back when some of it has been.
    Pending,
    /// The next segment is not ready.
    Segment,
    /// Never: larger than an entry can be.
    TooLarge {
        bytes_max: usize,
    },
    Poisoned {
        reason: String,
    },
}

/// Where recovery, or creation, left the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resume {
    /// Where the next block goes. Everything before is durable.
    pub position: LogPosition,
    pub incarnation: u64,
    pub sequence: u64,
    pub previous_crc: u32,
}

pub struct GroupCommit {
    options: LogOptions,
    incarnation: u64,
    sequence: u64,
    previous_crc: u32,
    /// Where the next block starts that is not open yet.
    next_block: LogPosition,
    open: Option<OpenBlock>,
    /// A standard buffer that was emptied into a smaller one.
    spare: Option<Buffer>,
    closed: VecDeque<BlockWrite>,
    closed_bytes: usize,
    writing: VecDeque<Writing>,
    next_write: u64,
    /// Blocks may be opened below this position: segments up to here exist under a durable name.
    ready_to: LogPosition,
    /// No block may reach this position now: somebody writes zeroes there.
    fence: Option<LogPosition>,
    appended: LogPosition,
    durable: LogPosition,
    /// The end of the last durable block, which the next header's mark says.
    durable_blocks: LogPosition,
    /// The mark in the header of the newest block.
    marked: LogPosition,
    poisoned: Option<String>,
}

struct OpenBlock {
    position: LogPosition,
    buffer: Buffer,
    len: usize,
    entries: u32,
    has_messages: bool,
}

struct Writing {
    id: WriteId,
    /// The end of its entries; what `durable` becomes.
    entries_end: LogPosition,
    block_end: LogPosition,
    synced: bool,
}

impl GroupCommit {
    pub fn new(options: LogOptions, resume: Resume) -> GroupCommit {
        assert!(resume.position.0.is_multiple_of(u64::from(options.block_unit)), "blocks start at block units");
        assert!(options.segment_bytes.is_multiple_of(u64::from(options.block_unit)), "segments are whole blocks");
        assert!(options.pipeline_depth >= 1, "something must be written");
        let biggest = (HEADER_BYTES + options.entry_bytes_max) as u64 + 2 * u64::from(options.block_unit);
        assert!(biggest <= options.segment_bytes, "the largest entry fits a segment with its seal");
        GroupCommit {
            incarnation: resume.incarnation,
            sequence: resume.sequence,
            previous_crc: resume.previous_crc,
            next_block: resume.position,
            open: None,
            spare: None,
            closed: VecDeque::new(),
            closed_bytes: 0,
            writing: VecDeque::with_capacity(options.pipeline_depth),
            next_write: 0,
            ready_to: LogPosition(options.segment_of(resume.position).0 + options.segment_bytes),
            fence: None,
            appended: resume.position,
            durable: resume.position,
            durable_blocks: resume.position,
            marked: LogPosition::ZERO,
            poisoned: None,
            options,
        }
    }

    /// The end of the last entry that has a place.
    pub fn appended(&self) -> LogPosition {
        self.appended
    }

    /// Everything that ends at or before this is on disk.
    pub fn durable(&self) -> LogPosition {
        self.durable
    }

    /// Everything that ends at or before this may be acknowledged and seen.
    pub fn acknowledged(&self) -> LogPosition {
        match (self.options.flush, &self.poisoned) {
            (Flush::Async, None) => self.appended,
            (Flush::Sync, _) | (Flush::Async, Some(_)) => self.durable,
        }
    }

    /// Where the next block will start.
    pub fn next_block(&self) -> LogPosition {
        self.open.as_ref().map_or(self.next_block, |open| open.position)
    }

    pub fn poisoned(&self) -> Option<&str> {
        self.poisoned.as_deref()
    }

    /// The position that `reserve(bytes)` would give now.
    pub fn peek(&self, bytes: usize) -> Result<LogPosition, NoRoom> {
        if let Some(reason) = &self.poisoned {
            return Err(NoRoom::Poisoned { reason: reason.clone() });
        }
        if bytes > self.options.entry_bytes_max {
            return Err(NoRoom::TooLarge { bytes_max: self.options.entry_bytes_max });
        }
        if let Some(open) = self.open.as_ref().filter(|_| self.open_fits(bytes)) {
            return Ok(open.position.advance(open.len as u64));
        }
        let open_bytes = self.open.as_ref().map_or(0, |open| open.len);
        if self.closed_bytes + open_bytes > self.options.pending_bytes_max {
            return Err(NoRoom::Pending);
        }
        let after_open = match &self.open {
            Some(open) => LogPosition(open.position.0 + self.padded(open.len)),
            None => self.next_block,
        };
        let (place, _) = self.place(after_open, bytes);
        if place >= self.ready_to {
            return Err(NoRoom::Segment);
        }
        let end_max = place.0 + self.padded(HEADER_BYTES + bytes).max(self.options.block_bytes_max as u64);
        if self.fence.is_some_and(|fence| end_max > fence.0) {
            return Err(NoRoom::Pending);
        }
        Ok(place.advance(HEADER_BYTES as u64))
    }

    /// Room for `bytes` of messages, back to back in one block; counts as `entries` entries.
    pub fn reserve(&mut self, bytes: usize, entries: u32) -> Result<Reserved<'_>, NoRoom> {
        self.reserve_entries(bytes, entries, true)
    }

    /// Room for an entry that is no message.
    pub fn reserve_control(&mut self, bytes: usize) -> Result<Reserved<'_>, NoRoom> {
        self.reserve_entries(bytes, 1, false)
    }

    fn reserve_entries(&mut self, bytes: usize, entries: u32, are_messages: bool) -> Result<Reserved<'_>, NoRoom> {
        let expected = self.peek(bytes)?;
        if !self.open_fits(bytes) {
            self.close_block();
            self.open_block(bytes);
        }
        let open = self.open.as_mut().expect("a block that fits is open");
        let position = open.position.advance(open.len as u64);
        assert!(position == expected, "what was foretold");
        let range = open.len..open.len + bytes;
        open.len += bytes;
        open.entries += entries;
        open.has_messages |= are_messages;
        self.appended = open.position.advance(open.len as u64);
        Ok(Reserved { position, buffer: &mut open.buffer.as_mut_slice()[range] })
    }

    fn padded(&self, len: usize) -> u64 {
        (len as u64).next_multiple_of(u64::from(self.options.block_unit))
    }

    fn open_fits(&self, bytes: usize) -> bool {
        self.open.as_ref().is_some_and(|open| open.len + bytes <= open.buffer.len())
    }

    /// Where a block for `bytes` goes that may start at `from` at the earliest, and whether a seal must come before it.
    fn place(&self, from: LogPosition, bytes: usize) -> (LogPosition, bool) {
        let unit = u64::from(self.options.block_unit);
        let segment_end = self.options.segment_of(from).0 + self.options.segment_bytes;
        let needed = self.padded(HEADER_BYTES + bytes);
        // Every segment keeps room for its seal.
        if from.0 + needed + unit <= segment_end { (from, false) } else { (LogPosition(segment_end), true) }
    }

    fn open_block(&mut self, bytes: usize) {
        let (position, seal) = self.place(self.next_block, bytes);
        if seal {
            self.push_empty(BlockKind::Seal);
            self.next_block = position;
        }
        let segment_end = self.options.segment_of(position).0 + self.options.segment_bytes;
        let room = (segment_end - position.0 - u64::from(self.options.block_unit)) as usize;
        let wanted = self.options.block_bytes_max.min(room).max(self.padded(HEADER_BYTES + bytes) as usize);
        let buffer = match self.spare.take() {
            Some(spare) if spare.len() == wanted => spare,
            _ => Buffer::new(wanted),
        };
        self.open = Some(OpenBlock { position, buffer, len: HEADER_BYTES, entries: 0, has_messages: false });
    }

    /// Closes the open block: gives it its header and its place among those that wait to be written.
    fn close_block(&mut self) {
        let Some(mut open) = self.open.take() else { return };
        let block_bytes = self.padded(open.len) as usize;
        let header = self.header(BlockKind::Data, &open.buffer.as_slice()[HEADER_BYTES..open.len], open.entries);
        assert!(header.position == open.position, "blocks follow each other");
        let crc = header.encode(open.buffer.as_mut_slice());
        open.buffer.as_mut_slice()[open.len..block_bytes].fill(0);
        // The tail cache keeps blocks for long, so each gets memory of its own size; the one that is filled stays warm and
        // serves the next. The copy costs less than the page faults of a fresh buffer of the largest size.
        let buffer = if open.buffer.len() == self.options.block_bytes_max {
            let exact = Buffer::copy_of(&open.buffer.as_slice()[..block_bytes]);
            self.spare = Some(open.buffer);
            exact
        } else {
            open.buffer.truncate(block_bytes);
            open.buffer
        };
        self.push(open.position, buffer, HEADER_BYTES..open.len, BlockKind::Data, open.has_messages, (crc, header.durable_mark));
    }

    /// A block without entries: a seal, a mark or a start.
    fn push_empty(&mut self, kind: BlockKind) {
        let header = self.header(kind, &[], 0);
        let mut buffer = Buffer::new(self.options.block_unit as usize);
        let crc = header.encode(buffer.as_mut_slice());
        self.push(header.position, buffer, HEADER_BYTES..HEADER_BYTES, kind, false, (crc, header.durable_mark));
    }

    fn header(&self, kind: BlockKind, payload: &[u8], entries: u32) -> BlockHeader {
        BlockHeader {
            kind,
            shard: self.options.shard,
            term: 0,
            index: 0,
            position: self.next_block,
            payload_bytes: payload.len() as u32,
            entries,
            payload_crc: crc32fast::hash(payload),
            incarnation: self.incarnation,
            sequence: self.sequence,
            durable_mark: self.durable_blocks,
            previous_crc: self.previous_crc,
        }
    }

    /// `header`: its CRC and the mark in it.
    fn push(
        &mut self,
        position: LogPosition,
        buffer: Buffer,
        payload: Range<usize>,
        kind: BlockKind,
        has_messages: bool,
        (crc, mark): (u32, LogPosition),
    ) {
        let bytes = buffer.len();
        let id = WriteId(self.next_write);
        self.next_write += 1;
        self.sequence += 1;
        self.previous_crc = crc;
        self.marked = mark;
        self.next_block = position.advance(bytes as u64);
        self.closed_bytes += bytes;
        self.closed.push_back(BlockWrite { id, position, buffer: Rc::new(buffer), payload, kind, has_messages });
    }

    /// The next block to write, if the pipeline has a place for it.
    pub fn next_write(&mut self) -> Option<BlockWrite> {
        if self.poisoned.is_some() || self.writing.len() >= self.options.pipeline_depth {
            return None;
        }
        if self.closed.is_empty() {
            self.close_block();
        }
        let write = self.closed.pop_front()?;
        self.closed_bytes -= write.buffer.len();
        // A block without entries makes nothing more durable that anybody waits for.
        let entries_end = match write.kind {
            BlockKind::Data => write.position.advance(write.payload.end as u64),
            BlockKind::Seal | BlockKind::Mark | BlockKind::Start => LogPosition::ZERO,
        };
        self.writing.push_back(Writing {
            id: write.id,
            entries_end,
            block_end: write.position.advance(write.buffer.len() as u64),
            synced: false,
        });
        Some(write)
    }

    /// The block and the sync that covers it are done. Returns what is durable now.
    pub fn synced(&mut self, id: WriteId) -> LogPosition {
        let block = self.writing.iter_mut().find(|block| block.id == id).expect("a block is synced once");
        assert!(!block.synced, "a block is synced once");
        block.synced = true;
        if self.poisoned.is_none() {
            while self.writing.front().is_some_and(|block| block.synced) {
                let Some(first) = self.writing.pop_front() else { break };
                assert!(first.block_end > self.durable_blocks, "durable only moves forward");
                self.durable = self.durable.max(first.entries_end);
                self.durable_blocks = first.block_end;
            }
        }
        assert!(self.durable <= self.appended, "nothing is durable that was not appended");
        self.durable
    }

    /// A write or sync has failed: recovery decides about everything that is not durable.
    pub fn poison(&mut self, reason: String) {
        self.poisoned.get_or_insert(reason);
    }

    /// Segments up to `end` exist, are as long as they should be, and their names are durable.
    pub fn segments_ready(&mut self, end: LogPosition) {
        self.ready_to = self.ready_to.max(end);
    }

    /// Keeps blocks below `fence` until it is lifted. Must lie at or behind all that has a place.
    pub fn set_fence(&mut self, fence: Option<LogPosition>) {
        assert!(fence.is_none_or(|fence| fence >= self.free_from()), "a fence stands on free ground");
        self.fence = fence;
    }

    /// Where free ground begins: no block reaches it yet.
    pub fn free_from(&self) -> LogPosition {
        self.open.as_ref().map_or(self.next_block, |open| open.position.advance(open.buffer.len() as u64))
    }

    pub fn ready_to(&self) -> LogPosition {
        self.ready_to
    }

    /// Nothing is open, waiting or being written.
    pub fn is_idle(&self) -> bool {
        self.open.is_none() && self.closed.is_empty() && self.writing.is_empty()
    }

    /// Puts a block that says how far the log is durable, when no block on disk says so. Only when idle.
    pub fn mark(&mut self) -> bool {
        assert!(self.is_idle(), "marks are written when nothing else is");
        if self.poisoned.is_some() || self.marked >= self.durable || self.durable == LogPosition::ZERO {
            return false;
        }
        let (position, seal) = self.place(self.next_block, 0);
        if seal && position >= self.ready_to {
            return false;
        }
        // Crash scenario: zeroes are under way to the next segment and the disk is slow, so the log looks idle. A mark placed
        // there would be overwritten, and its hole taken for damage by the next start.
        if self.fence.is_some_and(|fence| position.0 + u64::from(self.options.block_unit) > fence.0) {
            return false;
        }
        if seal {
            self.push_empty(BlockKind::Seal);
            self.next_block = position;
        }
        self.push_empty(BlockKind::Mark);
        true
    }

    /// The first block after a recovery; must be durable before anything is served. The segment it falls into is ready.
    pub fn start(&mut self) {
        assert!(self.is_idle(), "a log starts once");
        let (position, seal) = self.place(self.next_block, 0);
        assert!(position < self.ready_to, "the segment of the start block is ready");
        if seal {
            self.push_empty(BlockKind::Seal);
            self.next_block = position;
        }
        self.push_empty(BlockKind::Start);
    }

    /// Whether the start block will fall into the next segment.
    pub fn starts_in_next_segment(&self) -> bool {
        self.place(self.next_block, 0).1
    }
}

#[cfg(test)]
#[path = "group_commit_tests.rs"]
mod tests;
