//! Resets of consumer offsets (222) in a simulated world, while others of the group commit what they had read before.
//!
//! The oracle: an acknowledged reset is the group's offset until somebody follows it, whatever is committed and however the
//! broker ends; every client's next pull is told to go there, and reads on from there afterwards.

use std::rc::Rc;
use std::time::Duration;

use ringmq::remoting::message::records;
use ringmq::remoting::request::offset::{QueryConsumerOffset, UpdateConsumerOffset};
use ringmq::remoting::request::pull::PullMessage;
use ringmq::remoting::request::reset::ResetOffset;
use ringmq_shards::runtime::{sleep, uptime};

use crate::clients::{ANSWER, QUEUES, Shared, TOPICS, below, chance};
use crate::wire::{Reply, Wire};

pub const GROUP: &str = "rewound";
const TOPIC: &str = TOPICS[0];
/// A request that nobody answered has been served, or never will be, after this.
const SETTLED: Duration = Duration::from_secs(5);

/// What the one who resets, and follows, knows of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No reset, or one that nobody answered: what it is will show after this moment.
    Unknown { until: Duration },
    /// Nobody has followed; this connection was told.
    Reset { to: i64, told: Option<u64> },
    /// It was followed, and read from there.
    Followed,
}

#[derive(Default)]
pub struct Rewinds {
    /// A mistake that is planted: some resets are made once more, to another place, as if a commit had undone them.
    pub undone: bool,
    pub resets: u64,
}

/// Resets and follows; the only one of the group that pulls.
pub async fn rewind(shared: Rc<Shared>) {
    let mut states = [State::Unknown { until: Duration::ZERO }; QUEUES as usize];
    while !shared.stopping.get() {
        let Some(wire) = shared.connect().await else { continue };
        while wire.is_open() && !shared.stopping.get() {
            let queue = below(u64::from(QUEUES)) as u32;
            let state = &mut states[queue as usize];
            let settled = !matches!(*state, State::Unknown { until } if uptime() < until);
            match below(10) {
                0 | 1 if settled && shared.ledger.borrow().topics.contains_key(TOPIC) => {
                    *state = reset(&shared, &wire, queue).await;
                }
                2..=4 => *state = pull(&shared, &wire, queue, *state).await,
                5..=7 => query(&shared, &wire, queue, *state).await,
                _ => {}
            }
            sleep(Duration::from_micros(200 + below(15_000))).await;
            if chance(3) {
                break;
            }
        }
        wire.close();
    }
}

/// Commits offsets of long ago, and never pulls.
pub async fn straggle(shared: Rc<Shared>) {
    while !shared.stopping.get() {
        let Some(wire) = shared.connect().await else { continue };
        while wire.is_open() && !shared.stopping.get() {
            let queue = below(u64::from(QUEUES)) as u32;
            let max = shared.ledger.borrow().max((TOPIC, queue));
            let request = UpdateConsumerOffset {
                consumer_group: GROUP,
                topic: TOPIC,
                queue_id: Some(queue as i32),
                commit_offset: Some(below(max as u64 + 1) as i64),
            };
            let mut out = Vec::new();
            wire.put_oneway(&mut out, 15, |writer| request.encode(writer));
            wire.send(&out).await;
            sleep(Duration::from_micros(200 + below(20_000))).await;
        }
        wire.close();
    }
}

fn is_excused(reply: &Reply) -> bool {
    matches!(reply.code, 1 | 2 | 14 | 17)
}

