//! A reset that was acknowledged is never undone: not by commits that were in flight, not by a crash at any moment, until a
//! consumer has followed it. Simulated lives of one shard with consumers that commit what they had read before.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::future::pending;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use super::shard::{message, opened, shard_options};
use crate::group::ConnectionId;
use crate::offsets::{Kept, OffsetCommit};
use crate::runtime::live::LiveShard;
use crate::runtime::open::{ShardOptions, open};
use crate::runtime::sim::{CrashKind, World};
use crate::runtime::{Lane, fs, now, random, sleep, spawn, yield_now};
use crate::shard::AppendError;
use crate::types::QueueOffset;

/// A topic that is always there.
const TOPIC: &str = "TBW102";
const SEEDS: u64 = 60;
const LIVES: usize = 4;
const QUEUES: u32 = 2;
const CLIENTS: u64 = 3;

/// Mistakes that the test must see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plant {
    /// As RocketMQ does it: the mark goes when the first client is told.
    ForgottenWhenTold,
    /// Acknowledged from memory.
    NotLogged,
    /// The offset is logged, the mark is not.
    NotMarked,
}

/// What must be true of each queue, whatever has crashed.
struct Ledger {
    plant: Option<Plant>,
    queues: Vec<RefCell<Queue>>,
    found: RefCell<Option<String>>,
    resets: Cell<u64>,
    ignored: Cell<u64>,
}

#[derive(Default)]
struct Queue {
    /// Acknowledged, and nobody who was told has pulled since.
    must: Option<i64>,
    /// Clients that were told of it by this process.
    told: BTreeSet<u64>,
    /// Raised by whatever may change the state, so that a question asked across it proves nothing.
    changes: u64,
}

impl Ledger {
    fn wrong(&self, what: String) {
        self.found.borrow_mut().get_or_insert(what);
    }

    fn expect(&self, queue_id: u32, before: (Option<i64>, u64), found: Option<i64>, how: &str) {
        let queue = self.queues[queue_id as usize].borrow();
        if let (Some(must), true) = (queue.must, before == (queue.must, queue.changes))
            && found != Some(must)
        {
            self.wrong(format!("queue {queue_id} was reset to {must}; {how}: {found:?}"));
        }
    }

    fn state(&self, queue_id: u32) -> (Option<i64>, u64) {
        let queue = self.queues[queue_id as usize].borrow();
        (queue.must, queue.changes)
    }
}

fn options() -> ShardOptions {
    ShardOptions { cold_bytes_max: 512 << 10, ..shard_options("/store".into()) }
}

fn row(queue_id: u32, offset: i64) -> OffsetCommit<'static> {
    OffsetCommit { topic: "T", group: "g", queue_id, offset: QueueOffset(offset) }
}

fn below(end: u64) -> u64 {
    random() % end
}

async fn a_moment() {
    sleep(Duration::from_micros(below(3_000))).await;
}

async fn reset(live: &LiveShard, ledger: &Ledger) {
    let (queue_id, offset) = (below(u64::from(QUEUES)) as u32, 1_000_000 + below(1_000) as i64);
    {
        let mut queue = ledger.queues[queue_id as usize].borrow_mut();
        queue.must = None;
        queue.told.clear();
        queue.changes += 1;
    }
    let done = match ledger.plant {
        Some(Plant::NotLogged) => {
            let mut state = live.state.borrow_mut();
            let end = state.log.durable();
            state.offsets.reset(row(queue_id, offset), end).is_ok()
        }
        Some(Plant::NotMarked) => {
            let _kept = live.commit_offset(row(queue_id, offset));
            live.offsets_durable().await.is_ok()
        }
        Some(Plant::ForgottenWhenTold) | None => live.reset_offsets(&[row(queue_id, offset)]).await.is_ok(),
    };
    if done {
        // There is one task that resets, so nobody else has since.
        ledger.queues[queue_id as usize].borrow_mut().must = Some(offset);
        ledger.resets.set(ledger.resets.get() + 1);
    }
}

fn commit(live: &LiveShard, ledger: &Ledger) {
    let queue_id = below(u64::from(QUEUES)) as u32;
    let kept = live.commit_offset(row(queue_id, below(1_000) as i64)).expect("there is room");
    let queue = ledger.queues[queue_id as usize].borrow();
    match (queue.must, kept) {
        (Some(must), Kept::Yes) => ledger.wrong(format!("queue {queue_id} was reset to {must}; a commit was kept")),
        (Some(_), Kept::Reset) => ledger.ignored.set(ledger.ignored.get() + 1),
        (None, _) => {}
    }
}

async fn pull(live: &LiveShard, ledger: &Ledger) {
    let (queue_id, client) = (below(u64::from(QUEUES)) as u32, below(CLIENTS));
    {
        let mut queue = ledger.queues[queue_id as usize].borrow_mut();
        if queue.told.contains(&client) {
            // It follows: from now on its commits count.
            queue.must = None;
            queue.changes += 1;
        }
    }
    let before = ledger.state(queue_id);
    let reset = live.pull_reset("T", "g", queue_id, ConnectionId { core: 0, number: client }).await;
    let Ok(reset) = reset else { return };
    ledger.expect(queue_id, before, reset.map(|offset| offset.0), "a client that had not been told pulled and got");
    let mut queue = ledger.queues[queue_id as usize].borrow_mut();
    if reset.is_some() && before.1 == queue.changes {
        queue.told.insert(client);
        if ledger.plant == Some(Plant::ForgottenWhenTold) {
            live.state.borrow_mut().offsets.reset_followed("T", "g", queue_id);
        }
    }
}

