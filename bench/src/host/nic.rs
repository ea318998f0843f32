//! Bytes per direction and interface, in the network namespace of the server.

use serde::{Deserialize, Serialize};

use super::root::{Root, rate};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Nic {
    pub name: String,
    pub received_bytes_per_s: f64,
    pub sent_bytes_per_s: f64,
    /// What the link says of itself, in Mbit/s. A virtual link says nothing, or a number that binds nobody.
    pub speed_mbit: Option<f64>,
}

#[derive(Debug, Clone)]
pub struct NicReading {
    name: String,
    received: u64,
    sent: u64,
    speed_mbit: Option<f64>,
}

/// Of the namespace that `pid` is in, or of the reader's own.
pub fn read(root: &Root, pid: Option<u32>) -> Vec<NicReading> {
    let own = || root.text("/proc/net/dev");
    let text = pid.and_then(|pid| root.text(&format!("/proc/{pid}/net/dev"))).or_else(own).unwrap_or_default();
    // Two lines of heading; then the name, eight counters received, eight sent, bytes first.
    let interface = |line: &str| {
        let (name, counters) = line.split_once(':')?;
        let counters: Vec<u64> = counters.split_ascii_whitespace().flat_map(str::parse).collect();
        let name = name.trim().to_string();
        // -1 while the link is down, and an error for links without a speed.
        let speed = root.number::<f64>(&format!("/sys/class/net/{name}/speed")).filter(|mbit| *mbit > 0.0);
        Some(NicReading { received: *counters.first()?, sent: *counters.get(8)?, speed_mbit: speed, name })
    };
    text.lines().skip(2).filter_map(interface).collect()
}

pub fn nics(before: &[NicReading], after: &[NicReading], seconds: f64) -> Vec<Nic> {
    let nic = |now: &NicReading| {
        let then = before.iter().find(|then| then.name == now.name)?;
        Some(Nic {
            name: now.name.clone(),
            received_bytes_per_s: rate(then.received, now.received, seconds),
            sent_bytes_per_s: rate(then.sent, now.sent, seconds),
            speed_mbit: now.speed_mbit,
        })
    };
    after.iter().filter_map(nic).collect()
}
