//! POP across crashes: what a consumer was told stays so. Invisible is invisible, acked never comes again, and what is not
//! acked is there to be revived; a pop or an ack without an answer may have happened or not.

use super::shard::{message, shard_options};
use crate::filter::{Expressions, PropertyFilter, TagFilter};
use crate::pop::{AckOutcome, Handed, InitialOffset, PopRequest};
use crate::record::Record;
use crate::runtime::live::LiveShard;
use crate::runtime::open::open;
use crate::runtime::pop::{Popped, WatchedQueue};
use crate::runtime::reader::steady;
use crate::runtime::sim::{CrashKind, World};
use crate::runtime::{Lane, fs, now, random, sleep, spawn};
use crate::shard::AppendError;
use crate::types::{Millis, QueueOffset};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// A topic that is always there, and a group that needs no member.
const TOPIC: &str = "TBW102";
const GROUP: &str = "g";
const QUEUES: u32 = 3;
const FOREVER: i64 = 1_000_000_000;

async fn opened() -> Rc<LiveShard> {
    let dir = PathBuf::from("/store/shard");
    fs::create_dir_all(&dir).unwrap();
    for named in ["/", "/store"] {
        fs::sync_dir(Path::new(named)).await.unwrap();
    }
    let options = shard_options(dir);
    open(options).await.unwrap().0
}

async fn append(live: &LiveShard, queue_id: u32) {
    append_with(live, queue_id, b"body", &[]).await;
}

/// With properties and a body of its own.
async fn append_with(live: &LiveShard, queue_id: u32, body: &[u8], properties: &[u8]) {
    let message = message(TOPIC, queue_id, body, properties);
    loop {
        match live.append(now(), &message) {
            Ok(appended) => return live.durable(appended.end).await.unwrap(),
            Err(AppendError::NoRoom) => live.room().await,
            Err(error) => panic!("{error}"),
        }
    }
}

fn request(messages_max: u32, pop_time: Millis, invisible_millis: i64) -> PopRequest<'static> {
    PopRequest {
        topic: TOPIC,
        group: GROUP,
        queue_id: 0,
        messages_max,
        bytes_max: 1 << 20,
        filter: &TagFilter::ALL,
        properties: None,
        pop_time,
        invisible_millis,
        initial: InitialOffset::First,
        orderly: None,
        in_flight_max: usize::MAX,
    }
}

type Message = (u32, QueueOffset);

/// What consumers were told.
#[derive(Default)]
struct Told {
    sent: u64,
    /// Popped, not acked, and the time of the pop.
    held: BTreeMap<Message, Millis>,
    /// An ack was sent: whether it counted is known only with its answer.
    acking: BTreeSet<Message>,
    acked: BTreeSet<Message>,
    /// Of an earlier life: acked or not.
    doubtful: BTreeSet<Message>,
}

impl Told {
    /// A crash left acks without an answer: they may count or not.
    fn in_doubt(&mut self) {
        for message in std::mem::take(&mut self.acking) {
            self.held.remove(&message);
            self.doubtful.insert(message);
        }
    }
}

/// Sends, pops and acks until the power goes.
async fn consume(told: Rc<RefCell<Told>>, filter: Option<PropertyFilter>) {
    let live = opened().await;
    let is_filtered = filter.is_some();
    let producer = live.clone();
    let ledger = told.clone();
    spawn(Lane::Network, async move {
        loop {
            let queue_id = (random() % u64::from(QUEUES)) as u32;
            let is_wanted = random().is_multiple_of(3);
            append_with(&producer, queue_id, b"body", if is_wanted { WANTED } else { &[] }).await;
            ledger.borrow_mut().sent += u64::from(is_wanted || !is_filtered);
        }
    });
    loop {
        let queues: Vec<u32> = (0..QUEUES).collect();
        let pop_time = now();
        let request = request(1 + (random() % 8) as u32, pop_time, FOREVER);
        let popped = live.pop(&PopRequest { properties: filter.as_ref(), ..request }, &queues).await.unwrap();
        for popped in popped {
            for offset in popped.offsets {
                let message = (popped.queue_id, offset);
                let mut told = told.borrow_mut();
                assert!(!told.acked.contains(&message), "{message:?} was acked and comes again");
                assert!(told.held.insert(message, pop_time).is_none(), "{message:?} is in two hands");
            }
        }
        let picked = {
            let told = told.borrow();
            let at = random() as usize % told.held.len().max(1);
            told.held.iter().nth(at).map(|(message, time)| (*message, *time))
        };
        if let Some((message, pop_time)) = picked {
            told.borrow_mut().acking.insert(message);
            acked(&live, message.0, Handed { offset: message.1, pop_time }).await;
            let mut told = told.borrow_mut();
            told.acking.remove(&message);
            told.held.remove(&message);
            told.acked.insert(message);
        }
        if random().is_multiple_of(8) {
            sleep(Duration::from_millis(random() % 120)).await;
        }
    }
}

