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

use crate::types::LogPosition;

/// What of a buffer counts against the budget.
pub trait BufferLen {
    fn buffer_len(&self) -> usize;
}

/// Lives on its shard's core. `B` is `runtime::Buffer`.
#[derive(Debug)]
pub struct TailCache<B> {
    blocks: VecDeque<Block<B>>,
    bytes: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct Block<B> {
    /// Of the payload's first byte.
    position: LogPosition,
    buffer: Rc<B>,
    payload: Range<usize>,
}

impl<B> Block<B> {
    fn end(&self) -> LogPosition {
        self.position.advance(self.payload.len() as u64)
    }
}

impl<B: BufferLen> TailCache<B> {
    pub fn new(bytes_max: usize) -> TailCache<B> {
        TailCache { blocks: VecDeque::new(), bytes: 0, bytes_max }
    }

    /// A block that was written; `position` is that of `payload.start`. One larger than the budget is not kept.
    pub fn insert(&mut self, position: LogPosition, buffer: Rc<B>, payload: Range<usize>) {
        let bytes = buffer.buffer_len();
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
    pub fn get(&self, position: LogPosition, len: usize) -> Option<(Rc<B>, Range<usize>)> {
        let after = self.blocks.partition_point(|block| block.position <= position);
        let block = &self.blocks[after.checked_sub(1)?];
        if position.advance(len as u64) > block.end() {
            return None;
        }
        let start = block.payload.start + position.since(block.position) as usize;
        Some((Rc::clone(&block.buffer), start..start + len))
    }

    /// Whether what is at `position` or later is all here, as far as it was inserted.
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
        self.bytes -= dropped.buffer.buffer_len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl BufferLen for Vec<u8> {
        fn buffer_len(&self) -> usize {
            self.len()
        }
    }

    #[test]
    fn the_newest_blocks_are_found_by_position() {
        let mut cache = TailCache::new(3 * 100);
        for n in 0..5u64 {
            cache.insert(LogPosition(n * 100 + 10), Rc::new(vec![n as u8; 100]), 10..90);
        }
        assert_eq!((cache.bytes(), cache.first()), (300, Some(LogPosition(210))));
        let (buffer, range) = cache.get(LogPosition(215), 75).unwrap();
        assert_eq!((buffer[0], range), (2, 15..90));
        assert!(cache.get(LogPosition(215), 76).is_none(), "the block ends before");
        assert!(cache.get(LogPosition(195), 5).is_none(), "it was dropped");
        assert!(cache.get(LogPosition(295), 5).is_none(), "there is no payload");
        assert!(cache.get(LogPosition(410), 80).is_some());
        cache.set_bytes_max(100);
        assert_eq!((cache.bytes(), cache.first()), (100, Some(LogPosition(410))));
        assert_eq!(buffer[99], 2, "who holds a buffer keeps it");
    }

    #[test]
    fn a_block_over_the_budget_is_not_kept() {
        let mut cache = TailCache::new(50);
        cache.insert(LogPosition(0), Rc::new(vec![0; 100]), 0..100);
        assert_eq!((cache.bytes(), cache.first()), (0, None));
    }
}
