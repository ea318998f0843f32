//! Buffers in the form that glommio's direct I/O takes and returns.

use super::slab;
use ::glommio::{allocate_dma_buffer_global, io::DmaBuffer, io::ReadResult};
use std::rc::Rc;

/// Aligned memory. A read's result lies in the executor's registered memory and is read only; what we allocate does
/// not, because the tail cache keeps it for long and the registered memory is small.
pub enum DirectMemory {
    Ours(Rc<DmaBuffer>),
    Read(ReadResult),
}

impl DirectMemory {
    pub fn zeroed(len: usize) -> DirectMemory {
        let mut memory = allocate_dma_buffer_global(len);
        memory.as_bytes_mut().fill(0);
        DirectMemory::Ours(Rc::new(memory))
    }

    /// For what the tail cache may keep.
    pub fn to_keep(bytes: &[u8]) -> DirectMemory {
        DirectMemory::Ours(Rc::new(slab::copy_of(bytes)))
    }

    /// For a moment.
    pub fn copy_of(bytes: &[u8]) -> Rc<DmaBuffer> {
        let mut memory = allocate_dma_buffer_global(bytes.len());
        memory.as_bytes_mut().copy_from_slice(bytes);
        Rc::new(memory)
    }

    pub fn as_slice(&self) -> &[u8] {
        match self {
            DirectMemory::Ours(memory) => memory.as_bytes(),
            DirectMemory::Read(result) => result,
        }
    }

    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        self.owned().as_bytes_mut()
    }

    pub fn len(&self) -> usize {
        match self {
            DirectMemory::Ours(memory) => memory.len(),
            DirectMemory::Read(result) => result.len(),
        }
    }

    pub fn truncate(&mut self, len: usize) {
        match self {
            DirectMemory::Read(result) => {
                *result = ReadResult::slice(result, 0, len).expect("the caller has compared the lengths");
            }
            DirectMemory::Ours(_) => self.owned().trim_to_size(len),
        }
    }

    fn owned(&mut self) -> &mut DmaBuffer {
        if let DirectMemory::Read(result) = self {
            *self = DirectMemory::Ours(DirectMemory::copy_of(result));
        }
        match self {
            DirectMemory::Ours(memory) => Rc::get_mut(memory).expect("a buffer is not changed while it is being written"),
            DirectMemory::Read(_) => unreachable!("copied above"),
        }
    }
}
