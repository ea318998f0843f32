//! What all threads of one role came to: the numbers that are shown, kept and compared.

use hdrhistogram::Histogram;
use serde::Serialize;

use super::clock::{SECOND, Span};
use super::failures::{Failure, Failures};
use super::flights::LATE_AFTER;
use super::interval::Row;
use super::latency::{self, CurvePoint, Percentiles};
use super::recorder::Totals;

/// What a group of threads does, and what it measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    pub name: &'static str,
    /// The first is the one that a line of the run shows.
    pub metrics: &'static [&'static str],
    pub style: Style,
}

/// Whose line of RocketMQ's benchmark a second is printed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Producer,
    Consumer,
    /// The original has no line for it; ours has the form of the others.
    Popper,
}

#[derive(Clone, Debug, Serialize)]
pub struct Results {
    pub role: &'static str,
    pub threads: usize,
    pub warmup_seconds: f64,
    /// From the end of the warm-up to the end of the load, or to the last answer if that came later.
    pub seconds: f64,
    /// Requests that were due; those that never went; those that went more than `late_after_ms` after they were due.
    pub planned: u64,
    pub sent: u64,
    pub unsent: u64,
    pub late: u64,
    pub late_after_ms: f64,
    pub late_max_ms: f64,
    /// Requests that succeeded, and what they carried.
    pub requests: u64,
    pub messages: u64,
    pub bytes: u64,
    pub messages_per_second: f64,
    pub bytes_per_second: f64,
    pub failed: u64,
    pub failures: Vec<Failure>,
    pub latencies: Vec<Latency>,
    pub intervals: Vec<Row>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    pub name: &'static str,
    pub ms: Percentiles,
    pub curve: Vec<CurvePoint>,
}

impl Results {
    pub fn of(role: Role, span: Span, threads: &[Totals], intervals: Vec<Row>) -> Results {
        let sum = |field: fn(&Totals) -> u64| threads.iter().map(field).sum::<u64>();
        let last = |field: fn(&Totals) -> u64| threads.iter().map(field).max().unwrap_or(0);
        let mut failures = Failures::default();
        threads.iter().for_each(|one| failures.merge(&one.failures));
        // A drain in which nothing succeeds is no time of the load, one that delivers what is late is.
        let end = last(|one| one.last_success).max(last(|one| one.finished).min(span.end));
        let seconds = end.saturating_sub(span.warmup) as f64 / SECOND as f64;
        let per_second = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        let (messages, bytes) = (sum(|one| one.messages), sum(|one| one.bytes));
        let (sent, unsent) = (sum(|one| one.sent), sum(|one| one.unsent));
        Results {
            role: role.name,
            threads: threads.len(),
            warmup_seconds: span.warmup as f64 / SECOND as f64,
            seconds,
            planned: sent + unsent,
            sent,
            unsent,
            late: sum(|one| one.late),
            late_after_ms: latency::millis(LATE_AFTER),
            late_max_ms: latency::millis(last(|one| one.late_max)),
            requests: sum(|one| one.requests),
            messages,
            bytes,
            messages_per_second: per_second(messages),
            bytes_per_second: per_second(bytes),
            failed: failures.total(),
            failures: failures.list(),
            latencies: role.metrics.iter().enumerate().map(|(metric, name)| Latency::of(name, metric, threads)).collect(),
            intervals,
        }
    }

    /// The percentiles of the role's first metric.
    pub fn main_latency(&self) -> &Percentiles {
        &self.latencies[0].ms
    }
}

impl Latency {
    fn of(name: &'static str, metric: usize, threads: &[Totals]) -> Latency {
        let mut all: Histogram<u64> = latency::histogram();
        for one in threads {
            all.add(&one.latencies[metric]).expect("all have the same bounds");
        }
        Latency { name, ms: Percentiles::of(&all), curve: latency::curve(&all) }
    }
}
