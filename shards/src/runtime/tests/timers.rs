//! Messages that wait for their time, in a shard that is killed again and again: each acknowledged one is delivered once, never
//! early, and soon after its time when the shard is up. Segments are deleted while messages still wait in them.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use super::shard::{message, shard_options};
use crate::filter::TagFilter;
use crate::record::Record;
use crate::runtime::housekeeping::Retention;
use crate::runtime::live::LiveShard;
use crate::runtime::open::{ShardOptions, open};
use crate::runtime::reader::{PullRequest, Pulled};
use crate::runtime::sim::{CrashKind, World};
use crate::runtime::{Lane, fs, now, random, sleep, spawn};
use crate::shard::AppendError;
use crate::timer::{SCHEDULE_TOPIC, TIMER_TOPIC};
use crate::types::Millis;

/// A topic that is always there.
const TOPIC: &str = "TBW102";
const QUEUES: usize = 4;
const DELAY_MILLIS_MAX: u64 = 6_000;
const LATE_MILLIS_MAX: i64 = 250;
const BODY_BYTES: usize = 2_000;

#[derive(Default)]
struct Ledger {
    sent: Vec<Sent>,
    /// Of each queue, how far it has been read.
    read: [i64; QUEUES],
    moved: u64,
    lives: u64,
}

struct Sent {
    deliver_at: Millis,
    acknowledged: bool,
    /// When it was stored in its queue, each time.
    delivered: Vec<Millis>,
    /// Somebody has begun to take it back; what became of that is told to nobody when the shard dies.
    is_recalled: bool,
    is_gone: bool,
}

fn options(dir: PathBuf) -> ShardOptions {
    ShardOptions { tail_bytes_max: 256 << 10, cold_bytes_max: 256 << 10, timers_max: 100_000, ..shard_options(dir) }
}

fn short_retention() -> Retention {
    Retention {
        reserved_millis: 2_000,
        hours: (0..24).collect(),
        used_max: 100,
        clean_forcibly: 100,
        clean_forcibly_enabled: false,
        refuse: 100,
        interval: Duration::from_millis(200),
        utc_offset_minutes: 0,
    }
}

async fn life(ledger: Rc<RefCell<Ledger>>, sends: bool) {
    let dir = PathBuf::from("/work");
    fs::create_dir_all(&dir).unwrap();
    fs::sync_dir(Path::new("/")).await.unwrap();
    let (live, _) = open(options(dir)).await.unwrap();
    live.retain(short_retention);
    ledger.borrow_mut().lives += 1;
    for queue in 0..QUEUES {
        let (live, ledger) = (live.clone(), ledger.clone());
        spawn(Lane::Network, async move { read(&live, queue, &ledger).await });
    }
    let mut counted = 0;
    loop {
        if sends {
            send(&live, &ledger).await;
        }
        sleep(Duration::from_millis(random() % 8)).await;
        let moved = live.timers.moved.get();
        ledger.borrow_mut().moved += moved - counted;
        counted = moved;
        assert_eq!(live.timers.dropped.get(), 0);
    }
}

async fn send(live: &Rc<LiveShard>, ledger: &Rc<RefCell<Ledger>>) {
    let number = ledger.borrow().sent.len();
    let deliver_at = now().plus((random() % DELAY_MILLIS_MAX) as i64);
    let queue = random() as usize % QUEUES;
    let is_timer = random().is_multiple_of(2);
    let (topic, until) = if is_timer {
        (TIMER_TOPIC, format!("TIMER_OUT_MS\u{1}{}\u{2}", deliver_at.0 - 1))
    } else {
        (SCHEDULE_TOPIC, format!("__DELIVER_MS\u{1}{}\u{2}", deliver_at.0))
    };
    let properties = format!("UNIQ_KEY\u{1}{number}\u{2}{until}REAL_TOPIC\u{1}{TOPIC}\u{2}REAL_QID\u{1}{queue}\u{2}");
    let mut body = vec![7; BODY_BYTES];
    body[..8].copy_from_slice(&(number as u64).to_be_bytes());
    let message = message(topic, 0, &body, properties.as_bytes());
    ledger.borrow_mut().sent.push(Sent {
        deliver_at,
        acknowledged: false,
        delivered: Vec::new(),
        is_recalled: false,
        is_gone: false,
    });
    let appended = loop {
        match live.append(now(), &message) {
            Ok(appended) => break appended,
            Err(AppendError::NoRoom) => live.room().await,
            Err(error) => panic!("{error}"),
        }
    };
    let takes_back = is_timer && random().is_multiple_of(16);
    let (live, ledger) = (live.clone(), ledger.clone());
    spawn(Lane::Network, async move {
        live.durable(appended.end).await.unwrap();
        ledger.borrow_mut().sent[number].acknowledged = true;
        ledger.borrow_mut().sent[number].is_recalled = takes_back;
        if takes_back && live.take_back_timers(deliver_at, TOPIC, &number.to_string()).await.unwrap() == 1 {
            ledger.borrow_mut().sent[number].is_gone = true;
        }
    });
}

