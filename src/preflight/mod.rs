//! What this machine is and whether a node can run here: each cause of a failed start, with the one command that fixes it.
//!
//! `Machine` is looked at first, because options that nobody gave come from it (cores, memory, address). `checks` then
//! holds the decided options against the machine. Nothing here changes anything: no folder is made, and the files tried
//! for O_DIRECT have no name. `ringmq check` prints all of it; a start prints what is not well and stops at a failure.
//!
//! - `kernel`, `limits`, `disk`, `store`, `ports`: the checks
//! - `memory`, `address`: what the machine offers, with the reason for the choice
//! - `report`: table and JSON; `banner`: what a start prints
//! - `sys`: the three system calls that the standard library lacks

pub mod address;
pub mod banner;
mod disk;
mod kernel;
mod limits;
pub mod memory;
mod ports;
pub mod report;
pub mod store;
mod sys;

use crate::config::{Candidate, NodeOptions};

pub use limits::raise as raise_limits;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Ok,
    /// The node starts, but not as well as it could.
    Warn,
    /// The node does not start.
    Fail,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub name: String,
    pub outcome: Outcome,
    pub found: String,
    /// The one command, or the one thing to do, that fixes it.
    pub fix: Option<String>,
}

impl Check {
    fn ok(name: &str, found: impl Into<String>) -> Check {
        Check { name: name.to_string(), outcome: Outcome::Ok, found: found.into(), fix: None }
    }

    fn warn(name: &str, found: impl Into<String>, fix: impl Into<String>) -> Check {
        Check { name: name.to_string(), outcome: Outcome::Warn, found: found.into(), fix: Some(fix.into()) }
    }

    fn fail(name: &str, found: impl Into<String>, fix: impl Into<String>) -> Check {
        Check { name: name.to_string(), outcome: Outcome::Fail, found: found.into(), fix: Some(fix.into()) }
    }
}

/// What options fall back to.
#[derive(Clone, Debug)]
pub struct Machine {
    pub host_name: String,
    pub kernel: String,
    /// The cores that this process may use, never empty.
    pub cores: Vec<usize>,
    pub memory: memory::Memory,
    pub interfaces: Vec<Candidate>,
    /// The interface of the default route.
    pub default_interface: Option<String>,
}

impl Machine {
    pub fn look() -> Machine {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let mut cores: Vec<usize> = core_affinity::get_core_ids().unwrap_or_default().into_iter().map(|core| core.id).collect();
        if cores.is_empty() {
            cores.push(0);
        }
        Machine {
            host_name: read("/proc/sys/kernel/hostname").trim().to_string(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_string(),
            cores,
            memory: memory::look(&|path| std::fs::read_to_string(path).ok()),
            interfaces: sys::interfaces(),
            default_interface: address::default_interface(&read("/proc/net/route"), &read("/proc/net/ipv6_route")),
        }
    }
}

/// Every check that concerns these options.
pub fn checks(options: &NodeOptions, machine: &Machine) -> Vec<Check> {
    let mut checks = vec![kernel::version(&machine.kernel), kernel::io_uring()];
    checks.extend(limits::checks());
    checks.push(memory::check(options.memory_budget, &machine.memory));
    checks.push(cores(options, machine));
    if options.roles.broker {
        checks.extend(disk::checks(options));
        checks.extend(store::checks(options));
    }
    checks.extend(ports::checks(options));
    if options.roles.broker {
        checks.push(address::check(&options.advertised));
    }
    checks
}

fn cores(options: &NodeOptions, machine: &Machine) -> Check {
    let name = "cores";
    let missing: Vec<String> = options.cores.iter().filter(|core| !machine.cores.contains(core)).map(usize::to_string).collect();
    if !missing.is_empty() {
        let have: Vec<String> = machine.cores.iter().map(usize::to_string).collect();
        let fix = format!("name some of --cores {}", have.join(","));
        return Check::fail(name, format!("core {} is not there for this process", missing.join(", ")), fix);
    }
    Check::ok(name, format!("{} for {} shard(s)", options.cores.len(), options.shards))
}
