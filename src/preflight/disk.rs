//! Can the store's folder be written past the page cache, on what block size, and is there room.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ringmq_shards::runtime::fs::{self, Usage};

use super::Check;
use crate::config::{Flush, NodeOptions};

pub(super) fn checks(options: &NodeOptions) -> Vec<Check> {
    let folder = nearest(&options.data_dir);
    let mut checks = vec![folder_check(&options.data_dir, &folder), direct(&folder, options.settings.flush)];
    checks.extend(blocks(&folder));
    match fs::usage(&folder) {
        Ok(usage) => checks.push(space(options, usage)),
        Err(error) => checks.push(Check::fail("disk space", format!("{}: {error}", folder.display()), "df -h")),
    }
    checks
}

/// The folder itself, or the nearest one above it that is there: nothing is made by looking.
pub(super) fn nearest(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    absolute.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/")).to_path_buf()
}

fn folder_check(wanted: &Path, there: &Path) -> Check {
    let name = "data folder";
    if !there.is_dir() {
        return Check::fail(name, format!("{} is not a folder", there.display()), "--data DIR");
    }
    let is_new = std::path::absolute(wanted).is_ok_and(|wanted| wanted != *there);
    let note = if is_new { " (will be made)" } else { "" };
    match nameless_file(there, libc::O_WRONLY) {
        Ok(_) => Check::ok(name, format!("{}{note}", wanted.display())),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR | libc::ENOENT)) => {
            Check::ok(name, format!("{}{note}", wanted.display()))
        }
        Err(error) => {
            let fix = format!("sudo chown -R \"$(id -un)\" {}   # or another folder: --data DIR", there.display());
            Check::fail(name, format!("{} cannot be written: {error}", there.display()), fix)
        }
    }
}

/// A file without a name vanishes by itself, also when we are killed in between.
fn nameless_file(folder: &Path, flags: libc::c_int) -> io::Result<std::fs::File> {
    OpenOptions::new().read(true).write(true).custom_flags(libc::O_TMPFILE | (flags & !libc::O_ACCMODE)).open(folder)
}

fn direct(folder: &Path, flush: Flush) -> Check {
    let name = "O_DIRECT";
    let kind = file_system(folder, &std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default());
    let elsewhere = "--data DIR   # a folder on ext4 or XFS";
    if matches!(kind.as_str(), "tmpfs" | "ramfs") {
        let found = format!("{kind} keeps files in memory: nothing there survives a power cut");
        return match flush {
            Flush::Sync => {
                Check::fail(name, found, format!("{elsewhere}; or, if that is meant, --set flushDiskType=ASYNC_FLUSH"))
            }
            Flush::Async => Check::warn(name, found, elsewhere),
        };
    }
    match try_direct(folder) {
        Ok(()) => Check::ok(name, format!("works on {kind}")),
        Err(error) => Check::fail(name, format!("{kind} has none here: {error}"), elsewhere),
    }
}

fn try_direct(folder: &Path) -> io::Result<()> {
    const PAGE: usize = 4096;
    let file = match nameless_file(folder, libc::O_DIRECT) {
        // File systems without nameless files (overlayfs before 6.1, NFS, FUSE): one with a name, removed at once.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR | libc::ENOENT)) => {
            let path = folder.join(format!(".ringmq-probe-{}", std::process::id()));
            let file = OpenOptions::new().write(true).create_new(true).custom_flags(libc::O_DIRECT).open(&path);
            std::fs::remove_file(&path).or_else(|error| if file.is_ok() { Err(error) } else { Ok(()) })?;
            file?
        }
        other => other?,
    };
    let memory = vec![0u8; 2 * PAGE];
    let start = memory.as_ptr().align_offset(PAGE);
    file.write_all_at(&memory[start..start + PAGE], 0)
}

/// The type of the file system that `folder` is on, by the longest mount point above it.
fn file_system(folder: &Path, mountinfo: &str) -> String {
    let mounts = mountinfo.lines().filter_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let point = left.split(' ').nth(4)?.replace("\\040", " ");
        folder.starts_with(&point).then(|| (point.len(), right.split(' ').next().unwrap_or_default().to_string()))
    });
    // The last one of equally long ones: it is mounted over the others.
    mounts.max_by_key(|(length, _)| *length).map_or("unknown file system".to_string(), |(_, kind)| kind)
}

fn blocks(folder: &Path) -> Option<Check> {
    let device = std::fs::metadata(folder).ok()?.dev();
    let (major, minor) = (libc::major(device), libc::minor(device));
    // A partition has no queue of its own, its disk does.
    let queue = [format!("/sys/dev/block/{major}:{minor}/queue"), format!("/sys/dev/block/{major}:{minor}/../queue")];
    let queue = queue.into_iter().find(|queue| Path::new(queue).exists())?;
    let read = |name: &str| std::fs::read_to_string(format!("{queue}/{name}")).ok()?.trim().parse::<u32>().ok();
    let (logical, physical) = (read("logical_block_size")?, read("physical_block_size")?);
    let unit = logical.max(physical).max(4096);
    Some(Check::ok("block size", format!("{logical} logical, {physical} physical; the store writes {unit}")))
}

fn space(options: &NodeOptions, usage: Usage) -> Check {
    let name = "disk space";
    let settings = &options.settings;
    let (Usage { total, available }, used) = (usage, u64::from(usage.used_percent()));
    let shards = if super::store::exists(&options.data_dir) { 1 } else { u64::from(options.shards) };
    let needed = settings.segment_bytes * shards;
    let found = format!("{} MiB free of {} MiB, {used} % used", available >> 20, total >> 20);
    let folder = nearest(&options.data_dir);
    let fix = format!(
        "df -h {}   # free some, or fewer: --set fileReservedTime=HOURS, --set mappedFileSizeCommitLog=64MiB",
        folder.display()
    );
    if available < needed {
        return Check::fail(name, format!("{found}; {} MiB are needed for the first segments", needed >> 20), fix);
    }
    if used >= u64::from(settings.disk_refuse) {
        return Check::fail(
            name,
            format!("{found}; sends are refused from diskSpaceWarningLevelRatio={}", settings.disk_refuse),
            fix,
        );
    }
    if used >= u64::from(settings.disk_used_max) {
        return Check::warn(
            name,
            format!("{found}; above diskMaxUsedSpaceRatio={} old messages are deleted early", settings.disk_used_max),
            fix,
        );
    }
    Check::ok(name, found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Outcome;

    const MOUNTS: &str = "21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
                          40 21 0:35 / /dev/shm rw shared:9 - tmpfs tmpfs rw\n\
                          41 21 8:1 / /my\\040data rw - xfs /dev/sda1 rw\n";

    #[test]
    fn the_longest_mount_point_counts() {
        assert_eq!(file_system(Path::new("/dev/shm/store"), MOUNTS), "tmpfs");
        assert_eq!(file_system(Path::new("/dev/shmem"), MOUNTS), "ext4");
        assert_eq!(file_system(Path::new("/my data/store"), MOUNTS), "xfs");
    }

    #[test]
    fn looking_leaves_nothing_behind() {
        let folder = std::env::temp_dir().join(format!("ringmq-disk-test-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let wanted = folder.join("a/b");
        assert_eq!(nearest(&wanted), folder);
        assert_eq!(folder_check(&wanted, &folder).outcome, Outcome::Ok);
        _ = try_direct(&folder);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        std::fs::remove_dir(&folder).unwrap();
    }

    #[test]
    fn a_file_is_not_a_folder() {
        assert_eq!(folder_check(Path::new("/proc/version/x"), Path::new("/proc/version")).outcome, Outcome::Fail);
    }
}
