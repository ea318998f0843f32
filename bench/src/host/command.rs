//! `ringmq-bench host`: watches processes for a while, and says what they were short of.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::facts::{self, Fact};
use super::process::Role;
use super::root::Root;
use super::sampler::{Sample, Sampler};
use super::verdict::{Facts, Verdict, verdict};

#[derive(clap::Args)]
pub struct Host {
    /// Process of the server; may be given again
    #[arg(long, required = true)]
    pid: Vec<u32>,
    /// Process of the load, whose threads are told apart from the server's; may be given again
    #[arg(long)]
    client: Vec<u32>,
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// What the network line carries, in Mbit/s, where the link itself does not know: a shaped, rented or virtual one
    #[arg(long)]
    line: Option<f64>,
    /// Watches the disk below this folder, the server's data
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Syncs per second that the disk gives at most, one after the other, when that was measured
    #[arg(long)]
    syncs: Option<f64>,
    /// Keeps the samples and the verdict in this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// The folder that /proc and /sys stand in
    #[arg(long, default_value = "/", hide = true)]
    root: PathBuf,
}

/// What `--json` keeps.
#[derive(Debug, Serialize, Deserialize)]
pub struct Kept {
    /// Of the machine, for a report.
    #[serde(default)]
    pub host: Vec<Fact>,
    #[serde(default)]
    pub settings: Vec<Fact>,
    pub facts: Facts,
    pub samples: Vec<Sample>,
    pub verdict: Verdict,
}

const INTERVAL: Duration = Duration::from_secs(1);

pub fn run(args: &Host) -> Result<(), String> {
    let servers = args.pid.iter().map(|pid| (Role::Server, *pid));
    let pids = servers.chain(args.client.iter().map(|pid| (Role::Client, *pid))).collect();
    let root = Root::new(&args.root);
    let (host, settings) = (facts::host(&root, args.dir.as_deref()), facts::settings(&root));
    let mut sampler = Sampler::new(root, pids, args.dir.as_deref())?;
    let mut samples = Vec::new();
    let begun = Instant::now();
    for second in 1..=args.seconds {
        // By the clock, not by the last wake-up, so that late ones do not add up.
        std::thread::sleep((begun + INTERVAL * second).saturating_duration_since(Instant::now()));
        samples.push(sampler.sample()?);
    }
    let facts = Facts { line_mbit: args.line, disk_syncs_per_s_max: args.syncs };
    let verdict = verdict(&samples, &facts);
    println!("{verdict}");
    let Some(path) = &args.json else { return Ok(()) };
    let text = serde_json::to_string_pretty(&Kept { host, settings, facts, samples, verdict }).expect("plain values become JSON");
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
