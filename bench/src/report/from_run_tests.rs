//! A small run on its way to the page.

use std::sync::mpsc;

use super::*;
use crate::host::WatchOptions;
use crate::load::clock::{Clock, SECOND, Span};
use crate::load::collect::Collector;
use crate::load::output::Output;
use crate::load::recorder::Recorder;
use crate::load::results::{Role, Style};

const ROLE: Role = Role { name: "consume", metrics: &["age", "pull"], style: Style::Consumer };

fn results() -> Vec<Results> {
    let span = Span::new(1.0, Some(2.0));
    let (sender, events) = mpsc::channel();
    let mut recorder = Recorder::new(0, 0, sender, span, 2);
    for second in 0..3 {
        let now = second * SECOND;
        recorder.tick(now);
        recorder.success(now, now, 7, 100);
        recorder.latency(1, now, (second + 1) * 1_000_000);
    }
    recorder.finish(3 * SECOND + SECOND / 10, 0);
    let mut collector = Collector::new(Clock::start(), &[(ROLE, span, 1)], events);
    collector.run_until_done(&[0], &mut Output::silent()).expect("the thread is done");
    collector.results()
}

#[test]
fn a_run_becomes_a_page() {
    let options = WatchOptions { watch: vec![std::process::id()], line: None, dir: None, report: None };
    let watched = options.start().expect("this process can be watched").end(0.0);
    assert_eq!(watched.samples.len(), 1, "a run shorter than a second has a sample too");
    let report = report("consume", 0, &results(), watched, &[]);
    assert_eq!(report.flows.len(), 1, "a metric without values has no line");
    let flow = &report.flows[0];
    assert_eq!(flow.name, "consume: pull");
    // The tenth of a second at the end is left out, the warm-up is not.
    let seconds: Vec<_> = flow.seconds.iter().map(|second| (second.at_s, second.messages_per_s)).collect();
    assert_eq!(seconds, [(1.0, 7.0), (2.0, 7.0), (3.0, 7.0)]);
    assert!(flow.percentiles.iter().all(|(quantile, _)| *quantile < 1.0));
    assert!(report.summary.rows.iter().all(|row| row.len() == report.summary.columns.len()), "{:?}", report.summary);
    assert!(report.title.starts_with("consume: 7 messages/s, pull p99 "), "{}", report.title);
    super::super::page::html(&report).expect("it can be drawn");
}

#[test]
fn the_command_line_can_be_run_again() {
    assert_eq!(quoted("--body".to_string()), "--body");
    assert_eq!(quoted("it's so".to_string()), r"'it'\''s so'");
    assert_eq!(quoted(String::new()), "''");
}
