//! Half messages of a shard that is killed again and again: each ends as the last durable word says, once and whole. And of
//! one whose segments are deleted: what waits in them does not go with them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::shard::{SEGMENT_BYTES, expires_at_once, opened};
use crate::filter::TagFilter;
use crate::record::{NewMessage, Record};
use crate::runtime::live::LiveShard;
use crate::runtime::reader::PullRequest;
use crate::runtime::sim::{CrashKind, World};
use crate::runtime::{random, sleep};
use crate::transaction::HALF_TOPIC;
use crate::types::LogPosition;

/// A topic that is always there.
const TOPIC: &str = "TBW102";

fn message<'a>(topic: &'a str, body: &'a [u8]) -> NewMessage<'a> {
    NewMessage { born_timestamp: 1_000, ..super::shard::message(topic, 0, body, b"PGROUP\x01g\x02") }
}

/// The position of what is stored, once it is durable. With one shard it is the physical offset.
async fn stored(live: &LiveShard, message: &NewMessage<'_>) -> LogPosition {
    LogPosition(super::shard::stored(live, message).await.physical_offset as u64)
}

/// Commits a half message, and waits until that is durable. False: it was not waiting.
async fn committed(live: &LiveShard, position: LogPosition, body: &[u8]) -> bool {
    let ended = live.end_half_with(position, &message(TOPIC, body)).await.unwrap();
    if let Some(appended) = ended {
        live.durable(appended.end).await.unwrap();
    }
    ended.is_some()
}

/// The bodies of all messages of the real queue.
async fn visible(live: &LiveShard) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    loop {
        let request = PullRequest {
            topic: TOPIC.to_owned(),
            queue_id: 0,
            offset: bodies.len() as i64,
            messages_max: 100,
            bytes_max: 1 << 20,
            filter: TagFilter::ALL,
            properties: None,
            hold_millis: 0,
        };
        let pulled = live.pull(&request).await.unwrap();
        let mut rest = &pulled.body[..];
        if rest.is_empty() {
            return bodies;
        }
        while !rest.is_empty() {
            let record = Record::parse(rest).unwrap();
            bodies.push(record.body().to_vec());
            rest = &rest[record.bytes().len()..];
        }
    }
}

/// The last word about a half message, and whether it is known to be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Sending,
    Waits,
    Committing,
    Committed,
    RollingBack,
    RolledBack,
}

#[derive(Clone, Copy, Debug)]
struct Told {
    word: Word,
    /// Checks whose entries are durable.
    checks: u32,
}

#[derive(Default)]
struct Ledger {
    halves: Vec<Told>,
    lives: u32,
    ends: u32,
    /// Found ended, or not, when the shard died in the middle of it.
    torn: [u32; 2],
}

/// What waits, by the number in its body: where, and how often it was checked.
async fn waiting(live: &LiveShard) -> BTreeMap<usize, (LogPosition, u32)> {
    let mut found = BTreeMap::new();
    let mut from = LogPosition::ZERO;
    loop {
        let next = {
            let state = live.state.borrow();
            let next = state.halves.first_from(from);
            next.map(|position| (position, state.halves.get(position).unwrap().checks))
        };
        let Some((position, checks)) = next else { return found };
        let bytes = live.record(position).await.unwrap().expect("what waits can be read");
        let number = number_of(Record::parse(&bytes).unwrap().body());
        assert!(found.insert(number, (position, checks)).is_none(), "half message {number} waits twice");
        from = position.advance(1);
    }
}

fn number_of(body: &[u8]) -> usize {
    u64::from_be_bytes(body.try_into().expect("eight bytes")) as usize
}

/// Holds what a shard has found on its disk against what it had said before, and settles what was open.
async fn audit(live: &LiveShard, ledger: &RefCell<Ledger>) -> BTreeMap<usize, LogPosition> {
    let waiting = waiting(live).await;
    let mut seen = BTreeMap::new();
    for body in visible(live).await {
        *seen.entry(number_of(&body)).or_insert(0) += 1;
    }
    let mut ledger = ledger.borrow_mut();
    let Ledger { halves, torn, .. } = &mut *ledger;
    for (number, told) in halves.iter_mut().enumerate() {
        let waits = waiting.get(&number);
        let times = seen.get(&number).copied().unwrap_or(0);
        let found = (waits.is_some(), times);
        let because = format!("half message {number}, {told:?}, waits {waits:?}, was committed {times} times");
        match told.word {
            Word::Sending => assert!(matches!(found, (_, 0)), "{because}"),
            Word::Waits => assert_eq!(found, (true, 0), "{because}"),
            Word::Committed => assert_eq!(found, (false, 1), "{because}"),
            Word::RolledBack => assert_eq!(found, (false, 0), "{because}"),
            Word::Committing => assert!(matches!(found, (true, 0) | (false, 1)), "{because}"),
            Word::RollingBack => assert_eq!(times, 0, "{because}"),
        }
        if matches!(told.word, Word::Committing | Word::RollingBack) {
            torn[usize::from(waits.is_some())] += 1;
        }
        told.word = match (waits, times) {
            (Some((_, checks)), _) => {
                assert!(*checks >= told.checks, "{because}");
                told.checks = *checks;
                Word::Waits
            }
            (None, 0) => Word::RolledBack,
            (None, _) => Word::Committed,
        };
    }
    assert!(seen.keys().chain(waiting.keys()).all(|number| *number < halves.len()), "nobody has sent it");
    waiting.into_iter().map(|(number, (position, _))| (number, position)).collect()
}

