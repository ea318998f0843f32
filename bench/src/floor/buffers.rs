//! Memory that is lent to the kernel for receiving: a provided buffer ring, and the buffers in it.
//!
//! Invariants:
//! - A buffer is either in the ring, where the kernel may write it, or taken out by a completion and not yet given back.
//! - The memory outlives the ring it is registered with: `uring::serve` drops that first.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;
use io_uring::{IoUring, cqueue};

/// A power of two, as the kernel wants it: more than the connections that usually have something at once.
const COUNT: u16 = 256;
const _: () = assert!(COUNT.is_power_of_two());
const BUFFER_BYTES: usize = 16 << 10;
const PAGE_BYTES: usize = 4096;
/// The one group of buffers there is.
pub const GROUP: u16 = 0;

pub struct Buffers {
    entries: NonNull<BufRingEntry>,
    memory: NonNull<u8>,
    tail: u16,
}

fn layouts() -> (Layout, Layout) {
    let of = |bytes| Layout::from_size_align(bytes, PAGE_BYTES).expect("small, and a page is a power of two");
    (of(usize::from(COUNT) * size_of::<BufRingEntry>()), of(usize::from(COUNT) * BUFFER_BYTES))
}

fn zeroed<T>(layout: Layout) -> NonNull<T> {
    // SAFETY: neither layout is empty.
    let memory = unsafe { alloc_zeroed(layout) };
    NonNull::new(memory.cast()).unwrap_or_else(|| handle_alloc_error(layout))
}

impl Buffers {
    pub fn register(ring: &IoUring) -> io::Result<Buffers> {
        let (entries, memory) = layouts();
        let mut buffers = Buffers { entries: zeroed(entries), memory: zeroed(memory), tail: 0 };
        // SAFETY: the entries are page-aligned, as many as is said, and outlive the ring.
        unsafe { ring.submitter().register_buf_ring_with_flags(buffers.entries.as_ptr() as u64, COUNT, GROUP, 0)? };
        for id in 0..COUNT {
            buffers.give_back(id);
        }
        Ok(buffers)
    }

    /// The buffer that a completion has filled, and its bytes. To be given back when they are done with.
    pub fn filled(&self, flags: u32, len: usize) -> (u16, &[u8]) {
        let id = cqueue::buffer_select(flags).expect("a receive into provided buffers says which");
        assert!(id < COUNT);
        assert!(len <= BUFFER_BYTES);
        // SAFETY: inside of the memory, and the kernel has let go of this buffer until it is given back.
        let bytes = unsafe { std::slice::from_raw_parts(self.memory.as_ptr().add(usize::from(id) * BUFFER_BYTES), len) };
        (id, bytes)
    }

    pub fn give_back(&mut self, id: u16) {
        let base = self.entries.as_ptr();
        // SAFETY: both indices are below COUNT; the kernel reads the entry only once the tail has passed it; the tail is
        // the first entry's last field, which `set_*` leave alone.
        unsafe {
            let entry = &mut *base.add(usize::from(self.tail % COUNT));
            entry.set_addr(self.memory.as_ptr().add(usize::from(id) * BUFFER_BYTES) as u64);
            entry.set_len(BUFFER_BYTES as u32);
            entry.set_bid(id);
            self.tail = self.tail.wrapping_add(1);
            (*BufRingEntry::tail(base).cast::<AtomicU16>()).store(self.tail, Ordering::Release);
        }
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        let (entries, memory) = layouts();
        // SAFETY: allocated with these layouts, and the ring that knew them is gone.
        unsafe {
            dealloc(self.entries.as_ptr().cast(), entries);
            dealloc(self.memory.as_ptr(), memory);
        }
    }
}
