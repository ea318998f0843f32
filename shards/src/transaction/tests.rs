//! The table of half messages: when they are due, what replays and snapshots make of it, and a plain model beside it.

use std::collections::HashMap;

use super::*;
use crate::types::{LogPosition, Millis, QueueOffset};

const RULES: CheckRules = CheckRules { timeout_millis: 6_000, checks_max: 15, reserved_millis: 3_600_000 };
const BORN: i64 = 1_000_000;

fn stored(text: &str) -> Vec<u8> {
    text.replace('=', "\u{1}").replace(';', "\u{2}").into_bytes()
}

fn half(properties: &str) -> Half {
    Half::of(QueueOffset(7), BORN, Millis(BORN), &stored(properties))
}

fn due_at(half: Half, after: i64) -> Option<Due> {
    let mut halves = HalfMessages::new(1);
    halves.add(LogPosition(5), half);
    let mut found = Vec::new();
    assert_eq!(halves.due(LogPosition::ZERO, 1, Millis(BORN + after), &RULES, &mut found), None);
    found.first().map(|(_, due)| *due)
}

#[test]
fn a_producer_is_asked_when_its_time_is_over() {
    for (properties, quiet_until, asked_from) in [
        ("A=b;", 6_000, 6_001),
        ("CHECK_IMMUNITY_TIME_IN_SECONDS=60;", 60_000, 60_001),
        ("CHECK_IMMUNITY_TIME_IN_SECONDS=1;", 1_000, 1_001),
        ("CHECK_IMMUNITY_TIME_IN_SECONDS=-1;", 6_000, 6_001),
        ("CHECK_IMMUNITY_TIME_IN_SECONDS=soon;", 6_000, 6_001),
    ] {
        assert_eq!(due_at(half(properties), quiet_until), None, "{properties}");
        assert_eq!(due_at(half(properties), asked_from), Some(Due::Check), "{properties}");
    }
}

#[test]
fn a_client_whose_clock_is_wrong_is_asked_and_loses_nothing() {
    assert_eq!(due_at(half(""), -1), Some(Due::Check), "its clock is ahead");
    assert_eq!(due_at(half("CHECK_IMMUNITY_TIME_IN_SECONDS=9;"), -1), None, "but it asked for time");
    let behind = Half { born: Millis(0), ..half("") };
    assert_eq!(due_at(behind, 10), Some(Due::Check));
    let extremes = Half { born: Millis(i64::MIN), stored: Millis(i64::MAX), ..half("") };
    assert_eq!(due_at(extremes, 0), Some(Due::Check));
}

#[test]
fn who_was_asked_often_enough_or_waits_too_long_is_given_up() {
    assert_eq!(due_at(half("TRANSACTION_CHECK_TIMES=14;"), 6_001), Some(Due::Check));
    assert_eq!(due_at(half("TRANSACTION_CHECK_TIMES=15;"), 0), Some(Due::GiveUp));
    assert_eq!(due_at(half(""), RULES.reserved_millis), Some(Due::Check));
    assert_eq!(due_at(half(""), RULES.reserved_millis + 1), Some(Due::GiveUp));
}

#[test]
fn only_an_immunity_of_its_own_makes_an_end_late() {
    let late = |properties: &str, after: i64| half(properties).is_too_late(Millis(BORN + after), RULES.timeout_millis);
    assert!(!late("", 1 << 40));
    assert!(!late("CHECK_IMMUNITY_TIME_IN_SECONDS=10;", 10_000));
    assert!(late("CHECK_IMMUNITY_TIME_IN_SECONDS=10;", 10_001));
    assert!(!late("CHECK_IMMUNITY_TIME_IN_SECONDS=1;", 6_000), "never less than transactionTimeOut");
    assert!(late("CHECK_IMMUNITY_TIME_IN_SECONDS=x;", 6_001));
}

#[test]
fn the_count_is_carried_in_the_properties() {
    let counted = |properties: &str, checks| with_check_times(&stored(properties), checks).into_owned();
    assert_eq!(counted("A=b", 0), stored("A=b"));
    assert_eq!(counted("A=b", 2), stored("A=b;TRANSACTION_CHECK_TIMES=2;"));
    assert_eq!(counted("TRANSACTION_CHECK_TIMES=2;A=b;", 3), stored("A=b;TRANSACTION_CHECK_TIMES=3;"));
    let full = stored(&format!("A={};", "x".repeat(32_760)));
    assert_eq!(*with_check_times(&full, 3), *full, "a message without room does without");
    assert_eq!(half("TRANSACTION_CHECK_TIMES=3;").checks, 3);
    for nonsense in ["TRANSACTION_CHECK_TIMES=-3;", "TRANSACTION_CHECK_TIMES=x;", "TRANSACTION_CHECK_TIMES=;"] {
        assert_eq!(half(nonsense).checks, 0, "{nonsense}");
    }
}

