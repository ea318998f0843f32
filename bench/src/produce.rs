//! A load of sends, closed loop or open, against any broker that speaks remoting, Apache's too.

use serde_json::Value;

use crate::drive::options::{ProduceOptions, ShowOptions};
use crate::drive::run::{self, Stage};
use crate::drive::{producer, target};
use crate::host::WatchOptions;
use crate::load::bodies::Bodies;
use crate::load::clock::{self};
use crate::load::collect::Collector;
use crate::load::json::Report;
use crate::load::output::Output;
use crate::load::results::Results;
use crate::load::summary;
use crate::report::from_run;

#[derive(clap::Args, Clone, serde::Serialize)]
pub struct Produce {
    #[command(flatten)]
    pub options: ProduceOptions,
    #[command(flatten)]
    #[serde(skip)]
    pub show: ShowOptions,
    #[command(flatten)]
    #[serde(skip)]
    pub watch: WatchOptions,
}

pub fn run(args: &Produce) -> Result<(), String> {
    let started = clock::wall_millis();
    let mut output = args.show.output();
    let (results, watch) = measure(&args.options, &mut output, || args.watch.start())?;
    let watched = watch.end(results.warmup_seconds);
    let results = [results];
    output.finish();
    output.table(&summary::of(&results));
    output.table(&watched.verdict.to_string());
    if let Some(file) = &args.show.json {
        Report::new("produce", started, config(args), &results, Value::Null).watched(&watched).write(file)?;
    }
    if let Some(folder) = &args.watch.report {
        from_run::write(folder, "produce", started, &results, watched, &from_run::server(&args.options.target))?;
    }
    if results[0].messages == 0 { Err("not one send was acknowledged".to_string()) } else { Ok(()) }
}

pub fn config(args: &impl serde::Serialize) -> Value {
    serde_json::to_value(args).expect("options are plain values")
}

/// One run of it, from finding the brokers to the last answer; `begin` is called when the load begins.
pub fn measure<T>(
    options: &ProduceOptions,
    output: &mut Output,
    begin: impl FnOnce() -> Result<T, String>,
) -> Result<(Results, T), String> {
    let target: target::Target = options.target.find()?;
    let lines = run::connect(&target, options.threads.connections as usize, options.threads.thread_count())?;
    let begun = begin()?;
    let (stage, events) = Stage::new();
    let roles = [(producer::ROLE, options.time.span(), lines.len())];
    let body = options.message.body;
    let crew = run::produce(&stage, 0, options, &target, lines, |thread| Bodies::new(body, thread as u64))?;
    let mut collector = Collector::new(stage.clock, &roles, events);
    collector.run_until_done(&[0], output)?;
    crew.join();
    Ok((collector.results().remove(0), begun))
}