/// A consumer that knows how far it has read, also when the shard does not live any more.
async fn read(live: &LiveShard, queue: usize, ledger: &RefCell<Ledger>) {
    loop {
        let offset = ledger.borrow().read[queue];
        let request = PullRequest {
            topic: TOPIC.to_owned(),
            queue_id: queue as u32,
            offset,
            messages_max: 32,
            bytes_max: 1 << 20,
            filter: TagFilter::ALL,
            properties: None,
            hold_millis: 0,
        };
        let pulled = live.pull(&request).await.unwrap();
        assert!(pulled.min_offset <= offset, "what was not read yet was deleted");
        ledger.borrow_mut().note(queue, &pulled);
        sleep(Duration::from_millis(20)).await;
    }
}

impl Ledger {
    fn note(&mut self, queue: usize, pulled: &Pulled) {
        let mut rest = pulled.body.as_slice();
        while !rest.is_empty() {
            let record = Record::parse(rest).unwrap();
            let number = u64::from_be_bytes(record.body()[..8].try_into().unwrap()) as usize;
            assert_eq!(record.property("UNIQ_KEY"), Some(number.to_string().as_bytes()));
            assert!(now() >= self.sent[number].deliver_at, "message {number} is early");
            self.sent[number].delivered.push(record.store_timestamp());
            rest = &rest[record.bytes().len()..];
        }
        self.read[queue] += i64::from(pulled.messages);
    }
}

fn torture(seed: u64) -> Ledger {
    let world = World::new(seed);
    let machine = world.machine("m");
    let ledger = Rc::new(RefCell::new(Ledger::default()));
    let mut lives = 2 + world.random() % 2;
    loop {
        let (kept, sends) = (ledger.clone(), lives > 0);
        let process = world.spawn_single(machine, "shard", move || life(kept, sends));
        let kind = if world.random().is_multiple_of(2) { CrashKind::Kill } else { CrashKind::PowerCut };
        let millis = if sends { 200 + world.random() % 3_000 } else { DELAY_MILLIS_MAX + 3_000 };
        world.run(async {
            sleep(Duration::from_millis(millis)).await;
            assert!(world.is_running(process), "the shard lives until it is crashed");
            world.crash(process, kind);
            sleep(Duration::from_millis(world.random() % 500)).await;
        });
        if lives == 0 {
            break;
        }
        lives -= 1;
    }
    ledger.take()
}

#[test]
fn each_is_delivered_once_and_never_early_whatever_crashes() {
    let (mut moved, mut gone, mut in_time) = (0, 0, 0);
    for seed in 0..4 {
        let ledger = torture(seed);
        assert!(ledger.lives >= 3, "seed {seed}: {} lives", ledger.lives);
        assert!(ledger.sent.len() > 200, "seed {seed}: {} messages", ledger.sent.len());
        for (number, sent) in ledger.sent.iter().enumerate() {
            let times = sent.delivered.len();
            assert!(times <= 1, "seed {seed}: message {number} was delivered {times} times");
            assert!(sent.delivered.iter().all(|stored| *stored >= sent.deliver_at), "seed {seed}: message {number} was early");
            assert!(!sent.is_gone || times == 0, "seed {seed}: message {number} was taken back and delivered");
            let is_owed = sent.acknowledged && !sent.is_recalled;
            assert!(times == 1 || !is_owed, "seed {seed}: message {number} was lost");
            gone += u32::from(sent.is_gone);
            in_time += sent.delivered.iter().filter(|stored| stored.since(sent.deliver_at) <= LATE_MILLIS_MAX).count();
        }
        let delivered = ledger.sent.iter().filter(|sent| !sent.delivered.is_empty()).count();
        assert!(delivered * 10 > ledger.sent.len() * 7, "seed {seed}: {delivered} of {}", ledger.sent.len());
        moved += ledger.moved;
    }
    assert!(moved > 40, "{moved} were moved");
    assert!(gone > 8, "{gone} were taken back");
    assert!(in_time > 500, "{in_time} came in time");
}
