//! Which charts a report has, and what stands in each.

use std::collections::BTreeMap;

use super::plot::{Across, COLOURS, Chart, Line, Up};
use super::{Flow, Report, Second};
use crate::host::{Role, Sample};

const MIB: f64 = (1 << 20) as f64;
/// Threads and interfaces that did less are no lines: a page of zeros hides what matters.
const LEAST_PERCENT: f64 = 0.5;
const LEAST_MBIT: f64 = 0.01;

pub fn charts(report: &Report) -> Vec<Chart> {
    let samples = &report.samples;
    let mut charts = vec![
        over_time("Throughput", "messages per second", Up::FromZero, throughput(&report.flows)),
        over_time("Latency", "latency (ms), logarithmic", Up::Logarithmic, latency(&report.flows)),
        Chart {
            title: "Latency by percentile".to_string(),
            across: Across::Quantile,
            up: Up::Logarithmic,
            label: "latency (ms), logarithmic".to_string(),
            lines: report.flows.iter().map(|flow| line(&flow.name, flow.percentiles.iter().copied())).collect(),
        },
        over_time("CPU by thread", "% of one core", Up::Percent, threads(samples)),
        over_time("Whole machine", "% of all cores, % of time", Up::Percent, machine(samples)),
    ];
    let device =
        samples.iter().find_map(|sample| sample.disk.as_ref()).map(|disk| format!("Disk {}", disk.device)).unwrap_or_default();
    charts.push(over_time(&format!("{device}: requests"), "requests per second", Up::FromZero, requests(samples)));
    charts.push(over_time(&format!("{device}: bytes"), "MB per second", Up::FromZero, disk_bytes(samples)));
    charts.push(over_time(&format!("{device}: busy"), "% of time", Up::Percent, busy(samples)));
    charts.push(over_time("Network", "Mbit per second", Up::FromZero, network(samples)));
    charts.push(over_time("Memory", "resident (MiB)", Up::FromZero, memory(samples)));
    charts
}

fn over_time(title: &str, label: &str, up: Up, lines: Vec<Line>) -> Chart {
    Chart { title: title.to_string(), across: Across::Seconds, up, label: label.to_string(), lines }
}

fn line(name: &str, points: impl Iterator<Item = (f64, f64)>) -> Line {
    Line { name: name.to_string(), points: points.collect() }
}

fn throughput(flows: &[Flow]) -> Vec<Line> {
    let timed = flows.iter().filter(|flow| !flow.seconds.is_empty());
    // Its role is enough: a rate is no metric's.
    let role = |flow: &Flow| flow.name.split(": ").next().unwrap_or_default().to_string();
    timed.map(|flow| line(&role(flow), flow.seconds.iter().map(|second| (second.at_s, second.messages_per_s)))).collect()
}

type Value = fn(&Second) -> f64;

/// The maxima only where there are colours for them.
fn latency(flows: &[Flow]) -> Vec<Line> {
    let timed: Vec<&Flow> = flows.iter().filter(|flow| !flow.seconds.is_empty()).collect();
    let values: [(&str, Value); 3] =
        [("p50", |second| second.p50_ms), ("p99", |second| second.p99_ms), ("max", |second| second.max_ms)];
    let shown = if timed.len() * values.len() <= COLOURS.len() { &values[..] } else { &values[..2] };
    let of = |flow: &Flow, name: &str, value: Value| {
        // A second without answers has no latency.
        let answered = flow.seconds.iter().filter(|second| second.max_ms > 0.0);
        line(&format!("{} {name}", flow.name), answered.map(|second| (second.at_s, value(second))))
    };
    timed.iter().flat_map(|flow| shown.iter().map(move |(name, value)| of(flow, name, *value))).collect()
}

