//! Names of files: rare calls, at start, at a segment's change and at snapshots.
//!
//! Invariant: a name is durable only after `sync_dir` of its folder.

use std::io;
use std::path::Path;
use std::rc::Rc;

#[cfg(feature = "glommio")]
use super::glommio;
use super::sim;
use super::{Buffer, File, Open};
use crate::types::Millis;

/// Bytes of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    pub total: u64,
    pub available: u64,
}

impl Usage {
    /// What is in use of what we could use, in percent.
    pub fn used_percent(&self) -> u8 {
        if self.total == 0 {
            return 0;
        }
        (100 - (u128::from(self.available.min(self.total)) * 100).div_ceil(u128::from(self.total)) as u64) as u8
    }
}

macro_rules! on_real {
    ($real:expr) => {
        #[cfg(feature = "glommio")]
        if glommio::task::is_current() {
            return $real;
        }
    };
}

pub fn create_dir_all(path: &Path) -> io::Result<()> {
    on_real!(std::fs::create_dir_all(path));
    sim::fs::create_dir_all(path)
}

/// Names of the files in a folder, sorted; empty when there is no such folder.
pub fn list(path: &Path) -> io::Result<Vec<String>> {
    on_real!({
        let mut names = Vec::new();
        match std::fs::read_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(names),
            Err(error) => return Err(error),
            Ok(entries) => {
                for entry in entries {
                    names.push(entry?.file_name().to_string_lossy().into_owned());
                }
            }
        }
        names.sort();
        Ok(names)
    });
    sim::fs::list(path)
}

pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    on_real!(std::fs::rename(from, to));
    sim::fs::rename(from, to)
}

pub fn remove(path: &Path) -> io::Result<()> {
    on_real!(std::fs::remove_file(path));
    sim::fs::remove(path)
}

pub fn sync_dir(path: &Path) -> io::Result<()> {
    on_real!(std::fs::File::open(path)?.sync_all());
    sim::fs::sync_dir(path)
}

pub fn exists(path: &Path) -> bool {
    on_real!(path.exists());
    sim::fs::exists(path)
}

pub fn usage(path: &Path) -> io::Result<Usage> {
    on_real!({
        let (total, available) = super::system::disk_usage(path)?;
        Ok(Usage { total, available })
    });
    sim::fs::usage(path)
}

/// When the file was last written.
pub fn modified(path: &Path) -> io::Result<Millis> {
    on_real!({
        let since = std::fs::metadata(path)?.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Ok(Millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
    });
    sim::fs::modified(path)
}

/// A small file, whole.
pub async fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path, Open::Read).await?;
    let size = usize::try_from(file.size().await?).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    let mut bytes = Vec::with_capacity(size);
    const STEP: usize = 1 << 20;
    while bytes.len() < size {
        let part = file.read_at(bytes.len() as u64, STEP).await?;
        if part.is_empty() {
            break;
        }
        let wanted = (size - bytes.len()).min(part.len());
        bytes.extend_from_slice(&part.as_slice()[..wanted]);
    }
    file.close().await?;
    Ok(bytes)
}

/// Replaces a file by these bytes, padded with zeroes to whole blocks: after a crash there is the old one or the new one.
pub async fn write_durable(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let new = folder.join(name);
    if exists(&new) {
        remove(&new)?;
    }
    let file = File::open(&new, Open::CreateNew).await?;
    let align = super::file::BUFFER_ALIGNMENT;
    let padded = bytes.len().max(1).div_ceil(align) * align;
    const STEP: usize = 1 << 20;
    let mut written = 0;
    while written < padded {
        let step = (padded - written).min(STEP);
        let mut buffer = Buffer::new(step);
        let end = bytes.len().min(written + step);
        if written < end {
            buffer.as_mut_slice()[..end - written].copy_from_slice(&bytes[written..end]);
        }
        file.write_at(&Rc::new(buffer), written as u64).await?;
        written += step;
    }
    file.sync().await?;
    file.close().await?;
    rename(&new, path)?;
    sync_dir(folder)
}
