//! The disk behind a folder, as `/proc/diskstats` counts it.
//!
//! Flushes are counted for whole disks only, so a partition, or a mapping over one disk, is followed down to its disk.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::root::{Root, rate};

const SECTOR_BYTES: f64 = 512.0;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Disk {
    pub device: String,
    pub reads_per_s: f64,
    pub writes_per_s: f64,
    pub read_bytes_per_s: f64,
    pub written_bytes_per_s: f64,
    /// Mean time of a write in the device.
    pub write_ms: f64,
    /// Flush requests, one per fdatasync that had something to sync; `None` before Linux 5.5.
    pub flushes_per_s: Option<f64>,
    pub flush_ms: Option<f64>,
    /// Time in which at least one request was under way. A device that serves many at once may be 100 % and have room.
    pub busy_percent: f64,
}

#[derive(Debug, Clone)]
pub struct DiskReading {
    name: String,
    /// The fields of the kernel's Documentation/admin-guide/iostats.rst, from "reads completed" on.
    fields: Vec<u64>,
}

/// `major:minor` of the disk that a folder's file system stands on.
pub fn device(root: &Root, folder: &Path) -> Result<String, String> {
    let metadata = std::fs::metadata(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let (major, minor) = (libc::major(metadata.dev()), libc::minor(metadata.dev()));
    // Major 0 is a file system without a device of its own number: btrfs has one below it, tmpfs and overlay have none.
    let number = if major == 0 { by_source(root, &format!("0:{minor}")) } else { Some(format!("{major}:{minor}")) };
    let number = number.ok_or_else(|| {
        format!("{}: its file system has no disk below it; give a folder on a disk with --dir, or leave it out", folder.display())
    })?;
    Ok(whole_disk(root, &number))
}

fn by_source(root: &Root, number: &str) -> Option<String> {
    let mounts = root.text("/proc/self/mountinfo")?;
    let mount = mounts.lines().find(|line| line.split_ascii_whitespace().nth(2) == Some(number))?;
    let source = mount.split_once(" - ")?.1.split_ascii_whitespace().nth(1)?.strip_prefix("/dev/")?;
    Some(root.text(&format!("/sys/class/block/{source}/dev"))?.trim().to_string())
}

fn whole_disk(root: &Root, number: &str) -> String {
    let folder = format!("/sys/dev/block/{number}");
    let slaves = root.names(&format!("{folder}/slaves"));
    let below = if root.path(&format!("{folder}/partition")).exists() {
        root.text(&format!("{folder}/../dev"))
    } else if let [slave] = &slaves[..] {
        root.text(&format!("{folder}/slaves/{slave}/dev"))
    } else {
        None
    };
    below.map_or_else(|| number.to_string(), |below| whole_disk(root, below.trim()))
}

pub fn read(root: &Root, number: &str) -> Option<DiskReading> {
    let text = root.text("/proc/diskstats")?;
    let (major, minor) = number.split_once(':')?;
    text.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        if words.next()? != major || words.next()? != minor {
            return None;
        }
        Some(DiskReading { name: words.next()?.to_string(), fields: words.flat_map(str::parse).collect() })
    })
}

pub fn disk(before: &DiskReading, after: &DiskReading, seconds: f64) -> Option<Disk> {
    let per_s = |index: usize| Some(rate(*before.fields.get(index)?, *after.fields.get(index)?, seconds));
    let mean_ms =
        |time: usize, count: usize| Some(per_s(time)? / per_s(count)?.max(f64::MIN_POSITIVE)).filter(|ms| ms.is_finite());
    Some(Disk {
        device: after.name.clone(),
        reads_per_s: per_s(0)?,
        read_bytes_per_s: per_s(2)? * SECTOR_BYTES,
        writes_per_s: per_s(4)?,
        written_bytes_per_s: per_s(6)? * SECTOR_BYTES,
        write_ms: mean_ms(7, 4).unwrap_or(0.0),
        busy_percent: (per_s(9)? / 10.0).min(100.0),
        flushes_per_s: per_s(15),
        flush_ms: mean_ms(16, 15),
    })
}
