//! Files through glommio's `DmaFile` (not `ImmutableFile`, which shares reads per inode and so would serve a recycled
//! segment's old bytes).

use super::super::{Buffer, Open, fs::folder_of, sys};
use super::DirectMemory;
use ::glommio::io::{DmaBuffer, DmaFile, OpenOptions};
use std::{io, ops::Range, path::Path, rc::Rc};

pub struct File {
    file: DmaFile,
    alignment: u32,
}

impl File {
    pub async fn open(path: &Path, how: Open, dsync: bool) -> io::Result<File> {
        refuse_without_direct_io(path, how)?;
        let mut options = OpenOptions::new();
        options.read(true).write(how != Open::Read).create_new(how == Open::CreateNew);
        if dsync {
            options.custom_flags(libc::O_DSYNC);
        }
        let file = options.dma_open(path).await?;
        // Glommio knows the device's logical block, and guesses 512 where there is no device (overlays, btrfs). The
        // kernel knows better where it says anything.
        let by_device = u32::try_from(file.alignment()).map_err(io::Error::other)?;
        let alignment = sys::direct_io_alignment(&file).unwrap_or(0).max(by_device).max(512);
        Ok(File { file, alignment })
    }

    pub fn alignment(&self) -> u32 {
        self.alignment
    }

    pub async fn size(&self) -> io::Result<u64> {
        Ok(self.file.file_size().await?)
    }

    pub async fn allocate(&self, len: u64) -> io::Result<()> {
        Ok(self.file.pre_allocate(len, false).await?)
    }

    pub async fn write_range_at(&self, buffer: &Rc<Buffer>, range: Range<usize>, pos: u64) -> io::Result<()> {
        let bytes = &buffer.as_slice()[range.clone()];
        let whole = range == (0..buffer.len());
        let mut written = match buffer.as_direct() {
            Some(DirectMemory::Ours(memory)) if whole => self.write_once(memory.clone(), pos).await?,
            // Outside memory, or a part: glommio writes only what it has allocated, from its start to its end.
            _ => self.write_once(DirectMemory::copy_of(bytes), pos).await?,
        };
        while written < bytes.len() {
            // A short write ends at a block's end, or at a byte that must be written again with its whole block.
            let from = written - written % self.alignment as usize;
            let more = self.write_once(DirectMemory::copy_of(&bytes[from..]), pos + from as u64).await?;
            if from + more <= written {
                let why = format!("a write of {} bytes at {pos} stops after {written}", bytes.len());
                return Err(io::Error::new(io::ErrorKind::WriteZero, why));
            }
            written = from + more;
        }
        Ok(())
    }

    async fn write_once(&self, memory: Rc<DmaBuffer>, pos: u64) -> io::Result<usize> {
        Ok(self.file.write_rc_at(memory, pos).await?)
    }

    pub async fn read_at(&self, pos: u64, len: usize) -> io::Result<Buffer> {
        let first = self.file.read_at_aligned(pos, len).await?;
        let got = first.len();
        if got == len || !got.is_multiple_of(self.alignment as usize) || pos + got as u64 >= self.size().await? {
            return Ok(Buffer::direct(DirectMemory::Read(first)));
        }
        // Short, but not at the end of the file: rare enough to be put together by copying.
        let mut whole = Buffer::new(len);
        whole.as_mut_slice()[..got].copy_from_slice(&first);
        let mut filled = got;
        while filled < len && filled.is_multiple_of(self.alignment as usize) {
            let part = self.file.read_at_aligned(pos + filled as u64, len - filled).await?;
            if part.is_empty() {
                break;
            }
            whole.as_mut_slice()[filled..filled + part.len()].copy_from_slice(&part);
            filled += part.len();
        }
        whole.truncate(filled);
        Ok(whole)
    }

    pub fn next_data(&self, pos: u64) -> io::Result<Option<u64>> {
        sys::next_data(&self.file, pos)
    }

    pub async fn sync(&self) -> io::Result<()> {
        Ok(self.file.fdatasync().await?)
    }

    pub fn try_lock(&self) -> io::Result<bool> {
        sys::try_flock(&self.file)
    }

    pub async fn close(self) -> io::Result<()> {
        Ok(self.file.close().await?)
    }
}

/// Glommio panics when `statfs` fails after it has opened a file, and goes on without O_DIRECT on tmpfs, where a sync
/// would promise nothing. So both are asked before.
fn refuse_without_direct_io(path: &Path, how: Open) -> io::Result<()> {
    let asked = if how == Open::CreateNew { folder_of(path) } else { path };
    let kind =
        sys::file_system_kind(asked).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", asked.display())))?;
    #[allow(clippy::unnecessary_cast, reason = "the type of the constant differs between targets")]
    if kind == libc::TMPFS_MAGIC as i64 {
        let why = format!(
            "{}: tmpfs keeps files in memory and has no direct I/O, so nothing there is durable; choose a folder on a disk",
            path.display()
        );
        return Err(io::Error::new(io::ErrorKind::Unsupported, why));
    }
    Ok(())
}