/// The busiest, as many as there are colours. Those of one name are one line: io_uring's workers come and go.
fn threads(samples: &[Sample]) -> Vec<Line> {
    let mut lines = BTreeMap::<String, Vec<(f64, f64)>>::new();
    for sample in samples {
        for thread in &sample.threads {
            let role = match thread.role {
                Role::Server => "server",
                Role::Client => "load",
            };
            let points = lines.entry(format!("{role}: {}", thread.name)).or_default();
            match points.last_mut() {
                Some(point) if point.0 == sample.at_s => point.1 += thread.cpu_percent(),
                _ => points.push((sample.at_s, thread.cpu_percent())),
            }
        }
    }
    let mean = |line: &Line| line.points.iter().map(|point| point.1).sum::<f64>() / line.points.len() as f64;
    let mut lines: Vec<_> = lines.into_iter().map(|(name, points)| Line { name, points }).collect();
    lines.retain(|line| mean(line) >= LEAST_PERCENT);
    lines.sort_by(|a, b| mean(b).total_cmp(&mean(a)));
    lines.truncate(COLOURS.len());
    lines
}

fn of_samples(samples: &[Sample], name: &str, value: impl Fn(&Sample) -> Option<f64>) -> Line {
    line(name, samples.iter().filter_map(|sample| Some((sample.at_s, value(sample)?))))
}

fn machine(samples: &[Sample]) -> Vec<Line> {
    vec![
        of_samples(samples, "CPU busy", |sample| Some(sample.machine.cpu_percent)),
        of_samples(samples, "CPU stolen by the hypervisor", |sample| Some(sample.machine.steal_percent)),
        of_samples(samples, "tasks waited for CPU", |sample| Some(sample.machine.pressure?.cpu.some_percent)),
        of_samples(samples, "tasks waited for memory", |sample| Some(sample.machine.pressure?.memory.some_percent)),
    ]
}

fn requests(samples: &[Sample]) -> Vec<Line> {
    vec![
        of_samples(samples, "writes", |sample| Some(sample.disk.as_ref()?.writes_per_s)),
        of_samples(samples, "flushes (syncs)", |sample| sample.disk.as_ref()?.flushes_per_s),
        of_samples(samples, "reads", |sample| Some(sample.disk.as_ref()?.reads_per_s)),
    ]
}

fn disk_bytes(samples: &[Sample]) -> Vec<Line> {
    vec![
        of_samples(samples, "written", |sample| Some(sample.disk.as_ref()?.written_bytes_per_s / 1e6)),
        of_samples(samples, "read", |sample| Some(sample.disk.as_ref()?.read_bytes_per_s / 1e6)),
    ]
}

fn busy(samples: &[Sample]) -> Vec<Line> {
    vec![of_samples(samples, "at least one request under way", |sample| Some(sample.disk.as_ref()?.busy_percent))]
}

fn network(samples: &[Sample]) -> Vec<Line> {
    let mut names: Vec<_> = samples.iter().flat_map(|sample| sample.nics.iter().map(|nic| nic.name.as_str())).collect();
    names.sort_unstable();
    names.dedup();
    let of = |name: &str| {
        let nic = |sample: &Sample| sample.nics.iter().find(|nic| nic.name == name).cloned();
        let sent = of_samples(samples, &format!("{name} sent"), |sample| Some(nic(sample)?.sent_bytes_per_s * 8.0 / 1e6));
        let received =
            of_samples(samples, &format!("{name} received"), |sample| Some(nic(sample)?.received_bytes_per_s * 8.0 / 1e6));
        // What the loopback sends it receives, and one line would hide the other.
        if name == "lo" { vec![Line { name: "lo, each way".to_string(), ..sent }] } else { vec![sent, received] }
    };
    let used = |line: &Line| line.points.iter().any(|point| point.1 >= LEAST_MBIT);
    names.into_iter().flat_map(of).filter(used).take(COLOURS.len()).collect()
}

fn memory(samples: &[Sample]) -> Vec<Line> {
    let resident = |role: Role, name: &str| {
        of_samples(samples, name, |sample| {
            let of_role: Vec<_> = sample.processes.iter().filter(|process| process.role == role).collect();
            (!of_role.is_empty()).then(|| of_role.iter().map(|process| process.resident_bytes as f64 / MIB).sum())
        })
    };
    vec![resident(Role::Server, "server"), resident(Role::Client, "load")]
}
