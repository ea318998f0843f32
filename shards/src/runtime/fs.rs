//! The names of files, and small files. What is not awaited may block for a moment and is rare; what is awaited lets the
//! core go on.
//!
//! Invariant: a created, renamed or removed name is durable only after `sync_dir` of its folder; syncing the file alone
//! is not enough. `write_durable` does all of it in the right order.
//!
//! Works outside of executors too (start-up, the offline commands): then it is the real file system.

use super::{Backend, backend, sim, sys};
use crate::types::Millis;
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

#[cfg(feature = "glommio")]
use super::glommio;

/// Space on the file system of a path, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// What is used and what is free; less than the device where blocks are kept for others.
    pub total: u64,
    /// What is free for a user without privileges.
    pub available: u64,
}

impl Usage {
    /// What is in use of what we could use, in percent.
    pub fn used_percent(&self) -> u8 {
        if self.total == 0 {
            return 0;
        }
        let free = u128::from(self.available.min(self.total)) * 100 / u128::from(self.total);
        100 - free as u8
    }
}

pub fn create_dir_all(path: &Path) -> io::Result<()> {
    match backend() {
        Backend::Sim => sim::fs::create_dir_all(path),
        _ => fs::create_dir_all(path),
    }
}

/// The names in a folder, sorted. A name that is not UTF-8 is none of ours and is left out.
pub fn list(path: &Path) -> io::Result<Vec<String>> {
    if backend() == Backend::Sim {
        return sim::fs::list(path);
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        names.extend(entry?.file_name().into_string().ok());
    }
    names.sort();
    Ok(names)
}

/// Gives a file another name in the same folder, replacing what has that name.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match backend() {
        Backend::Sim => sim::fs::rename(from, to),
        _ => fs::rename(from, to),
    }
}

/// Removes a file, not a folder.
pub fn remove(path: &Path) -> io::Result<()> {
    match backend() {
        Backend::Sim => sim::fs::remove(path),
        _ => fs::remove_file(path),
    }
}

/// Makes the names in this folder durable.
pub async fn sync_dir(path: &Path) -> io::Result<()> {
    match backend() {
        Backend::Outside => sync_folder(path),
        #[cfg(feature = "glommio")]
        Backend::Glommio => {
            let path = path.to_owned();
            glommio::blocking(move || sync_folder(&path)).await
        }
        Backend::Sim => sim::fs::sync_dir(path),
    }
}

/// Gives a file, which is durable itself, its final name in the same folder, durably.
pub async fn publish(from: &Path, to: &Path) -> io::Result<()> {
    match backend() {
        Backend::Outside => rename_and_sync(from, to),
        #[cfg(feature = "glommio")]
        Backend::Glommio => {
            let (from, to) = (from.to_owned(), to.to_owned());
            glommio::blocking(move || rename_and_sync(&from, &to)).await
        }
        Backend::Sim => sim::fs::publish(from, to).await,
    }
}

/// Removes a large file while the core goes on: giving a gigabyte back to the file system takes its time.
pub async fn remove_large(path: &Path) -> io::Result<()> {
    match backend() {
        #[cfg(feature = "glommio")]
        Backend::Glommio => {
            let path = path.to_owned();
            glommio::blocking(move || fs::remove_file(path)).await
        }
        _ => remove(path),
    }
}

pub fn exists(path: &Path) -> bool {
    match backend() {
        Backend::Sim => sim::fs::exists(path),
        _ => path.exists(),
    }
}

pub fn usage(path: &Path) -> io::Result<Usage> {
    let (total, available) = match backend() {
        Backend::Sim => sim::fs::space(path)?,
        _ => sys::disk_space(path)?,
    };
    Ok(Usage { total, available })
}

/// When the file was last written.
pub fn modified(path: &Path) -> io::Result<Millis> {
    if backend() == Backend::Sim {
        return sim::fs::modified(path);
    }
    let at = fs::metadata(path)?.modified()?.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Ok(Millis(i64::try_from(at.as_millis()).unwrap_or(i64::MAX)))
}

/// A whole small file.
pub async fn read(path: &Path) -> io::Result<Vec<u8>> {
    match backend() {
        Backend::Outside => fs::read(path),
        #[cfg(feature = "glommio")]
        Backend::Glommio => {
            let path = path.to_owned();
            glommio::blocking(move || fs::read(path)).await
        }
        Backend::Sim => sim::fs::read(path).await,
    }
}

/// Writes a whole small file so that after a crash it is either the old or the new one, and when this returns the new:
/// temporary file, sync, rename, sync of the folder. It goes through the page cache; large files: `NewFile`.
pub async fn write_durable(path: &Path, bytes: Vec<u8>) -> io::Result<()> {
    match backend() {
        Backend::Outside => write_and_rename(path, &bytes),
        #[cfg(feature = "glommio")]
        Backend::Glommio => {
            let path = path.to_owned();
            glommio::blocking(move || write_and_rename(&path, &bytes)).await
        }
        Backend::Sim => sim::fs::write_durable(path, &bytes).await,
    }
}

fn write_and_rename(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary_name(path);
    let mut file = fs::File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    drop(file);
    rename_and_sync(&temporary, path)
}

fn rename_and_sync(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_folder(folder_of(to))
}

fn sync_folder(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

/// What a half-written file is called: the name with `.tmp` behind it. A leftover one is overwritten by the next write.
pub(super) fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    PathBuf::from(name)
}

/// The folder that holds this name.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
