//! How much memory this process may use, from the cgroup (v1 or v2) or the machine, and the budget that follows.

use std::path::{Path, PathBuf};

use super::Check;

/// The share of the limit that caches and buffers may take: the machine is not ours alone, and a node must not be a reason
/// for a container to be killed.
const BUDGET_DIVISOR: u64 = 4;
const BUDGET_MIN: u64 = 64 << 20;
const BUDGET_MAX: u64 = 16 << 30;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    pub limit: u64,
    /// "cgroup v2", "cgroup v1" or "RAM".
    pub from: &'static str,
}

impl Memory {
    pub fn default_budget(&self) -> u64 {
        (self.limit / BUDGET_DIVISOR).clamp(BUDGET_MIN, BUDGET_MAX)
    }
}

pub fn look(read: &dyn Fn(&Path) -> Option<String>) -> Memory {
    let ram = Memory { limit: ram(read).unwrap_or(1 << 30), from: "RAM" };
    let cgroups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let limits = cgroups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (hierarchy, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        if hierarchy == "0" && controllers.is_empty() {
            return smallest("/sys/fs/cgroup", path, "memory.max", read).map(|limit| Memory { limit, from: "cgroup v2" });
        }
        let memory = controllers.split(',').any(|controller| controller == "memory");
        let v1 = || smallest("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes", read);
        memory.then(v1).flatten().map(|limit| Memory { limit, from: "cgroup v1" })
    });
    limits.chain([ram]).min_by_key(|memory| memory.limit).expect("RAM is always there")
}

pub(super) fn check(budget: u64, memory: &Memory) -> Check {
    let name = "memory";
    let found = format!("budget {} MiB of {} MiB ({})", budget >> 20, memory.limit >> 20, memory.from);
    match budget {
        budget if budget > memory.limit => {
            Check::fail(name, found, format!("--set memoryBudget={}MiB", memory.default_budget() >> 20))
        }
        budget if budget > memory.limit / 10 * 8 => Check::warn(
            name,
            format!("{found}: little is left for everything else"),
            format!("--set memoryBudget={}MiB", memory.default_budget() >> 20),
        ),
        _ => Check::ok(name, found),
    }
}

/// The smallest limit of a group and those above it. Inside a container the path names a group of the host, so parts of
/// it may not be there; the root always is.
fn smallest(root: &str, path: &str, file: &str, read: &dyn Fn(&Path) -> Option<String>) -> Option<u64> {
    let group = PathBuf::from(root).join(path.trim_start_matches('/'));
    let groups = group.ancestors().take_while(|group| group.starts_with(root));
    groups.filter_map(|group| read(&group.join(file))?.trim().parse().ok()).min()
}

fn ram(read: &dyn Fn(&Path) -> Option<String>) -> Option<u64> {
    let text = read(Path::new("/proc/meminfo"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Outcome;

    #[track_caller]
    fn check_look(files: &[(&str, &str)], limit: u64, from: &'static str) {
        let read = |path: &Path| files.iter().find(|(name, _)| Path::new(name) == path).map(|(_, text)| text.to_string());
        assert_eq!(look(&read), Memory { limit, from });
    }

    const RAM: (&str, &str) = ("/proc/meminfo", "MemTotal:       24683780 kB\nMemFree: 1 kB\n");

    #[test]
    fn the_smallest_limit_counts() {
        check_look(&[RAM], 24_683_780 << 10, "RAM");
        check_look(&[RAM, ("/proc/self/cgroup", "0::/\n"), ("/sys/fs/cgroup/memory.max", "max\n")], 24_683_780 << 10, "RAM");
        check_look(&[RAM, ("/proc/self/cgroup", "0::/\n"), ("/sys/fs/cgroup/memory.max", "536870912\n")], 512 << 20, "cgroup v2");
        check_look(
            &[
                RAM,
                ("/proc/self/cgroup", "0::/system.slice/ringmq.service\n"),
                ("/sys/fs/cgroup/system.slice/ringmq.service/memory.max", "max\n"),
                ("/sys/fs/cgroup/system.slice/memory.max", "1073741824\n"),
            ],
            1 << 30,
            "cgroup v2",
        );
        check_look(
            &[
                RAM,
                ("/proc/self/cgroup", "5:cpu,memory:/docker/abc\n1:name=systemd:/x\n"),
                ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n"),
            ],
            256 << 20,
            "cgroup v1",
        );
        // Version 1 without a limit says a number near 2^63.
        check_look(
            &[
                RAM,
                ("/proc/self/cgroup", "5:memory:/\n"),
                ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ],
            24_683_780 << 10,
            "RAM",
        );
    }

    #[test]
    fn budgets() {
        let memory = Memory { limit: 1 << 30, from: "RAM" };
        assert_eq!(memory.default_budget(), 256 << 20);
        assert_eq!(Memory { limit: 100 << 20, from: "RAM" }.default_budget(), 64 << 20);
        assert_eq!(Memory { limit: 1 << 40, from: "RAM" }.default_budget(), 16 << 30);
        assert_eq!(check(256 << 20, &memory).outcome, Outcome::Ok);
        assert_eq!(check(900 << 20, &memory).outcome, Outcome::Warn);
        assert_eq!(check(2 << 30, &memory).fix.as_deref(), Some("--set memoryBudget=256MiB"));
    }
}
