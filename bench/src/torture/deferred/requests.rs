//! The requests of messages whose promise does not end with the answer to a send.

use ringmq::remoting::sysflag::message as flag;
use ringmq::remoting::{Encoding, RequestWriter};

use super::item::{Decision, Item, Kind};
use crate::setup;

const CONSUMER_SEND_MSG_BACK: i32 = 36;
/// The first of messageDelayLevel: a second.
pub const BACK_LEVEL: i32 = 1;

/// Where a send goes.
pub struct Place<'a> {
    pub topic: &'a str,
    pub queue: u32,
}

pub fn send(item: &Item, number: usize, place: &Place<'_>, body: &[u8], opaque: i32, out: &mut Vec<u8>) {
    let unique_key = unique_key(number);
    let mut properties = String::new();
    let mut put = |name: &str, value: &str| properties.push_str(&format!("{name}\u{1}{value}\u{2}"));
    put("UNIQ_KEY", &unique_key);
    let mut sys_flag = 0;
    match item.kind {
        Kind::Level { level, .. } => put("DELAY", &level.to_string()),
        Kind::Timer { .. } => put("TIMER_DELIVER_MS", &item.due().to_string()),
        Kind::Transaction(_) => {
            sys_flag = flag::TRANSACTION_PREPARED;
            put("TRAN_MSG", "true");
            put("PGROUP", setup::GROUP);
        }
        Kind::SentBack => {}
    }
    let send = setup::send_message(place.topic, place.queue, &properties, sys_flag, item.born);
    let writer = RequestWriter::new(out, Encoding::Binary, opaque, setup::SEND_MESSAGE_V2);
    send.encode_v2(writer).body(body).finish().expect("it fits a frame");
}

/// The request that follows the answer to the send, if one does.
pub fn second(item: &Item, number: usize, topic: &str, opaque: i32, out: &mut Vec<u8>) -> bool {
    match item.kind {
        Kind::Level { .. } | Kind::Timer { .. } | Kind::Transaction(Decision::Nothing) => return false,
        Kind::Transaction(Decision::Commit | Decision::CommitThenRollback) => {
            end(item, number, flag::TRANSACTION_COMMIT, opaque, out)
        }
        Kind::Transaction(Decision::Rollback | Decision::RollbackThenCommit) => {
            end(item, number, flag::TRANSACTION_ROLLBACK, opaque, out)
        }
        Kind::SentBack => {
            let writer = RequestWriter::new(out, Encoding::Binary, opaque, CONSUMER_SEND_MSG_BACK)
                .field("offset", item.physical_offset)
                .field("group", setup::GROUP)
                .field("delayLevel", BACK_LEVEL)
                .field("originTopic", topic)
                .field("unitMode", false)
                .field("maxReconsumeTimes", 16);
            writer.finish().expect("it fits a frame");
        }
    }
    true
}

/// The request that contradicts the second one.
pub fn third(item: &Item, number: usize, opaque: i32, out: &mut Vec<u8>) -> bool {
    match item.kind {
        Kind::Transaction(Decision::CommitThenRollback) => end(item, number, flag::TRANSACTION_ROLLBACK, opaque, out),
        Kind::Transaction(Decision::RollbackThenCommit) => end(item, number, flag::TRANSACTION_COMMIT, opaque, out),
        _ => return false,
    }
    true
}

fn end(item: &Item, number: usize, what: i32, opaque: i32, out: &mut Vec<u8>) {
    let writer = RequestWriter::new(out, Encoding::Binary, opaque, setup::END_TRANSACTION);
    let unique_key = unique_key(number);
    let end = setup::end_transaction((item.physical_offset, item.queue_offset), what, Some(&unique_key));
    end.encode(writer).finish().expect("it fits a frame");
}

fn unique_key(number: usize) -> String {
    format!("{:032X}", number as u64)
}
