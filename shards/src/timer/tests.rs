//! What waits, against a plain map; what the snapshot keeps; which records wait and what they become.

use std::collections::BTreeMap;

use super::*;
use crate::record::{NewMessage, Record};
use crate::types::{LogPosition, Millis, QueueOffset};

const SIZE: u32 = 100;

fn pending(deliver_at: i64, position: u64) -> Pending {
    Pending { position: LogPosition(position), size: SIZE, deliver_at: Millis(deliver_at), lane: 3, key: 0x003F_FFFF }
}

fn timers(of: &[(i64, u64)]) -> Timers {
    let mut timers = Timers::new(100);
    for (deliver_at, position) in of {
        timers.add(&pending(*deliver_at, *position));
    }
    timers
}

/// Everything is durable, and there is no other bound.
fn due(timers: &mut Timers, now: i64) -> Vec<(i64, u64)> {
    let mut out = Vec::new();
    timers.due(Millis(now), LogPosition(u64::MAX), |_| false, usize::MAX, usize::MAX, &mut out);
    out.iter().map(|pending| (pending.deliver_at.0, pending.position.0)).collect()
}

#[test]
fn all_that_is_told_of_one_comes_back() {
    let largest = Pending {
        position: LogPosition((1 << 55) - 1),
        size: RECORD_BYTES_MAX as u32,
        deliver_at: Millis(-1),
        lane: u16::MAX,
        key: 0x003F_FFFF,
    };
    for pending in [largest, pending(1_999, 0), Pending { key: 0, lane: 0, size: 1, ..largest }] {
        let mut timers = Timers::new(1);
        timers.add(&pending);
        let mut out = Vec::new();
        timers.due(Millis(i64::MAX), LogPosition(u64::MAX), |_| false, 10, 10, &mut out);
        assert_eq!(out, [pending]);
    }
}

#[test]
fn they_come_in_the_order_of_their_times_then_of_the_log() {
    let mut timers = timers(&[(2_500, 300), (1_001, 100), (2_500, 200), (7_000, 400), (1_000, 500)]);
    assert_eq!(due(&mut timers, 999), []);
    assert_eq!(due(&mut timers, 1_000), [(1_000, 500)]);
    assert_eq!(due(&mut timers, 2_499), [(1_000, 500), (1_001, 100)]);
    assert_eq!(due(&mut timers, 6_999), [(1_000, 500), (1_001, 100), (2_500, 200), (2_500, 300)]);
    assert!(timers.remove(Millis(1_000), LogPosition(500)));
    assert!(!timers.remove(Millis(1_000), LogPosition(500)), "once");
    assert!(!timers.remove(Millis(1_001), LogPosition(500)), "another time");
    assert_eq!((timers.len(), timers.waiting(3), timers.waiting(0)), (4, 4, 0));
    assert_eq!(due(&mut timers, 1_500), [(1_001, 100)]);
}

#[test]
fn what_is_not_durable_holds_up_what_comes_behind_it() {
    let mut timers = timers(&[(1_000, 0), (1_000, 500), (1_001, 100)]);
    let mut out = Vec::new();
    let found = timers.due(Millis(5_000), LogPosition(599), |_| false, 10, usize::MAX, &mut out);
    assert_eq!((found.blocked, out.len()), (Some(LogPosition(600)), 1));
    out.clear();
    assert_eq!(timers.due(Millis(5_000), LogPosition(600), |_| false, 10, usize::MAX, &mut out).blocked, None);
    assert_eq!(out.len(), 3);
}

#[test]
fn batches_end_at_their_bounds() {
    let mut timers = timers(&[(1_000, 0), (1_000, 100), (1_000, 200), (2_000, 300)]);
    for (max, bytes_max, found) in [(2, usize::MAX, 2), (10, 150, 2), (10, 1, 1), (10, 301, 4)] {
        let mut out = Vec::new();
        timers.due(Millis(9_000), LogPosition(1 << 40), |_| false, max, bytes_max, &mut out);
        assert_eq!(out.len(), found, "{max} {bytes_max}");
    }
}

