//! What is known of each half message, what may be seen of it, and whether all that must happen has.
//!
//! Before: `transactions`, which makes, ends and looks.

use std::collections::BTreeMap;

use ringmq::remoting::message::records;

use crate::clients::Shared;
use crate::wire::Reply;

pub const TOPIC: &str = "Deals";
pub const GROUP: &str = "dealers";
pub const COMMIT: i32 = 8;
pub const ROLL_BACK: i32 = 12;

/// One half message, as its producer knows it.
pub struct Deal {
    pub queue: u32,
    pub commits: bool,
    /// The broker has acknowledged it: its queue offset and its physical offset.
    pub place: Option<(i64, i64)>,
    /// Refused for a reason that says it is not stored.
    pub refused: bool,
    /// An end was sent that is no answer to a check.
    pub spoken: bool,
    /// The broker has said that it has ended.
    pub ended: bool,
    pub asked: u64,
    /// Where it was seen.
    pub seen: Option<i64>,
}

#[derive(Default)]
pub struct Deals {
    pub deals: Vec<Deal>,
    pub seen: BTreeMap<(u32, i64), usize>,
    /// A mistake that is planted: some of what is to be rolled back is committed, as by a broker that takes one for the other.
    pub mistaken: bool,
    pub committed: u64,
    pub asked: u64,
    /// Nothing is ended any more but by answers to checks.
    pub auditing: bool,
}

pub fn number_of(body: &[u8]) -> usize {
    let number = std::str::from_utf8(body).ok().and_then(|text| text.strip_prefix("deal ")?.parse().ok());
    number.unwrap_or_else(|| panic!("{TOPIC} has a body that nobody has sent: {body:?}"))
}

/// What a pull has found; returns the offsets.
pub fn saw(shared: &Shared, queue: u32, reply: &Reply) -> Vec<i64> {
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

/// Whether all is seen that is to be committed, and all were asked who have said nothing.
pub fn is_settled(shared: &Shared) -> bool {
    shared.deals.borrow().deals.iter().all(is_done)
}

fn is_done(deal: &Deal) -> bool {
    deal.place.is_none() || (if deal.commits { deal.seen.is_some() } else { deal.spoken || deal.ended || deal.asked > 0 })
}

pub fn unsettled(shared: &Shared) -> String {
    let deals = shared.deals.borrow();
    let Some((number, deal)) = deals.deals.iter().enumerate().find(|(_, deal)| !is_done(deal)) else { return String::new() };
    let Deal { commits, place, spoken, ended, asked, .. } = deal;
    format!("deal {number} (commits {commits}, at {place:?}, spoken {spoken}, ended {ended}, asked {asked} times) is not settled")
}