async fn query(live: &LiveShard, ledger: &Ledger, queue_id: u32) {
    let before = ledger.state(queue_id);
    if let Ok(found) = live.offset("T", "g", queue_id).await {
        ledger.expect(queue_id, before, found, "its offset is");
    }
}

/// One process: what the last one acknowledged must be there; then work until the power goes.
async fn live_on(ledger: Rc<Ledger>) {
    for queue in &ledger.queues {
        let mut queue = queue.borrow_mut();
        queue.told.clear();
        queue.changes += 1;
    }
    fs::create_dir_all(Path::new("/store")).expect("the disk is good");
    fs::sync_dir(Path::new("/")).await.expect("the disk is good");
    let (live, _) = open(options()).await.expect("opens after every crash");
    for queue_id in 0..QUEUES {
        query(&live, &ledger, queue_id).await;
    }
    for worker in 0..5 {
        let (live, ledger) = (live.clone(), ledger.clone());
        spawn(Lane::Network, async move {
            loop {
                a_moment().await;
                match worker {
                    0 => reset(&live, &ledger).await,
                    1 => pull(&live, &ledger).await,
                    2 => query(&live, &ledger, below(u64::from(QUEUES)) as u32).await,
                    3 => {
                        sleep(Duration::from_millis(below(20))).await;
                        let housekeeping = live.housekeeping.borrow().upgrade();
                        let snapshot = housekeeping.expect("runs with the shard").snapshot().await;
                        snapshot.expect("the disk is good");
                    }
                    _ => {
                        commit(&live, &ledger);
                        if below(4) == 0 {
                            let _durable_or_not = live.offsets_durable().await;
                        }
                    }
                }
            }
        });
    }
    pending::<()>().await;
}

/// What went wrong, how many resets were acknowledged, and how many commits they made nothing of.
fn lives(seed: u64, plant: Option<Plant>) -> (Option<String>, u64, u64) {
    let world = World::new(seed);
    let machine = world.machine("m");
    let queues = (0..QUEUES).map(|_| RefCell::default()).collect();
    let (found, resets, ignored) = (RefCell::default(), Cell::new(0), Cell::new(0));
    let ledger = Rc::new(Ledger { plant, queues, found, resets, ignored });
    world.run(async {
        for _ in 0..LIVES {
            let own = ledger.clone();
            let process = world.spawn_single(machine, "shard", move || live_on(own));
            sleep(Duration::from_millis(30 + world.random() % 100)).await;
            let kind = if world.random().is_multiple_of(3) { CrashKind::Kill } else { CrashKind::PowerCut };
            world.crash(process, kind);
            sleep(Duration::from_millis(200)).await;
        }
    });
    let found = ledger.found.borrow().clone();
    (found, ledger.resets.get(), ledger.ignored.get())
}

#[test]
fn an_acknowledged_reset_is_never_undone() {
    let (mut resets, mut ignored) = (0, 0);
    for seed in 0..SEEDS {
        let (found, acknowledged, commits) = lives(seed, None);
        assert_eq!(found, None, "seed {seed}");
        resets += acknowledged;
        ignored += commits;
    }
    assert!(resets > 1_000, "{resets} resets were acknowledged");
    assert!(ignored > 1_000, "{ignored} commits came too late");
}

#[test]
fn planted_mistakes_are_found() {
    for plant in [Plant::ForgottenWhenTold, Plant::NotLogged, Plant::NotMarked] {
        let found = (0..SEEDS).find_map(|seed| lives(seed, Some(plant)).0);
        assert!(found.is_some(), "{plant:?} was not found");
    }
}

/// A client that was told of one reset pulls while the log has no room; by the time there is some the queue was reset again.
#[test]
fn a_pull_that_waited_for_room_follows_no_newer_reset() {
    let world = World::new(1);
    let machine = world.machine("m");
    let told = Rc::new(RefCell::new(None));
    let tells = told.clone();
    world.spawn_single(machine, "shard", async move || {
        let live = opened().await;
        let client = ConnectionId { core: 0, number: 1 };
        let reset = |offset| [OffsetCommit { topic: TOPIC, group: "g", queue_id: 0, offset: QueueOffset(offset) }];
        live.reset_offsets(&reset(5)).await.unwrap();
        assert_eq!(live.pull_reset(TOPIC, "g", 0, client).await.unwrap(), Some(QueueOffset(5)));

        let mut body = vec![7; 60 << 10];
        loop {
            match live.append(now(), &message(TOPIC, 0, &body, b"")) {
                Err(AppendError::NoRoom) if body.len() > 1 => body.truncate(body.len() / 2),
                Err(AppendError::NoRoom) => break,
                appended => _ = appended.unwrap(),
            }
        }
        let resets = live.clone();
        let _detached = spawn(Lane::Network, async move { resets.reset_offsets(&reset(9)).await.unwrap() });
        // It is the first to wait for room.
        yield_now().await;
        let where_to = live.pull_reset(TOPIC, "g", 0, client).await.unwrap();
        *tells.borrow_mut() = Some((where_to, live.is_reset(TOPIC, "g", 0)));
    });
    world.run(sleep(Duration::from_secs(5)));
    assert_eq!(*told.borrow(), Some((Some(QueueOffset(9)), true)), "it is told of the second one, whose mark stays");
}
