//! How latency grows with load: the most that a closed loop gets, then open loops at shares of it.
//!
//! A closed loop's latencies are those of a broker at its limit; the others are what users would see below it.

use crate::drive::options::{ProduceOptions, ShowOptions};
use crate::load::clock::wall_millis;
use crate::load::json::Report;
use crate::load::results::Results;
use crate::load::summary;
use crate::produce;

#[derive(clap::Args, Clone, serde::Serialize)]
pub struct Sweep {
    #[command(flatten)]
    load: ProduceOptions,
    /// Shares of the closed loop's rate, in percent
    #[arg(long, value_delimiter = ',', default_value = "50,70,90", value_parser = clap::value_parser!(u32).range(1..=1000))]
    at: Vec<u32>,
    #[command(flatten)]
    #[serde(skip)]
    show: ShowOptions,
}

pub fn run(args: &Sweep) -> Result<(), String> {
    let started = wall_millis();
    if args.load.rate.is_some() {
        return Err("sweep finds the rate itself; leave --rate away, or use produce".to_string());
    }
    let mut output = args.show.output();
    let mut loads = vec![("closed loop".to_string(), None)];
    let mut all: Vec<Results> = vec![produce::measure(&args.load, &mut output, || Ok(()))?.0];
    // A rate is of requests; a batch is one.
    let requests_per_second = all[0].requests as f64 / all[0].seconds.max(f64::MIN_POSITIVE);
    if all[0].requests == 0 {
        output.table(&summary::of(&all));
        return Err("not one send was acknowledged, so there is no rate to take shares of".to_string());
    }
    for share in &args.at {
        let rate = requests_per_second * f64::from(*share) / 100.0;
        // The closed loop's window would itself hold an open loop back.
        let load = ProduceOptions { rate: Some(rate), in_flight: None, ..args.load.clone() };
        all.push(produce::measure(&load, &mut output, || Ok(()))?.0);
        loads.push((format!("{share} %"), Some(rate)));
    }
    output.finish();
    output.table(&summary::table(
        &["load", "requests due/s", "messages/s", "late %", "failed", "p50 ms", "p99 ms", "p99.9 ms", "max ms"],
        loads.iter().zip(&all).map(|((name, rate), results)| row(name, *rate, results)).collect(),
    ));
    if let Some(file) = &args.show.json {
        let findings = serde_json::json!({ "loads": loads.iter().map(|(name, rate)| serde_json::json!({"name": name, "rate": rate})).collect::<Vec<_>>() });
        Report::new("sweep", started, produce::config(args), &all, findings).write(file)?;
    }
    Ok(())
}

fn row(name: &str, rate: Option<f64>, results: &Results) -> Vec<String> {
    let ms = results.main_latency();
    vec![
        name.to_string(),
        rate.map_or("-".to_string(), |rate| format!("{rate:.0}")),
        format!("{:.0}", results.messages_per_second),
        format!("{:.1}", 100.0 * results.late as f64 / results.sent.max(1) as f64),
        results.failed.to_string(),
        format!("{:.3}", ms.p50),
        format!("{:.3}", ms.p99),
        format!("{:.3}", ms.p99_9),
        format!("{:.3}", ms.max),
    ]
}
