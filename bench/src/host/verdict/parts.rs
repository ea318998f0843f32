//! How much of each part but the threads was used, and from where on that is all of it.

use super::super::nic::Nic;
use super::super::process::Role;
use super::super::sampler::Sample;
use super::{Bottleneck, Facts, Use, median};

/// Headers below what the interface counts, and the shaper's own accounting, take up to a tenth of a line.
const LINE_FULL: f64 = 0.9;
/// Of a device's limit, which the kernel enforces over windows of its own.
const LIMIT_FULL: f64 = 0.9;
/// A device of which at least one request was always under way.
const BUSY_FULL: f64 = 0.93;
/// Of a quota's periods, or of the time: when the group stood still for half of either, it wanted more.
const THROTTLED_FULL: f64 = 0.5;
/// A group at its limit that gives back what nobody misses is fine; it is short of memory when its tasks stall for it.
const MEMORY_NEAR: f64 = 0.9;
const STALL_PERCENT: f64 = 10.0;
const MAJOR_FAULTS_PER_S: f64 = 50.0;

pub fn lines(samples: &[Sample], facts: &Facts) -> Vec<Use> {
    let Some(last) = samples.last() else { return Vec::new() };
    let mut uses = Vec::new();
    for nic in last.nics.iter().filter(|nic| nic.name != "lo") {
        let Some(mbit) = facts.line_mbit.or(nic.speed_mbit) else { continue };
        let mut direction = |bottleneck, way: &str, bytes: fn(&Nic) -> f64| {
            let of = |sample: &Sample| sample.nics.iter().find(|now| now.name == nic.name).map(bytes);
            let Some(bytes) = median(samples, of) else { return };
            let used = bytes * 8.0 / 1e6;
            let share = used / mbit;
            let text = format!("{} {way} {used:.1} of {mbit:.0} Mbit/s, {:.0} %", nic.name, share * 100.0);
            uses.push(Use { bottleneck, share, full: share >= LINE_FULL, text });
        };
        direction(Bottleneck::NicSent, "sends", |nic| nic.sent_bytes_per_s);
        direction(Bottleneck::NicReceived, "receives", |nic| nic.received_bytes_per_s);
    }
    uses
}

pub fn memory(samples: &[Sample]) -> Option<Use> {
    let group = |sample: &Sample| sample.cgroup.memory.clone();
    let limit = group(samples.last()?)?.limit_bytes as f64;
    let bytes = median(samples, |sample| Some(group(sample)?.bytes as f64))?;
    // Means: a group short of memory stands still in some seconds, and hits its limit in others.
    let mean = |value: &dyn Fn(&Sample) -> f64| samples.iter().map(value).sum::<f64>() / samples.len() as f64;
    let hits = mean(&|sample| group(sample).map_or(0.0, |memory| memory.limit_hits_per_s));
    let faults = mean(&|sample| {
        let servers = sample.processes.iter().filter(|process| process.role == Role::Server);
        servers.map(|process| process.major_faults_per_s).sum()
    });
    let own = |sample: &Sample| Some(group(sample)?.stall?.some_percent);
    // The machine's stall may be another group's, so it counts only where this group does hit its limit.
    let stall = median(samples, own).or_else(|| median(samples, |sample| Some(sample.machine.pressure?.memory.some_percent)));
    let stalls = stall.is_some_and(|percent| percent >= STALL_PERCENT) || faults >= MAJOR_FAULTS_PER_S;
    let out = median(samples, |sample| Some(f64::from(u8::from(group(sample)?.out_of_memory)))) == Some(1.0);
    let out_text = if out { ", is out of memory and stands still" } else { "" };
    let stall_text = stall.map_or(String::new(), |percent| format!(", tasks stalled {percent:.0} % of the time"));
    let share = bytes / limit;
    let (bytes, limit) = (bytes / MIB, limit / MIB);
    let text = format!(
        "the server's cgroup has {bytes:.0} of {limit:.0} MiB, hits its limit {hits:.0} times/s, {faults:.0} major faults/s{stall_text}{out_text}"
    );
    Some(Use { bottleneck: Bottleneck::Memory, share, full: out || share >= MEMORY_NEAR && hits > 0.0 && stalls, text })
}

pub fn quota(samples: &[Sample]) -> Option<Use> {
    let quota = |sample: &Sample| sample.cgroup.cpu.clone();
    let percent = quota(samples.last()?)?.quota_percent;
    let throttled = median(samples, |sample| Some(quota(sample)?.throttled_periods_percent))?;
    let stood_ms = median(samples, |sample| Some(quota(sample)?.throttled_ms_per_s))?;
    let used = median(samples, |sample| {
        let servers = sample.threads.iter().filter(|thread| thread.role == Role::Server);
        Some(servers.map(|thread| thread.cpu_percent()).sum())
    })?;
    let text = format!(
        "quota of its cgroup {percent:.0} % of one core, {used:.0} % used, throttled in {throttled:.0} % of periods, {stood_ms:.0} ms/s"
    );
    let full = throttled >= THROTTLED_FULL * 100.0 || stood_ms >= THROTTLED_FULL * 1e3;
    Some(Use { bottleneck: Bottleneck::ServerCpu, share: used / percent, full, text })
}

/// What the device may or can give at most, where that is known.
pub fn disk_limits(samples: &[Sample], facts: &Facts) -> Vec<Use> {
    let Some(last) = samples.last() else { return Vec::new() };
    let mut uses = Vec::new();
    for limit in &last.cgroup.io {
        let of = |sample: &Sample| {
            sample.cgroup.io.iter().find(|now| now.device == limit.device && now.kind == limit.kind).map(|now| now.per_s)
        };
        let Some(per_s) = median(samples, of) else { continue };
        let share = per_s / limit.limit_per_s;
        let text = format!(
            "its cgroup's {} of device {} is {:.0}/s, {per_s:.0}/s used, {:.0} %",
            limit.kind,
            limit.device,
            limit.limit_per_s,
            share * 100.0
        );
        uses.push(Use { bottleneck: Bottleneck::DiskSync, share, full: share >= LIMIT_FULL, text });
    }
    let flushes = median(samples, |sample| sample.disk.as_ref()?.flushes_per_s);
    if let Some((flushes, most)) = flushes.zip(facts.disk_syncs_per_s_max) {
        let text = format!("{flushes:.0} of the disk's {most:.0} syncs/s");
        uses.push(Use { bottleneck: Bottleneck::DiskSync, share: flushes / most, full: flushes >= most * LIMIT_FULL, text });
    }
    uses
}

pub fn disk_busy(samples: &[Sample]) -> Option<Use> {
    let disk = |sample: &Sample| sample.disk.clone();
    let device = disk(samples.last()?)?.device;
    let share = median(samples, |sample| Some(disk(sample)?.busy_percent))? / 100.0;
    let flushes = median(samples, |sample| disk(sample)?.flushes_per_s);
    let flush_ms = median(samples, |sample| disk(sample)?.flush_ms);
    let syncs = flushes.zip(flush_ms).map_or(String::new(), |(per_s, ms)| format!(", {per_s:.0} syncs/s of {ms:.2} ms"));
    let text = format!("{device} {:.0} % busy{syncs}", share * 100.0);
    Some(Use { bottleneck: Bottleneck::DiskSync, share, full: share >= BUSY_FULL, text })
}

const MIB: f64 = (1 << 20) as f64;
