//! Names of files on the disk of the machine that the current process runs on.

use super::super::fs::{folder_of, temporary_name};
use super::{
    context,
    disk::Disk,
    file::{name_path, pause},
};
use crate::types::Millis;
use std::{io, path::Path};

fn with_disk<R>(path: &Path, f: impl FnOnce(&mut Disk) -> io::Result<R>) -> io::Result<R> {
    let here = context::here();
    here.world.with_disk(here.world.machine_of(here.process), f).map_err(|error| name_path(error, path))
}

pub fn create_dir_all(path: &Path) -> io::Result<()> {
    with_disk(path, |disk| disk.names.create_dir_all(path))
}

pub fn list(path: &Path) -> io::Result<Vec<String>> {
    with_disk(path, |disk| disk.names.list(path))
}

pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    with_disk(from, |disk| {
        disk.names.rename(from, to)?;
        disk.collect();
        Ok(())
    })
}

pub fn remove(path: &Path) -> io::Result<()> {
    with_disk(path, |disk| {
        disk.names.remove(path)?;
        disk.collect();
        Ok(())
    })
}

pub fn sync_dir(path: &Path) -> io::Result<()> {
    with_disk(path, |disk| {
        disk.names.sync(path)?;
        disk.collect();
        Ok(())
    })
}

pub fn exists(path: &Path) -> bool {
    with_disk(path, |disk| Ok(disk.names.exists(path))).unwrap_or(false)
}

/// All bytes of the disk, and the free ones.
pub fn space(path: &Path) -> io::Result<(u64, u64)> {
    with_disk(path, |disk| Ok((disk.capacity, disk.capacity.saturating_sub(disk.used()))))
}

pub fn modified(path: &Path) -> io::Result<Millis> {
    with_disk(path, |disk| disk.modified(path))
}

pub async fn read(path: &Path) -> io::Result<Vec<u8>> {
    let here = context::here();
    pause(&here.world, here.world.machine_of(here.process)).await;
    with_disk(path, |disk| disk.bytes(path))
}

/// The same steps as on a real disk; a crash may come between any two.
pub async fn write_durable(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let here = context::here();
    let machine = here.world.machine_of(here.process);
    let temporary = temporary_name(path);
    let now = here.world.wall(machine);
    let inode = with_disk(path, |disk| disk.replace_bytes(&temporary, bytes, now))?;
    pause(&here.world, machine).await;
    with_disk(path, |disk| {
        disk.sync_bytes(inode);
        Ok(())
    })?;
    publish(&temporary, path).await
}

pub async fn publish(from: &Path, to: &Path) -> io::Result<()> {
    let here = context::here();
    let machine = here.world.machine_of(here.process);
    pause(&here.world, machine).await;
    rename(from, to)?;
    pause(&here.world, machine).await;
    sync_dir(folder_of(to))
}
