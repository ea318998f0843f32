//! Files of the store, read and written directly (O_DIRECT): what is written is on the device, what is synced is durable.
//!
//! Invariants:
//! - Positions and lengths are multiples of `alignment()`; anything else is an error, in simulation too.
//! - A write is durable only when a `sync` that was called after its end has returned Ok (or the file was opened with
//!   for `SyncMethod::Dsync`). After a failed write or sync the file's contents are unknown until recovery reads them.
//!
//! Next to it: `fs` for the names of files, `buffer` for the memory.

use super::{Backend, Buffer, backend, outside, sim};
use crate::log::SyncMethod;
use std::{io, ops::Range, path::Path, rc::Rc};

#[cfg(feature = "glommio")]
use super::glommio;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    Read,
    ReadWrite,
    /// Reading and writing a file that does not exist yet.
    CreateNew,
}

/// An open file of one core.
pub struct File(Inner);

enum Inner {
    #[cfg(feature = "glommio")]
    Glommio(glommio::File),
    Sim(sim::File),
}

impl File {
    pub async fn open(path: &Path, how: Open) -> io::Result<File> {
        File::open_as(path, how, false).await
    }

    /// Opens a file for `write_durable_at` with the same method.
    pub async fn open_for(path: &Path, how: Open, method: SyncMethod) -> io::Result<File> {
        File::open_as(path, how, method == SyncMethod::Dsync).await
    }

    async fn open_as(path: &Path, how: Open, dsync: bool) -> io::Result<File> {
        match backend() {
            Backend::Outside => outside("opening a file"),
            #[cfg(feature = "glommio")]
            Backend::Glommio => Ok(File(Inner::Glommio(glommio::File::open(path, how, dsync).await?))),
            Backend::Sim => Ok(File(Inner::Sim(sim::File::open(path, how, dsync).await?))),
        }
    }

    /// What positions and lengths must be multiples of; at least 512.
    pub fn alignment(&self) -> u32 {
        match &self.0 {
            #[cfg(feature = "glommio")]
            Inner::Glommio(file) => file.alignment(),
            Inner::Sim(file) => file.alignment(),
        }
    }

    pub async fn size(&self) -> io::Result<u64> {
        match &self.0 {
            #[cfg(feature = "glommio")]
            Inner::Glommio(file) => file.size().await,
            Inner::Sim(file) => file.size(),
        }
    }

    /// Reserves the space of the first `len` bytes; a shorter file becomes that long.
    pub async fn allocate(&self, len: u64) -> io::Result<()> {
        match &self.0 {
            #[cfg(feature = "glommio")]
            Inner::Glommio(file) => file.allocate(len).await,
            Inner::Sim(file) => file.allocate(len).await,
        }
    }

    /// Writes the whole buffer.
    pub async fn write_at(&self, buffer: &Rc<Buffer>, pos: u64) -> io::Result<()> {
        self.write_range_at(buffer, 0..buffer.len(), pos).await
    }

    /// Writes the whole buffer; it is durable when this returns. The file was opened for the method.
    pub async fn write_durable_at(&self, buffer: &Rc<Buffer>, pos: u64, method: SyncMethod) -> io::Result<()> {
        self.write_at(buffer, pos).await?;
        match method {
            SyncMethod::WriteThenSync => self.sync().await,
            SyncMethod::Dsync => Ok(()),
        }
    }

    /// Writes a part of the buffer. Anything but the whole is copied first (glommio writes whole buffers only), so the
    /// hot path truncates its buffers and uses `write_at`.
    pub async fn write_range_at(&self, buffer: &Rc<Buffer>, range: Range<usize>, pos: u64) -> io::Result<()> {
        check_aligned(self.alignment(), pos, range.len())?;
        match &self.0 {
            #[cfg(feature = "glommio")]
            Inner::Glommio(file) => file.write_range_at(buffer, range, pos).await,
            Inner::Sim(file) => file.write_range_at(buffer, range, pos).await,
        }
    }

    /// Reads `len` bytes, or fewer where the file ends.
    pub async fn read_at(&self, pos: u64, len: usize) -> io::Result<Buffer> {
        check_aligned(self.alignment(), pos, len)?;
        match &self.0 {
            #[cfg(feature = "glommio")]
            Inner::Glommio(file) => file.read_at(pos, len).await,
            Inner::Sim(file) => file.read_at(pos, len).await,
        }
    }

    /// Where the first byte from `pos` on lies that may be other than zero, as far as the file system knows; `None`: nowhere.
    pub fn next_data(&self, pos: u64) -> io::Result<Option<u64>> {
        match &self.0 {
            #[cfg(feature = "glommio")]
            Inner::Glommio(file) => file.next_data(pos),
            Inner::Sim(file) => file.next_data(pos),
        }
    }

    /// Makes every write that has returned before this call durable (fdatasync: with the size, without the times).
    pub async fn sync(&self) -> io::Result<()> {
        match &self.0 {
            #[cfg(feature = "glommio")]
            Inner::Glommio(file) => file.sync().await,
            Inner::Sim(file) => file.sync().await,
        }
    }

    /// Takes the exclusive lock of this very open file, which the kernel holds until the file is closed and the last
    /// write to it has ended, even when the process was killed. `false` when another has it.
    pub fn try_lock(&self) -> io::Result<bool> {
        match &self.0 {
            #[cfg(feature = "glommio")]
            Inner::Glommio(file) => file.try_lock(),
            Inner::Sim(file) => file.try_lock(),
        }
    }

    /// Dropping a file closes it too, a moment later and silently.
    pub async fn close(self) -> io::Result<()> {
        match self.0 {
            #[cfg(feature = "glommio")]
            Inner::Glommio(file) => file.close().await,
            Inner::Sim(file) => file.close().await,
        }
    }
}

fn check_aligned(alignment: u32, pos: u64, len: usize) -> io::Result<()> {
    if !pos.is_multiple_of(u64::from(alignment)) || !len.is_multiple_of(alignment as usize) || len == 0 {
        let why = format!("direct I/O of {len} bytes at {pos}: both must be multiples of {alignment}, and not nothing");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    Ok(())
}
