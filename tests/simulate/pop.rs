//! Consumers that pop, and what must hold for them: invisible is invisible, acked never comes again, and what is not acked
//! comes again.
//!
//! Two groups. One holds what it pops for longer than the world lasts: whatever it has in its hands, or has acked, must not come
//! again before somebody turns the clock. The other gives its messages up at once, so that they come back through the retry topic, some of
//! them twice: none may be lost. In the end the clock is set forward, and each group takes all there is.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use ringmq::remoting::message::pop::{Handle, RetryKind};
use ringmq::remoting::message::{properties, records};
use ringmq::remoting::request::pop::{AckMessage, PopMessage};
use ringmq_shards::runtime::{sleep, uptime};

use crate::clients::{ANSWER, Shared, below, chance};
use crate::ledger::{Number, number_of};
use crate::wire::{Reply, Wire};

/// Longer than a world lasts and its clock jumps.
const LONG_MILLIS: i64 = 2_000_000;
/// What the clock is set forward by in the end.
pub const LEAP_MILLIS: i64 = 3 * LONG_MILLIS;
const SHORT_MILLIS: i64 = 200;
/// A world is drained when nothing came for so long.
const DRAINED: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    Long,
    Short,
}

/// What a group knows of a message that it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Held,
    /// An ack without an answer, or of a message that was perhaps given up already.
    Unsure,
    Acked,
}

/// What the members of one group were told.
pub struct Group {
    pub name: &'static str,
    pub topic: &'static str,
    hold: Hold,
    known: BTreeMap<Number, Known>,
    /// The clock has been set forward: what was held is visible.
    leapt: bool,
    pub popped: u64,
    pub acked: u64,
}

impl Group {
    pub fn new(name: &'static str, topic: &'static str, hold: Hold) -> Group {
        Group { name, topic, hold, known: BTreeMap::new(), leapt: false, popped: 0, acked: 0 }
    }

    fn given(&mut self, number: Number) {
        self.popped += 1;
        let before = self.known.insert(number, Known::Held);
        if self.hold == Hold::Short {
            return;
        }
        assert_ne!(before, Some(Known::Acked), "{} has acked message {number}, and it comes again", self.name);
        let in_hands = before == Some(Known::Held) && !self.leapt;
        assert!(!in_hands, "message {number} is in the hands of {}, and comes again", self.name);
    }

    fn ack_sent(&mut self, number: Number) {
        self.known.insert(number, Known::Unsure);
    }

    fn ack_answered(&mut self, number: Number) {
        self.acked += 1;
        if self.hold == Hold::Long {
            self.known.insert(number, Known::Acked);
        }
    }

    /// The clock is set forward: from now on what is held may come once more.
    fn leap(&mut self) {
        self.leapt = true;
    }

    /// All there is was taken and acked.
    fn verify(&self, stored: impl Iterator<Item = Number>) {
        for number in stored {
            let known = self.known.get(&number);
            assert!(known.is_some_and(|known| *known != Known::Held), "{} has lost message {number}: {known:?}", self.name);
        }
    }
}

/// A member of a group, until it is told to stop. `loses_acks`: the planted mistake.
pub async fn consume(shared: Rc<Shared>, group: usize, loses_acks: bool) {
    while !shared.stopping.get() {
        let Some(wire) = shared.connect().await else { continue };
        while wire.is_open() && !shared.stopping.get() {
            let Some(handed) = pop(&shared, &wire, group, SHORT_MILLIS).await else { continue };
            for (number, handle) in handed {
                // Some are forgotten, by a consumer that is gone.
                if chance(60) {
                    ack(&shared, &wire, group, number, &handle, loses_acks && chance(5)).await;
                }
            }
            sleep(Duration::from_micros(500 + below(30_000))).await;
            if chance(2) {
                break;
            }
        }
        wire.close();
    }
}

/// After the clock was set forward: takes everything, acks it, and holds the group's ledger against what was stored.
pub async fn audit(shared: &Shared, group: usize, stored: &[Number]) {
    shared.pops.borrow_mut()[group].leap();
    let mut last_found = uptime();
    while uptime() - last_found < DRAINED {
        let Some(wire) = shared.connect().await else { continue };
        while wire.is_open() && uptime() - last_found < DRAINED {
            let Some(handed) = pop(shared, &wire, group, LONG_MILLIS).await else { break };
            if handed.is_empty() {
                sleep(Duration::from_millis(50)).await;
                continue;
            }
            last_found = uptime();
            for (number, handle) in handed {
                ack(shared, &wire, group, number, &handle, false).await;
            }
        }
        wire.close();
    }
    shared.pops.borrow()[group].verify(stored.iter().copied());
}

