//! Simulated clients. Each runs until it is told to stop, reconnects when it must, and tells the ledger what it is told.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use ringmq::remoting::message::batch::InnerMessage;
use ringmq::remoting::message::records;
use ringmq::remoting::request::offset::{GetMaxOffset, GetMinOffset, QueryConsumerOffset, UpdateConsumerOffset};
use ringmq::remoting::request::pull::PullMessage;
use ringmq::remoting::request::send::SendMessage;
use ringmq::remoting::sysflag::pull as flag;
use ringmq::remoting::{Encoding, RequestWriter};
use ringmq_shards::runtime::{Lane, random, sleep, spawn, uptime};

use crate::deals::Deals;
use crate::ledger::{Ledger, Number, QueueKey, number_of};
use crate::letters::Letters;
use crate::locks::Leases;
use crate::pop;
use crate::resets::Rewinds;
use crate::retry::Tries;
use crate::wire::{BORN, Reply, Wire};

pub const QUEUES: u32 = 4;
pub const TOPICS: [&str; 3] = ["Orders", "Clicks", "Late"];
pub const GROUPS: [&str; 2] = ["billing", "audit"];
/// A request that has no answer after this, on a connection that stands, to a node that is well, is a fault of ours.
pub const ANSWER: Duration = Duration::from_secs(4);
const PULL_HELD: Duration = Duration::from_millis(400);
/// A topic that one core knows is known to all after this, unless the disk of its home stands still.
const TOPIC_SPREADS: Duration = Duration::from_millis(500);
/// A held pull is looked at every few seconds only.
const PULL_ANSWER: Duration = Duration::from_secs(15);

/// What all clients of a world share.
pub struct Shared {
    pub address: SocketAddr,
    pub ledger: RefCell<Ledger>,
    pub deals: RefCell<Deals>,
    pub letters: RefCell<Letters>,
    pub tries: RefCell<Tries>,
    pub rewinds: RefCell<Rewinds>,
    pub leases: RefCell<Leases>,
    /// What groups that pop were told.
    pub pops: RefCell<Vec<pop::Group>>,
    pub stopping: Cell<bool>,
    /// Clients still at work.
    pub running: Cell<usize>,
    /// Until then slow answers are excused: a stall, a crash.
    pub excused_until: Cell<Duration>,
    connections: Cell<u64>,
    pub body_bytes_max: usize,
}

impl Shared {
    pub fn new(address: SocketAddr, body_bytes_max: usize) -> Rc<Shared> {
        Rc::new(Shared {
            address,
            ledger: RefCell::default(),
            deals: RefCell::default(),
            letters: RefCell::default(),
            tries: RefCell::default(),
            rewinds: RefCell::default(),
            leases: RefCell::default(),
            pops: RefCell::new(vec![
                pop::Group::new("holding", TOPICS[0], pop::Hold::Long),
                pop::Group::new("hasty", TOPICS[1], pop::Hold::Short),
            ]),
            stopping: Cell::new(false),
            running: Cell::new(0),
            excused_until: Cell::new(Duration::ZERO),
            connections: Cell::new(0),
            body_bytes_max,
        })
    }

    pub async fn connect(&self) -> Option<Rc<Wire>> {
        self.connections.set(self.connections.get() + 1);
        let encoding = if chance(75) { Encoding::Binary } else { Encoding::Json };
        let wire = Wire::connect(self.address, encoding, self.connections.get()).await;
        if wire.is_none() {
            sleep(Duration::from_millis(10 + below(60))).await;
        }
        wire
    }

    pub fn excuse(&self, d: Duration) {
        self.excused_until.set(self.excused_until.get().max(uptime() + d));
    }

    pub fn silent(&self, what: &str, wire: &Wire, asked: Duration) {
        let excused = !wire.is_open() || asked < self.excused_until.get();
        assert!(excused, "no answer to {what}, asked at {asked:?} on connection {}", wire.number);
    }

    pub fn refused(&self, reply: &Reply) {
        let mut ledger = self.ledger.borrow_mut();
        ledger.refusal(reply.code, &reply.remark);
        ledger.poisoned_answers += u64::from(reply.code == 14);
    }

