//! Sends for a time, reads everything, and compares: is each acknowledged message there, once, whole and in its place?
//!
//! - `ledger`: what was sent and acknowledged, and what reading finds; pure
//! - `body`: a message that says who sent it, as which, and whether it is whole

mod body;
mod ledger;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};

use ringmq::remoting::Encoding;
use ringmq_shards::record::Record;

use crate::consume::{self, From, ReadOptions};
use crate::drive::consumer::{Cursor, Reading, Sink};
use crate::drive::message::Payload;
use crate::drive::options::{ProduceOptions, ShowOptions, ThreadOptions};
use crate::drive::producer;
use crate::drive::run::{self, Stage};
use crate::load::bodies::Bodies;
use crate::load::clock::{Span, wall_millis};
use crate::load::collect::Collector;
use crate::load::json::Report;
use crate::load::recorder::Recorder;
use crate::load::summary;
use crate::{produce, setup};
use body::Content;
use ledger::{Found, Sent};

const PULL: i32 = 256;
const BROKER_BACK_LIMIT: Duration = Duration::from_secs(30);

#[derive(clap::Args, Clone, serde::Serialize)]
pub struct Verify {
    #[command(flatten)]
    load: ProduceOptions,
    /// Does not call it wrong when messages of one connection stand in another order than they were sent: a broker may
    /// reorder what is under way at once
    #[arg(long)]
    any_order: bool,
    #[command(flatten)]
    #[serde(skip)]
    show: ShowOptions,
}

/// True: nothing is wrong.
pub fn run(args: &Verify) -> Result<bool, String> {
    let started = wall_millis();
    let load = &args.load;
    let mut output = args.show.output();
    let target = load.target.find()?;
    let (connections, threads) = (load.threads.connections as usize, load.threads.thread_count());
    // Where each queue ends before: what stands there is none of ours.
    let readers = ThreadOptions { threads: 1, cores: None, connections: target.brokers.len() as u32 };
    let read = ReadOptions { from: From::Last, pull: PULL, no_check: true, ..ReadOptions::default() };
    let before = consume::deal(&target, &readers, &read, false)?.remove(0).1;

    let lines = run::connect(&target, connections, threads)?;
    let (stage, events) = Stage::new();
    let roles = [(producer::ROLE, load.time.span(), lines.len())];
    let run_id = fastrand::u64(..);
    let crew = run::produce(&stage, 0, load, &target, lines, |thread| Ledgered {
        run_id,
        // As connections are dealt to threads.
        first_producer: thread as u32,
        step: threads as u32,
        sent: vec![Sent::default(); connections.div_ceil(threads)],
        batch: u64::from(load.message.batch),
        one_way: load.message.one_way,
        bodies: Bodies::new(load.message.body, thread as u64),
    })?;
    let mut collector = Collector::new(stage.clock, &roles, events);
    collector.run_until_done(&[0], &mut output)?;
    let mut sent = vec![Sent::default(); connections];
    for one in crew.join() {
        for (line, ledger) in one.sent.into_iter().enumerate() {
            let producer = one.first_producer as usize + line * threads;
            if producer < connections {
                sent[producer] = ledger;
            }
        }
    }
    let mut results = collector.results();

    let ends = wait_for(|| consume::deal(&target, &readers, &read, false))?.remove(0);
    let cursors = std::iter::zip(before, ends.1)
        .map(|(begin, end)| Cursor::new(begin.topic, begin.queue, begin.line, begin.next, Some(end.next)));
    let (stage, events) = Stage::new();
    let span = Span::new(0.0, None);
    let mut collector = Collector::new(stage.clock, &[(consume::ROLE, span, 1)], events);
    let reading = Reading {
        role: consume::ROLE,
        group: setup::GROUP.to_string(),
        pull: PULL,
        long_polling: false,
        commit: false,
        // Checked here, where it can be counted.
        check: false,
        encoding: Encoding::Binary,
        left: Arc::new(AtomicU64::new(u64::MAX)),
        stop: Arc::new(AtomicBool::new(false)),
    };
    let parts = vec![(ends.0, cursors.collect())];
    let crew =
        run::consume(&stage, 0, span, &[], &reading, parts, |_, _| Comparison { found: Found::new(run_id, sent.clone()) })?;
    collector.run_until_done(&[0], &mut output)?;
    let verdict = crew.join().remove(0).found.verdict();
    results.extend(collector.results());
    output.finish();
    output.table(&summary::of(&results));
    output.table(&verdict.to_string());
    if let Some(file) = &args.show.json {
        let findings = serde_json::to_value(verdict).expect("counts are plain values");
        Report::new("verify", started, produce::config(args), &results, findings).write(file)?;
    }
    if results[0].messages == 0 {
        return Err("not one send was acknowledged, so nothing is verified".to_string());
    }
    Ok(verdict.is_good(args.any_order))
}

/// A broker that was killed on purpose while messages were sent may take a moment to come back.
fn wait_for<T>(mut reach: impl FnMut() -> Result<T, String>) -> Result<T, String> {
    let deadline = Instant::now() + BROKER_BACK_LIMIT;
    loop {
        match reach() {
            Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(200)),
            result => return result,
        }
    }
}

/// One thread's producers, one for each connection.
struct Ledgered {
    run_id: u64,
    first_producer: u32,
    step: u32,
    sent: Vec<Sent>,
    batch: u64,
    one_way: bool,
    bodies: Bodies,
}

impl Payload for Ledgered {
    fn write(&mut self, connection: usize, _due: u64, out: &mut Vec<u8>) -> u64 {
        let sequence = self.sent[connection].send();
        let producer = self.first_producer + connection as u32 * self.step;
        Content { run_id: self.run_id, producer, sequence }.write(self.bodies.next(), out);
        sequence
    }

    fn acknowledged(&mut self, connection: usize, first: u64) {
        // A one-way send promises nothing.
        if !self.one_way {
            self.sent[connection].acknowledge(first, self.batch);
        }
    }
}

struct Comparison {
    found: Found,
}

impl Sink for Comparison {
    fn record(&mut self, queue: usize, record: &Record<'_>, _now: u64, _recorder: &mut Recorder) -> bool {
        let crc_holds = record.verify_crc().is_ok();
        self.found.read(queue, Content::read(record.body()), crc_holds);
        true
    }
}
