//! From what a load found to what the page shows. Before: `load::results` and `host::watch`; after: `report::write`.
//!
//! Beside index.html stands report.json, of which `ringmq-bench report` draws the page again.

use std::path::Path;

use super::{Flow, Report, Second, Table};
use crate::drive::target::{self, TargetOptions};
use crate::host::{Fact, Watched};
use crate::load::interval::Row;
use crate::load::json::rfc3339;
use crate::load::results::{Latency, Results};

/// The rest of a second in which the run ended is no second of it.
const SECONDS_MIN: f64 = 0.5;
const LEAST_MS: f64 = 0.001;

/// `servers`: what took part beside the load.
pub fn write(
    folder: &Path,
    command: &str,
    started: i64,
    results: &[Results],
    watched: Watched,
    servers: &[Fact],
) -> Result<(), String> {
    let report = report(command, started, results, watched, servers);
    super::write(folder, &report)?;
    let text = serde_json::to_string(&report).expect("a report is plain values");
    let path = folder.join("report.json");
    std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// The brokers that the load went to, and what each says of itself.
pub fn server(options: &TargetOptions) -> Vec<Fact> {
    let brokers = options.addresses().unwrap_or_default();
    let of = |address: String| {
        let said = target::version(&address).unwrap_or_else(|| "says no version".to_string());
        fact(&format!("broker {address}"), said)
    };
    brokers.into_iter().map(of).collect()
}

fn report(command: &str, started: i64, results: &[Results], watched: Watched, servers: &[Fact]) -> Report {
    let first = &results[0];
    let mut versions = vec![fact(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION").to_string())];
    versions.extend_from_slice(servers);
    versions.extend(watched.servers);
    Report {
        title: format!("{command}: {:.0} messages/s, {}", first.messages_per_second, tail_of(first)),
        began: format!("{}, {:.1} s measured after {:.1} s of warm-up", rfc3339(started), first.seconds, first.warmup_seconds),
        command: std::env::args().map(quoted).collect::<Vec<_>>().join(" "),
        versions,
        host: watched.host,
        settings: watched.settings,
        summary: summary(results),
        flows: results.iter().flat_map(flows).collect(),
        samples: watched.samples,
        verdict: Some(watched.verdict),
    }
}

fn tail_of(results: &Results) -> String {
    let measured = main_metric(results).map(|(_, latency)| latency);
    measured.map_or("no latency measured".to_string(), |latency| format!("{} p99 {:.2} ms", latency.name, latency.ms.p99))
}

/// The first that has values: ages of messages that are older than the run are not kept, pulls are.
fn main_metric(results: &Results) -> Option<(usize, &Latency)> {
    results.latencies.iter().enumerate().find(|(_, latency)| latency.ms.count > 0)
}

fn summary(results: &[Results]) -> Table {
    let columns =
        ["", "messages", "messages/s", "MB/s", "failed", "late", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "p99.99 ms", "max ms"];
    let mut rows = Vec::new();
    for one in results {
        let mut counts = vec![
            one.messages.to_string(),
            format!("{:.0}", one.messages_per_second),
            format!("{:.2}", one.bytes_per_second / 1e6),
            one.failed.to_string(),
            one.late.to_string(),
        ];
        for latency in one.latencies.iter().filter(|latency| latency.ms.count > 0) {
            let ms = &latency.ms;
            let mut row = vec![format!("{}: {}", one.role, latency.name)];
            // The counts are the role's, and stand in its first row.
            row.append(&mut counts);
            row.resize(6, String::new());
            row.extend([ms.p50, ms.p90, ms.p99, ms.p99_9, ms.p99_99, ms.max].map(|value| format!("{value:.3}")));
            rows.push(row);
        }
        if !counts.is_empty() {
            let mut row = vec![one.role.to_string()];
            row.append(&mut counts);
            row.resize(columns.len(), String::new());
            rows.push(row);
        }
    }
    Table { columns: columns.map(str::to_string).to_vec(), rows }
}

/// The seconds of a role are one flow; its other metrics have a distribution only.
fn flows(results: &Results) -> Vec<Flow> {
    let main = main_metric(results).map_or(0, |(metric, _)| metric);
    let flow = |(metric, latency): (usize, &Latency)| Flow {
        name: if results.latencies.len() == 1 { results.role.to_string() } else { format!("{}: {}", results.role, latency.name) },
        seconds: if metric == main { seconds(&results.intervals, metric) } else { Vec::new() },
        percentiles: latency
            .curve
            .iter()
            // Ages are whole milliseconds, and 0 of them has no place on a logarithmic axis.
            .filter(|point| point.percentile < 100.0 && point.ms >= LEAST_MS)
            .map(|point| (point.percentile / 100.0, point.ms))
            .collect(),
    };
    let shown = |(metric, latency): &(usize, &Latency)| *metric == main || latency.ms.count > 0;
    results.latencies.iter().enumerate().filter(shown).map(flow).collect()
}

fn seconds(rows: &[Row], metric: usize) -> Vec<Second> {
    let second = |row: &Row| {
        let ms = &row.latencies_ms[metric];
        Second {
            at_s: row.second as f64 + row.seconds,
            messages_per_s: row.messages_per_second(),
            p50_ms: ms.p50,
            p99_ms: ms.p99,
            max_ms: ms.max,
        }
    };
    rows.iter().filter(|row| row.seconds >= SECONDS_MIN || rows.len() == 1).map(second).collect()
}

fn fact(name: &str, value: String) -> Fact {
    Fact { name: name.to_string(), value }
}

/// As a shell would read it.
fn quoted(word: String) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=./:,@%+".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) { word } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
#[path = "from_run_tests.rs"]
mod tests;
