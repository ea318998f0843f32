//! A server that stalls, in virtual time: what each kind of loop says about it.

use super::*;
use crate::load::clock::SECOND;
use crate::load::latency;

const MILLI: u64 = 1_000_000;

/// Answers after 1 ms, but nothing between the third and the fourth second: all that was asked then is answered at 4 s.
fn answered_at(sent: u64) -> u64 {
    let answered = sent + MILLI;
    if (3 * SECOND..4 * SECOND).contains(&answered) { 4 * SECOND } else { answered }
}

/// Steps of 0.1 ms until everything is answered.
fn run(mut flights: Flights) -> (hdrhistogram::Histogram<u64>, u64) {
    let mut latencies = latency::histogram();
    let mut answers: Vec<(u64, usize, usize)> = Vec::new();
    let (mut now, mut late) = (0, 0);
    while !flights.is_finished(now) {
        answers.retain(|(at, connection, slot)| {
            if *at <= now {
                let flight = flights.answered(*connection, *slot).expect("it is under way");
                latencies.saturating_record(now - flight.due);
            }
            *at > now
        });
        while let Some(start) = flights.next(now) {
            late += u64::from(start.late > LATE_AFTER);
            flights.started(start, 1, 100);
            answers.push((answered_at(now), start.connection, start.slot));
        }
        now += MILLI / 10;
    }
    (latencies, late)
}

fn span(seconds: u64) -> Span {
    Span { warmup: 0, end: seconds * SECOND }
}

#[test]
fn an_open_loop_counts_the_whole_stall() {
    let (latencies, late) = run(Flights::new(Pace::Open(Schedule::new(1000.0, 0, 1)), span(10), u64::MAX, 1, 4));
    assert_eq!(latencies.len(), 10_000, "all that was planned was sent");
    // 1000 sends were due during the stall, and waited for half of it on average; a few more wait while it catches up.
    let slow = latencies.count_between(100 * MILLI, u64::MAX);
    assert!((900..2000).contains(&slow), "{slow}");
    assert!(late > 900, "4 were under way, the others could not go: {late}");
    let p99 = latencies.value_at_quantile(0.99);
    assert!(p99 > 800 * MILLI, "{p99}");
}

#[test]
fn a_closed_loop_hides_the_stall() {
    let (latencies, late) = run(Flights::new(Pace::Closed, span(10), u64::MAX, 1, 4));
    assert_eq!(latencies.count_between(100 * MILLI, u64::MAX), 4, "only those that were under way");
    assert_eq!(late, 0);
    assert!(latencies.value_at_quantile(0.99) < 2 * MILLI);
}

#[test]
fn room_for_all_makes_nothing_late() {
    let (latencies, late) = run(Flights::new(Pace::Open(Schedule::new(1000.0, 0, 1)), span(10), u64::MAX, 2, 1000));
    assert_eq!((latencies.len(), late), (10_000, 0));
    let slow = latencies.count_between(100 * MILLI, u64::MAX);
    assert!((899..=903).contains(&slow), "those due in the first 900 ms of it, to three digits: {slow}");
}

#[test]
fn a_count_ends_either_loop() {
    for pace in [Pace::Closed, Pace::Open(Schedule::new(1000.0, 0, 1))] {
        let (latencies, _) = run(Flights::new(pace, Span::new(0.0, None), 50, 2, 3));
        assert_eq!(latencies.len(), 50);
    }
}

#[test]
fn what_was_due_and_did_not_go_is_said() {
    let mut flights = Flights::new(Pace::Open(Schedule::new(1000.0, 0, 1)), span(1), u64::MAX, 1, 1);
    let start = flights.next(0).expect("the first is due at once");
    flights.started(start, 1, 100);
    assert_eq!(flights.next(SECOND), None, "no room");
    assert_eq!((flights.unsent(), flights.under_way()), (999, 1));
    assert!(!flights.all_started(2 * SECOND));
}

#[test]
fn a_lost_connection_leaves_the_others_going() {
    let mut flights = Flights::new(Pace::Closed, span(1), u64::MAX, 2, 2);
    while let Some(start) = flights.next(5) {
        flights.started(start, 1, 100);
    }
    assert_eq!(flights.under_way(), 4);
    assert_eq!(flights.lost(0), [Flight { due: 5, messages: 1, bytes: 100 }; 2]);
    assert!(flights.answered(1, 1).is_some());
    assert!(flights.answered(1, 1).is_none(), "answered twice");
    assert!(flights.answered(1, 7).is_none(), "never asked");
    assert_eq!(flights.next(6).map(|start| start.connection), Some(1));
    flights.back(0);
    assert_eq!(flights.next(6).map(|start| start.connection), Some(0));
}
