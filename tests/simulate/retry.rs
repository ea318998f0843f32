//! Messages that consumers send back (36) in a simulated world, until the group has given them up.
//!
//! The oracle: each send-back that was acknowledged gives exactly one record, of the group's retry topic, or of its dead letters
//! when the message was tried often enough or nobody wants it again; one that nobody answered for gives at most one. A
//! record counts one attempt more than the one it was made of, and says where the first came from; once there, it stays.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use ringmq::remoting::message::id::OffsetMessageId;
use ringmq::remoting::message::records;
use ringmq::remoting::request::pull::PullMessage;
use ringmq::remoting::request::retry::SendMessageBack;
use ringmq::remoting::request::send::SendMessage;
use ringmq_shards::runtime::{sleep, uptime};

use crate::clients::{ANSWER, QUEUES, Shared, below, chance};
use crate::letters::LEVELS_MILLIS;
use crate::wire::{BORN, Reply, Wire};

pub const GROUP: &str = "triers";
pub const RETRIES_MAX: i32 = 3;
const TOPICS: [&str; 3] = ["Tasks", "%RETRY%triers", "%DLQ%triers"];
const TASKS: usize = 0;
const RETRY: usize = 1;
const DEAD: usize = 2;
/// So long after its time a message is there, on a node that is well.
const LATE: Duration = Duration::from_secs(2);

/// A record that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Try {
    number: usize,
    times: i32,
    physical_offset: i64,
    /// ORIGIN_MESSAGE_ID
    origin: Option<String>,
}

/// How many records a kind of send-back may have made.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    acknowledged: u64,
    unsure: u64,
    seen: u64,
}

#[derive(Default)]
pub struct Tries {
    sent: usize,
    /// By topic and queue, from the first.
    queues: BTreeMap<(usize, u32), Vec<Try>>,
    /// By where they are to be, whose they are and what they count.
    counts: BTreeMap<(usize, usize, i32), Count>,
    /// Not sent back yet.
    open: Vec<Try>,
    /// Of each first record what its descendants have to name.
    origins: BTreeMap<usize, String>,
    /// A mistake that is planted: some send-backs are believed to be acknowledged and were never made.
    pub lost: bool,
    pub sent_back: u64,
}

/// A member of the group: makes tasks, tries them in vain, sends them back.
pub async fn try_hard(shared: Rc<Shared>) {
    while !shared.stopping.get() {
        let Some(wire) = shared.connect().await else { continue };
        while wire.is_open() && !shared.stopping.get() {
            match below(10) {
                0 | 1 => give(&shared, &wire).await,
                2 | 3 => look(&shared, &wire, TASKS, below(u64::from(QUEUES)) as u32).await,
                4 | 5 => look(&shared, &wire, RETRY, 0).await,
                6 => look(&shared, &wire, DEAD, 0).await,
                _ => send_back(&shared, &wire).await,
            }
            sleep(Duration::from_micros(200 + below(6_000))).await;
            if chance(1) {
                break;
            }
        }
        wire.close();
    }
}

fn body(number: usize) -> Vec<u8> {
    format!("task {number}").into_bytes()
}

async fn give(shared: &Shared, wire: &Wire) {
    let number = shared.tries.borrow().sent;
    shared.tries.borrow_mut().sent += 1;
    let request = SendMessage {
        default_topic_queue_nums: QUEUES as i32,
        properties: "KEYS\u{1}k\u{2}TAGS\u{1}a\u{2}",
        ..SendMessage::plain("givers", TOPICS[TASKS], below(u64::from(QUEUES)) as i32, BORN)
    };
    let asked = uptime();
    match wire.call(310, ANSWER, |writer| request.encode_v2(writer).body(&body(number))).await {
        Ok(reply) => {
            assert!(matches!(reply.code, 0 | 1 | 2 | 14 | 17), "a task was answered {} {:?}", reply.code, reply.remark);
            if reply.code != 0 {
                shared.refused(&reply);
            }
        }
        Err(_) => shared.silent("a task", wire, asked),
    }
}

/// Sends one back that is open, and perhaps leaves it open, as a client that does not believe the answer.
async fn send_back(shared: &Shared, wire: &Wire) {
    let task = {
        let open = &mut shared.tries.borrow_mut().open;
        if open.is_empty() {
            return;
        }
        let place = below(open.len() as u64) as usize;
        if chance(10) { open[place].clone() } else { open.swap_remove(place) }
    };
    let level = if chance(5) { -1 } else { 1 + below(LEVELS_MILLIS.len() as u64 - 1) as i32 };
    let request = SendMessageBack {
        offset: task.physical_offset,
        group: GROUP,
        delay_level: level,
        origin_msg_id: None,
        origin_topic: Some(TOPICS[TASKS]),
        unit_mode: false,
        // The group's settings say the same.
        max_reconsume_times: chance(50).then_some(RETRIES_MAX),
    };
    let to = if level < 0 || task.times >= RETRIES_MAX { DEAD } else { RETRY };
    let key = (to, task.number, task.times + 1);
    let is_lost = {
        let mut tries = shared.tries.borrow_mut();
        let is_lost = tries.lost && chance(5);
        tries.counts.entry(key).or_default().unsure += u64::from(!is_lost);
        if is_lost {
            tries.counts.entry(key).or_default().acknowledged += 1;
        }
        is_lost
    };
    if is_lost {
        return;
    }
    let asked = uptime();
    match wire.call(36, ANSWER, |writer| request.encode(writer)).await {
        Ok(reply) if reply.code == 0 => {
            let mut tries = shared.tries.borrow_mut();
            tries.sent_back += 1;
            let count = tries.counts.entry(key).or_default();
            count.unsure -= 1;
            count.acknowledged += 1;
        }
        Ok(reply) => {
            shared.refused(&reply);
            let excused = matches!(reply.code, 1 | 2 | 14) && !reply.remark.contains("look message");
            assert!(excused, "{task:?} sent back was answered {} {:?}", reply.code, reply.remark);
        }
        Err(_) => shared.silent("a message sent back", wire, asked),
    }
}

