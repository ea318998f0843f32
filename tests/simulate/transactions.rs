//! Transactions in a simulated world: producers that commit, roll back, say nothing, or say it twice; and what must hold
//! whatever happens.
//!
//! Each half message has its fate from the start, as the local transaction of an application has. The oracle: what is to be
//! rolled back is never seen; what is to be committed is seen once, in its queue, and stays where it was seen; whoever said
//! nothing is asked; an end that comes again, or for another's message, changes nothing; what has ended is never asked about
//! after a restart. What is known of each is kept in `deals`,
//! and `ends` says what becomes of them.

use std::rc::Rc;
use std::time::Duration;

use ringmq::remoting::message::id::OffsetMessageId;
use ringmq::remoting::request::pull::PullMessage;
use ringmq::remoting::request::send::SendMessage;
use ringmq_shards::runtime::{now, sleep, uptime};

use crate::clients::{ANSWER, QUEUES, Shared, below, chance};
use crate::deals::{Deal, GROUP, TOPIC, is_settled, saw, unsettled};
use crate::ends::{answer_checks, meddle, speak};
use crate::wire::{Reply, Wire};

/// So long after the last fault everything that is to be committed is there.
const SETTLED: Duration = Duration::from_secs(60);

/// The broker's settings under which this runs.
pub const TIMEOUT_MILLIS: i64 = 100;
pub const INTERVAL_MILLIS: i64 = 150;
pub const CHECKS_MAX: u32 = 10_000;

/// A client of the producer group that deals, and looks at what comes of it.
pub async fn transact(shared: Rc<Shared>) {
    while !shared.stopping.get() {
        let Some(wire) = join(&shared).await else { continue };
        while wire.is_open() && !shared.stopping.get() {
            answer_checks(&shared, &wire).await;
            match below(10) {
                0..=5 => deal(&shared, &wire).await,
                6 | 7 => look(&shared, &wire, below(u64::from(QUEUES)) as u32).await,
                8 => meddle(&shared, &wire).await,
                _ => {}
            }
            sleep(Duration::from_micros(200 + below(8_000))).await;
            if chance(1) {
                break;
            }
        }
        wire.close();
    }
}

/// A connection whose client is known as a producer of the group.
async fn join(shared: &Shared) -> Option<Rc<Wire>> {
    let wire = shared.connect().await?;
    wire.keep_requests();
    let body =
        format!(r#"{{"clientID":"dealer-{}","producerDataSet":[{{"groupName":"{GROUP}"}}],"consumerDataSet":[]}}"#, wire.number);
    let asked = uptime();
    match wire.call(34, ANSWER, |writer| writer.body(body.as_bytes())).await {
        Ok(reply) if reply.code == 0 => return Some(wire),
        Ok(reply) => shared.refused(&reply),
        Err(_) => shared.silent("a heartbeat", &wire, asked),
    }
    wire.close();
    None
}

fn body(number: usize) -> Vec<u8> {
    format!("deal {number}").into_bytes()
}

/// Sends a half message, and perhaps its end.
async fn deal(shared: &Shared, wire: &Wire) {
    let (queue, commits) = (below(u64::from(QUEUES)) as u32, chance(60));
    let number = {
        let mut deals = shared.deals.borrow_mut();
        let fresh = Deal { queue, commits, place: None, refused: false, spoken: false, ended: false, asked: 0, seen: None };
        deals.deals.push(fresh);
        deals.deals.len() - 1
    };
    let properties = format!("TRAN_MSG\u{1}true\u{2}PGROUP\u{1}{GROUP}\u{2}UNIQ_KEY\u{1}deal-{number}\u{2}");
    let request = SendMessage {
        default_topic_queue_nums: QUEUES as i32,
        sys_flag: 4,
        properties: &properties,
        ..SendMessage::plain(GROUP, TOPIC, queue as i32, now().0)
    };
    let asked = uptime();
    let reply = match wire.call(310, ANSWER, |writer| request.encode_v2(writer).body(&body(number))).await {
        Ok(reply) => reply,
        Err(_) => return shared.silent("a half message", wire, asked),
    };
    if reply.code != 0 {
        shared.refused(&reply);
        assert!(matches!(reply.code, 1 | 2 | 14 | 17), "a half message was answered {} {:?}", reply.code, reply.remark);
        shared.deals.borrow_mut().deals[number].refused = matches!(reply.code, 2 | 17);
        return;
    }
    assert_eq!(reply.number("queueId"), i64::from(queue), "the answer names the real queue");
    let id: OffsetMessageId = reply.text("msgId").parse().expect("a message id");
    shared.deals.borrow_mut().deals[number].place = Some((reply.number("queueOffset"), id.physical_offset));
    if chance(60) {
        speak(shared, wire, number).await;
    }
}

/// Pulls from a random place of a queue.
async fn look(shared: &Shared, wire: &Wire, queue: u32) {
    let known = shared.deals.borrow().seen.range((queue, 0)..=(queue, i64::MAX)).count() as i64;
    let from = if chance(80) { known } else { below(known as u64 + 1) as i64 };
    let asked = uptime();
    match wire
        .call(11, ANSWER, |writer| PullMessage::of_all_tags("onlookers", TOPIC, queue as i32, from, 32).encode(writer))
        .await
    {
        Ok(reply) if reply.code == 0 => _ = saw(shared, queue, &reply),
        Ok(_) => {}
        Err(_) => shared.silent("a pull", wire, asked),
    }
}

/// On a node that is well: answers until nothing waits that must not, then reads everything again.
pub async fn audit(shared: &Shared) {
    if shared.deals.borrow().deals.iter().all(|deal| deal.place.is_none()) {
        return;
    }
    shared.deals.borrow_mut().auditing = true;
    let until = uptime() + SETTLED;
    loop {
        let Some(wire) = join(shared).await else { continue };
        while wire.is_open() && !is_settled(shared) {
            assert!(uptime() < until, "{} within {SETTLED:?}", unsettled(shared));
            sleep(Duration::from_millis(20)).await;
            answer_checks(shared, &wire).await;
            for queue in 0..QUEUES {
                look(shared, &wire, queue).await;
            }
        }
        let is_over = wire.is_open();
        wire.close();
        if is_over {
            break;
        }
    }
    for queue in 0..QUEUES {
        let took = |from, reply: &Reply| {
            let offsets = saw(shared, queue, reply);
            assert_eq!(offsets, Vec::from_iter(from..from + offsets.len() as i64), "queue {queue} of {TOPIC} has holes");
            offsets.len() as i64
        };
        let end = shared.read_through("onlookers", TOPIC, queue, took).await;
        let seen = shared.deals.borrow().seen.range((queue, 0)..=(queue, i64::MAX)).count() as i64;
        assert_eq!(end, seen, "queue {queue} of {TOPIC} ends at {end}; {seen} deals were seen in it");
    }
    shared.deals.borrow_mut().auditing = false;
}