/// Acks a message of the group; returns when that is durable.
async fn acked(live: &LiveShard, queue_id: u32, message: Handed) {
    let end = loop {
        match live.pop_ack(TOPIC, GROUP, queue_id, &[message]) {
            Ok(AckOutcome::Done { end, .. }) => break end,
            Err(AppendError::NoRoom) => live.room().await,
            other => panic!("{message:?}: {other:?}"),
        }
    };
    live.durable(end).await.unwrap();
}

/// After the crash: pops all there is, then lets the time of the consumers run out.
async fn examine(told: Rc<RefCell<Told>>, filter: Option<PropertyFilter>, done: Rc<Cell<(usize, usize)>>) {
    let live = opened().await;
    told.borrow_mut().in_doubt();
    let told = told.take();
    let queues: Vec<u32> = (0..QUEUES).collect();
    let mut again = BTreeSet::new();
    loop {
        let request = PopRequest { properties: filter.as_ref(), ..request(32, now(), FOREVER) };
        let popped = live.pop(&request, &queues).await.unwrap();
        let is_cut = popped.iter().any(|popped| popped.is_cut);
        let offsets = popped.iter().flat_map(|popped| popped.offsets.iter().map(|offset| (popped.queue_id, *offset)));
        let offsets: Vec<Message> = offsets.collect();
        if offsets.is_empty() && !is_cut {
            break;
        }
        for message in offsets {
            assert!(!told.acked.contains(&message), "{message:?} was acked and comes again");
            assert!(!told.held.contains_key(&message), "{message:?} is invisible and comes again");
            assert!(again.insert(message), "{message:?} is handed out twice");
        }
    }
    let expired = live.state.borrow_mut().pops.expire(now().plus(2 * FOREVER), usize::MAX);
    let expired: BTreeSet<Message> = expired.into_iter().map(|one| (one.queue_id, one.message.offset)).collect();
    for message in told.held.keys() {
        assert!(expired.contains(message), "{message:?} was never acked and is lost");
    }
    for message in &told.acked {
        assert!(!expired.contains(message), "{message:?} was acked and would be revived");
    }
    // Every message is acked, in flight or was just popped: none has gone missing.
    let known = told.acked.len() + told.doubtful.difference(&expired).count() + expired.len();
    assert!(known as u64 >= told.sent, "{known} of {} messages", told.sent);
    done.set((told.held.len(), told.acked.len()));
}

#[test]
fn invisible_stays_invisible_and_acked_stays_acked_across_a_crash() {
    crash(|| None);
}

#[test]
fn the_same_of_messages_that_are_wanted_by_their_properties() {
    crash(|| Some(wanted()));
}

const WANTED: &[u8] = b"kind\x01wanted\x02";

fn wanted() -> PropertyFilter {
    PropertyFilter::matching("kind = 'wanted'", &mut Expressions::default()).unwrap()
}

