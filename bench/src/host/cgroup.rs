//! The limits of the control group that a process is in, and how often the kernel enforced them.
//!
//! | | version 2 | version 1 |
//! |---|---|---|
//! | CPU quota | `cpu.max` | `cpu.cfs_quota_us`, `cpu.cfs_period_us` |
//! | memory | `memory.current`, `.max`, `.high`, `.events`, `.pressure` | `memory.usage_in_bytes`, `.limit_in_bytes`, `.failcnt` |
//! | disk | `io.max`, `io.stat` | `blkio.throttle.*` |
//!
//! A limit binds everything below it, so of each kind the nearest group upwards that has one is read.

use serde::{Deserialize, Serialize};

use super::groups::{Groups, Version};
use super::machine::{Stall, StallReading, stall, stalled};
use super::root::{Root, rate, value};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cgroup {
    pub cpu: Option<Quota>,
    pub memory: Option<MemoryLimit>,
    pub io: Vec<IoLimit>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quota {
    /// In percent of one core.
    pub quota_percent: f64,
    /// Of the periods in which the group ran at all, those at whose end it was kept waiting.
    pub throttled_periods_percent: f64,
    pub throttled_ms_per_s: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemoryLimit {
    pub bytes: u64,
    pub limit_bytes: u64,
    /// Times that the group had to give memory back before it got more.
    pub limit_hits_per_s: f64,
    /// Version 1 without its OOM killer: tasks stand still until there is memory, and no counter moves.
    #[serde(default)]
    pub out_of_memory: bool,
    /// The group's own stall; version 1 has only the machine's.
    pub stall: Option<Stall>,
}

/// One limit of one device: `device` is `major:minor`, `kind` as version 2 says it (`rbps`, `wbps`, `riops`, `wiops`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IoLimit {
    pub device: String,
    pub kind: String,
    pub per_s: f64,
    pub limit_per_s: f64,
}

#[derive(Debug, Clone, Default)]
pub struct CgroupReading {
    cpu: Option<(f64, u64, u64, u64)>, // quota in percent; periods, throttled periods, throttled time in µs
    memory: Option<MemoryReading>,
    io: Vec<(String, &'static str, u64, u64)>, // device, kind, limit, done so far
}

#[derive(Debug, Clone, Copy)]
struct MemoryReading {
    bytes: u64,
    limit: u64,
    hits: u64,
    out: bool,
    stall: Option<StallReading>,
}

pub fn read(root: &Root, groups: &Groups) -> CgroupReading {
    CgroupReading {
        cpu: groups.nearest("cpu", |version, folder| read_cpu(root, version, folder)),
        memory: groups.nearest("memory", |version, folder| read_memory(root, version, folder)),
        io: groups
            .nearest("blkio", |version, folder| Some(read_io(root, version, folder)).filter(|io| !io.is_empty()))
            .unwrap_or_default(),
    }
}

fn read_cpu(root: &Root, version: Version, folder: &str) -> Option<(f64, u64, u64, u64)> {
    let (quota, period) = match version {
        Version::Two => {
            let text = root.text(&format!("{folder}/cpu.max"))?;
            let (quota, period) = text.trim().split_once(' ')?;
            (quota.parse().ok()?, period.parse().ok()?)
        }
        // -1 is no quota, and no number of this type.
        Version::One => {
            (root.number::<u64>(&format!("{folder}/cpu.cfs_quota_us"))?, root.number(&format!("{folder}/cpu.cfs_period_us"))?)
        }
    };
    let period: u64 = period;
    let stat = root.text(&format!("{folder}/cpu.stat"))?;
    let throttled_us = value(&stat, "throttled_usec").or_else(|| Some(value(&stat, "throttled_time")? / 1000))?;
    Some((quota as f64 / period as f64 * 100.0, value(&stat, "nr_periods")?, value(&stat, "nr_throttled")?, throttled_us))
}

fn read_memory(root: &Root, version: Version, folder: &str) -> Option<MemoryReading> {
    let number = |file: &str| root.number::<u64>(&format!("{folder}/{file}"));
    match version {
        Version::Two => {
            // Without a limit the file says "max".
            let limit = [number("memory.max"), number("memory.high")].into_iter().flatten().min()?;
            let events = root.text(&format!("{folder}/memory.events"))?;
            let hits = value(&events, "max")? + value(&events, "high")?;
            let stall = root.text(&format!("{folder}/memory.pressure")).as_deref().and_then(stall);
            Some(MemoryReading { bytes: number("memory.current")?, limit, hits, out: false, stall })
        }
        Version::One => {
            // No limit is the largest number of pages there is.
            let limit = number("memory.limit_in_bytes").filter(|limit| *limit < 1 << 60)?;
            let oom = root.text(&format!("{folder}/memory.oom_control")).unwrap_or_default();
            let (bytes, hits) = (number("memory.usage_in_bytes")?, number("memory.failcnt")?);
            Some(MemoryReading { bytes, limit, hits, out: value(&oom, "under_oom") == Some(1), stall: None })
        }
    }
}

fn read_io(root: &Root, version: Version, folder: &str) -> Vec<(String, &'static str, u64, u64)> {
    const KINDS: [(&str, &str, &str, &str, &str); 4] = [
        ("rbps", "rbytes", "blkio.throttle.read_bps_device", "blkio.throttle.io_service_bytes", "Read"),
        ("wbps", "wbytes", "blkio.throttle.write_bps_device", "blkio.throttle.io_service_bytes", "Write"),
        ("riops", "rios", "blkio.throttle.read_iops_device", "blkio.throttle.io_serviced", "Read"),
        ("wiops", "wios", "blkio.throttle.write_iops_device", "blkio.throttle.io_serviced", "Write"),
    ];
    let text = |file: &str| root.text(&format!("{folder}/{file}")).unwrap_or_default();
    let mut io = Vec::new();
    for (kind, counter, limits, done, direction) in KINDS {
        match version {
            // `7:0 rbps=max wbps=max riops=max wiops=50` against `7:0 rbytes=… wbytes=… rios=… wios=…`
            Version::Two => {
                let stat = text("io.stat");
                for (device, limit) in named(&text("io.max"), kind) {
                    let done = named(&stat, counter).into_iter().find(|(name, _)| *name == device).map_or(0, |(_, done)| done);
                    io.push((device, kind, limit, done));
                }
            }
            // `7:0 50` against `7:0 Write 1234`
            Version::One => {
                let done = text(done);
                for line in text(limits).lines() {
                    let Some((device, Ok(limit))) = line.split_once(' ').map(|(device, limit)| (device, limit.parse())) else {
                        continue;
                    };
                    let prefix = format!("{device} {direction} ");
                    let done = done.lines().find_map(|line| line.strip_prefix(&prefix)?.parse().ok()).unwrap_or(0);
                    io.push((device.to_string(), kind, limit, done));
                }
            }
        }
    }
    io
}

/// `(device, number)` of each line that has `key=number`; `max` is none.
fn named(text: &str, key: &str) -> Vec<(String, u64)> {
    let of = |line: &str| {
        let (device, rest) = line.split_once(' ')?;
        let number = rest.split_ascii_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('=')?.parse().ok())?;
        Some((device.to_string(), number))
    };
    text.lines().filter_map(of).collect()
}

pub fn cgroup(before: &CgroupReading, after: &CgroupReading, seconds: f64) -> Cgroup {
    let cpu = before.cpu.zip(after.cpu).map(|(then, now)| Quota {
        quota_percent: now.0,
        throttled_periods_percent: now.2.saturating_sub(then.2) as f64 / now.1.saturating_sub(then.1).max(1) as f64 * 100.0,
        throttled_ms_per_s: rate(then.3, now.3, seconds) / 1e3,
    });
    let memory = before.memory.zip(after.memory).map(|(then, now)| MemoryLimit {
        bytes: now.bytes,
        limit_bytes: now.limit,
        limit_hits_per_s: rate(then.hits, now.hits, seconds),
        out_of_memory: then.out && now.out,
        stall: then.stall.zip(now.stall).map(|(then, now)| stalled(then, now, seconds)),
    });
    let limit = |(device, kind, limit, done): &(String, &str, u64, u64)| {
        let then = before.io.iter().find(|then| then.0 == *device && then.1 == *kind)?;
        let per_s = rate(then.3, *done, seconds);
        Some(IoLimit { device: device.clone(), kind: kind.to_string(), per_s, limit_per_s: *limit as f64 })
    };
    Cgroup { cpu, memory, io: after.io.iter().filter_map(limit).collect() }
}
