//! What producers say of their half messages, rightly and wrongly, and what they answer when they are asked.
//!
//! Before: `transactions`; after: `deals`, which knows what is true of each.

use ringmq::remoting::RequestWriter;
use ringmq::remoting::request::transaction::EndTransaction;
use ringmq_shards::record::Record;
use ringmq_shards::runtime::uptime;

use crate::clients::{ANSWER, Shared, below, chance, filling};
use crate::deals::{COMMIT, GROUP, ROLL_BACK, TOPIC, number_of};
use crate::wire::Wire;

/// Says what becomes of a half message: once or twice, and then perhaps the opposite.
pub async fn speak(shared: &Shared, wire: &Wire, number: usize) {
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
pub async fn meddle(shared: &Shared, wire: &Wire) {
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
pub async fn answer_checks(shared: &Shared, wire: &Wire) {
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
