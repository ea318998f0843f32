//! From samples and facts to the one thing that kept a run from being faster. Pure: no file, no clock.
//!
//! Each part says how much of it was used and whether that is all there is. The parts are asked in an order in which a
//! cause stands before what it makes look busy: a group short of memory reads its disk and burns its CPU, a full line
//! leaves everything else idle, and a disk under group commit is busy all the time however slow the client is.
//! Medians over the samples decide (means for memory), so that a start and an end inside the window change nothing.

mod parts;
#[cfg(test)]
mod tests;
mod threads;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::sampler::Sample;

/// What no counter says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Of every interface but the loopback; the links' own speeds without it.
    pub line_mbit: Option<f64>,
    /// Measured one sync after the other.
    pub disk_syncs_per_s_max: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    pub bottleneck: Bottleneck,
    /// The number that decided.
    pub because: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bottleneck {
    NicSent,
    NicReceived,
    DiskSync,
    ServerCpu,
    ClientCpu,
    Memory,
    /// Others have the cores.
    MachineCpu,
    /// Nothing is saturated.
    Load,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.bottleneck {
            Bottleneck::NicSent => "NIC tx",
            Bottleneck::NicReceived => "NIC rx",
            Bottleneck::DiskSync => "disk sync",
            Bottleneck::ServerCpu => "CPU of server",
            Bottleneck::ClientCpu => "CPU of client",
            Bottleneck::Memory => "memory",
            Bottleneck::MachineCpu => "CPU of the machine",
            Bottleneck::Load => "nothing is saturated: the load is the limit (latency × in flight)",
        };
        write!(f, "bottleneck: {name}: {}", self.because)
    }
}

/// How much of one part was used.
#[derive(Debug, Clone)]
struct Use {
    bottleneck: Bottleneck,
    /// 1 is all of it.
    share: f64,
    /// Whether that much means that more was wanted.
    full: bool,
    text: String,
}

pub fn verdict(samples: &[Sample], facts: &Facts) -> Verdict {
    let mut uses = parts::lines(samples, facts);
    uses.extend(parts::memory(samples));
    uses.extend(parts::quota(samples));
    uses.extend(parts::disk_limits(samples, facts));
    uses.extend(threads::busiest(samples));
    uses.extend(parts::disk_busy(samples));
    uses.extend(threads::crowded(samples));
    if let Some(Use { bottleneck, text, .. }) = uses.iter().find(|part| part.full) {
        return Verdict { bottleneck: *bottleneck, because: text.clone() };
    }
    let most = uses.into_iter().max_by(|a, b| a.share.total_cmp(&b.share));
    let because = most.map_or("there are no samples".to_string(), |part| format!("most used: {}", part.text));
    Verdict { bottleneck: Bottleneck::Load, because }
}

/// Of the samples that have the value; `None` when fewer than half do.
fn median(samples: &[Sample], value: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
    let mut values: Vec<_> = samples.iter().filter_map(value).collect();
    if values.is_empty() || values.len() * 2 < samples.len() {
        return None;
    }
    values.sort_by(f64::total_cmp);
    Some(values[values.len() / 2])
}
