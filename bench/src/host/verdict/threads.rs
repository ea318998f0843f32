//! The thread that wants most of its core, of the server's and the load's alike.
//!
//! Time spent waiting for a core counts: a thread that runs 60 % and waits 40 % has nothing left to give either.

use std::collections::BTreeMap;

use super::super::process::Role;
use super::super::sampler::Sample;
use super::{Bottleneck, Use, median};

/// A closed loop that is full still sleeps for a moment now and then, and ticks are counted in whole ones.
const FULL_PERCENT: f64 = 90.0;
/// Below this much waiting a core was there whenever it was wanted.
const WAITS_PERCENT: f64 = 5.0;

/// All cores busy, and of the time this much spent waiting for one, though nothing that is watched is full.
const MACHINE_FULL_PERCENT: f64 = 95.0;
const CROWDED_PERCENT: f64 = 25.0;

/// The most wanting first: when both sides are full, the fuller one is the cause.
pub fn busiest(samples: &[Sample]) -> Vec<Use> {
    // By number, as names repeat; the role and name are those it had last.
    let mut threads = BTreeMap::new();
    for thread in samples.iter().flat_map(|sample| &sample.threads) {
        threads.insert(thread.tid, (thread.role, thread.pid, thread.name.clone()));
    }
    let of = |(tid, (role, pid, name)): (u32, (Role, u32, String))| {
        // A thread that was not there used nothing.
        let thread = |sample: &Sample| sample.threads.iter().find(|thread| thread.tid == tid).cloned();
        let wants = median(samples, |sample| Some(thread(sample).map_or(0.0, |thread| thread.wants_percent())))?;
        let runs = median(samples, |sample| Some(thread(sample).map_or(0.0, |thread| thread.cpu_percent())))?;
        let (bottleneck, of_load) = match role {
            Role::Server => (Bottleneck::ServerCpu, ""),
            Role::Client => (Bottleneck::ClientCpu, " of the load"),
        };
        let text = if wants - runs < WAITS_PERCENT {
            format!("thread {name}{of_load} {runs:.0} % of its core (pid {pid})")
        } else {
            let waits = wants - runs;
            format!(
                "thread {name}{of_load} wants {wants:.0} % of a core: runs {runs:.0} %, waits {waits:.0} % for one (pid {pid})"
            )
        };
        Some(Use { bottleneck, share: wants / 100.0, full: wants >= FULL_PERCENT, text })
    };
    let mut uses: Vec<_> = threads.into_iter().filter_map(of).collect();
    uses.sort_by(|a, b| b.share.total_cmp(&a.share));
    uses
}

/// Whether other processes keep the server and the load waiting: then latency is theirs, whatever the load asks for.
pub fn crowded(samples: &[Sample]) -> Option<Use> {
    let busy = median(samples, |sample| Some(sample.machine.cpu_percent))?;
    let own = median(samples, |sample| {
        let percent: f64 = sample.threads.iter().map(|thread| thread.cpu_percent()).sum();
        Some(percent / sample.machine.cores.max(1) as f64)
    })?;
    // Of those that were there all the time.
    let waits = samples.last()?.threads.iter().filter_map(|last| {
        let of = |sample: &Sample| sample.threads.iter().find(|thread| thread.tid == last.tid)?.waits_percent;
        Some((&last.name, median(samples, of)?))
    });
    let (name, waits) = waits.max_by(|a, b| a.1.total_cmp(&b.1))?;
    let text = format!(
        "all cores {busy:.0} % busy, the processes watched have {own:.0} % of them, thread {name} waits {waits:.0} % of the time for one"
    );
    let full = busy >= MACHINE_FULL_PERCENT && waits >= CROWDED_PERCENT;
    // Without waiting a busy machine is no part of its own: what makes it busy is listed by thread.
    full.then_some(Use { bottleneck: Bottleneck::MachineCpu, share: busy / 100.0, full, text })
}
