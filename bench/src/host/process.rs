//! The threads of a process: how long each ran, and how long it waited for a core.
//!
//! Invariant: `cpu_percent + waits_percent` is what a thread wanted of one core, so a machine that others use
//! does not hide a thread that has no time left.

use serde::{Deserialize, Serialize};

use super::root::{Root, rate, value};

/// Clock ticks of `/proc/PID/stat` are hundredths of a second for every program, whatever the kernel's own tick is.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Server,
    Client,
}

/// One thread over one interval, in percent of one core.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Thread {
    pub role: Role,
    pub pid: u32,
    pub tid: u32,
    pub name: String,
    pub user_percent: f64,
    pub system_percent: f64,
    /// Ready to run, with every core it may use taken; `None` without the kernel's sched_info.
    pub waits_percent: Option<f64>,
}

impl Thread {
    pub fn cpu_percent(&self) -> f64 {
        self.user_percent + self.system_percent
    }

    pub fn wants_percent(&self) -> f64 {
        self.cpu_percent() + self.waits_percent.unwrap_or(0.0)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Process {
    pub role: Role,
    pub pid: u32,
    pub resident_bytes: u64,
    /// Pages that had to be read from a disk before the process could go on.
    pub major_faults_per_s: f64,
}

#[derive(Debug, Clone)]
pub struct ProcessReading {
    role: Role,
    pid: u32,
    resident_bytes: u64,
    major_faults: u64,
    threads: Vec<ThreadReading>,
}

#[derive(Debug, Clone)]
struct ThreadReading {
    tid: u32,
    name: String,
    user: u64,
    system: u64,
    waited_ns: Option<u64>,
}

/// `None` when the process has ended: a load may be done before the sampling is.
pub fn read(root: &Root, role: Role, pid: u32) -> Option<ProcessReading> {
    let stat = root.text(&format!("/proc/{pid}/stat"))?;
    let (_, fields) = split(&stat)?;
    let resident_kb = value(&root.text(&format!("/proc/{pid}/status"))?, "VmRSS")?;
    let threads = root.names(&format!("/proc/{pid}/task"));
    let threads = threads.iter().filter_map(|tid| read_thread(root, pid, tid.parse().ok()?)).collect();
    Some(ProcessReading { role, pid, resident_bytes: resident_kb * 1024, major_faults: number(&fields, 9)?, threads })
}

fn read_thread(root: &Root, pid: u32, tid: u32) -> Option<ThreadReading> {
    let folder = format!("/proc/{pid}/task/{tid}");
    let stat = root.text(&format!("{folder}/stat"))?;
    let (name, fields) = split(&stat)?;
    let schedstat = root.text(&format!("{folder}/schedstat"));
    let waited_ns = schedstat.and_then(|text| text.split_ascii_whitespace().nth(1)?.parse().ok());
    Some(ThreadReading { tid, name: name.to_string(), user: number(&fields, 11)?, system: number(&fields, 12)?, waited_ns })
}

/// A name may hold blanks and parentheses, so the fields begin after the last one; the first of them is proc(5)'s third.
fn split(stat: &str) -> Option<(&str, Vec<&str>)> {
    let (head, fields) = stat.rsplit_once(')')?;
    Some((head.split_once('(')?.1, fields.split_ascii_whitespace().collect()))
}

fn number(fields: &[&str], index: usize) -> Option<u64> {
    fields.get(index)?.parse().ok()
}

pub fn threads(before: &ProcessReading, after: &ProcessReading, seconds: f64) -> Vec<Thread> {
    let thread = |now: &ThreadReading| {
        // A thread that was not there before began at zero.
        let then = before.threads.iter().find(|then| then.tid == now.tid);
        let percent = |then: u64, now: u64| rate(then, now, seconds) / TICKS_PER_SECOND * 100.0;
        let waited = now.waited_ns.map(|waited| rate(then.and_then(|then| then.waited_ns).unwrap_or(0), waited, seconds) / 1e7);
        Thread {
            role: after.role,
            pid: after.pid,
            tid: now.tid,
            name: now.name.clone(),
            user_percent: percent(then.map_or(0, |then| then.user), now.user),
            system_percent: percent(then.map_or(0, |then| then.system), now.system),
            waits_percent: waited,
        }
    };
    after.threads.iter().map(thread).collect()
}

pub fn process(before: &ProcessReading, after: &ProcessReading, seconds: f64) -> Process {
    Process {
        role: after.role,
        pid: after.pid,
        resident_bytes: after.resident_bytes,
        major_faults_per_s: rate(before.major_faults, after.major_faults, seconds),
    }
}

impl ProcessReading {
    pub fn pid(&self) -> u32 {
        self.pid
    }
}