#[test]
fn a_pass_goes_on_where_the_slice_before_ended() {
    let mut halves = HalfMessages::new(10);
    for position in [10, 20, 30, 40] {
        halves.add(LogPosition(position), half(""));
    }
    let (mut found, mut from, mut slices) = (Vec::new(), Some(LogPosition::ZERO), 0);
    while let Some(at) = from {
        from = halves.due(at, 3, Millis(BORN + 6_001), &RULES, &mut found);
        slices += 1;
    }
    assert_eq!(found, [10, 20, 30, 40].map(|position| (LogPosition(position), Due::Check)));
    assert_eq!(slices, 2);
    let between = |from, to, max| {
        let mut found = Vec::new();
        let next = halves.between(LogPosition(from), LogPosition(to), max, &mut found);
        (found.len(), next.map(|next| next.0))
    };
    assert_eq!(between(0, 10, 5), (0, None));
    assert_eq!(between(0, 11, 5), (1, None));
    assert_eq!(between(0, 11, 0), (0, Some(10)));
    assert_eq!(between(11, 0, 5), (0, None));
}

/// What the log says, in its order.
#[derive(Clone, Copy, Debug)]
enum Event {
    Sent(LogPosition),
    Checked(LogPosition, u32),
    Ended(LogPosition),
}

fn apply(halves: &mut HalfMessages, event: Event) {
    match event {
        Event::Sent(position) => halves.add(position, half("")),
        Event::Checked(position, checks) => halves.checked(position, checks),
        Event::Ended(position) => _ = halves.end(position),
    }
}

fn contents(halves: &HalfMessages) -> Vec<(u64, u32)> {
    halves.pending_for_tests().map(|(position, half)| (position.0, half.checks)).collect()
}

/// Random histories: whatever position a snapshot was made at, and however much later each of its slices was taken, its
/// replay comes to what a plain map says.
#[test]
fn a_snapshot_and_the_log_behind_it_make_the_same_table() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = move |end: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % end
    };
    for _ in 0..300 {
        let mut events = Vec::new();
        let mut model: HashMap<u64, u32> = HashMap::new();
        let mut live = HalfMessages::new(1000);
        for place in 0..below(60) {
            let position = LogPosition(place * 100);
            let any = LogPosition(below(place + 1) * 100);
            let event = match below(3) {
                0 => Event::Sent(position),
                // As `check_half` does: only what waits is counted.
                1 if model.contains_key(&any.0) => Event::Checked(any, model[&any.0] + 1),
                _ => Event::Ended(any),
            };
            match event {
                Event::Sent(position) => _ = model.insert(position.0, 0),
                Event::Checked(position, checks) => _ = model.insert(position.0, checks),
                Event::Ended(position) => {
                    let waited = live.get(position).is_some();
                    assert_eq!(model.remove(&position.0).is_some(), waited);
                }
            }
            apply(&mut live, event);
            events.push(event);
        }
        let mut expected: Vec<(u64, u32)> = model.into_iter().collect();
        expected.sort_unstable();
        assert_eq!(contents(&live), expected);

        let snapshot_at = below(events.len() as u64 + 1) as usize;
        let (mut seen, mut at) = (HalfMessages::new(1000), 0);
        let mut restored = HalfMessages::new(1000);
        let mut from = Some(LogPosition::ZERO);
        while let Some(begin) = from {
            let until = snapshot_at + below((events.len() - snapshot_at + 1) as u64) as usize;
            while at < until {
                apply(&mut seen, events[at]);
                at += 1;
            }
            let mut bytes = Vec::new();
            from = seen.encode_slice(begin, 80, &mut bytes);
            restored.load_slice(&bytes).expect("its own bytes");
        }
        for event in &events[snapshot_at..] {
            apply(&mut restored, *event);
        }
        assert_eq!(contents(&restored), expected, "snapshot at {snapshot_at} of {events:?}");
    }
}

#[test]
fn garbage_is_no_table() {
    let mut halves = HalfMessages::new(10);
    halves.add(LogPosition(1), half("CHECK_IMMUNITY_TIME_IN_SECONDS=3;"));
    halves.add(LogPosition(2), half(""));
    let mut bytes = Vec::new();
    assert_eq!(halves.encode_slice(LogPosition::ZERO, 1 << 20, &mut bytes), None);
    crate::wire::garble(&bytes, |bytes| _ = HalfMessages::new(10).load_slice(bytes));
    let mut again = HalfMessages::new(10);
    again.load_slice(&bytes).unwrap();
    assert_eq!(again.get(LogPosition(1)).unwrap().immunity_s, Some(3));
    assert_eq!(again.get(LogPosition(2)).unwrap().immunity_s, None);
}
