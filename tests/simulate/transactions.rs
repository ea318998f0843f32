//! Transactions in a simulated world: producers that commit, roll back, say nothing, or say it twice; and what must hold
//! whatever happens.
//!
//! Each half message has its fate from the start, as the local transaction of an application has. The oracle: what is to be
//! rolled back is never seen; what is to be committed is seen once, in its queue, and stays where it was seen; whoever said
//! nothing is asked; an end that comes again, or for another's message, changes nothing; what has ended is never asked about
//! after a restart.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use ringmq::remoting::RequestWriter;
use ringmq::remoting::message::id::OffsetMessageId;
use ringmq::remoting::message::records;
use ringmq::remoting::request::pull::PullMessage;
use ringmq::remoting::request::send::SendMessage;
use ringmq::remoting::request::transaction::EndTransaction;
use ringmq_shards::record::Record;
use ringmq_shards::runtime::{now, sleep, uptime};

use crate::clients::{ANSWER, QUEUES, Shared, below, chance, filling};
use crate::wire::{Reply, Wire};

const TOPIC: &str = "Deals";
const GROUP: &str = "dealers";
const COMMIT: i32 = 8;
const ROLL_BACK: i32 = 12;
/// So long after the last fault everything that is to be committed is there.
const SETTLED: Duration = Duration::from_secs(60);

/// The broker's settings under which this runs.
pub const TIMEOUT_MILLIS: i64 = 100;
pub const INTERVAL_MILLIS: i64 = 150;
pub const CHECKS_MAX: u32 = 10_000;

/// One half message, as its producer knows it.
struct Deal {
    queue: u32,
    commits: bool,
    /// The broker has acknowledged it: its queue offset and its physical offset.
    place: Option<(i64, i64)>,
    /// Refused for a reason that says it is not stored.
    refused: bool,
    /// An end was sent that is no answer to a check.
    spoken: bool,
    /// The broker has said that it has ended.
    ended: bool,
    asked: u64,
    /// Where it was seen.
    seen: Option<i64>,
}

#[derive(Default)]
pub struct Deals {
    deals: Vec<Deal>,
    seen: BTreeMap<(u32, i64), usize>,
    /// A mistake that is planted: some of what is to be rolled back is committed, as by a broker that takes one for the other.
    pub mistaken: bool,
    pub committed: u64,
    pub asked: u64,
    /// Nothing is ended any more but by answers to checks.
    auditing: bool,
}

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