fn crash(filter: fn() -> Option<PropertyFilter>) {
    let (mut held, mut acked) = (0, 0);
    for seed in 0..20 {
        let world = World::new(seed);
        let machine = world.machine("m");
        let told = Rc::new(RefCell::new(Told::default()));
        let done = Rc::new(Cell::new((0, 0)));
        let mut process = {
            let told = told.clone();
            world.spawn_single(machine, "consumes", move || consume(told, filter()))
        };
        world.run(async {
            for _ in 0..2 {
                sleep(Duration::from_millis(40 + random() % 200)).await;
                let kind = if random().is_multiple_of(2) { CrashKind::Kill } else { CrashKind::PowerCut };
                world.crash(process, kind);
                let told = told.clone();
                told.borrow_mut().in_doubt();
                process = world.spawn_single(machine, "consumes on", move || consume(told, filter()));
            }
            sleep(Duration::from_millis(40 + random() % 200)).await;
            world.crash(process, CrashKind::PowerCut);
            let (told, done) = (told.clone(), done.clone());
            let last = world.spawn_single(machine, "examines", move || examine(told, filter(), done));
            world.ended(last).await;
        });
        assert_ne!(done.get(), (0, 0), "seed {seed}: the examination ended early, or nothing happened");
        held += done.get().0;
        acked += done.get().1;
    }
    assert!(held > 100 && acked > 100, "{held} held, {acked} acked: too little happened");
}

#[test]
fn whoever_waits_is_woken_by_a_message_and_nobody_stays_behind() {
    let world = World::new(7);
    let machine = world.machine("m");
    let process = world.spawn_single(machine, "waits", || async {
        let live = opened().await;
        let queues = || (0..QUEUES).map(|queue_id| WatchedQueue { topic: TOPIC.into(), queue_id }).collect::<Vec<_>>();
        let deadline = steady().plus(200);
        assert!(!live.pop_watch(GROUP, queues, usize::MAX, deadline).await, "there is nothing");
        assert!(steady() >= deadline);
        let waits = live.clone();
        let woken = spawn(Lane::Network, async move {
            assert!(waits.pop_watch(GROUP, queues, usize::MAX, steady().plus(10_000)).await);
        });
        sleep(Duration::from_millis(50)).await;
        assert_eq!(live.pop_watches(), 1);
        let begun = steady();
        append(&live, 2).await;
        woken.join().await;
        assert!(steady().since(begun) < 1_000);
        assert_eq!(live.pop_watches(), 0);
        live.pop(&request(1, now(), FOREVER), &[2]).await.unwrap();
        assert!(!live.pop_watch(GROUP, queues, usize::MAX, steady().plus(100)).await, "what is in flight wakes nobody");
    });
    world.run(async { world.ended(process).await });
}

#[test]
fn an_offset_that_is_set_back_gives_again_what_is_not_in_flight() {
    let world = World::new(3);
    let machine = world.machine("m");
    let process = world.spawn_single(machine, "resets", || async {
        let live = opened().await;
        for _ in 0..6 {
            append(&live, 0).await;
        }
        let pop = async |count| {
            let popped = live.pop(&request(count, now(), FOREVER), &[0]).await.unwrap();
            let bodies: Vec<i64> = popped[0].offsets.iter().map(|offset| offset.0).collect();
            assert_eq!(bodies.is_empty(), Record::parse(&popped[0].body).is_err());
            bodies
        };
        let first = now();
        assert_eq!(pop(3).await, [0, 1, 2]);
        acked(&live, 0, Handed { offset: QueueOffset(0), pop_time: first }).await;
        let set = |offset| {
            let commit = crate::offsets::OffsetCommit { topic: TOPIC, group: GROUP, queue_id: 0, offset: QueueOffset(offset) };
            live.commit_offset(commit).unwrap();
        };
        set(0);
        assert_eq!(pop(32).await, [0, 3, 4, 5], "1 and 2 are in somebody's hands");
        set(5);
        assert_eq!(pop(32).await, [0; 0], "5 is in somebody's hands, and what lies before is skipped");
        assert_eq!(live.state.borrow().pops.in_flight(TOPIC, GROUP, 0), 1);
    });
    world.run(async { world.ended(process).await });
}

fn offsets(popped: &[Popped]) -> Vec<i64> {
    popped.iter().flat_map(|popped| popped.offsets.iter().map(|offset| offset.0)).collect()
}

fn committed(live: &LiveShard) -> i64 {
    live.state.borrow().offsets.get(TOPIC, GROUP, 0).expect("was popped").offset.0
}

