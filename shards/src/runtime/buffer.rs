//! Memory that the disk can read and write directly: aligned to 4096 bytes, as O_DIRECT wants it.
//!
//! Invariants:
//! - A new buffer is all zeroes, so padding needs no second pass.
//! - While a write of a buffer is in flight its bytes are shared with the kernel: `as_mut_slice` asserts that none is.
//!
//! Next to it: `file`, which writes and returns buffers.

#[cfg(feature = "glommio")]
use super::{Backend, backend, glommio::DirectMemory};

/// What direct I/O needs of an address on every device we know.
const ADDRESS_ALIGNMENT: usize = 4096;

/// Aligned bytes of one core.
pub struct Buffer {
    memory: Memory,
}

enum Memory {
    /// Plain memory, over-allocated so that an aligned start lies inside. Made outside of executors and in simulation.
    Heap { bytes: Vec<u8>, start: usize, len: usize },
    #[cfg(feature = "glommio")]
    Direct(DirectMemory),
}

impl Buffer {
    /// `len` zeroes.
    pub fn new(len: usize) -> Buffer {
        #[cfg(feature = "glommio")]
        if len > 0 && backend() == Backend::Glommio {
            return Buffer { memory: Memory::Direct(DirectMemory::zeroed(len)) };
        }
        Buffer::on_heap(len)
    }

    /// To be kept for as long as anybody likes.
    pub fn copy_of(bytes: &[u8]) -> Buffer {
        #[cfg(feature = "glommio")]
        if !bytes.is_empty() && backend() == Backend::Glommio {
            return Buffer { memory: Memory::Direct(DirectMemory::to_keep(bytes)) };
        }
        let mut buffer = Buffer::on_heap(bytes.len());
        buffer.as_mut_slice().copy_from_slice(bytes);
        buffer
    }

    fn on_heap(len: usize) -> Buffer {
        let bytes = vec![0; len + ADDRESS_ALIGNMENT];
        let start = bytes.as_ptr().align_offset(ADDRESS_ALIGNMENT);
        assert!(start < ADDRESS_ALIGNMENT, "a byte pointer can be aligned by stepping forward");
        Buffer { memory: Memory::Heap { bytes, start, len } }
    }

    #[cfg(feature = "glommio")]
    pub(super) fn direct(memory: DirectMemory) -> Buffer {
        Buffer { memory: Memory::Direct(memory) }
    }

    #[cfg(feature = "glommio")]
    pub(super) fn as_direct(&self) -> Option<&DirectMemory> {
        match &self.memory {
            Memory::Heap { .. } => None,
            Memory::Direct(direct) => Some(direct),
        }
    }

    pub fn as_slice(&self) -> &[u8] {
        match &self.memory {
            Memory::Heap { bytes, start, len } => &bytes[*start..start + len],
            #[cfg(feature = "glommio")]
            Memory::Direct(direct) => direct.as_slice(),
        }
    }

    /// Panics while a write of this very buffer is in flight.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        match &mut self.memory {
            Memory::Heap { bytes, start, len } => &mut bytes[*start..*start + *len],
            #[cfg(feature = "glommio")]
            Memory::Direct(direct) => direct.as_mut_slice(),
        }
    }

    pub fn len(&self) -> usize {
        match &self.memory {
            Memory::Heap { len, .. } => *len,
            #[cfg(feature = "glommio")]
            Memory::Direct(direct) => direct.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets the bytes from `len` on, for good: a buffer never grows again.
    pub fn truncate(&mut self, shorter: usize) {
        assert!(shorter <= self.len(), "a buffer of {} bytes cannot be truncated to {shorter}", self.len());
        match &mut self.memory {
            Memory::Heap { len, .. } => *len = shorter,
            #[cfg(feature = "glommio")]
            Memory::Direct(direct) => direct.truncate(shorter),
        }
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_buffer_is_aligned_and_zero() {
        for len in [0, 1, 512, 4096, 100_000] {
            let buffer = Buffer::new(len);
            assert_eq!(buffer.len(), len);
            assert_eq!(buffer.as_slice().as_ptr().align_offset(ADDRESS_ALIGNMENT), 0);
            assert!(buffer.as_slice().iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    fn truncate_keeps_the_front() {
        let mut buffer = Buffer::new(8192);
        buffer.as_mut_slice()[4095] = 7;
        buffer.truncate(4096);
        assert_eq!(buffer.len(), 4096);
        assert_eq!(buffer.as_slice()[4095], 7);
    }
}
