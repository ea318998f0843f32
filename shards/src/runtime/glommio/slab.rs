//! Memory for the blocks that the tail cache keeps: cut one after the other out of slabs of 2 MiB, which are used again.
//!
//! The general allocator is bad at this: a block of 4 KiB, aligned to 4 KiB, takes 8 KiB of it (its header needs a place
//! before the block), and small allocations may settle in what a large block leaves behind, so that the next one comes from
//! fresh pages, and each of them is a page fault that clears it. Blocks are given up in about the order in which they were made, so
//! a slab becomes free as a whole.
//!
//! Always true: a slab that is cut again has no buffer left. Lives on one core.
//!
//! Before: `memory`.

use std::cell::RefCell;
use std::collections::VecDeque;

use ::glommio::{
    allocate_dma_buffer_global,
    io::{DmaBuffer, DmaSlab},
};

const SLAB_BYTES: usize = 2 << 20;
/// What is larger has memory of its own: at most this much of a slab is left over at its end.
const PART_BYTES_MAX: usize = SLAB_BYTES / 16;
/// Slabs without a buffer that are kept; in steady state one becomes free for each that is begun.
const FREE_MAX: usize = 4;

thread_local! {
    static SLABS: RefCell<Slabs> = const { RefCell::new(Slabs { current: None, full: VecDeque::new() }) };
}

struct Slabs {
    current: Option<DmaSlab>,
    /// The oldest first: they become free in about this order.
    full: VecDeque<DmaSlab>,
}

/// A buffer with a copy of these bytes, which may be kept for long.
pub fn copy_of(bytes: &[u8]) -> DmaBuffer {
    let mut copy = match bytes.len() {
        small if small <= PART_BYTES_MAX => SLABS.with_borrow_mut(|slabs| slabs.cut(small)),
        large => allocate_dma_buffer_global(large),
    };
    copy.as_bytes_mut().copy_from_slice(bytes);
    copy
}

impl Slabs {
    fn cut(&mut self, len: usize) -> DmaBuffer {
        if let Some(part) = self.current.as_mut().and_then(|slab| slab.cut(len)) {
            return part;
        }
        self.full.extend(self.current.take());
        let slab = self.free_slab().unwrap_or_else(|| DmaSlab::new(SLAB_BYTES));
        self.current.insert(slab).cut(len).expect("a part is smaller than a slab")
    }

    /// One that can be used again. Looks at every slab, once for 2 MiB: a reader may hold on to an old one for long, and a
    /// tail cache that was made smaller leaves many.
    fn free_slab(&mut self) -> Option<DmaSlab> {
        let mut free = Vec::new();
        for _ in 0..self.full.len() {
            let mut slab = self.full.pop_front().expect("as many as there were");
            if !slab.reset() {
                self.full.push_back(slab);
            } else if free.len() <= FREE_MAX {
                free.push(slab);
            }
        }
        let next = free.pop();
        for slab in free {
            self.full.push_front(slab);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALIGNMENT: usize = 4096;

    #[test]
    fn parts_are_aligned_and_do_not_overlap() {
        let parts: Vec<DmaBuffer> = (0..2_000usize).map(|n| copy_of(&vec![n as u8; 1 + n * 37 % 9_000])).collect();
        for (n, part) in parts.iter().enumerate() {
            assert_eq!(part.as_ptr().align_offset(ALIGNMENT), 0);
            assert_eq!(part.as_bytes(), vec![n as u8; 1 + n * 37 % 9_000]);
        }
    }

    #[test]
    fn a_slab_is_used_again_when_nothing_of_it_is_held() {
        let of = |byte: u8, parts: usize| -> Vec<DmaBuffer> { (0..parts).map(|_| copy_of(&[byte])).collect() };
        let first = of(1, SLAB_BYTES / ALIGNMENT);
        let second = of(2, SLAB_BYTES / ALIGNMENT);
        let is_of_first = |part: &DmaBuffer| first_bytes(&first).contains(&part.as_ptr());
        assert!(!second.iter().any(is_of_first), "the first slab is held");
        let places = first_bytes(&first);
        drop(first);
        let third = of(3, SLAB_BYTES / ALIGNMENT);
        assert_eq!(first_bytes(&third), places);
        assert!(second.iter().all(|part| part.as_bytes() == [2]));
    }

    fn first_bytes(parts: &[DmaBuffer]) -> Vec<*const u8> {
        parts.iter().map(|part| part.as_ptr()).collect()
    }

    #[test]
    fn what_is_large_has_its_own_memory() {
        let bytes = vec![5; PART_BYTES_MAX + 1];
        assert_eq!(copy_of(&bytes).as_bytes(), bytes);
    }
}
