//! Samples once a second beside a load in this very process, in a thread of its own, and names the bottleneck at the end.
//!
//! Before: `sampler`, `verdict`; after: `report::from_run`. This process is the client; the servers are those that are
//! named. Samples of the warm-up are kept for the page and left out of the verdict.

use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::facts::{self, Fact};
use super::process::Role;
use super::root::Root;
use super::sampler::{Sample, Sampler};
use super::verdict::{Bottleneck, Facts, Verdict, verdict};

#[derive(clap::Args, Clone, Debug)]
pub struct WatchOptions {
    /// Process of the server, on this host, to watch beside the load; may be given again
    #[arg(long, value_name = "PID")]
    pub watch: Vec<u32>,
    /// What the network line carries, in Mbit/s, where the link itself does not know
    #[arg(long, value_name = "MBIT")]
    pub line: Option<f64>,
    /// Watches the disk below this folder, the server's store
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// Writes the run as one page, index.html, into this folder
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
}

pub struct Watch {
    /// Dropped when the run is over.
    running: Sender<()>,
    thread: JoinHandle<Vec<Sample>>,
    options: WatchOptions,
    servers: Vec<Fact>,
}

/// What was seen of the hosts of a run.
pub struct Watched {
    pub samples: Vec<Sample>,
    pub verdict: Verdict,
    pub host: Vec<Fact>,
    pub settings: Vec<Fact>,
    /// The command lines of the servers that were watched.
    pub servers: Vec<Fact>,
}

const INTERVAL: Duration = Duration::from_secs(1);
/// The rest of a second is worth a sample of its own from here on.
const REST_MIN: Duration = Duration::from_millis(500);

impl WatchOptions {
    /// Begins now, which shall be when the load does.
    pub fn start(&self) -> Result<Watch, String> {
        let servers = self.watch.iter().map(|pid| (Role::Server, *pid));
        let pids = servers.chain([(Role::Client, std::process::id())]).collect();
        let sampler = Sampler::new(Root::new("/"), pids, self.dir.as_deref()).map_err(|error| format!("--watch: {error}"))?;
        let servers = self.watch.iter().filter_map(|pid| command_line(*pid)).collect();
        let (running, over) = mpsc::channel::<()>();
        let thread = Builder::new().name("sampler".to_string()).spawn(move || {
            let begun = Instant::now();
            sample(sampler, begun, |until| over.recv_timeout(until) == Err(RecvTimeoutError::Timeout))
        });
        let thread = thread.map_err(|error| format!("cannot start a thread to sample in: {error}"))?;
        Ok(Watch { running, thread, options: self.clone(), servers })
    }
}

/// Read while it runs: it may be gone when the run is over.
fn command_line(pid: u32) -> Option<Fact> {
    let text = Root::new("/").text(&format!("/proc/{pid}/cmdline"))?;
    Some(Fact { name: format!("server {pid}"), value: text.trim_end_matches('\0').replace('\0', " ") })
}

/// `wait`: for so long, and whether the run goes on then.
fn sample(mut sampler: Sampler, begun: Instant, wait: impl Fn(Duration) -> bool) -> Vec<Sample> {
    let mut samples = Vec::new();
    for second in 1.. {
        // By the clock, not by the last wake-up, so that late ones do not add up.
        let goes_on = wait((begun + INTERVAL * second).saturating_duration_since(Instant::now()));
        let rest = begun.elapsed().saturating_sub(INTERVAL * (second - 1));
        if goes_on || samples.is_empty() || rest >= REST_MIN {
            // What could be read a moment ago and cannot now is no reason to lose a run.
            samples.extend(sampler.sample().ok());
        }
        if !goes_on {
            break;
        }
    }
    samples
}

impl Watch {
    /// Once the load is over.
    pub fn end(self, warmup_seconds: f64) -> Watched {
        drop(self.running);
        let samples = self.thread.join().expect("the sampling thread does not panic");
        let measured: Vec<Sample> =
            samples.iter().filter(|sample| sample.at_s - sample.took_s / 2.0 > warmup_seconds).cloned().collect();
        let facts = Facts { line_mbit: self.options.line, disk_syncs_per_s_max: None };
        let mut verdict = verdict(if measured.is_empty() { &samples } else { &measured }, &facts);
        if self.options.watch.is_empty() && verdict.bottleneck == Bottleneck::Load {
            verdict.because += "; the server was not watched: --watch PID";
        }
        let root = Root::new("/");
        let host = facts::host(&root, self.options.dir.as_deref());
        let settings = facts::settings(&root);
        Watched { samples, verdict, host, settings, servers: self.servers }
    }
}
