//! What a pop's answer hands out, and the acks that go back for it. Pure.
//!
//! Handles are made as Java's client makes them: of the answer's fields and each record's place, or as a record that was stored anew brings them.

use ringmq::remoting::message::pop::{Handle, RetryKind};
use ringmq::remoting::message::{properties, records};
use ringmq::remoting::request::pop::{AckMessage, BatchAck, PopMessage, encode_batch_acks};
use ringmq::remoting::{Encoding, Header, RequestWriter};
use ringmq_shards::record::Record;

const POP_MESSAGE: i32 = 200_050;
const ACK_MESSAGE: i32 = 200_051;
const BATCH_ACK_MESSAGE: i32 = 200_151;
/// A pop that finds nothing is held for so long.
const POLL_MILLIS: i64 = 1_000;

/// One message in our hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handed {
    pub retry: RetryKind,
    pub queue: u32,
    pub offset: i64,
    /// Of the body.
    pub bytes: u64,
    start: i64,
    pop_time: i64,
    invisible_time: i64,
    revive_queue: i32,
}

/// Whose messages they are.
#[derive(Clone, Copy, Debug)]
pub struct Whose<'a> {
    pub broker: &'a str,
    pub topic: &'a str,
    pub group: &'a str,
}

/// A pop of all queues of the topic, all tags, from the first message on. `held`: the broker waits when there is nothing.
pub fn write_pop(whose: Whose<'_>, batch: i32, invisible: i64, held: bool, born: i64, opaque: i32, out: &mut Vec<u8>) {
    let pop = PopMessage {
        consumer_group: whose.group,
        topic: whose.topic,
        queue_id: -1,
        max_msg_nums: batch,
        invisible_time: invisible,
        poll_time: if held { POLL_MILLIS } else { 0 },
        born_time: born,
        init_mode: 0,
        exp_type: Some("TAG"),
        exp: Some("*"),
        order: false,
        attempt_id: None,
    };
    pop.encode(RequestWriter::new(out, Encoding::Json, opaque, POP_MESSAGE)).finish().expect("it fits a frame");
}

/// The messages of an answer that says it has some; `check` looks at the CRC of bodies.
pub fn messages(header: &Header<'_>, body: &[u8], check: bool) -> Result<Vec<Handed>, String> {
    let number = |name: &str| {
        let value = header.field(name).and_then(|text| text.parse::<i64>().ok());
        value.ok_or_else(|| format!("a pop's answer has no {name}"))
    };
    let (pop_time, invisible_time, revive_queue) = (number("popTime")?, number("invisibleTime")?, number("reviveQid")? as i32);
    let starts = start_offsets(header.field("startOffsetInfo").unwrap_or_default())?;
    let mut handed = Vec::new();
    for record in records(body) {
        let record = record.map_err(|error| format!("a popped message: {error}"))?;
        if check {
            record.verify_crc().map_err(|error| format!("offset {}: {error}", record.queue_offset()))?;
        }
        let one = match handle_of(&record) {
            Some(handle) => Handed {
                retry: handle.retry,
                queue: handle.queue_id as u32,
                offset: handle.offset.unwrap_or(record.queue_offset().0),
                bytes: record.body().len() as u64,
                start: handle.start,
                pop_time: handle.pop_time,
                invisible_time: handle.invisible_time,
                revive_queue: handle.revive_queue,
            },
            None => {
                let queue = record.queue_id();
                let start = starts.iter().find(|start| start.0 == RetryKind::Normal && start.1 == queue);
                let start = start.ok_or_else(|| format!("startOffsetInfo says nothing of queue {queue}"))?.2;
                let (offset, bytes) = (record.queue_offset().0, record.body().len() as u64);
                Handed { retry: RetryKind::Normal, queue, offset, bytes, start, pop_time, invisible_time, revive_queue }
            }
        };
        handed.push(one);
    }
    Ok(handed)
}

fn handle_of<'a>(record: &Record<'a>) -> Option<Handle<'a>> {
    let text = record.property(properties::name::POP_CK)?;
    Handle::parse(std::str::from_utf8(text).ok()?).ok()
}

/// `retry queue start;...`
fn start_offsets(text: &str) -> Result<Vec<(RetryKind, u32, i64)>, String> {
    let row = |row: &str| {
        let mut parts = row.split(' ');
        let retry = RetryKind::from_text(parts.next()?);
        Some((retry, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    };
    let rows = text.split(';').filter(|part| !part.is_empty());
    rows.map(|part| row(part).ok_or_else(|| format!("startOffsetInfo has '{part}'"))).collect()
}

impl Handed {
    /// ACK_MESSAGE, as the stock remoting client acks: one by one.
    pub fn write_ack(&self, whose: Whose<'_>, opaque: i32, out: &mut Vec<u8>) {
        let handle = Handle {
            start: self.start,
            pop_time: self.pop_time,
            invisible_time: self.invisible_time,
            revive_queue: self.revive_queue,
            retry: self.retry,
            broker: whose.broker,
            queue_id: self.queue as i32,
            offset: Some(self.offset),
        };
        let ack = AckMessage {
            consumer_group: whose.group,
            topic: &self.retry.topic(whose.topic, whose.group),
            queue_id: self.queue as i32,
            extra_info: &handle.to_string(),
            offset: self.offset,
        };
        ack.encode(RequestWriter::new(out, Encoding::Json, opaque, ACK_MESSAGE)).finish().expect("it fits a frame");
    }

    fn is_of_the_same_pop(&self, other: &Handed) -> bool {
        self.retry == other.retry && self.queue == other.queue && self.start == other.start && self.pop_time == other.pop_time
    }
}

/// BATCH_ACK_MESSAGE for all of them.
pub fn write_batch_ack(handed: &[Handed], whose: Whose<'_>, opaque: i32, out: &mut Vec<u8>) {
    let of_queue = |same: &[Handed]| BatchAck {
        topic: whose.topic.to_owned(),
        group: whose.group.to_owned(),
        retry: same[0].retry.number().to_string(),
        queue_id: same[0].queue as i32,
        start: same[0].start,
        pop_time: same[0].pop_time,
        invisible_time: same[0].invisible_time,
        revive_queue: same[0].revive_queue,
        offsets: same.iter().map(|one| one.offset).collect(),
    };
    let acks: Vec<BatchAck> = handed.chunk_by(Handed::is_of_the_same_pop).map(of_queue).collect();
    let body = encode_batch_acks(whose.broker, &acks);
    RequestWriter::new(out, Encoding::Json, opaque, BATCH_ACK_MESSAGE).body(&body).finish().expect("it fits a frame");
}

#[cfg(test)]
#[path = "handed_tests.rs"]
mod tests;