fn number_of(body: &[u8]) -> usize {
    let number = std::str::from_utf8(body).ok().and_then(|text| text.strip_prefix("deal ")?.parse().ok());
    number.unwrap_or_else(|| panic!("{TOPIC} has a body that nobody has sent: {body:?}"))
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
        producer_group: GROUP,
        topic: TOPIC,
        default_topic: "TBW102",
        default_topic_queue_nums: QUEUES as i32,
        queue_id: queue as i32,
        sys_flag: 4,
        born_timestamp: now().0,
        flag: 0,
        properties: &properties,
        reconsume_times: 0,
        unit_mode: false,
        max_reconsume_times: None,
        batch: false,
        broker_name: None,
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

/// Says what becomes of a half message: once or twice, and then perhaps the opposite.
async fn speak(shared: &Shared, wire: &Wire, number: usize) {
    let how = {
        let mut deals = shared.deals.borrow_mut();
        let mistaken = deals.mistaken && chance(20);
        let deal = &mut deals.deals[number];
        deal.spoken = true;
        if deal.commits || mistaken { COMMIT } else { ROLL_BACK }
    };
    if chance(40) {
        let mut out = Vec::new();
        for _ in 0..1 + below(2) {
            wire.put_oneway(&mut out, 37, end(shared, number, how, false));
        }
        return wire.send(&out).await;
    }
    let ended = ask_end(shared, wire, number, end(shared, number, how, false)).await;
    if ended && chance(50) {
        let other = COMMIT + ROLL_BACK - how;
        let how = if chance(50) { how } else { other };
        let again = ask_end(shared, wire, number, end(shared, number, how, chance(50))).await;
        assert!(!again, "deal {number} has ended, and was ended again by {how}");
    }
}

/// Whether the broker says that it ended by this.
async fn ask_end(shared: &Shared, wire: &Wire, number: usize, fill: impl FnOnce(RequestWriter<'_>) -> RequestWriter<'_>) -> bool {
    let asked = uptime();
    match wire.call(37, ANSWER, fill).await {
        Ok(reply) if reply.code == 0 => {
            shared.deals.borrow_mut().deals[number].ended = true;
            true
        }
        Ok(reply) => {
            shared.refused(&reply);
            assert!(matches!(reply.code, 1 | 2 | 14), "an end was answered {} {:?}", reply.code, reply.remark);
            false
        }
        Err(_) => {
            shared.silent("an end", wire, asked);
            false
        }
    }
}

fn end(shared: &Shared, number: usize, how: i32, is_answer: bool) -> impl Fn(RequestWriter<'_>) -> RequestWriter<'_> + use<> {
    let place = shared.deals.borrow().deals[number].place.expect("only what is acknowledged is ended");
    end_at(GROUP, place, how, is_answer)
}

fn end_at(
    group: &'static str,
    (queue_offset, physical_offset): (i64, i64),
    how: i32,
    is_answer: bool,
) -> impl Fn(RequestWriter<'_>) -> RequestWriter<'_> + use<> {
    filling(move |writer| {
        let request = EndTransaction {
            producer_group: group,
            tran_state_table_offset: queue_offset,
            commit_log_offset: physical_offset,
            commit_or_rollback: how,
            from_transaction_check: is_answer,
            msg_id: Some("m"),
            transaction_id: None,
        };
        request.encode(writer)
    })
}

/// An end of another group's, for another place, or of no kind: none of them may be taken.
async fn meddle(shared: &Shared, wire: &Wire) {
    let known = shared.deals.borrow().deals.len() as u64;
    if known == 0 {
        return;
    }
    let number = below(known) as usize;
    let Some((queue_offset, physical_offset)) = shared.deals.borrow().deals[number].place else { return };
    let how = if chance(50) { COMMIT } else { ROLL_BACK };
    let wrong = match below(4) {
        0 => end_at("others", (queue_offset, physical_offset), how, true),
        1 => end_at(GROUP, (queue_offset + 1, physical_offset), how, false),
        2 => end_at(GROUP, (queue_offset, physical_offset + 1 + below(5000) as i64 * 4), how, true),
        _ => end_at(GROUP, (queue_offset, physical_offset), 4, false),
    };
    let before = shared.deals.borrow().deals[number].ended;
    let taken = ask_end(shared, wire, number, wrong).await;
    // Another place may be another deal's by chance, but then its queue offset is not this one's.
    assert!(!taken, "an end that is not deal {number}'s was taken");
    shared.deals.borrow_mut().deals[number].ended = before;
}

/// Answers what the broker has asked on this connection.
async fn answer_checks(shared: &Shared, wire: &Wire) {
    while let Some(check) = wire.request() {
        if check.code != 39 {
            continue;
        }
        let record = Record::parse(&check.body).expect("a check carries a record");
        let number = number_of(record.body());
        let place = (check.number("tranStateTableOffset"), check.number("commitLogOffset"));
        let how = {
            let mut deals = shared.deals.borrow_mut();
            deals.asked += 1;
            let auditing = deals.auditing;
            let deal = deals.deals.get_mut(number).unwrap_or_else(|| panic!("asked about deal {number}, which nobody has made"));
            assert_eq!((record.topic(), record.queue_id()), (TOPIC, deal.queue), "asked about deal {number}");
            assert_eq!(check.text("msgId"), format!("deal-{number}"));
            assert_eq!((record.queue_offset().0, record.physical_offset()), place);
            assert!(!deal.refused, "asked about deal {number}, which was refused");
            assert!(!(deal.ended && auditing), "asked about deal {number} after a restart; it had ended before");
            if let Some(known) = deal.place {
                assert_eq!(known, place, "deal {number} was acknowledged at another place");
            }
            deal.place = Some(place);
            deal.asked += 1;
            if deal.commits { COMMIT } else { ROLL_BACK }
        };
        match below(10) {
            // It does not know yet.
            0 => {}
            1..=5 => {
                let mut out = Vec::new();
                wire.put_oneway(&mut out, 37, end(shared, number, how, true));
                wire.send(&out).await;
            }
            _ => _ = ask_end(shared, wire, number, end(shared, number, how, true)).await,
        }
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

/// What a pull has found; returns the offsets.
fn saw(shared: &Shared, queue: u32, reply: &Reply) -> Vec<i64> {
    let mut offsets = Vec::new();
    let mut deals = shared.deals.borrow_mut();
    for record in records(&reply.body) {
        let record = record.expect("a pull's body is whole records");
        let (number, offset) = (number_of(record.body()), record.queue_offset().0);
        let before = deals.seen.insert((queue, offset), number);
        assert!(
            before.is_none_or(|before| before == number),
            "offset {offset} of queue {queue} had deal {before:?}, now {number}"
        );
        let deal = deals.deals.get_mut(number).unwrap_or_else(|| panic!("deal {number} was never made"));
        assert!(deal.commits, "deal {number} was rolled back, and is seen at {offset} of queue {queue}");
        assert!(!deal.refused, "deal {number} was refused, and is seen at {offset} of queue {queue}");
        assert_eq!(deal.queue, queue, "deal {number} is in another queue");
        assert_eq!(record.transaction(), COMMIT, "deal {number} is not marked as committed");
        if let Some((_, physical_offset)) = deal.place {
            assert_eq!(record.prepared_transaction_offset(), physical_offset, "deal {number} comes from another half message");
        }
        let first = deal.seen.replace(offset).is_none_or(|seen| seen == offset);
        assert!(first, "deal {number} was committed twice, the second time at {offset} of queue {queue}");
        if before.is_none() {
            deals.committed += 1;
        }
        offsets.push(offset);
    }
    offsets
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
        let mut from = 0;
        loop {
            let pull = PullMessage::of_all_tags("onlookers", TOPIC, queue as i32, from, 160);
            let reply = shared.insist_on_pull(|writer| pull.encode(writer)).await;
            if reply.code != 0 {
                break;
            }
            let offsets = saw(shared, queue, &reply);
            assert_eq!(offsets, Vec::from_iter(from..from + offsets.len() as i64), "queue {queue} of {TOPIC} has holes");
            from += offsets.len() as i64;
        }
        let seen = shared.deals.borrow().seen.range((queue, 0)..=(queue, i64::MAX)).count() as i64;
        assert_eq!(from, seen, "queue {queue} of {TOPIC} ends at {from}; {seen} deals were seen in it");
    }
    shared.deals.borrow_mut().auditing = false;
}

/// Whether all is seen that is to be committed, and all were asked who have said nothing.
fn is_settled(shared: &Shared) -> bool {
    shared.deals.borrow().deals.iter().all(is_done)
}

fn is_done(deal: &Deal) -> bool {
    deal.place.is_none() || (if deal.commits { deal.seen.is_some() } else { deal.spoken || deal.ended || deal.asked > 0 })
}

fn unsettled(shared: &Shared) -> String {
    let deals = shared.deals.borrow();
    let Some((number, deal)) = deals.deals.iter().enumerate().find(|(_, deal)| !is_done(deal)) else { return String::new() };
    let Deal { commits, place, spoken, ended, asked, .. } = deal;
    format!("deal {number} (commits {commits}, at {place:?}, spoken {spoken}, ended {ended}, asked {asked} times) is not settled")
}
