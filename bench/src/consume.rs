//! Reads topics with many queues under way at once, and counts: to the end, for a time, or so many.
//!
//! Each record's CRC is checked and each queue's offsets must rise, unless told not to look.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use clap::ValueEnum;
use ringmq_shards::record::Record;
use serde_json::Value;

use crate::drive::consumer::{Cursor, Reading, Sink};
use crate::drive::lines::Lines;
use crate::drive::message::HeaderEncoding;
use crate::drive::options::{ShowOptions, ThreadOptions};
use crate::drive::run::{self, Stage};
use crate::drive::target::{self, Target, TargetOptions};
use crate::host::WatchOptions;
use crate::load::clock::{Clock, Span, wall_millis};
use crate::load::collect::Collector;
use crate::load::json::Report;
use crate::load::recorder::Recorder;
use crate::load::results::{Role, Style};
use crate::load::summary;
use crate::report::from_run;
use crate::{produce, setup};

pub const ROLE: Role =
    Role { name: "consume", metrics: &["born to consumed", "stored to consumed", "pull"], style: Style::Consumer };
const BORN: usize = 0;
const STORED: usize = 1;
const PULL: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum From {
    /// The oldest message there is
    First,
    /// The next message that comes
    Last,
    /// Where the group has got to
    Group,
}

#[derive(clap::Args, Clone, Debug, serde::Serialize)]
pub struct ReadOptions {
    #[arg(long, value_enum, default_value = "first")]
    pub from: From,
    #[arg(long, default_value = setup::GROUP)]
    pub group: String,
    /// Messages of a pull at most; brokers may give fewer
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(i32).range(1..=1024))]
    pub pull: i32,
    /// Tells the broker with each pull how far the group has read
    #[arg(long)]
    pub commit: bool,
    /// Does not check the CRC of bodies
    #[arg(long)]
    pub no_check: bool,
    /// Reads these queues only, so that several consumers share a topic: 0,2,4
    #[arg(long, value_delimiter = ',')]
    pub only_queues: Vec<u32>,
    /// How headers are written
    #[arg(long, value_enum, default_value = "binary")]
    pub header: HeaderEncoding,
}

impl Default for ReadOptions {
    fn default() -> ReadOptions {
        ReadOptions {
            from: From::First,
            group: setup::GROUP.to_string(),
            pull: 32,
            commit: false,
            no_check: false,
            only_queues: Vec::new(),
            header: HeaderEncoding::Binary,
        }
    }
}

#[derive(clap::Args, Clone, serde::Serialize)]
pub struct Consume {
    #[command(flatten)]
    target: TargetOptions,
    #[command(flatten)]
    threads: ThreadOptions,
    #[command(flatten)]
    read: ReadOptions,
    /// Reads for so long, also what comes meanwhile; without it up to what is there at the begin
    #[arg(long)]
    seconds: Option<f64>,
    /// Ends after so many messages, or a pull's worth more
    #[arg(long)]
    count: Option<u64>,
    #[command(flatten)]
    #[serde(skip)]
    show: ShowOptions,
    #[command(flatten)]
    #[serde(skip)]
    watch: WatchOptions,
}

pub fn run(args: &Consume) -> Result<(), String> {
    let started = wall_millis();
    let target = TargetOptions { keep_topics: true, ..args.target.clone() }.find()?;
    // Whoever says how long or how many waits for messages; whoever does not wants those that are there.
    let tail = args.seconds.is_some() || args.count.is_some();
    let parts = deal(&target, &args.threads, &args.read, !tail)?;
    let watch = args.watch.start()?;
    let (stage, events) = Stage::new();
    let span = Span::new(0.0, args.seconds);
    let reading = args.read.reading(ROLE, tail, args.count.unwrap_or(u64::MAX));
    let mut collector = Collector::new(stage.clock, &[(ROLE, span, parts.len())], events);
    let clock = stage.clock;
    let crew = run::consume(&stage, 0, span, &args.threads.core_list()?, &reading, parts, |_, _| Age { clock, record_bytes: 0 })?;
    let mut output = args.show.output();
    collector.run_until_done(&[0], &mut output)?;
    let record_bytes: u64 = crew.join().iter().map(|age| age.record_bytes).sum();
    let results = collector.results();
    let watched = watch.end(0.0);
    output.finish();
    output.table(&summary::of(&results));
    output.table(&format!(
        "{} messages read in {:.2} s, {:.0} messages/s, {:.0} MiB/s of records",
        results[0].messages,
        results[0].seconds,
        results[0].messages_per_second,
        record_bytes as f64 / 1048576.0 / results[0].seconds
    ));
    output.table(&watched.verdict.to_string());
    if let Some(file) = &args.show.json {
        Report::new("consume", started, produce::config(args), &results, Value::Null).watched(&watched).write(file)?;
    }
    if let Some(folder) = &args.watch.report {
        from_run::write(folder, "consume", started, &results, watched, &from_run::server(&args.target))?;
    }
    Ok(())
}

