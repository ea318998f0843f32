//! Producers and consumers at once: `e2e` for how long a message takes to its reader, `mixed` with a cold reader beside.
//!
//! A message's body begins with the moment at which it was due, on the clock that both sides share, so the time to its
//! delivery is exact; what the broker says of itself (storeTimestamp) is in milliseconds.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use ringmq_shards::record::Record;
use serde_json::Value;

use crate::consume::{self, Age, From, ReadOptions};
use crate::drive::consumer::{Cursor, Reading, Sink};
use crate::drive::lines::Lines;
use crate::drive::message::Payload;
use crate::drive::options::{ProduceOptions, ShowOptions, ThreadOptions};
use crate::drive::producer;
use crate::drive::run::{self, Stage};
use crate::drive::target::Target;
use crate::host::WatchOptions;
use crate::load::bodies::Bodies;
use crate::load::clock::{Clock, wall_millis};
use crate::load::collect::Collector;
use crate::load::json::Report;
use crate::load::recorder::Recorder;
use crate::load::results::{Results, Role, Style};
use crate::load::summary;
use crate::produce;
use crate::report::from_run;

const TAIL: Role =
    Role { name: "deliver", metrics: &["due to delivered", "stored to delivered", "born to stored"], style: Style::Consumer };
const COLD: Role = Role { name: "cold", ..consume::ROLE };
const DUE_DELIVERED: usize = 0;
const STORED_DELIVERED: usize = 1;
const BORN_STORED: usize = 2;
/// How long the last messages may take to their readers once all are acknowledged.
const DELIVERY_LIMIT: Duration = Duration::from_secs(10);
/// Mark, run, moment.
const HEAD_BYTES: usize = 8 + 8 + 8;
const MARK: u64 = u64::from_be_bytes(*b"RINGMQDU");

#[derive(clap::Args, Clone, serde::Serialize)]
pub struct EndToEnd {
    #[command(flatten)]
    load: ProduceOptions,
    /// Threads that read, each with a connection to each broker
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    consumers: u32,
    /// Messages of a pull at most
    #[arg(long, default_value_t = 32)]
    pull: i32,
    #[command(flatten)]
    #[serde(skip)]
    show: ShowOptions,
    #[command(flatten)]
    #[serde(skip)]
    watch: WatchOptions,
}

#[derive(clap::Args, Clone, serde::Serialize)]
pub struct Mixed {
    #[command(flatten)]
    both: EndToEnd,
    /// Threads that read the topic from its first message, for as long as the load runs
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1024))]
    cold: u32,
}

pub fn run_end_to_end(args: &EndToEnd) -> Result<bool, String> {
    run("e2e", args, 0, produce::config(args))
}

pub fn run_mixed(args: &Mixed) -> Result<bool, String> {
    run("mixed", &args.both, args.cold, produce::config(args))
}

