//! Files that pass the page cache by, and the aligned memory they are written from.

use std::io;
use std::path::Path;
use std::rc::Rc;

#[cfg(feature = "glommio")]
use super::glommio;
use super::sim;

/// What every buffer's memory is aligned to.
pub const BUFFER_ALIGNMENT: usize = 4096;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    Read,
    ReadWrite,
    CreateNew,
}

/// Aligned memory, zero to begin with. Written to until somebody writes it to disk; then shared and read only.
pub struct Buffer(Bytes);

enum Bytes {
    #[cfg(feature = "glommio")]
    Glommio(glommio::file::Bytes),
    Sim(Vec<u8>),
}

impl Buffer {
    pub fn new(len: usize) -> Buffer {
        assert!(len > 0, "a buffer holds something");
        #[cfg(feature = "glommio")]
        if glommio::task::is_current() {
            return Buffer(Bytes::Glommio(glommio::file::Bytes::new(len)));
        }
        Buffer(Bytes::Sim(vec![0; len]))
    }

    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            #[cfg(feature = "glommio")]
            Bytes::Glommio(bytes) => bytes.as_slice(),
            Bytes::Sim(bytes) => bytes,
        }
    }

    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        match &mut self.0 {
            #[cfg(feature = "glommio")]
            Bytes::Glommio(bytes) => bytes.as_mut_slice(),
            Bytes::Sim(bytes) => bytes,
        }
    }

    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps the first `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        match &mut self.0 {
            #[cfg(feature = "glommio")]
            Bytes::Glommio(bytes) => bytes.truncate(len),
            Bytes::Sim(bytes) => bytes.truncate(len),
        }
    }
}

/// An open file. Positions and lengths are multiples of `alignment`.
pub struct File(Inner);

enum Inner {
    #[cfg(feature = "glommio")]
    Glommio(glommio::file::File),
    Sim(sim::File),
}

impl File {
    pub async fn open(path: &Path, how: Open) -> io::Result<File> {
        #[cfg(feature = "glommio")]
        if glommio::task::is_current() {
            return Ok(File(Inner::Glommio(glommio::file::File::open(path, how).await?)));
        }
        Ok(File(Inner::Sim(sim::File::open(path, how).await?)))
    }

    /// What positions and lengths must be multiples of.
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
            Inner::Sim(file) => file.size().await,
        }
    }

    /// Makes the file `len` bytes long with room on the disk for all of them.
    pub async fn allocate(&self, len: u64) -> io::Result<()> {
        match &self.0 {
            #[cfg(feature = "glommio")]
            Inner::Glommio(file) => file.allocate(len).await,
            Inner::Sim(file) => file.allocate(len).await,
        }
    }

    /// Writes the whole buffer. Durable after a `sync` that starts when this has returned.
    pub async fn write_at(&self, buffer: &Rc<Buffer>, pos: u64) -> io::Result<()> {
        match (&self.0, &buffer.0) {
            #[cfg(feature = "glommio")]
            (Inner::Glommio(file), Bytes::Glommio(bytes)) => file.write_at(bytes, pos).await,
            (Inner::Sim(file), Bytes::Sim(bytes)) => file.write_at(bytes, pos).await,
            #[cfg(feature = "glommio")]
            _ => panic!("a buffer belongs to the runtime it was made in"),
        }
    }

    /// Up to `len` bytes; fewer at the end of the file.
    pub async fn read_at(&self, pos: u64, len: usize) -> io::Result<Buffer> {
        match &self.0 {
            #[cfg(feature = "glommio")]
            Inner::Glommio(file) => Ok(Buffer(Bytes::Glommio(file.read_at(pos, len).await?))),
            Inner::Sim(file) => Ok(Buffer(Bytes::Sim(file.read_at(pos, len).await?))),
        }
    }

    /// fdatasync.
    pub async fn sync(&self) -> io::Result<()> {
        match &self.0 {
            #[cfg(feature = "glommio")]
            Inner::Glommio(file) => file.sync().await,
            Inner::Sim(file) => file.sync().await,
        }
    }

    /// flock, exclusive, without waiting; held until the file is closed and, by the kernel, until its last write is done.
    pub fn try_lock(&self) -> io::Result<bool> {
        match &self.0 {
            #[cfg(feature = "glommio")]
            Inner::Glommio(file) => file.try_lock(),
            Inner::Sim(file) => file.try_lock(),
        }
    }

    pub async fn close(self) -> io::Result<()> {
        match self.0 {
            #[cfg(feature = "glommio")]
            Inner::Glommio(file) => file.close().await,
            Inner::Sim(file) => file.close().await,
        }
    }
}

impl crate::queue::BufferLen for Buffer {
    fn buffer_len(&self) -> usize {
        self.len()
    }
}