#[test]
fn whoever_sleeps_is_told_of_something_nearer() {
    let mut timers = Timers::new(10);
    assert_eq!(timers.wait_for_next(|_| false), None);
    timers.add(&pending(5_000, 0));
    assert!(timers.take_nearer());
    assert_eq!(timers.wait_for_next(|_| false), Some(Millis(5_000)));
    timers.add(&pending(5_000, 100));
    timers.add(&pending(9_000, 200));
    assert!(!timers.take_nearer());
    timers.add(&pending(4_999, 300));
    assert!(timers.take_nearer());
    assert!(!timers.take_nearer());
    assert_eq!(timers.wait_for_next(|_| false), Some(Millis(4_999)));
}

#[test]
fn of_one_second_it_is_known_who_has_a_key() {
    let mut timers = timers(&[(1_000, 0), (2_000, 100)]);
    timers.add(&Pending { key: 7, ..pending(1_999, 200) });
    timers.add(&Pending { key: 7, ..pending(2_000, 300) });
    let found: Vec<u64> = timers.with_key(Millis(1_001), 7).iter().map(|pending| pending.position.0).collect();
    assert_eq!(found, [200]);
    assert_eq!(timers.with_key(Millis(3_000), 7), []);
}

/// Small numbers, so that everything happens: equal times, full seconds, removals from everywhere.
#[test]
fn they_are_what_a_plain_map_is() {
    for seed in 1..200 {
        let mut random = random(seed);
        let mut timers = Timers::new(usize::MAX);
        let mut model: BTreeMap<(i64, u64), Pending> = BTreeMap::new();
        let (mut position, mut now) = (0, 0i64);
        for _ in 0..600 {
            match random() % 10 {
                0..=4 => {
                    let mut one = pending(now + (random() % 5_000) as i64, position);
                    (one.lane, one.key) = ((random() % 4) as u16, (random() % 8) as u32);
                    position += u64::from(SIZE);
                    timers.add(&one);
                    model.insert((one.deliver_at.0, one.position.0), one);
                }
                5 | 6 => {
                    let key = model.keys().nth((random() as usize) % model.len().max(1)).copied();
                    if let Some((deliver_at, position)) = key {
                        assert!(timers.contains(Millis(deliver_at), LogPosition(position)));
                        assert!(timers.remove(Millis(deliver_at), LogPosition(position)));
                        model.remove(&(deliver_at, position));
                    }
                }
                7 => {
                    now += (random() % 700) as i64;
                    let durable = LogPosition(random() % (position + 1));
                    let max = random() as usize % 20;
                    let mut found = Vec::new();
                    timers.due(Millis(now), durable, |_| false, max, usize::MAX, &mut found);
                    let is_durable = |one: &&Pending| one.position.0 + u64::from(one.size) <= durable.0;
                    let expected = model.range(..=(now, u64::MAX)).map(|(_, one)| one).take(max).take_while(is_durable);
                    assert_eq!(found, expected.copied().collect::<Vec<_>>(), "seed {seed}");
                    for one in found {
                        timers.remove(one.deliver_at, one.position);
                        model.remove(&(one.deliver_at.0, one.position.0));
                    }
                }
                8 => {
                    let (from, to) = (LogPosition(random() % (position + 1)), LogPosition(random() % (position + 1)));
                    let (mut found, mut at) = (Vec::new(), Some(i64::MIN));
                    while let Some(second) = at {
                        at = timers.between(from, to, second, 3, &mut found);
                    }
                    found.sort_by_key(|one| (one.deliver_at, one.position));
                    let lies_between = |one: &&Pending| from <= one.position && one.position < to;
                    assert_eq!(found, model.values().filter(lies_between).copied().collect::<Vec<_>>());
                }
                _ => {
                    let first = model.keys().next().map(|(deliver_at, _)| *deliver_at);
                    let next = timers.wait_for_next(|_| false).map(|next| next.0);
                    assert_eq!(next.is_some(), first.is_some());
                    assert!(next <= first, "nobody sleeps too long");
                    assert!(next.unwrap_or(0) >= first.unwrap_or(0) / 1_000 * 1_000, "nor wakes for nothing again and again");
                }
            }
            assert_eq!(timers.len(), model.len());
            for lane in 0..4 {
                assert_eq!(timers.waiting(lane), model.values().filter(|one| one.lane == lane).count() as u64);
            }
        }
        let mut left = Vec::new();
        timers.due(Millis(i64::MAX), LogPosition(u64::MAX), |_| false, usize::MAX, usize::MAX, &mut left);
        assert_eq!(left, model.into_values().collect::<Vec<_>>(), "seed {seed}");
    }
}

