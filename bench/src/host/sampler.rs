//! All counters at one moment, and the rates between two moments.

use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::cgroup::{self, Cgroup, CgroupReading};
use super::disk::{self, Disk, DiskReading};
use super::groups::Groups;
use super::machine::{self, Machine, MachineReading};
use super::nic::{self, Nic, NicReading};
use super::process::{self, Process, ProcessReading, Role, Thread};
use super::root::Root;

/// One interval, about a second long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The interval's end, since the sampler was made.
    pub at_s: f64,
    pub took_s: f64,
    pub processes: Vec<Process>,
    pub threads: Vec<Thread>,
    pub machine: Machine,
    /// The one below the folder that was given.
    pub disk: Option<Disk>,
    pub nics: Vec<Nic>,
    /// The first server's.
    pub cgroup: Cgroup,
}

#[derive(Debug)]
pub struct Sampler {
    root: Root,
    pids: Vec<(Role, u32)>,
    groups: Groups,
    disk: Option<String>,
    begun: Instant,
    last: Reading,
}

#[derive(Debug)]
struct Reading {
    at: Instant,
    processes: Vec<ProcessReading>,
    machine: MachineReading,
    disk: Option<DiskReading>,
    nics: Vec<NicReading>,
    cgroup: CgroupReading,
}

impl Sampler {
    /// Watches these processes, and the disk below `folder`. The network is that of the first server.
    pub fn new(root: Root, pids: Vec<(Role, u32)>, folder: Option<&Path>) -> Result<Self, String> {
        let disk = folder.map(|folder| disk::device(&root, folder)).transpose()?;
        for (_, pid) in &pids {
            root.need(&format!("/proc/{pid}/stat")).map_err(|error| format!("{error}: give the pid of a process that runs"))?;
        }
        let groups = server(&pids).map(|pid| Groups::of(&root, pid)).unwrap_or_default();
        let last = read(&root, &pids, &groups, disk.as_deref())?;
        Ok(Self { root, pids, groups, disk, begun: last.at, last })
    }

    /// The interval since the last call, or since the beginning.
    pub fn sample(&mut self) -> Result<Sample, String> {
        let now = read(&self.root, &self.pids, &self.groups, self.disk.as_deref())?;
        let then = std::mem::replace(&mut self.last, now);
        let now = &self.last;
        Ok(between(&then, now, now.at.duration_since(then.at).as_secs_f64(), now.at.duration_since(self.begun).as_secs_f64()))
    }
}

fn server(pids: &[(Role, u32)]) -> Option<u32> {
    pids.iter().find(|(role, _)| *role == Role::Server).map(|(_, pid)| *pid)
}

fn read(root: &Root, pids: &[(Role, u32)], groups: &Groups, disk: Option<&str>) -> Result<Reading, String> {
    Ok(Reading {
        at: Instant::now(),
        processes: pids.iter().filter_map(|(role, pid)| process::read(root, *role, *pid)).collect(),
        machine: machine::read(root)?,
        disk: disk.and_then(|number| disk::read(root, number)),
        nics: nic::read(root, server(pids)),
        cgroup: cgroup::read(root, groups),
    })
}

fn between(before: &Reading, after: &Reading, seconds: f64, at_s: f64) -> Sample {
    let seconds = seconds.max(1e-6);
    let pairs = || {
        let before = |now: &ProcessReading| before.processes.iter().find(|then| then.pid() == now.pid());
        after.processes.iter().filter_map(move |now| Some((before(now)?, now)))
    };
    Sample {
        at_s,
        took_s: seconds,
        processes: pairs().map(|(then, now)| process::process(then, now, seconds)).collect(),
        threads: pairs().flat_map(|(then, now)| process::threads(then, now, seconds)).collect(),
        machine: machine::machine(&before.machine, &after.machine, seconds),
        disk: before.disk.as_ref().zip(after.disk.as_ref()).and_then(|(then, now)| disk::disk(then, now, seconds)),
        nics: nic::nics(&before.nics, &after.nics, seconds),
        cgroup: cgroup::cgroup(&before.cgroup, &after.cgroup, seconds),
    }
}