async fn life(ledger: Rc<RefCell<Ledger>>) {
    let live = opened().await;
    let mut places = audit(&live, &ledger).await;
    ledger.borrow_mut().lives += 1;
    loop {
        step(&live, &ledger, &mut places).await;
        sleep(Duration::from_micros(random() % 2_000)).await;
        if random().is_multiple_of(100) {
            // With a snapshot, and then nothing until it is killed.
            live.stop().await;
            return;
        }
    }
}

async fn step(live: &LiveShard, ledger: &RefCell<Ledger>, places: &mut BTreeMap<usize, LogPosition>) {
    let sent = ledger.borrow().halves.len();
    let say = |number: usize, word| ledger.borrow_mut().halves[number].word = word;
    let any = (!places.is_empty()).then(|| *places.iter().nth(random() as usize % places.len()).unwrap().0);
    match (random() % 8, any) {
        (0..=3, _) | (_, None) => {
            ledger.borrow_mut().halves.push(Told { word: Word::Sending, checks: 0 });
            let place = stored(live, &message(HALF_TOPIC, &(sent as u64).to_be_bytes())).await;
            places.insert(sent, place);
            say(sent, Word::Waits);
        }
        (4 | 5, Some(number)) => {
            say(number, Word::Committing);
            let place = places.remove(&number).unwrap();
            assert!(committed(live, place, &(number as u64).to_be_bytes()).await);
            say(number, Word::Committed);
            assert!(!committed(live, place, &(number as u64).to_be_bytes()).await, "a second time");
            assert_eq!(live.end_half(place).await, Ok(None), "a rollback after a commit");
            ledger.borrow_mut().ends += 1;
        }
        (6, Some(number)) => {
            say(number, Word::RollingBack);
            let place = places.remove(&number).unwrap();
            let end = live.end_half(place).await.unwrap().unwrap();
            live.durable(end).await.unwrap();
            say(number, Word::RolledBack);
            assert!(!committed(live, place, &(number as u64).to_be_bytes()).await, "a commit after a rollback");
            ledger.borrow_mut().ends += 1;
        }
        (_, Some(number)) => {
            let checks = live.check_half(places[&number]).await.unwrap().unwrap();
            let appended = live.state.borrow().log.appended();
            live.durable(appended).await.unwrap();
            ledger.borrow_mut().halves[number].checks = checks;
        }
    }
}

#[test]
fn what_was_said_last_is_what_is_true_whatever_crashes() {
    let (mut ends, mut torn) = (0, [0, 0]);
    for seed in 0..20 {
        let world = World::new(seed);
        let machine = world.machine("m");
        let ledger = Rc::new(RefCell::new(Ledger::default()));
        for _ in 0..8 {
            let shared = ledger.clone();
            let process = world.spawn_single(machine, "shard", move || life(shared));
            world.run(async {
                sleep(Duration::from_micros(50_000 + random() % 400_000)).await;
                if !world.is_running(process) {
                    return;
                }
                match random() % 2 {
                    0 => world.crash(process, CrashKind::Kill),
                    _ => world.power_cut(machine),
                }
            });
        }
        let ledger = ledger.take();
        assert!(ledger.lives >= 4, "seed {seed}: {} lives", ledger.lives);
        ends += ledger.ends;
        torn = [torn[0] + ledger.torn[0], torn[1] + ledger.torn[1]];
    }
    assert!(ends > 1_000, "{ends} ends");
    assert!(torn[0] > 0 && torn[1] > 0, "found ended {}, found waiting {}", torn[0], torn[1]);
}

#[test]
fn what_waits_leaves_a_segment_before_it_goes() {
    let world = World::new(1);
    let machine = world.machine("m");
    let process = world.spawn_single(machine, "shard", leave);
    world.run(world.ended(process));
}

async fn leave() {
    let live = opened().await;
    let half = stored(&live, &message(HALF_TOPIC, b"waits")).await;
    assert_eq!(live.check_half(half).await, Ok(Some(1)));
    let filling = vec![7; 60 << 10];
    while live.state.borrow().log.appended().0 < 3 * SEGMENT_BYTES {
        stored(&live, &message("SELF_TEST_TOPIC", &filling)).await;
    }
    live.retain(expires_at_once);
    for _ in 0..200 {
        if live.log.first() > half {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    assert!(live.log.first() > half, "the first segment is deleted");
    assert_eq!(live.record(half).await, Ok(None));
    assert!(!committed(&live, half, b"waits").await, "it has another place now");
    let (moved, checks) = {
        let state = live.state.borrow();
        assert_eq!(state.halves.len(), 1);
        let position = state.halves.first_from(LogPosition::ZERO).unwrap();
        (position, state.halves.get(position).unwrap().checks)
    };
    assert_eq!(checks, 1, "the count goes with it");
    let bytes = live.record(moved).await.unwrap().unwrap();
    let record = Record::parse(&bytes).unwrap();
    assert_eq!((record.topic(), record.body()), (HALF_TOPIC, &b"waits"[..]));
    assert!(committed(&live, moved, record.body()).await);
    assert_eq!(visible(&live).await, [b"waits"]);
    live.stop().await;
}
