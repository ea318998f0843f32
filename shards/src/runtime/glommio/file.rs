//! Files opened with O_DIRECT. `DmaFile`, not `ImmutableFile`: the latter shares reads by inode, and a recycled segment
//! would be read stale.

use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::rc::Rc;

use ::glommio::io::{DmaBuffer, DmaFile, OpenOptions, ReadResult};

use super::io_error;
use crate::runtime::file::Open;
use crate::runtime::system;

pub enum Bytes {
    Written(Rc<DmaBuffer>),
    Read(ReadResult),
}

impl Bytes {
    pub fn new(len: usize) -> Bytes {
        // Not from the ring's registered memory: blocks stay in the tail cache for long.
        let mut buffer = ::glommio::allocate_dma_buffer_global(len);
        buffer.as_bytes_mut().fill(0);
        Bytes::Written(Rc::new(buffer))
    }

    pub fn as_slice(&self) -> &[u8] {
        match self {
            Bytes::Written(buffer) => buffer.as_bytes(),
            Bytes::Read(result) => result,
        }
    }

    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        match self {
            Bytes::Written(buffer) => Rc::get_mut(buffer).expect("nobody writes to disk what is still being filled").as_bytes_mut(),
            Bytes::Read(_) => panic!("what was read is not written to"),
        }
    }

    pub fn truncate(&mut self, len: usize) {
        match self {
            Bytes::Written(buffer) => {
                Rc::get_mut(buffer).expect("nobody writes to disk what is still being filled").trim_to_size(len);
            }
            Bytes::Read(_) => panic!("what was read is not written to"),
        }
    }
}

pub struct File {
    file: DmaFile,
}

impl File {
    pub async fn open(path: &Path, how: Open) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true);
        match how {
            Open::Read => {}
            Open::ReadWrite => {
                options.write(true);
            }
            Open::CreateNew => {
                options.write(true).create_new(true);
            }
        }
        let file = options.dma_open(path).await.map_err(io_error)?;
        if !system::is_direct(file.as_raw_fd())? {
            let text = format!("the file system of {} has no O_DIRECT (tmpfs?); put the store on ext4 or xfs", path.display());
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        Ok(File { file })
    }

    pub fn alignment(&self) -> u32 {
        u32::try_from(self.file.alignment()).unwrap_or(4096).max(512)
    }

    pub async fn size(&self) -> io::Result<u64> {
        self.file.file_size().await.map_err(io_error)
    }

    pub async fn allocate(&self, len: u64) -> io::Result<()> {
        self.file.pre_allocate(len, false).await.map_err(io_error)
    }

    pub async fn write_at(&self, bytes: &Bytes, pos: u64) -> io::Result<()> {
        let Bytes::Written(buffer) = bytes else { panic!("what was read is not written again") };
        let mut written = self.file.write_rc_at(buffer.clone(), pos).await.map_err(io_error)?;
        while written < buffer.len() {
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            // Rare: the rest goes through a buffer of its own, because a write starts at a buffer's start.
            let align = self.alignment() as usize;
            let from = written / align * align;
            let mut rest = ::glommio::allocate_dma_buffer_global(buffer.len() - from);
            rest.as_bytes_mut().copy_from_slice(&buffer.as_bytes()[from..]);
            let more = self.file.write_rc_at(Rc::new(rest), pos + from as u64).await.map_err(io_error)?;
            if from + more <= written {
                return Err(io::ErrorKind::WriteZero.into());
            }
            written = from + more;
        }
        Ok(())
    }

    pub async fn read_at(&self, pos: u64, len: usize) -> io::Result<Bytes> {
        self.file.read_at_aligned(pos, len).await.map(Bytes::Read).map_err(io_error)
    }

    pub async fn sync(&self) -> io::Result<()> {
        self.file.fdatasync().await.map_err(io_error)
    }

    pub fn try_lock(&self) -> io::Result<bool> {
        system::try_lock(self.file.as_raw_fd())
    }

    pub async fn close(self) -> io::Result<()> {
        self.file.close().await.map_err(io_error)
    }
}
