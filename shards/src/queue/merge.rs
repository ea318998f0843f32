//! Sorting a lot without stopping: chunks are sorted one at a time, then merged item by item.
//!
//! The caller decides how much is done between two yields. Sorting one chunk of `CHUNK` items takes about a tenth of a
//! millisecond; taking an item from the merge costs a few compares.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Items of one chunk.
pub(super) const CHUNK: usize = 4 * 1024;

/// Chunks that are being sorted, then merged. The items stay where they are.
#[derive(Debug)]
pub(super) struct Merge<T> {
    sorted: usize,
    /// The next item of each chunk, and where it is.
    heads: BinaryHeap<Reverse<(T, u32, u32)>>,
}

impl<T: Copy + Ord> Merge<T> {
    pub fn new() -> Merge<T> {
        Merge { sorted: 0, heads: BinaryHeap::new() }
    }

    /// Sorts the next chunk; false when all are sorted.
    pub fn sort_next(&mut self, chunks: &mut [Vec<T>]) -> bool {
        let Some(chunk) = chunks.get_mut(self.sorted) else { return false };
        chunk.sort_unstable();
        if let Some(first) = chunk.first() {
            self.heads.push(Reverse((*first, self.sorted as u32, 0)));
        }
        self.sorted += 1;
        true
    }

    /// The smallest item that is left. All chunks must be sorted.
    pub fn next(&mut self, chunks: &[Vec<T>]) -> Option<T> {
        assert_eq!(self.sorted, chunks.len());
        let mut head = self.heads.peek_mut()?;
        let Reverse((item, chunk, at)) = *head;
        match chunks[chunk as usize].get(at as usize + 1) {
            Some(next) => *head = Reverse((*next, chunk, at + 1)),
            None => {
                std::collections::binary_heap::PeekMut::pop(head);
            }
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_become_one_order() {
        let mut chunks = vec![vec![5, 1, 9], vec![], vec![2, 2], vec![7]];
        let mut merge = Merge::new();
        while merge.sort_next(&mut chunks) {}
        let merged: Vec<i32> = std::iter::from_fn(|| merge.next(&chunks)).collect();
        assert_eq!(merged, [1, 2, 2, 5, 7, 9]);
    }
}