impl ReadOptions {
    pub fn reading(&self, role: Role, long_polling: bool, count: u64) -> Reading {
        Reading {
            role,
            group: self.group.clone(),
            pull: self.pull,
            long_polling,
            commit: self.commit,
            check: !self.no_check,
            encoding: self.header.encoding(),
            left: Arc::new(AtomicU64::new(count)),
            stop: Arc::new(AtomicBool::new(false)),
        }
    }
}

/// Each thread's connections and queues: queues go round the connections of their broker.
pub fn deal(
    target: &Target,
    threads: &ThreadOptions,
    read: &ReadOptions,
    to_end: bool,
) -> Result<Vec<(Lines, Vec<Cursor>)>, String> {
    let brokers = target.brokers.len();
    // Every broker's queues need a connection.
    let connections = (threads.connections as usize).max(brokers);
    let thread_count = (threads.threads as usize).min(connections);
    let mut cursors: Vec<Vec<Cursor>> = vec![Vec::new(); thread_count];
    for (number, broker) in target.brokers.iter().enumerate() {
        let mut control = target::open(broker)?;
        setup::create_group(&mut control, &read.group)?;
        // The connections that `connect` gives this broker.
        let own: Vec<usize> = (number..connections).step_by(brokers).collect();
        let is_ours = |queue: &u32| read.only_queues.is_empty() || read.only_queues.contains(queue);
        let queues: Vec<u32> = (0..target.queues).filter(is_ours).collect();
        let places = target.topics.iter().flat_map(|topic| queues.iter().map(move |&queue| (topic, queue)));
        for (place, (topic, queue)) in places.enumerate() {
            let end = setup::max_offset(&mut control, topic, queue)?;
            let begin = match read.from {
                From::First => target::min_offset(&mut control, topic, queue)?.max(0),
                From::Last => end,
                From::Group => setup::committed_offset(&mut control, &read.group, topic, queue).unwrap_or(0).max(0),
            };
            let connection = own[place % own.len()];
            let line = connection / thread_count;
            cursors[connection % thread_count].push(Cursor::new(topic.clone(), queue, line, begin, to_end.then_some(end)));
        }
    }
    Ok(run::connect(target, connections, thread_count)?.into_iter().zip(cursors).collect())
}

/// How old messages are when they come, to the millisecond, and how long pulls take.
pub struct Age {
    pub clock: Clock,
    /// Of records as they are stored and sent: their bodies and all that is around them.
    pub record_bytes: u64,
}

impl Sink for Age {
    fn record(&mut self, _queue: usize, record: &Record<'_>, now: u64, recorder: &mut Recorder) -> bool {
        self.record_bytes += record.bytes().len() as u64;
        let wall = self.clock.wall(now);
        // A message from before the run waited for the run, which says nothing about the broker.
        for (metric, since) in [(BORN, record.born_timestamp()), (STORED, record.store_timestamp().0)] {
            if since >= self.clock.begun_at {
                recorder.latency(metric, now, (wall - since).max(0) as u64 * 1_000_000);
            }
        }
        true
    }

    fn pulled(&mut self, asked: u64, now: u64, recorder: &mut Recorder) {
        recorder.latency(PULL, asked, now - asked);
    }
}