fn random(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 11
    }
}

/// Slices of a few seconds each, with changes in between.
#[test]
fn a_snapshot_and_the_log_behind_it_are_all_there_was() {
    for seed in 1..100 {
        let mut random = random(seed);
        let mut timers = Timers::new(usize::MAX);
        let mut live: Vec<Pending> = Vec::new();
        let mut position = 0;
        let mut log: Vec<(LogPosition, Result<Pending, Pending>)> = Vec::new();
        let mut step = |timers: &mut Timers, log: &mut Vec<_>| {
            let at = LogPosition(position);
            position += u64::from(SIZE);
            if random().is_multiple_of(3) && !live.is_empty() {
                let gone = live.swap_remove(random() as usize % live.len());
                timers.remove(gone.deliver_at, gone.position);
                log.push((at, Err(gone)));
            } else {
                let one = pending((random() % 20_000) as i64, at.0);
                timers.add(&one);
                live.push(one);
                log.push((at, Ok(one)));
            }
            at
        };
        for _ in 0..200 {
            step(&mut timers, &mut log);
        }
        let snapshot = step(&mut timers, &mut log);
        let mut slices = Vec::new();
        let mut at = Some(i64::MIN);
        while let Some(second) = at {
            let mut slice = Vec::new();
            at = timers.encode_slice(snapshot, second, 200, &mut slice);
            slices.push(slice);
            step(&mut timers, &mut log);
        }
        let mut restored = Timers::new(usize::MAX);
        for slice in &slices {
            restored.load_slice(slice).expect("just written");
        }
        for (_, change) in log.iter().filter(|(at, _)| *at >= snapshot) {
            match change {
                Ok(one) => restored.add(one),
                Err(gone) => _ = restored.remove(gone.deliver_at, gone.position),
            }
        }
        assert!(slices.len() > 3, "several slices");
        assert_eq!(due(&mut restored, i64::MAX), due(&mut timers, i64::MAX), "seed {seed}");
        assert_eq!((restored.len(), restored.waiting(3)), (timers.len(), timers.waiting(3)));
    }
}

#[test]
fn garbage_is_no_slice() {
    let mut slice = Vec::new();
    timers(&[(1_000, 0), (1_500, 100), (9_000, 200)]).encode_slice(LogPosition(1_000), i64::MIN, usize::MAX, &mut slice);
    assert_eq!(Timers::new(9).load_slice(&slice), Ok(()));
    let mut twice = Timers::new(9);
    twice.load_slice(&slice).unwrap();
    assert!(twice.load_slice(&slice).is_err(), "a second comes once");
    crate::wire::garble(&slice, |bytes| {
        let mut timers = Timers::new(9);
        if timers.load_slice(bytes).is_ok() {
            due(&mut timers, i64::MAX);
        }
    });
}

#[test]
fn they_are_counted_by_level_and_by_topic() {
    let add = |timers: &mut Timers, topic: &str, at: u64| {
        let properties = stored(&format!("TIMER_OUT_MS=999;REAL_TOPIC={topic};"));
        timers.wait(&Wait::of(TIMER_TOPIC, 0, 1, &properties).unwrap(), LogPosition(at), 10);
    };
    let mut timers = Timers::new(100);
    for (topic, at) in [("A", 0), ("B", 10), ("A", 20)] {
        add(&mut timers, topic, at);
    }
    let schedule = stored("__DELIVER_MS=1500;");
    timers.wait(&Wait::of(SCHEDULE_TOPIC, 2, 1, &schedule).unwrap(), LogPosition(30), 10);
    let mut slice = Vec::new();
    assert_eq!(timers.encode_slice(LogPosition(1_000), i64::MIN, usize::MAX, &mut slice), None);
    let mut restored = Timers::new(100);
    restored.load_slice(&slice).unwrap();
    for mut timers in [timers, restored] {
        assert_eq!(timers.topics().collect::<Vec<_>>(), [("A", 2), ("B", 1)]);
        assert_eq!(timers.levels().take(4).collect::<Vec<_>>(), [0, 0, 1, 0]);
        assert!(timers.remove(Millis(1_000), LogPosition(10)));
        add(&mut timers, "B", 40);
        add(&mut timers, "C", 50);
        timers.remove(Millis(1_000), LogPosition(40));
        assert_eq!(timers.topics().collect::<Vec<_>>(), [("A", 2), ("C", 1)]);
    }
}

