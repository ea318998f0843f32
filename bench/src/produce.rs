//! A load of sends, closed loop or open, against any broker that speaks remoting, Apache's too.

use serde_json::Value;

use crate::drive::options::{ProduceOptions, ShowOptions};
use crate::drive::run::{self, Stage};
use crate::drive::{producer, target};
use crate::load::bodies::Bodies;
use crate::load::clock::{self};
use crate::load::collect::Collector;
use crate::load::json::Report;
use crate::load::output::Output;
use crate::load::results::Results;
use crate::load::summary;

#[derive(clap::Args, Clone, serde::Serialize)]
pub struct Produce {
    #[command(flatten)]
    pub options: ProduceOptions,
    #[command(flatten)]
    #[serde(skip)]
    pub show: ShowOptions,
}

pub fn run(args: &Produce) -> Result<(), String> {
    let started = clock::wall_millis();
    let mut output = args.show.output();
    let results = [measure(&args.options, &mut output)?];
    output.finish();
    output.table(&summary::of(&results));
    if let Some(file) = &args.show.json {
        Report::new("produce", started, config(args), &results, Value::Null).write(file)?;
    }
    if results[0].messages == 0 { Err("not one send was acknowledged".to_string()) } else { Ok(()) }
}

pub fn config(args: &impl serde::Serialize) -> Value {
    serde_json::to_value(args).expect("options are plain values")
}

/// One run of it, from finding the brokers to the last answer.
pub fn measure(options: &ProduceOptions, output: &mut Output) -> Result<Results, String> {
    let target: target::Target = options.target.find()?;
    let lines = run::connect(&target, options.threads.connections as usize, options.threads.thread_count())?;
    let (stage, events) = Stage::new();
    let roles = [(producer::ROLE, options.time.span(), lines.len())];
    let body = options.message.body;
    let crew = run::produce(&stage, 0, options, &target, lines, |thread| Bodies::new(body, thread as u64))?;
    let mut collector = Collector::new(stage.clock, &roles, events);
    collector.run_until_done(&[0], output)?;
    crew.join();
    Ok(collector.results().remove(0))
}