#[test]
fn what_is_not_wanted_is_passed_over_and_holds_nothing_back() {
    let world = World::new(5);
    let machine = world.machine("m");
    let process = world.spawn_single(machine, "selects", || async {
        let live = opened().await;
        let filter = wanted();
        for number in 0..10 {
            append_with(&live, 0, &[number], if [2, 5, 6].contains(&number) { WANTED } else { b"kind\x01other\x02" }).await;
        }
        let time = now();
        let pop = async |count| {
            let request = PopRequest { properties: Some(&filter), ..request(count, time, FOREVER) };
            live.pop(&request, &[0]).await.unwrap()
        };
        let ack = async |offset| acked(&live, 0, Handed { offset: QueueOffset(offset), pop_time: time }).await;
        let first = pop(2).await;
        assert_eq!((offsets(&first), first[0].is_cut), (vec![2, 5], false));
        let record = Record::parse(&first[0].body).unwrap();
        assert_eq!((record.body(), Record::parse(&first[0].body[record.bytes().len()..]).unwrap().body()), (&[2][..], &[5][..]));
        assert_eq!((live.state.borrow().pops.len(), committed(&live)), (2, 2), "what lies before the first is not waited for");
        ack(2).await;
        assert_eq!(committed(&live), 5);
        assert_eq!(offsets(&pop(32).await), [6]);
        ack(6).await;
        ack(5).await;
        assert_eq!(committed(&live), 10, "nor what lies between and behind");
        append_with(&live, 0, b"more", b"kind\x01other\x02").await;
        assert_eq!(offsets(&pop(32).await), [0; 0]);
        assert_eq!((committed(&live), live.state.borrow().pops.len()), (11, 0));
    });
    world.run(async { world.ended(process).await });
}

#[test]
fn a_pop_looks_at_so_many_and_the_next_one_goes_on_there() {
    let world = World::new(6);
    let machine = world.machine("m");
    let process = world.spawn_single(machine, "looks", || async {
        let live = opened().await;
        let filter = wanted();
        for number in 0..2_000 {
            append_with(&live, 0, b"body", if number == 1_999 { WANTED } else { &[] }).await;
        }
        let mut seen = Vec::new();
        for _ in 0..4 {
            let request = PopRequest { properties: Some(&filter), ..request(32, now(), FOREVER) };
            let popped = live.pop(&request, &[0]).await.unwrap();
            seen.push((offsets(&popped), popped[0].is_cut, committed(&live)));
        }
        let none = Vec::new;
        assert_eq!(seen[..2], [(none(), true, 800), (none(), true, 1_600)]);
        assert_eq!(seen[2..], [(vec![1_999], false, 1_999), (none(), false, 1_999)]);
    });
    world.run(async { world.ended(process).await });
}

#[test]
fn whoever_looks_ahead_side_by_side_gets_different_messages() {
    for seed in 0..20 {
        let world = World::new(seed);
        let machine = world.machine("m");
        let process = world.spawn_single(machine, "share", || async {
            let live = opened().await;
            for number in 0..300_u32 {
                append_with(&live, 0, &[7; 1_000], if number.is_multiple_of(3) { WANTED } else { &[] }).await;
            }
            let got: Rc<RefCell<Vec<i64>>> = Rc::default();
            let mut poppers = Vec::new();
            for _ in 0..4 {
                let (live, got) = (live.clone(), got.clone());
                poppers.push(spawn(Lane::Network, async move {
                    let filter = wanted();
                    loop {
                        let request =
                            PopRequest { properties: Some(&filter), ..request(1 + (random() % 8) as u32, now(), FOREVER) };
                        let popped = live.pop(&request, &[0]).await.unwrap();
                        if popped[0].offsets.is_empty() && !popped[0].is_cut {
                            return;
                        }
                        got.borrow_mut().extend(offsets(&popped));
                    }
                }));
            }
            for popper in poppers {
                popper.join().await;
            }
            let mut got = got.take();
            got.sort_unstable();
            assert_eq!(got, (0..300).step_by(3).collect::<Vec<i64>>());
        });
        world.run(async { world.ended(process).await });
    }
}
