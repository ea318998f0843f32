//! Gathers what the threads hand over while the load runs, prints each second when all its parts are there, and gives
//! the results.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::clock::{Clock, SECOND, Span};
use super::interval::{Interval, Row};
use super::lines::{self, SoFar};
use super::output::Output;
use super::recorder::{Event, Totals, What};
use super::results::{Results, Role};

/// The rest of a second in which nothing came is worth no line.
const LINE_SECONDS_MIN: f64 = 0.5;

/// One role's threads, while they run.
struct Group {
    role: Role,
    span: Span,
    /// Seconds of which parts have come.
    open: BTreeMap<u64, Interval>,
    /// Of each thread: the first second that it has not handed over.
    through: Vec<u64>,
    rows: Vec<Row>,
    totals: Vec<Totals>,
    so_far: SoFar,
}

pub struct Collector {
    clock: Clock,
    groups: Vec<Group>,
    events: Receiver<Event>,
}

impl Collector {
    /// `roles`: each with its span and the number of its threads.
    pub fn new(clock: Clock, roles: &[(Role, Span, usize)], events: Receiver<Event>) -> Collector {
        let groups = roles.iter().map(|&(role, span, threads)| Group {
            role,
            span,
            open: BTreeMap::new(),
            through: vec![0; threads],
            rows: Vec::new(),
            totals: Vec::new(),
            so_far: SoFar::default(),
        });
        Collector { clock, groups: groups.collect(), events }
    }

    /// Until all threads of these roles are done, or one has failed.
    pub fn run_until_done(&mut self, roles: &[usize], output: &mut Output) -> Result<(), String> {
        while !roles.iter().all(|&role| self.groups[role].is_done()) {
            match self.events.recv_timeout(Duration::from_millis(200)) {
                Ok(event) => self.take(event, output)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err("a thread of the load has ended without results".to_string()),
            }
            let now = self.clock.now();
            let first = &self.groups[0];
            output.progress(now, first.span, first.rows.last());
        }
        Ok(())
    }

    /// What the role's threads got through, the warm-up included; complete once they are done.
    pub fn messages(&self, role: usize) -> u64 {
        self.groups[role].rows.iter().map(|row| row.messages).sum()
    }

    pub fn results(self) -> Vec<Results> {
        self.groups.into_iter().map(|group| Results::of(group.role, group.span, &group.totals, group.rows)).collect()
    }

    fn take(&mut self, event: Event, output: &mut Output) -> Result<(), String> {
        let group = &mut self.groups[event.role];
        match event.what {
            What::Failed(why) => return Err(why),
            What::Interval(interval) => {
                group.through[event.thread] = interval.second + 1;
                let all = group.open.entry(interval.second);
                let all = all.or_insert_with(|| {
                    let mut none = Interval::new(interval.second, group.role.metrics.len());
                    none.seconds = 0.0;
                    none
                });
                all.merge(&interval);
                all.seconds = all.seconds.max(interval.seconds);
            }
            What::Done(totals) => {
                // Nothing more comes from it, so no second waits for it.
                group.through[event.thread] = u64::MAX;
                group.totals.push(*totals);
            }
        }
        while let Some(row) = group.next_row() {
            let at = self.clock.wall((row.second * SECOND) + (row.seconds * SECOND as f64) as u64);
            if row.seconds >= LINE_SECONDS_MIN || row.messages > 0 {
                output.line(&lines::of(&group.role, at, &row, &group.so_far));
            }
            group.rows.push(row);
        }
        Ok(())
    }
}

impl Group {
    fn is_done(&self) -> bool {
        self.totals.len() == self.through.len()
    }

    /// The earliest second, if it has all its parts.
    fn next_row(&mut self) -> Option<Row> {
        let first = self.open.first_entry()?;
        if self.through.iter().any(|through| through <= first.key()) {
            return None;
        }
        let interval = first.remove();
        self.so_far.add(&interval);
        Some(interval.row(interval.second * SECOND < self.span.warmup))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::failures::Kind;
    use crate::load::recorder::Recorder;
    use crate::load::results::Style;
    use std::sync::mpsc;

    const ROLE: Role = Role { name: "produce", metrics: &["send"], style: Style::Producer };

    #[test]
    fn two_threads_become_one_series_without_the_warm_up() {
        let span = Span::new(1.0, Some(2.0));
        let (sender, events) = mpsc::channel();
        for thread in 0..2 {
            let mut recorder = Recorder::new(0, thread, sender.clone(), span, 1);
            for number in 0..30 {
                let now = number * SECOND / 10;
                recorder.tick(now);
                recorder.sent(now, if number == 25 { SECOND } else { 0 });
                recorder.success(now, now, 2, 100);
                recorder.latency(0, now, (thread as u64 + 1) * 1_000_000);
            }
            recorder.failure(Kind::Response, 2, "busy", 1);
            recorder.finish(3 * SECOND + SECOND / 2, 5);
        }
        drop(sender);
        let mut collector = Collector::new(Clock::start(), &[(ROLE, span, 2)], events);
        collector.run_until_done(&[0], &mut Output::silent()).expect("both threads are done");
        let results = &collector.results()[0];
        let rows: Vec<_> =
            results.intervals.iter().map(|row| (row.second, row.warmup, row.messages, row.response_failed)).collect();
        assert_eq!(rows, [(0, true, 40, 0), (1, false, 40, 0), (2, false, 40, 2), (3, false, 0, 0)]);
        assert_eq!(results.intervals[3].seconds, 0.5);
        assert_eq!((results.messages, results.requests, results.bytes), (80, 40, 4000));
        assert_eq!((results.planned, results.sent, results.unsent, results.late), (50, 40, 10, 2));
        assert_eq!(results.seconds, 2.0, "the drain after the load is no time of it");
        assert_eq!(results.messages_per_second, 40.0);
        assert_eq!(results.failed, 2);
        let latency = results.main_latency();
        assert!((latency.p50 - 1.0).abs() < 0.01 && (latency.max - 2.0).abs() < 0.01, "{latency:?}");
    }
}
