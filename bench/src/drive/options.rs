//! The arguments that commands share: how many threads and connections, how long, how fast, and where results go.

use serde::Serialize;

use super::message::MessageOptions;
use super::target::TargetOptions;
use crate::load::clock::Span;
use crate::load::cores;
use crate::load::output::Output;

#[derive(clap::Args, Clone, Debug, Serialize)]
pub struct ThreadOptions {
    /// Threads of the operating system; connections are dealt out to them
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: u32,
    /// The cores to run on, in turn: 1,2 or 1-3; without it the system decides
    #[arg(long)]
    pub cores: Option<String>,
    /// Connections of all threads together, spread over the brokers
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub connections: u32,
}

#[derive(clap::Args, Clone, Debug, Serialize)]
pub struct TimeOptions {
    /// Seconds of load before those that are measured
    #[arg(long, default_value_t = 0.0, value_parser = parse_seconds)]
    pub warmup: f64,
    /// Seconds that are measured; 5 unless there is a count
    #[arg(long, value_parser = parse_seconds)]
    pub seconds: Option<f64>,
    /// Ends after so many requests, the warm-up's included
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
}

#[derive(clap::Args, Clone, Debug, Serialize)]
pub struct ShowOptions {
    /// Everything as one JSON object, to a file, or to standard output for -
    #[arg(long, value_name = "FILE|-")]
    pub json: Option<String>,
    /// No line for each second
    #[arg(long)]
    pub quiet: bool,
}

/// All that a producing load takes.
#[derive(clap::Args, Clone, Debug, Serialize)]
pub struct ProduceOptions {
    #[command(flatten)]
    pub target: TargetOptions,
    #[command(flatten)]
    pub threads: ThreadOptions,
    /// Sends under way on each connection; 1 is RocketMQ's synchronous sender. With --rate 256 unless given, else 1
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub in_flight: Option<u32>,
    /// Open loop: so many requests a second, due at times fixed before, and their latency counts from then
    #[arg(long, value_parser = parse_rate)]
    pub rate: Option<f64>,
    #[command(flatten)]
    pub message: MessageOptions,
    #[command(flatten)]
    pub time: TimeOptions,
}

const SECONDS: f64 = 5.0;
/// Enough that a stall of a second at some hundred requests a second and connection delays none.
const IN_FLIGHT_OPEN: u32 = 256;

impl ThreadOptions {
    pub fn core_list(&self) -> Result<Vec<usize>, String> {
        self.cores.as_deref().map_or(Ok(Vec::new()), cores::parse)
    }

    /// Never more than there are connections for.
    pub fn thread_count(&self) -> usize {
        self.threads.min(self.connections) as usize
    }
}

impl TimeOptions {
    pub fn span(&self) -> Span {
        Span::new(self.warmup, self.seconds.or(if self.count.is_some() { None } else { Some(SECONDS) }))
    }
}

impl ShowOptions {
    pub fn output(&self) -> Output {
        Output::new(self.quiet, self.json.as_deref())
    }
}

impl ProduceOptions {
    pub fn window(&self) -> usize {
        self.in_flight.unwrap_or(if self.rate.is_some() { IN_FLIGHT_OPEN } else { 1 }) as usize
    }
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=1e7).contains(&seconds) => Ok(seconds),
        _ => Err(format!("'{text}' is no number of seconds; write 30 or 0.5")),
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.001..=1e8).contains(&rate) => Ok(rate),
        _ => Err(format!("'{text}' is no rate; write requests a second, as 20000")),
    }
}