fn stored(text: &str) -> Vec<u8> {
    text.replace('=', "\u{1}").replace(';', "\u{2}").into_bytes()
}

fn shown(properties: &[u8]) -> String {
    String::from_utf8_lossy(properties).replace('\u{1}', "=").replace('\u{2}', ";")
}

#[test]
fn records_of_two_topics_wait_until_what_they_say() {
    let wait = |topic, queue_id, properties: &str| {
        let properties = stored(properties);
        let wait = Wait::of(topic, queue_id, 2, &properties)?;
        let mut timers = Timers::new(1);
        timers.wait(&wait, LogPosition(7), 9);
        let mut out = Vec::new();
        timers.due(Millis(i64::MAX), LogPosition(16), |_| false, 1, 1, &mut out);
        assert_eq!((out[0].position, out[0].size), (LogPosition(7), 9));
        Some((out[0].deliver_at.0, out[0].lane))
    };
    assert_eq!(wait(SCHEDULE_TOPIC, 5, "__DELIVER_MS=1500;"), Some((1_500, 3)), "two queues for each level");
    assert_eq!(wait(SCHEDULE_TOPIC, 400, "__DELIVER_MS=1;"), Some((1, 63)));
    assert_eq!(wait(SCHEDULE_TOPIC, 0, "TIMER_OUT_MS=1;"), None);
    assert_eq!(wait(TIMER_TOPIC, 0, "TIMER_OUT_MS=1499;"), Some((1_500, 64)));
    assert_eq!(wait(TIMER_TOPIC, 1, "TIMER_OUT_MS=x;"), None);
    assert_eq!(wait(TIMER_TOPIC, 1, "TIMER_OUT_MS=1;TIMER_DEL_UNIQKEY=T+k;"), None);
    assert_eq!(wait("orders", 0, "TIMER_OUT_MS=1;__DELIVER_MS=1;"), None);
    let key = |properties: &str| Wait::of(TIMER_TOPIC, 0, 1, &stored(properties)).unwrap().key;
    assert_eq!(key("TIMER_OUT_MS=1;UNIQ_KEY=k;REAL_TOPIC=T;"), key_of(b"T", b"k"));
    assert_ne!(key_of(b"Tk", b""), key_of(b"T", b"k"));
}

#[test]
fn what_is_restored_shows_what_the_original_shows() {
    let restored = |topic, properties: &str| {
        let host = "127.0.0.1:1".parse().unwrap();
        let message = NewMessage {
            topic,
            queue_id: 4,
            flag: 0,
            sys_flag: 0,
            born_timestamp: 0,
            born_host: host,
            store_host: host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: b"b",
            properties: &stored(properties),
        };
        let mut bytes = vec![0; message.encoded_len()];
        message.encode(QueueOffset(0), 0, Millis(77), &mut bytes);
        let mut out = b"old".to_vec();
        let to = restore(&Record::parse(&bytes).unwrap(), Millis(99), &mut out)?;
        Some((to.topic.to_owned(), to.queue_id, shown(&out)))
    };
    let level = restored(SCHEDULE_TOPIC, "DELAY=3;REAL_TOPIC=T;REAL_QID=2;__DELIVER_MS=5;");
    assert_eq!(level, Some(("T".into(), 2, "DELAY=3;REAL_TOPIC=T;REAL_QID=2;".into())));
    let timer = restored(TIMER_TOPIC, "TIMER_DELAY_MS=9;TIMER_OUT_MS=5;REAL_TOPIC=T;REAL_QID=2");
    let shown = "TIMER_DELAY_MS=9;TIMER_OUT_MS=5;REAL_TOPIC=T;REAL_QID=2;TIMER_ENQUEUE_MS=77;TIMER_DEQUEUE_MS=99;";
    assert_eq!(timer, Some(("T".into(), 2, shown.into())));
    for nowhere in ["REAL_QID=2;", "REAL_TOPIC=T;", "REAL_TOPIC=T;REAL_QID=-1;", "REAL_TOPIC=T;REAL_QID=9999999999;"] {
        assert_eq!(restored(TIMER_TOPIC, nowhere), None, "{nowhere}");
    }
}
