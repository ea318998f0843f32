//! The requests that load and torture are made of.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ringmq::remoting::message::id::OffsetMessageId;
use ringmq::remoting::request::offset::{GetMaxOffset, QueryConsumerOffset, UpdateConsumerOffset};
use ringmq::remoting::request::pull::PullMessage;
use ringmq::remoting::request::send::{SendMessage, SendResponse};
use ringmq::remoting::request::topic::CreateTopic;
use ringmq::remoting::request::transaction::EndTransaction;
use ringmq::remoting::{Encoding, Header, RequestWriter};

use crate::connection::{Answer, Connection};

pub const CALL_LIMIT: Duration = Duration::from_secs(10);
pub const GROUP: &str = "ringmq-bench";
pub const FOUND: i32 = 0;

const PULL_MESSAGE: i32 = 11;
const QUERY_CONSUMER_OFFSET: i32 = 14;
const UPDATE_CONSUMER_OFFSET: i32 = 15;
const UPDATE_AND_CREATE_TOPIC: i32 = 17;
const GET_MAX_OFFSET: i32 = 30;
pub const END_TRANSACTION: i32 = 37;
const UPDATE_AND_CREATE_SUBSCRIPTIONGROUP: i32 = 200;
pub const SEND_MESSAGE_V2: i32 = 310;

pub fn millis() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

pub fn send(topic: &str, queue: u32, properties: &str, opaque: i32, born: i64, body: &[u8], out: &mut Vec<u8>) {
    let send = send_message(topic, queue, properties, 0, born);
    let writer = RequestWriter::new(out, Encoding::Binary, opaque, SEND_MESSAGE_V2);
    send.encode_v2(writer).body(body).finish().expect("it fits a frame");
}

pub fn send_message<'a>(topic: &'a str, queue: u32, properties: &'a str, sys_flag: i32, born: i64) -> SendMessage<'a> {
    SendMessage { default_topic_queue_nums: 8, sys_flag, properties, ..SendMessage::plain(GROUP, topic, queue as i32, born) }
}

/// The physical and the queue offset that an answer to a send says.
pub fn stored_at(header: &Header<'_>) -> Option<(i64, i64)> {
    let answer = SendResponse::decode(header).ok()?;
    let id: OffsetMessageId = answer.msg_id.parse().ok()?;
    Some((id.physical_offset, answer.queue_offset))
}

/// The end of a half message that the broker has: `stored` is its physical and its queue offset, `what` one of the transaction
/// values of a message's sys flag.
pub fn end_transaction(stored: (i64, i64), what: i32, id: Option<&str>) -> EndTransaction<'_> {
    EndTransaction {
        producer_group: GROUP,
        tran_state_table_offset: stored.1,
        commit_log_offset: stored.0,
        commit_or_rollback: what,
        from_transaction_check: false,
        msg_id: id,
        transaction_id: id,
    }
}

/// Asked for until it is there: a broker refuses while it starts.
pub fn create_topic(connection: &mut Connection, topic: &str, queues: u32) -> Result<(), String> {
    let create = CreateTopic {
        topic,
        default_topic: "TBW102",
        read_queue_nums: queues as i32,
        write_queue_nums: queues as i32,
        perm: 6,
        topic_filter_type: "SINGLE_TAG",
        topic_sys_flag: 0,
        order: false,
        attributes: None,
        force: false,
    };
    let writer = RequestWriter::new(&mut connection.out, Encoding::Binary, 1, UPDATE_AND_CREATE_TOPIC);
    create.encode(writer).finish().expect("it fits a frame");
    answered(connection, "create the topic").map(drop)
}

pub fn create_group(connection: &mut Connection, group: &str) -> Result<(), String> {
    let body = format!("{{\"groupName\":\"{group}\",\"consumeEnable\":true}}");
    let writer = RequestWriter::new(&mut connection.out, Encoding::Binary, 1, UPDATE_AND_CREATE_SUBSCRIPTIONGROUP);
    writer.body(body.as_bytes()).finish().expect("it fits a frame");
    answered(connection, "create the group").map(drop)
}

pub fn max_offset(connection: &mut Connection, topic: &str, queue: u32) -> Result<i64, String> {
    let writer = RequestWriter::new(&mut connection.out, Encoding::Binary, 1, GET_MAX_OFFSET);
    GetMaxOffset { topic, queue_id: queue as i32, committed: true }.encode(writer).finish().expect("it fits a frame");
    answered(connection, "say a queue's end")?.offset.ok_or_else(|| "an answer without offset".to_string())
}

pub fn commit_offset(connection: &mut Connection, topic: &str, queue: u32, offset: i64) -> Result<(), String> {
    put_commit(connection, topic, queue, offset);
    answered(connection, "take a consumer's offset").map(drop)
}

/// The request only, for the caller to flush.
pub fn put_commit(connection: &mut Connection, topic: &str, queue: u32, offset: i64) {
    let commit = UpdateConsumerOffset { consumer_group: GROUP, topic, queue_id: Some(queue as i32), commit_offset: Some(offset) };
    let writer = RequestWriter::new(&mut connection.out, Encoding::Binary, 1, UPDATE_CONSUMER_OFFSET);
    commit.encode(writer).finish().expect("it fits a frame");
}

pub fn committed_offset(connection: &mut Connection, group: &str, topic: &str, queue: u32) -> Result<i64, String> {
    let query = QueryConsumerOffset { consumer_group: group, topic, queue_id: queue as i32, set_zero_if_not_found: false };
    let writer = RequestWriter::new(&mut connection.out, Encoding::Binary, 1, QUERY_CONSUMER_OFFSET);
    query.encode(writer).finish().expect("it fits a frame");
    answered(connection, "say a consumer's offset")?.offset.ok_or_else(|| "an answer without offset".to_string())
}

/// What the broker has from this offset on, as it says it: records, or a code that says why there are none.
pub fn pull(connection: &mut Connection, topic: &str, queue: u32, offset: i64, count: i32) -> Result<Answer, String> {
    let pull = PullMessage { commit_offset: Some(0), ..PullMessage::of_all_tags(GROUP, topic, queue as i32, offset, count) };
    let writer = RequestWriter::new(&mut connection.out, Encoding::Binary, 1, PULL_MESSAGE);
    pull.encode(writer).finish().expect("it fits a frame");
    connection.call(CALL_LIMIT).map_err(|error| format!("pull: {error}"))
}

fn answered(connection: &mut Connection, what: &str) -> Result<Answer, String> {
    let answer = connection.call(CALL_LIMIT).map_err(|error| format!("asked to {what}: {error}"))?;
    match answer.code {
        0 => Ok(answer),
        code => Err(format!("the broker refused to {what}: code {code}, {}", answer.remark)),
    }
}