    /// Connects for as long as it takes, makes a request until it is answered with success.
    pub async fn insist(&self, code: i32, fill: impl Fn(RequestWriter<'_>) -> RequestWriter<'_>) -> Reply {
        self.insist_on(code, |code| matches!(code, 0 | 22), fill).await
    }

    /// Reads a queue from its first message until it is answered with its end, which is returned. `took` says how many messages
    /// an answer has, and gets the offset that was asked for.
    pub async fn read_through(&self, group: &str, topic: &str, queue: u32, mut took: impl FnMut(i64, &Reply) -> i64) -> i64 {
        let mut from = 0;
        loop {
            let pull = PullMessage::of_all_tags(group, topic, queue as i32, from, 160);
            let reply = self.insist_on(11, |code| matches!(code, 0 | 19), |writer| pull.encode(writer)).await;
            if reply.code != 0 {
                return from;
            }
            from += took(from, &reply);
        }
    }

    pub async fn insist_on(
        &self,
        code: i32,
        is_answer: impl Fn(i32) -> bool,
        fill: impl Fn(RequestWriter<'_>) -> RequestWriter<'_>,
    ) -> Reply {
        loop {
            let Some(wire) = self.connect().await else { continue };
            let asked = uptime();
            match wire.call(code, ANSWER, &fill).await {
                Ok(reply) if is_answer(reply.code) => {
                    wire.close();
                    return reply;
                }
                Ok(reply) => {
                    let patient = matches!(reply.code, 1 | 2 | 14);
                    assert!(patient, "request {code}: answer {} {:?}", reply.code, reply.remark);
                    self.refused(&reply);
                    sleep(Duration::from_millis(20)).await;
                }
                Err(_) => self.silent("a request that must succeed", &wire, asked),
            }
            wire.close();
        }
    }
}

/// Says what a closure that fills requests is, where the compiler cannot see it.
pub fn filling<F: Fn(RequestWriter<'_>) -> RequestWriter<'_>>(fill: F) -> F {
    fill
}

pub fn below(end: u64) -> u64 {
    random() % end
}

pub fn chance(percent: u64) -> bool {
    below(100) < percent
}

fn micros() -> u64 {
    uptime().as_micros() as u64
}

pub fn start(shared: &Rc<Shared>, f: impl Future<Output = ()> + 'static) {
    let shared = shared.clone();
    shared.running.set(shared.running.get() + 1);
    let _detached = spawn(Lane::Network, async move {
        f.await;
        shared.running.set(shared.running.get() - 1);
    });
}

pub async fn produce(shared: Rc<Shared>) {
    // Nobody waits long for a producer with one message at a time; some have many in flight.
    let pipeline = [1, 4, 16][below(3) as usize];
    let pause = [0, 2, 20][below(3) as usize];
    let open = Rc::new(Cell::new(0));
    while !shared.stopping.get() {
        let Some(wire) = shared.connect().await else { continue };
        while wire.is_open() && !shared.stopping.get() {
            if open.get() >= pipeline {
                sleep(Duration::from_micros(50 + below(300))).await;
                continue;
            }
            let mut out = Vec::new();
            for _ in 0..1 + below(4) {
                send_one(&shared, &wire, &mut out, &open);
            }
            wire.send(&out).await;
            sleep(Duration::from_micros(100 + below(1000 * pause + 200))).await;
            if chance(1) {
                break;
            }
        }
        wire.close();
    }
}

fn send_one(shared: &Rc<Shared>, wire: &Rc<Wire>, out: &mut Vec<u8>, open: &Rc<Cell<u64>>) {
    let queue: QueueKey = (TOPICS[below(TOPICS.len() as u64) as usize], below(u64::from(QUEUES)) as u32);
    let batch = chance(15);
    let count = if batch { 1 + below(5) } else { 1 };
    let mut numbers = Vec::new();
    let mut body = Vec::new();
    {
        let mut ledger = shared.ledger.borrow_mut();
        for _ in 0..count {
            let largest = if chance(10) { shared.body_bytes_max as u64 / count } else { 300 };
            let number = ledger.message(queue, wire.number, 8 + below(largest) as usize);
            numbers.push(number);
            let one = ledger.body(number);
            match batch {
                true => InnerMessage { flag: 0, body: &one, properties: b"TAGS\x01a\x02" }.encode(&mut body),
                false => body = one,
            }
        }
    }
    let request = SendMessage {
        default_topic_queue_nums: QUEUES as i32,
        properties: if batch { "" } else { "KEYS\u{1}k\u{2}TAGS\u{1}a\u{2}" },
        batch,
        ..SendMessage::plain("producers", queue.0, queue.1 as i32, BORN)
    };
    let fill = filling(|writer| request.encode_v2(writer).body(&body));
    let code = if batch { 320 } else { 310 };
    if chance(10) {
        wire.put_oneway(out, code, fill);
        return;
    }
    let asked = uptime();
    let answer = match batch || chance(70) {
        true => wire.put(out, code, fill),
        false => wire.put(out, 10, |writer| request.encode(writer).body(&body)),
    };
    open.set(open.get() + 1);
    let (shared, wire, open) = (shared.clone(), wire.clone(), open.clone());
    let _detached = spawn(Lane::Network, async move {
        match wire.answer(answer, ANSWER).await {
            Ok(reply) => sent(&shared, &numbers, queue, &reply),
            Err(_) => shared.silent("a send", &wire, asked),
        }
        open.set(open.get() - 1);
    });
}

fn sent(shared: &Shared, numbers: &[Number], queue: QueueKey, reply: &Reply) {
    if reply.code == 0 {
        assert_eq!(reply.number("queueId"), i64::from(queue.1));
        let first = reply.number("queueOffset");
        let mut ledger = shared.ledger.borrow_mut();
        for (place, number) in numbers.iter().enumerate() {
            ledger.acknowledge(*number, first + place as i64, uptime());
        }
        return;
    }
    shared.refused(reply);
    match reply.code {
        // The log or the node is ending: nobody knows.
        14 | 1 => {}
        // A topic that is being made may be known on one core and not yet on another.
        2 | 17 => numbers.iter().for_each(|number| shared.ledger.borrow_mut().refuse(*number)),
        code => panic!("a send was answered {code} {:?}", reply.remark),
    }
}

fn fill_pull<'o>(
    writer: RequestWriter<'o>,
    group: &str,
    queue: QueueKey,
    from: i64,
    count: i32,
    hold: Duration,
) -> RequestWriter<'o> {
    let held = hold > Duration::ZERO;
    let plain = PullMessage::of_all_tags(group, queue.0, queue.1 as i32, from, count);
    let pull = PullMessage {
        sys_flag: plain.sys_flag | if held { flag::SUSPEND } else { 0 },
        suspend_timeout_millis: hold.as_millis() as i64,
        ..plain
    };
    pull.encode(writer)
}

/// What a pull came to: the messages, in order, and where to go on.
fn pulled(
    shared: &Shared,
    queue: QueueKey,
    from: i64,
    (asked, max_when_asked): (Duration, i64),
    reply: &Reply,
) -> Vec<(i64, Number)> {
    let mut found = Vec::new();
    let mut ledger = shared.ledger.borrow_mut();
    match reply.code {
        0 => {
            for record in records(&reply.body) {
                let record = record.expect("a pull's body is whole records");
                record.verify_crc().expect("what is pulled has its own bytes");
                let offset = record.queue_offset().0;
                assert_eq!(offset, from + found.len() as i64, "a pull of {queue:?} from {from} returns others");
                assert_eq!((record.topic(), record.queue_id()), queue);
                ledger.pulled(queue, offset, record.body());
                found.push((offset, number_of(record.body()).expect("checked by the ledger")));
            }
            assert!(!found.is_empty(), "FOUND without a message: {queue:?} from {from}");
            let next = from + found.len() as i64;
            assert_eq!(reply.number("nextBeginOffset"), next);
            assert!(reply.number("maxOffset") >= next, "a pull returned what lies beyond the end");
        }
        19 | 20 => assert!(
            from >= max_when_asked,
            "{queue:?} ends at {max_when_asked}, but nothing is found at {from}: {:?}",
            reply.remark
        ),
        17 => {
            let fresh = ledger
                .topics
                .get(queue.0)
                .is_none_or(|since| asked < *since + TOPIC_SPREADS || asked < shared.excused_until.get());
            assert!(fresh, "{} is gone: {:?}", queue.0, reply.remark);
            return found;
        }
        1 | 2 | 14 => return found,
        code => {
            panic!("a pull of {queue:?} from {from}, which ended at {max_when_asked}, was answered {code} {:?}", reply.remark)
        }
    }
    ledger.report_max(queue, reply.number("maxOffset"), max_when_asked);
    assert_eq!(reply.number("minOffset"), 0, "nothing has expired");
    found
}

/// A member of a group that reads all queues of a topic, commits as it goes, and now and then asks what is committed.
pub async fn consume(shared: Rc<Shared>, group: &'static str, topic: &'static str) {
    let mut positions = [0_i64; QUEUES as usize];
    while !shared.stopping.get() {
        let Some(wire) = shared.connect().await else { continue };
        while wire.is_open() && !shared.stopping.get() {
            let queue: QueueKey = (topic, below(u64::from(QUEUES)) as u32);
            let position = &mut positions[queue.1 as usize];
            match below(10) {
                0..=5 => {
                    let (asked, max) = (uptime(), shared.ledger.borrow().max(queue));
                    let (from, count) = (*position, 1 + below(32) as i32);
                    let hold = if chance(70) { PULL_HELD } else { Duration::ZERO };
                    match wire.call(11, PULL_ANSWER, |writer| fill_pull(writer, group, queue, from, count, hold)).await {
                        Ok(reply) => *position += pulled(&shared, queue, from, (asked, max), &reply).len() as i64,
                        Err(_) => shared.silent("a pull", &wire, asked),
                    }
                }
                6 | 7 => {
                    // Sometimes back, as an operator would.
                    let offset = if chance(80) { *position } else { below(*position as u64 + 1) as i64 };
                    commit(&shared, &wire, group, queue, offset).await;
                }
                8 => query(&shared, &wire, group, queue).await,
                _ => ends(&shared, &wire, queue).await,
            }
            if chance(3) {
                *position = below(*position as u64 + 1) as i64;
            }
            sleep(Duration::from_micros(200 + below(15_000))).await;
        }
        wire.close();
    }
}

async fn commit(shared: &Shared, wire: &Wire, group: &'static str, queue: QueueKey, offset: i64) {
    let request = UpdateConsumerOffset {
        consumer_group: group,
        topic: queue.0,
        queue_id: Some(queue.1 as i32),
        commit_offset: Some(offset),
    };
    let (sent, asked) = (micros(), uptime());
    shared.ledger.borrow_mut().commit_sent(group, queue, offset, sent);
    if chance(60) {
        let mut out = Vec::new();
        wire.put_oneway(&mut out, 15, |writer| request.encode(writer));
        wire.send(&out).await;
        return;
    }
    match wire.call(15, ANSWER, |writer| request.encode(writer)).await {
        Ok(reply) if reply.code == 0 => shared.ledger.borrow_mut().commit_answered(group, queue, offset, sent),
        Ok(reply) => {
            shared.refused(&reply);
            let since = shared.ledger.borrow().topics.get(queue.0).copied();
            let fresh = since.is_none_or(|since| asked < since + TOPIC_SPREADS || asked < shared.excused_until.get());
            let excused = matches!(reply.code, 1 | 2 | 14) || reply.code == 17 && fresh;
            assert!(excused, "a commit was answered {} {:?}", reply.code, reply.remark);
        }
        Err(_) => shared.silent("a commit", wire, asked),
    }
}

async fn query(shared: &Shared, wire: &Wire, group: &'static str, queue: QueueKey) {
    let request = fill_query(group, queue);
    let (sent, asked) = (micros(), uptime());
    match wire.call(14, ANSWER, |writer| request.encode(writer)).await {
        Ok(reply) => match committed(&reply) {
            Some(found) => shared.ledger.borrow_mut().commit_found(group, queue, found, sent),
            None => shared.refused(&reply),
        },
        Err(_) => shared.silent("a query", wire, asked),
    }
}

fn fill_query(group: &'static str, queue: QueueKey) -> QueryConsumerOffset<'static> {
    QueryConsumerOffset { consumer_group: group, topic: queue.0, queue_id: queue.1 as i32, set_zero_if_not_found: false }
}

fn committed(reply: &Reply) -> Option<Option<i64>> {
    match reply.code {
        0 => Some(Some(reply.number("offset"))),
        22 => Some(None),
        1 | 2 | 14 => None,
        code => panic!("a query was answered {code} {:?}", reply.remark),
    }
}

async fn ends(shared: &Shared, wire: &Wire, queue: QueueKey) {
    let (asked, max) = (uptime(), shared.ledger.borrow().max(queue));
    let request = GetMaxOffset { topic: queue.0, queue_id: queue.1 as i32, committed: chance(50) };
    match wire.call(30, ANSWER, |writer| request.encode(writer)).await {
        Ok(reply) if reply.code == 0 => shared.ledger.borrow_mut().report_max(queue, reply.number("offset"), max),
        Ok(reply) => shared.refused(&reply),
        Err(_) => shared.silent("a max offset", wire, asked),
    }
}

/// Reads everything there is, on a node that is well, and holds the ledger against it.
pub async fn audit(shared: &Shared) {
    let queues = shared.ledger.borrow().queues();
    for queue in queues {
        let max_known = shared.ledger.borrow().max(queue);
        if !shared.ledger.borrow().topics.contains_key(queue.0) && max_known == 0 {
            continue;
        }
        let max = shared
            .insist(30, |writer| GetMaxOffset { topic: queue.0, queue_id: queue.1 as i32, committed: true }.encode(writer))
            .await;
        let max = max.number("offset");
        shared.ledger.borrow_mut().report_max(queue, max, max_known);
        let min = shared.insist(31, |writer| GetMinOffset { topic: queue.0, queue_id: queue.1 as i32 }.encode(writer)).await;
        assert_eq!(min.number("offset"), 0, "nothing of {queue:?} has expired");
        let mut read = BTreeMap::new();
        while (read.len() as i64) < max {
            let from = read.len() as i64;
            let reply = shared.insist(11, |writer| fill_pull(writer, "audit", queue, from, 160, Duration::ZERO)).await;
            read.extend(pulled(shared, queue, from, (uptime(), max), &reply));
        }
        shared.ledger.borrow().verify(queue, max, &read);
        for group in GROUPS {
            let asked = micros();
            let reply = shared.insist(14, |writer| fill_query(group, queue).encode(writer)).await;
            let found = committed(&reply).expect("insisted upon");
            shared.ledger.borrow_mut().commit_found(group, queue, found, asked);
        }
    }
}