async fn reset(shared: &Shared, wire: &Wire, queue: u32) -> State {
    let max = shared.ledger.borrow().max((TOPIC, queue));
    let to = below(max as u64 + 1) as i64;
    let request =
        ResetOffset { topic: TOPIC, group: GROUP, queue_id: queue as i32, offset: Some(to), timestamp: 0, is_force: false };
    let asked = uptime();
    match wire.call(222, ANSWER, |writer| request.encode(writer)).await {
        Ok(reply) if reply.code == 0 => {
            shared.rewinds.borrow_mut().resets += 1;
            if shared.rewinds.borrow().undone && chance(20) {
                let other = ResetOffset { offset: Some(if to == 0 { max } else { to - 1 }), ..request };
                let _ = wire.call(222, ANSWER, |writer| other.encode(writer)).await;
            }
            return State::Reset { to, told: None };
        }
        Ok(reply) => {
            assert!(is_excused(&reply), "a reset of queue {queue} to {to} was answered {} {:?}", reply.code, reply.remark);
            shared.refused(&reply);
        }
        Err(_) => shared.silent("a reset", wire, asked),
    }
    State::Unknown { until: uptime().max(shared.excused_until.get()) + SETTLED }
}

async fn pull(shared: &Shared, wire: &Wire, queue: u32, state: State) -> State {
    // Far from where a reset would send it.
    let from = match state {
        State::Reset { to, told } if told == Some(wire.number) => to,
        _ => below(shared.ledger.borrow().max((TOPIC, queue)) as u64 + 1) as i64,
    };
    let asked = uptime();
    let request = PullMessage::of_all_tags(GROUP, TOPIC, queue as i32, from, 8);
    let reply = match wire.call(11, ANSWER, |writer| request.encode(writer)).await {
        Ok(reply) => reply,
        Err(_) => {
            shared.silent("a pull", wire, asked);
            // It may have been told, or have followed.
            return match state {
                State::Reset { told, .. } if told == Some(wire.number) => State::Unknown { until: Duration::ZERO },
                state => state,
            };
        }
    };
    match (reply.code, state) {
        (0 | 19, State::Reset { to, told }) => {
            assert_eq!(
                told,
                Some(wire.number),
                "queue {queue} was reset to {to}, and a client that was not told reads on at {from}"
            );
            if let Some(first) = records(&reply.body).next() {
                let first = first.expect("a pull's body is whole records").queue_offset().0;
                assert_eq!(first, to, "queue {queue} was reset to {to}, and is read from {first}");
            }
            State::Followed
        }
        (21, State::Reset { to, told }) => {
            let sent_to = reply.number("nextBeginOffset");
            assert_eq!(sent_to, to, "queue {queue} was reset to {to}, and a client is sent to {sent_to}");
            assert_ne!(told, Some(wire.number), "queue {queue} was reset to {to}, and the client that was told is told again");
            State::Reset { to, told: Some(wire.number) }
        }
        // What follows does not wait for the disk: after a power cut the group is told once more.
        (21, State::Followed) => State::Unknown { until: Duration::ZERO },
        (0 | 19 | 21, state) => state,
        (code, state) => {
            assert!(is_excused(&reply), "a pull of queue {queue} from {from} was answered {code} {:?}", reply.remark);
            shared.refused(&reply);
            match state {
                State::Reset { told, .. } if told == Some(wire.number) => State::Unknown { until: Duration::ZERO },
                state => state,
            }
        }
    }
}

async fn query(shared: &Shared, wire: &Wire, queue: u32, state: State) {
    let request =
        QueryConsumerOffset { consumer_group: GROUP, topic: TOPIC, queue_id: queue as i32, set_zero_if_not_found: false };
    let asked = uptime();
    match wire.call(14, ANSWER, |writer| request.encode(writer)).await {
        Ok(reply) if matches!(reply.code, 0 | 22) => {
            if let State::Reset { to, .. } = state {
                let found = (reply.code == 0).then(|| reply.number("offset"));
                assert_eq!(found, Some(to), "queue {queue} was reset to {to}, nobody has followed, and its offset is {found:?}");
            }
        }
        Ok(reply) => {
            assert!(is_excused(&reply), "a query was answered {} {:?}", reply.code, reply.remark);
            shared.refused(&reply);
        }
        Err(_) => shared.silent("a query", wire, asked),
    }
}