fn seen_of(shared: &Shared, topic: usize, queue: u32) -> i64 {
    shared.tries.borrow().queues.get(&(topic, queue)).map_or(0, |queue| queue.len() as i64)
}

async fn look(shared: &Shared, wire: &Wire, topic: usize, queue: u32) {
    let known = seen_of(shared, topic, queue);
    let from = if chance(80) { known } else { below(known as u64 + 1) as i64 };
    let asked = uptime();
    let pull = PullMessage::of_all_tags(GROUP, TOPICS[topic], queue as i32, from, 32);
    match wire.call(11, ANSWER, |writer| pull.encode(writer)).await {
        Ok(reply) if reply.code == 0 => _ = saw(shared, (topic, queue), from, &reply),
        Ok(reply) => {
            let excused = matches!(reply.code, 1 | 2 | 14 | 17 | 19 | 20);
            assert!(excused, "a pull of {} was answered {} {:?}", TOPICS[topic], reply.code, reply.remark);
        }
        Err(_) => shared.silent("a pull", wire, asked),
    }
}

/// What a pull has found; returns how many.
fn saw(shared: &Shared, (topic, queue): (usize, u32), from: i64, reply: &Reply) -> i64 {
    let mut found = 0;
    let mut tries = shared.tries.borrow_mut();
    let tries = &mut *tries;
    for record in records(&reply.body) {
        let record = record.expect("a pull's body is whole records");
        record.verify_crc().expect("what is pulled has its own bytes");
        let offset = record.queue_offset().0;
        assert_eq!(offset, from + found, "a pull of {} from {from} returns others", TOPICS[topic]);
        assert_eq!((record.topic(), record.queue_id()), (TOPICS[topic], queue));
        found += 1;
        let text = |name| record.property(name).map(|value| String::from_utf8_lossy(value).into_owned());
        let number = std::str::from_utf8(record.body()).ok().and_then(|text| text.strip_prefix("task ")?.parse().ok());
        let number: usize = number.unwrap_or_else(|| panic!("{} has a body that nobody has sent", TOPICS[topic]));
        assert!(number < tries.sent, "task {number} was never given");
        let (times, physical_offset) = (record.reconsume_times(), record.physical_offset());
        let this = Try { number, times, physical_offset, origin: text("ORIGIN_MESSAGE_ID") };
        let known = tries.queues.entry((topic, queue)).or_default();
        if let Some(before) = known.get(offset as usize) {
            assert_eq!(*before, this, "offset {offset} of {} has another record", TOPICS[topic]);
            continue;
        }
        assert_eq!(offset, known.len() as i64, "nobody reads beyond what was seen");
        known.push(this.clone());
        assert_eq!((text("KEYS").as_deref(), text("TAGS").as_deref()), (Some("k"), Some("a")), "of {this:?}");
        if topic == TASKS {
            assert_eq!(times, 0, "{this:?} was never tried");
            let id = OffsetMessageId { broker: record.store_host(), physical_offset }.to_string();
            let before = tries.origins.insert(number, id);
            assert_eq!(before, None, "task {number} is there twice");
        } else {
            assert_eq!(this.origin.as_ref(), tries.origins.get(&number), "{this:?} names another origin");
            assert_eq!(text("RETRY_TOPIC").as_deref(), Some(TOPICS[TASKS]), "{this:?} comes from another topic");
            let count = tries.counts.entry((topic, number, times)).or_default();
            count.seen += 1;
            let most = count.acknowledged + count.unsure;
            assert!(count.seen <= most, "{} has {this:?} at {offset}, one more than was sent back: {count:?}", TOPICS[topic]);
        }
        if topic != DEAD && chance(70) {
            tries.open.push(this);
        }
    }
    assert!(found > 0, "FOUND without a message");
    found
}

/// On a node that is well, after the clock was set forward past everything: each send-back has its one record.
pub async fn audit(shared: &Shared) {
    sleep(LATE).await;
    let queues = (0..QUEUES).map(|queue| (TASKS, queue)).chain([(RETRY, 0), (DEAD, 0)]);
    for (topic, queue) in queues {
        let mut from = 0;
        loop {
            let pull = PullMessage::of_all_tags(GROUP, TOPICS[topic], queue as i32, from, 160);
            let is_answer = |code| matches!(code, 0 | 17 | 19);
            let reply = shared.insist_on(11, is_answer, |writer| pull.encode(writer)).await;
            if reply.code != 0 {
                break;
            }
            from += saw(shared, (topic, queue), from, &reply);
        }
        let seen = seen_of(shared, topic, queue);
        assert_eq!(from, seen, "queue {queue} of {} ends at {from}; it had {seen} messages", TOPICS[topic]);
    }
    for ((topic, number, times), count) in &shared.tries.borrow().counts {
        let (topic, Count { acknowledged, seen, .. }) = (TOPICS[*topic], count);
        assert!(seen >= acknowledged, "task {number} sent back is not in {topic} after {times} attempts: {count:?}");
    }
}
