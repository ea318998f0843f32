//! The blocks that were written last, still in memory: what most consumers want.
//!
//! The buffers are the ones that were written, shared, not copied. They are given up oldest first; a reader that holds
//! one keeps it alive.
//!
//! Always true: blocks are in the order of their positions, and their bytes together are within the budget.
//!
//! Before: `runtime::writer` (inserts what is written); after: `broker::pull`.

use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;

use crate::runtime::Buffer;
use crate::types::LogPosition;

/// Lives on its shard's core.
pub struct TailCache {
    blocks: VecDeque<Block>,
    bytes: usize,
    bytes_max: usize,
}

struct Block {
    /// Of the payload's first byte.
    position: LogPosition,
    buffer: Rc<Buffer>,
    payload: Range<usize>,
}

impl Block {
    fn end(&self) -> LogPosition {
        self.position.advance(self.payload.len() as u64)
    }
}

impl TailCache {
    pub fn new(bytes_max: usize) -> TailCache {
        TailCache { blocks: VecDeque::new(), bytes: 0, bytes_max }
    }

    /// A block that was written; `position` is that of `payload.start`. One larger than the budget is not kept.
    pub fn insert(&mut self, position: LogPosition, buffer: Rc<Buffer>, payload: Range<usize>) {
        let bytes = buffer.len();
        assert!(payload.end <= bytes);
        let block = Block { position, buffer, payload };
        assert!(self.blocks.back().is_none_or(|last| last.end() <= position), "blocks are written in their order");
        self.blocks.push_back(block);
        self.bytes += bytes;
        while self.bytes > self.bytes_max {
            self.drop_oldest();
        }
    }

    /// The buffer with those bytes of the log, and where they are in it. `None` unless all of them are there.
    pub fn get(&self, position: LogPosition, len: usize) -> Option<(Rc<Buffer>, Range<usize>)> {
        let after = self.blocks.partition_point(|block| block.position <= position);
        let block = &self.blocks[after.checked_sub(1)?];
        if position.advance(len as u64) > block.end() {
            return None;
        }
        let start = block.payload.start + position.since(block.position) as usize;
        Some((Rc::clone(&block.buffer), start..start + len))
    }

    /// The oldest byte that is here.
    pub fn first(&self) -> Option<LogPosition> {
        self.blocks.front().map(|block| block.position)
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The budget was changed.
    pub fn set_bytes_max(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
        while self.bytes > self.bytes_max {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let dropped = self.blocks.pop_front().expect("bytes are of blocks");
        self.bytes -= dropped.buffer.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(byte: u8) -> Rc<Buffer> {
        let mut buffer = Buffer::new(100);
        buffer.as_mut_slice().fill(byte);
        Rc::new(buffer)
    }

    #[test]
    fn the_newest_blocks_are_found_by_position() {
        let mut cache = TailCache::new(3 * 100);
        for n in 0..5u64 {
            cache.insert(LogPosition(n * 100 + 10), buffer(n as u8), 10..90);
        }
        assert_eq!((cache.bytes(), cache.first()), (300, Some(LogPosition(210))));
        let (buffer, range) = cache.get(LogPosition(215), 75).unwrap();
        assert_eq!((buffer.as_slice()[0], range), (2, 15..90));
        assert!(cache.get(LogPosition(215), 76).is_none(), "the block ends before");
        assert!(cache.get(LogPosition(195), 5).is_none(), "it was dropped");
        assert!(cache.get(LogPosition(295), 5).is_none(), "there is no payload");
        assert!(cache.get(LogPosition(410), 80).is_some());
        cache.set_bytes_max(100);
        assert_eq!((cache.bytes(), cache.first()), (100, Some(LogPosition(410))));
        assert_eq!(buffer.as_slice()[99], 2, "who holds a buffer keeps it");
    }

    #[test]
    fn a_block_over_the_budget_is_not_kept() {
        let mut cache = TailCache::new(50);
        cache.insert(LogPosition(0), buffer(0), 0..100);
        assert_eq!((cache.bytes(), cache.first()), (0, None));
    }
}