/// The messages with their handles; `None`: it is not known what became of the pop.
async fn pop(shared: &Shared, wire: &Wire, group: usize, short_millis: i64) -> Option<Vec<(Number, Handled)>> {
    let (name, topic, hold) = {
        let groups = shared.pops.borrow();
        (groups[group].name, groups[group].topic, groups[group].hold)
    };
    let invisible_time = if hold == Hold::Long { LONG_MILLIS } else { short_millis };
    let asked = uptime();
    let request = PopMessage {
        consumer_group: name,
        topic,
        queue_id: -1,
        max_msg_nums: 1 + below(32) as i32,
        invisible_time,
        poll_time: 0,
        // The broker's clock jumps; this client is never too late.
        born_time: i64::MAX / 2,
        init_mode: 0,
        exp_type: None,
        exp: None,
        order: false,
        attempt_id: None,
    };
    match wire.call(200_050, ANSWER, |writer| request.encode(writer)).await {
        Ok(reply) if reply.code == 0 => Some(given(shared, group, topic, invisible_time, &reply)),
        Ok(reply) => {
            let excused = matches!(reply.code, 1 | 2 | 14 | 17 | 210);
            assert!(excused, "a pop was answered {} {:?}", reply.code, reply.remark);
            if reply.code != 210 {
                shared.refused(&reply);
                sleep(Duration::from_millis(20)).await;
            }
            (reply.code == 210).then(Vec::new)
        }
        Err(_) => {
            shared.silent("a pop", wire, asked);
            None
        }
    }
}

/// Where a message was and when it was popped: what its ack names.
struct Handled {
    topic: String,
    handle: String,
    queue_id: i32,
    offset: i64,
}

fn given(shared: &Shared, group: usize, topic: &str, invisible_time: i64, reply: &Reply) -> Vec<(Number, Handled)> {
    let pop_time = reply.number("popTime");
    let mut handed = Vec::new();
    let mut groups = shared.pops.borrow_mut();
    let group = &mut groups[group];
    for record in records(&reply.body) {
        let record = record.expect("a pop's body is whole records");
        record.verify_crc().expect("what is popped has its own bytes");
        let number = number_of(record.body()).expect("bodies begin with their number");
        assert_eq!(record.body(), shared.ledger.borrow().body(number), "message {number} has other bytes");
        assert_eq!(record.topic(), topic, "a message of another topic");
        group.given(number);
        let offset = record.queue_offset().0;
        let queue_id = record.queue_id() as i32;
        let (topic, handle) = match record.property(properties::name::POP_CK) {
            Some(handle) => {
                let text = String::from_utf8(handle.to_vec()).expect("a handle is text");
                let retry = Handle::parse(&text).expect("the broker's own handle").retry;
                assert!(record.reconsume_times() > 0, "what was retried says so");
                (retry.topic(topic, group.name), text)
            }
            None => {
                let handle = Handle {
                    start: offset,
                    pop_time,
                    invisible_time,
                    revive_queue: 0,
                    retry: RetryKind::Normal,
                    broker: "broker",
                    queue_id,
                    offset: Some(offset),
                };
                (topic.to_owned(), handle.to_string())
            }
        };
        handed.push((number, Handled { topic, handle, queue_id, offset }));
    }
    handed
}

async fn ack(shared: &Shared, wire: &Wire, group: usize, number: Number, handled: &Handled, is_lost: bool) {
    if !wire.is_open() {
        return;
    }
    let name = shared.pops.borrow()[group].name;
    shared.pops.borrow_mut()[group].ack_sent(number);
    if is_lost {
        shared.pops.borrow_mut()[group].ack_answered(number);
        return;
    }
    let Handled { topic, handle, queue_id, offset } = handled;
    let request = AckMessage { consumer_group: name, topic, queue_id: *queue_id, extra_info: handle, offset: *offset };
    let asked = uptime();
    match wire.call(200_051, ANSWER, |writer| request.encode(writer)).await {
        Ok(reply) if reply.code == 0 => shared.pops.borrow_mut()[group].ack_answered(number),
        Ok(reply) => {
            assert!(matches!(reply.code, 1 | 2 | 14), "an ack was answered {} {:?}", reply.code, reply.remark);
            shared.refused(&reply);
        }
        Err(_) => shared.silent("an ack", wire, asked),
    }
}
