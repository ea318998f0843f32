//! Pops all that a topic has and acks it: what POP consumption costs, and whether each message came once.
//!
//! A run without `--seconds` goes to the end: until all that was there for the group at the begin is acked. Then one more pop must find nothing,
//! and with `--recheck` another one some time later: what was acked must not come back when its invisible time is over.
//!
//! After: `drive::popper` (what a thread does), `drive::handed` (what is said), `drive::seen` (what came).

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use serde_json::json;

use crate::connection::Connection;
use crate::drive::handed::{self, Whose};
use crate::drive::options::{ShowOptions, ThreadOptions};
use crate::drive::popper::{Acks, Popping, ROLE};
use crate::drive::run::{self, Stage};
use crate::drive::seen::Seen;
use crate::drive::target::{self, Target, TargetOptions};
use crate::host::WatchOptions;
use crate::load::clock::{Span, wall_millis};
use crate::load::collect::Collector;
use crate::load::json::Report;
use crate::load::summary;
use crate::report::from_run;
use crate::{produce, setup};

#[derive(clap::Args, Clone, serde::Serialize)]
pub struct Pop {
    #[command(flatten)]
    target: TargetOptions,
    #[command(flatten)]
    threads: ThreadOptions,
    /// Pops under way on each connection, or the acks of the last one
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    in_flight: u32,
    #[arg(long, default_value = setup::GROUP)]
    group: String,
    /// Messages of a pop at most; brokers may give fewer
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(i32).range(1..=32))]
    batch: i32,
    /// Seconds for which nobody else gets a message that was popped
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    invisible: u32,
    /// How messages are acknowledged
    #[arg(long, value_enum, default_value = "each")]
    acks: Acks,
    /// Does not check the CRC of bodies
    #[arg(long)]
    no_check: bool,
    /// Ends after so long; without it when all that was there at the begin is acked
    #[arg(long)]
    seconds: Option<f64>,
    /// Pops once more after so many seconds: with more than --invisible that shows that acks are kept
    #[arg(long)]
    recheck: Option<f64>,
    #[command(flatten)]
    #[serde(skip)]
    show: ShowOptions,
    #[command(flatten)]
    #[serde(skip)]
    watch: WatchOptions,
}

/// True: each message came once and was acked.
pub fn run(args: &Pop) -> Result<bool, String> {
    let started = wall_millis();
    let target = TargetOptions { keep_topics: true, ..args.target.clone() }.find()?;
    let (seen, names) = survey(&target, &args.group)?;
    let popping = Popping {
        brokers: names,
        topics: target.topics.clone(),
        queues: target.queues,
        group: args.group.clone(),
        batch: args.batch,
        invisible_millis: i64::from(args.invisible) * 1000,
        acks: args.acks,
        check: !args.no_check,
        left: Arc::new(AtomicU64::new(if args.seconds.is_some() { u64::MAX } else { seen.expected() })),
    };
    let connections = (args.threads.connections as usize).max(target.brokers.len());
    let lines = run::connect(&target, connections, (args.threads.threads as usize).min(connections))?;
    let watch = args.watch.start()?;
    let (stage, events) = Stage::new();
    let span = Span::new(0.0, args.seconds);
    let mut collector = Collector::new(stage.clock, &[(ROLE, span, lines.len())], events);
    let crew = run::pop(&stage, span, &args.threads.core_list()?, &popping, args.in_flight as usize, &seen, lines)?;
    let mut output = args.show.output();
    collector.run_until_done(&[0], &mut output)?;
    let (mut seen, mut unacked) = (seen, 0);
    for found in crew.join() {
        seen.add(&found.seen);
        unacked += found.unacked;
    }
    let results = collector.results();
    let watched = watch.end(0.0);
    output.finish();
    let mut found_after = if args.seconds.is_none() { pop_once(&target, &popping)? } else { 0 };
    if let Some(seconds) = args.recheck {
        std::thread::sleep(Duration::try_from_secs_f64(seconds).map_err(|error| format!("--recheck {seconds}: {error}"))?);
        found_after += pop_once(&target, &popping)?;
    }
    let missing = if args.seconds.is_none() { seen.missing() } else { 0 };
    output.table(&summary::of(&results));
    output.table(&format!(
        "{} messages popped and acked in {:.2} s, {:.0} messages/s; of {} there {missing} missing, {} came again, {} unexpected, {unacked} \
         unacked; a pop after it found {found_after}",
        results[0].messages,
        results[0].seconds,
        results[0].messages_per_second,
        seen.expected(),
        seen.again(),
        seen.unexpected(),
    ));
    output.table(&watched.verdict.to_string());
    if let Some(file) = &args.show.json {
        let findings = json!({
            "expected": seen.expected(), "missing": missing, "again": seen.again(), "unexpected": seen.unexpected(),
            "unacked": unacked, "found_after": found_after,
        });
        Report::new("pop", started, produce::config(args), &results, findings).watched(&watched).write(file)?;
    }
    if let Some(folder) = &args.watch.report {
        from_run::write(folder, "pop", started, &results, watched, &from_run::server(&args.target))?;
    }
    // What came while the run went on is nobody's fault.
    let unexpected = if args.seconds.is_none() { seen.unexpected() } else { 0 };
    Ok(missing + seen.again() + unexpected + unacked + found_after == 0)
}

/// What is there for the group in each queue of each topic of each broker, and the brokers' names.
fn survey(target: &Target, group: &str) -> Result<(Seen, Vec<String>), String> {
    let (mut queues, mut names) = (Vec::new(), Vec::new());
    for broker in &target.brokers {
        let mut control = target::open(broker)?;
        names.push(target::name(&mut control, broker)?);
        setup::create_group(&mut control, group)?;
        for topic in &target.topics {
            for queue in 0..target.queues {
                let end = setup::max_offset(&mut control, topic, queue)?;
                // A group that has read nothing begins with the first message.
                let min = target::min_offset(&mut control, topic, queue)?.max(0);
                let begin = setup::committed_offset(&mut control, group, topic, queue).unwrap_or(min).max(min);
                queues.push((begin, end));
            }
        }
    }
    Ok((Seen::new(&queues), names))
}

/// How many messages one pop of each topic finds now, of which there should be none.
fn pop_once(target: &Target, popping: &Popping) -> Result<u64, String> {
    let mut found = 0;
    for (broker, name) in target.brokers.iter().zip(&popping.brokers) {
        let mut control: Connection = target::open(broker)?;
        for topic in &target.topics {
            let whose = Whose { broker: name, topic, group: &popping.group };
            handed::write_pop(whose, popping.batch, popping.invisible_millis, false, wall_millis(), 1, &mut control.out);
            let answer = control.call(setup::CALL_LIMIT).map_err(|error| format!("{broker}: the last pop: {error}"))?;
            found += ringmq::remoting::message::records(&answer.body).count() as u64;
        }
    }
    Ok(found)
}
