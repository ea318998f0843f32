//! What machine a run was on, and the kernel settings that decide what it can do: read when the run is, as they change.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::disk;
use super::root::{Root, value};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    pub name: String,
    pub value: String,
}

/// The main ones that docs on tuning speak of; one that this kernel or namespace does not have is left out.
const SETTINGS: [&str; 16] = [
    "net.core.somaxconn",
    "net.core.rmem_max",
    "net.core.wmem_max",
    "net.core.netdev_max_backlog",
    "net.core.busy_poll",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
    "net.ipv4.tcp_congestion_control",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_slow_start_after_idle",
    "net.ipv4.ip_local_port_range",
    "fs.aio-max-nr",
    "fs.nr_open",
    "kernel.numa_balancing",
    "vm.swappiness",
    "vm.dirty_background_ratio",
];

pub fn settings(root: &Root) -> Vec<Fact> {
    let setting = |name: &&str| {
        let text = root.text(&format!("/proc/sys/{}", name.replace('.', "/")))?;
        Some(fact(name, text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")))
    };
    SETTINGS.iter().filter_map(setting).collect()
}

/// Of the machine, and of the disk and file system below `folder`.
pub fn host(root: &Root, folder: Option<&Path>) -> Vec<Fact> {
    let cpuinfo = root.text("/proc/cpuinfo").unwrap_or_default();
    let of_cpu =
        |key: &str| cpuinfo.lines().find_map(|line| line.strip_prefix(key)?.split_once(':').map(|(_, value)| value.trim()));
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let memory = root.text("/proc/meminfo").and_then(|text| value(&text, "MemTotal"));
    let facts = [
        ("CPU", of_cpu("model name").map(str::to_string)),
        ("cores", Some(cores.to_string())),
        ("memory", memory.map(|kb| format!("{:.1} GiB", kb as f64 / f64::from(1 << 20)))),
        ("kernel", root.text("/proc/sys/kernel/osrelease").map(|text| format!("Linux {}", text.trim()))),
        ("disk", folder.and_then(|folder| disk_of(root, folder))),
        ("file system", folder.and_then(|folder| file_system(root, folder))),
    ];
    facts.into_iter().filter_map(|(name, value)| Some(fact(name, value?))).collect()
}

fn fact(name: &str, value: String) -> Fact {
    Fact { name: name.to_string(), value }
}

fn disk_of(root: &Root, folder: &Path) -> Option<String> {
    let number = disk::device(root, folder).ok()?;
    let sys = format!("/sys/dev/block/{number}");
    let name = root.text(&format!("{sys}/uevent"))?.lines().find_map(|line| line.strip_prefix("DEVNAME=").map(str::to_string))?;
    let mut parts = vec![name];
    parts.extend(root.text(&format!("{sys}/device/model")).map(|model| model.trim().to_string()));
    parts.extend(
        root.number::<u64>(&format!("{sys}/size")).map(|sectors| format!("{:.0} GiB", sectors as f64 / f64::from(1 << 21))),
    );
    parts.extend(root.text(&format!("{sys}/queue/write_cache")).map(|cache| format!("cache {}", cache.trim())));
    Some(parts.join(", "))
}

fn file_system(root: &Root, folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let mounts = root.text("/proc/self/mountinfo")?;
    // Of the mounts above the folder the deepest, and of those at one place the last, which hides the others.
    let of = |line: &str| {
        let (place, kind) = line.split_once(" - ")?;
        let words: Vec<_> = place.split(' ').collect();
        let (point, options) = (Path::new(words.get(4)?), words.get(5)?);
        let said = format!("{} ({options})", kind.split(' ').next()?);
        folder.starts_with(point).then_some((point.as_os_str().len(), said))
    };
    mounts.lines().filter_map(of).max_by_key(|(depth, _)| *depth).map(|(_, said)| said)
}
