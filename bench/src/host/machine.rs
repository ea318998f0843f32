//! The whole machine: its cores, its memory, and what its tasks were stalled by.

use serde::{Deserialize, Serialize};

use super::root::{Root, value};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    pub cores: usize,
    /// Of all cores: 100 is every core busy all the time.
    pub cpu_percent: f64,
    /// Time that the hypervisor gave to others.
    pub steal_percent: f64,
    pub memory_available_bytes: u64,
    /// `None` when the kernel was started without psi=1.
    pub pressure: Option<Pressure>,
}

/// The share of time in which some, or all, of the tasks that had work stood still for want of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pressure {
    pub cpu: Stall,
    pub memory: Stall,
    pub io: Stall,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Stall {
    pub some_percent: f64,
    pub full_percent: f64,
}

#[derive(Debug, Clone)]
pub struct MachineReading {
    cores: usize,
    busy: u64,
    steal: u64,
    total: u64,
    memory_available_bytes: u64,
    pressure: Option<[StallReading; 3]>,
}

/// Microseconds of stall.
#[derive(Debug, Clone, Copy)]
pub struct StallReading {
    some: u64,
    full: u64,
}

pub fn read(root: &Root) -> Result<MachineReading, String> {
    let stat = root.need("/proc/stat")?;
    let cores = stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count();
    // user, nice, system, idle, iowait, irq, softirq, steal; guest time is in user already.
    let first = stat.lines().next().unwrap_or_default();
    let times: Vec<u64> = first.split_ascii_whitespace().skip(1).take(8).flat_map(str::parse).collect();
    let [user, nice, system, idle, iowait, irq, softirq, steal] = times[..] else {
        return Err(format!("/proc/stat: {first:?} is not the eight times of all cores: is /proc mounted here?"));
    };
    let busy = user + nice + system + irq + softirq;
    let available =
        value(&root.need("/proc/meminfo")?, "MemAvailable").ok_or("/proc/meminfo: no MemAvailable; use Linux 3.14 or newer")?;
    let stall = |what: &str| stall(&root.text(&format!("/proc/pressure/{what}"))?);
    let pressure = stall("cpu").zip(stall("memory")).zip(stall("io")).map(|((cpu, memory), io)| [cpu, memory, io]);
    let total = busy + idle + iowait + steal;
    Ok(MachineReading { cores, busy, steal, total, memory_available_bytes: available * 1024, pressure })
}

/// `some avg10=… total=N` and `full … total=N`; older kernels have no `full` for the CPU.
pub fn stall(text: &str) -> Option<StallReading> {
    let total = |kind: &str| text.lines().find(|line| line.starts_with(kind))?.rsplit_once("total=")?.1.trim().parse().ok();
    Some(StallReading { some: total("some")?, full: total("full").unwrap_or(0) })
}

pub fn stalled(before: StallReading, after: StallReading, seconds: f64) -> Stall {
    let percent = |then: u64, now: u64| super::root::rate(then, now, seconds) / 1e4;
    Stall { some_percent: percent(before.some, after.some), full_percent: percent(before.full, after.full) }
}

pub fn machine(before: &MachineReading, after: &MachineReading, seconds: f64) -> Machine {
    let total = after.total.saturating_sub(before.total).max(1) as f64;
    let percent = |then: u64, now: u64| now.saturating_sub(then) as f64 / total * 100.0;
    let pressure = before.pressure.zip(after.pressure).map(|(then, now)| Pressure {
        cpu: stalled(then[0], now[0], seconds),
        memory: stalled(then[1], now[1], seconds),
        io: stalled(then[2], now[2], seconds),
    });
    Machine {
        cores: after.cores,
        cpu_percent: percent(before.busy, after.busy),
        steal_percent: percent(before.steal, after.steal),
        memory_available_bytes: after.memory_available_bytes,
        pressure,
    }
}
