//! The same load against several brokers in turn, round after round, so that a machine's moods meet all of them alike.

use clap::Parser;

use crate::drive::options::{ProduceOptions, ShowOptions};
use crate::load::clock::wall_millis;
use crate::load::json::Report;
use crate::load::results::Results;
use crate::load::summary;
use crate::produce;

#[derive(clap::Args, Clone, serde::Serialize)]
pub struct Compare {
    /// name=host:port of a broker, once for each; ratios are to the first
    #[arg(long = "target", required = true, value_parser = parse_target)]
    targets: Vec<(String, String)>,
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// What `produce` takes, without its --broker
    #[arg(last = true)]
    produce: Vec<String>,
    #[command(flatten)]
    #[serde(skip)]
    show: ShowOptions,
}

/// The arguments behind `--`, read as those of `produce`.
#[derive(Parser)]
#[command(name = "produce", no_binary_name = true)]
struct Load {
    #[command(flatten)]
    options: ProduceOptions,
}

/// What is compared: its name, and its number in one run.
type Figure = (&'static str, fn(&Results) -> f64);
const FIGURES: [Figure; 5] = [
    ("messages/s", |results| results.messages_per_second),
    ("p50 ms", |results| results.main_latency().p50),
    ("p99 ms", |results| results.main_latency().p99),
    ("p99.9 ms", |results| results.main_latency().p99_9),
    ("failed", |results| results.failed as f64),
];

pub fn run(args: &Compare) -> Result<(), String> {
    let started = wall_millis();
    let load = Load::try_parse_from(&args.produce).map_err(|error| format!("behind --: {error}"))?.options;
    if load.target.namesrv.is_some() {
        return Err("behind --: --namesrv finds brokers itself; compare goes to those of --target".to_string());
    }
    let mut output = args.show.output();
    let mut all: Vec<Results> = Vec::new();
    for round in 1..=args.rounds {
        for (name, address) in &args.targets {
            output.line(&format!("round {round} of {}: {name} at {address}", args.rounds));
            let mut load = load.clone();
            load.target.broker = address.clone();
            let (results, ()) = produce::measure(&load, &mut output, || Ok(())).map_err(|error| format!("{name}: {error}"))?;
            all.push(results);
        }
    }
    output.finish();
    let mut rows = Vec::new();
    let mut findings = Vec::new();
    for (figure, value) in FIGURES {
        let mut first = None;
        for (number, (name, _)) in args.targets.iter().enumerate() {
            let runs: Vec<f64> = all.iter().skip(number).step_by(args.targets.len()).map(value).collect();
            let spread = Spread::of(runs);
            let base = *first.get_or_insert(spread.median);
            let ratio = if base > 0.0 { Some(spread.median / base) } else { None };
            rows.push(vec![
                format!("{figure}: {name}"),
                number_text(spread.median),
                format!("{} to {}", number_text(spread.min), number_text(spread.max)),
                ratio.map_or("-".to_string(), |ratio| format!("{ratio:.2}x")),
            ]);
            findings.push(serde_json::json!({
                "figure": figure, "target": name, "median": spread.median, "min": spread.min, "max": spread.max, "ratio": ratio
            }));
        }
    }
    output.table(&summary::table(&["", "median", "min to max", &format!("to {}", args.targets[0].0)], rows));
    if let Some(file) = &args.show.json {
        Report::new("compare", started, produce::config(args), &all, serde_json::Value::Array(findings)).write(file)?;
    }
    Ok(())
}

#[derive(Debug, PartialEq)]
struct Spread {
    median: f64,
    min: f64,
    max: f64,
}

impl Spread {
    /// Of at least one run.
    fn of(mut runs: Vec<f64>) -> Spread {
        runs.sort_by(f64::total_cmp);
        let middle = runs.len() / 2;
        let median = if runs.len() % 2 == 1 { runs[middle] } else { (runs[middle - 1] + runs[middle]) / 2.0 };
        Spread { median, min: runs[0], max: runs[runs.len() - 1] }
    }
}

fn number_text(value: f64) -> String {
    if value >= 100.0 || value == 0.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}

fn parse_target(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, address)) if !name.is_empty() && address.contains(':') => Ok((name.to_string(), address.to_string())),
        _ => Err(format!("'{text}' is no target; write name=host:port, as ringmq=127.0.0.1:10911")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_spreads() {
        assert_eq!(Spread::of(vec![3.0, 1.0, 2.0]), Spread { median: 2.0, min: 1.0, max: 3.0 });
        assert_eq!(Spread::of(vec![4.0, 1.0]), Spread { median: 2.5, min: 1.0, max: 4.0 });
    }

    #[test]
    fn targets_have_names() {
        assert_eq!(parse_target("a=h:1"), Ok(("a".to_string(), "h:1".to_string())));
        assert!(parse_target("h:1").unwrap_err().contains("write name=host:port"));
    }

    #[test]
    fn what_stands_behind_the_dashes_is_read_as_produce() {
        let load = Load::try_parse_from(["--connections", "4", "--body", "100-200"]).expect("it is right").options;
        assert_eq!((load.threads.connections, load.message.body.to_string()), (4, "100-200".to_string()));
        assert!(Load::try_parse_from(["--nonsense"]).is_err());
    }
}