fn run(command: &'static str, args: &EndToEnd, cold: u32, config: Value) -> Result<bool, String> {
    let started = wall_millis();
    let load = &args.load;
    let target = load.target.find()?;
    let tail_parts = readers(&target, args.consumers, From::Last, args.pull)?;
    let cold_parts = if cold > 0 { readers(&target, cold, From::First, args.pull)? } else { Vec::new() };
    let lines = run::connect(&target, load.threads.connections as usize, load.threads.thread_count())?;
    let watch = args.watch.start()?;
    let (stage, events) = Stage::new();
    let span = load.time.span();
    let mut roles = vec![(producer::ROLE, span, lines.len()), (TAIL, span_of_reader(load), tail_parts.len())];
    if cold > 0 {
        roles.push((COLD, span_of_reader(load), cold_parts.len()));
    }
    let cores = load.threads.core_list()?;
    let run_id = fastrand::u64(..);
    let clock = stage.clock;
    let reading = |role, long_polling| read_options(From::Last, args.pull).reading(role, long_polling, u64::MAX);
    let (tail, cold_reading): (Reading, Reading) = (reading(TAIL, true), reading(COLD, false));
    let mut collector = Collector::new(clock, &roles, events);
    let delivering = run::consume(&stage, 1, roles[1].1, &cores, &tail, tail_parts, |_, _| Delivered { clock, run_id })?;
    let cold_crew =
        run::consume(&stage, 2, span_of_reader(load), &cores, &cold_reading, cold_parts, |_, _| Age { clock, record_bytes: 0 })?;
    let body = load.message.body;
    let producing =
        run::produce(&stage, 0, load, &target, lines, |thread| Due { run_id, bodies: Bodies::new(body, thread as u64) })?;

    let mut output = args.show.output();
    collector.run_until_done(&[0], &mut output)?;
    producing.join();
    cold_reading.stop();
    // Readers go on until they have what was acknowledged.
    let sent = collector.messages(0);
    let delivered = || u64::MAX - tail.left.load(Relaxed);
    let deadline = Instant::now() + DELIVERY_LIMIT;
    while delivered() < sent && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    tail.stop();
    let rest: Vec<usize> = (1..roles.len()).collect();
    collector.run_until_done(&rest, &mut output)?;
    delivering.join();
    cold_crew.join();
    let results: Vec<Results> = collector.results();
    let watched = watch.end(results[0].warmup_seconds);
    output.finish();
    output.table(&summary::of(&results));
    let all = delivered() >= sent;
    if !all {
        output.table(&format!("{} of {sent} messages were not delivered in {DELIVERY_LIMIT:?}", sent - delivered()));
    }
    output.table(&watched.verdict.to_string());
    if let Some(file) = &args.show.json {
        Report::new(command, started, config, &results, Value::Null).watched(&watched).write(file)?;
    }
    if let Some(folder) = &args.watch.report {
        from_run::write(folder, command, started, &results, watched, &from_run::server(&load.target))?;
    }
    Ok(all)
}

/// Readers end when they are told; their warm-up is the producers'.
fn span_of_reader(load: &ProduceOptions) -> crate::load::clock::Span {
    crate::load::clock::Span::new(load.time.warmup, None)
}

fn read_options(from: From, pull: i32) -> ReadOptions {
    ReadOptions { from, pull, ..ReadOptions::default() }
}

fn readers(target: &Target, threads: u32, from: From, pull: i32) -> Result<Vec<(Lines, Vec<Cursor>)>, String> {
    let connections = threads * target.brokers.len() as u32;
    consume::deal(target, &ThreadOptions { threads, cores: None, connections }, &read_options(from, pull), false)
}

/// A body that says when it was due; never shorter than its head.
struct Due {
    run_id: u64,
    bodies: Bodies,
}

impl Payload for Due {
    fn write(&mut self, _connection: usize, due: u64, out: &mut Vec<u8>) -> u64 {
        let body = self.bodies.next();
        for word in [MARK, self.run_id, due] {
            out.extend_from_slice(&word.to_be_bytes());
        }
        out.extend_from_slice(body.get(HEAD_BYTES..).unwrap_or_default());
        0
    }
}

struct Delivered {
    clock: Clock,
    run_id: u64,
}

impl Sink for Delivered {
    fn record(&mut self, _queue: usize, record: &Record<'_>, now: u64, recorder: &mut Recorder) -> bool {
        let word = |at: usize| record.body().get(at..at + 8).map(|bytes| u64::from_be_bytes(bytes.try_into().expect("8 bytes")));
        // Others may send to the topic too.
        if word(0) != Some(MARK) || word(8) != Some(self.run_id) {
            return false;
        }
        let due = word(16).unwrap_or(now).min(now);
        let stored = record.store_timestamp().0;
        let millis = |from: i64, to: i64| (to - from).max(0) as u64 * 1_000_000;
        recorder.latency(DUE_DELIVERED, due, now - due);
        recorder.latency(STORED_DELIVERED, due, millis(stored, self.clock.wall(now)));
        recorder.latency(BORN_STORED, due, millis(record.born_timestamp(), stored));
        true
    }
}
