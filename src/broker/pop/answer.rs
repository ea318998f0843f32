//! The reply to a pop: records, and the tables from which the client makes their handles.
//!
//! Records of a retry topic are written anew, with the name of the topic that was popped and their handle as a property,
//! unless `popResponseReturnActualRetryTopic` says otherwise: clients route by the topic's name.

use std::borrow::Cow;

use ringmq_shards::queue::PullStatus;
use ringmq_shards::record::{NewMessage, Record};

use super::visit::{Found, Harvest, Pop};
use crate::remoting::code::ResponseCode;
use crate::remoting::message::pop::{Handle, OffsetTables, RetryKind};
use crate::remoting::message::{properties, records};
use crate::remoting::{Encoding, ResponseWriter};

/// About what an answer has before its records.
const HEAD_BYTES: usize = 1024;

/// What the reply says beside the messages.
pub struct Stamp<'a> {
    pub code: ResponseCode,
    pub broker: &'a str,
    pub revive_queue: i32,
    pub actual_retry_topic: bool,
}

pub fn write_answer(encoding: Encoding, opaque: i32, pop: &Pop, harvest: &Harvest, stamp: &Stamp<'_>, out: &mut Vec<u8>) {
    let mut tables = OffsetTables::default();
    let mut bodies: Vec<Cow<'_, [u8]>> = Vec::with_capacity(harvest.found.len());
    for Found { retry, popped } in &harvest.found {
        let offsets: Vec<i64> = popped.offsets.iter().map(|offset| offset.0).collect();
        tables.add(*retry, popped.queue_id, popped.start.0, &offsets);
        if pop.orderly.is_some() {
            tables.add_counts(*retry, popped.queue_id, offsets.iter().copied().zip(popped.counts.iter().copied()));
        }
        if *retry == RetryKind::Normal || stamp.actual_retry_topic {
            bodies.push(Cow::Borrowed(&popped.body));
            continue;
        }
        let mut body = Vec::new();
        for record in records(&popped.body).map_while(Result::ok) {
            let handle = Handle {
                start: popped.start.0,
                pop_time: pop.pop_time.0,
                invisible_time: pop.invisible_millis,
                revive_queue: stamp.revive_queue,
                retry: *retry,
                broker: stamp.broker,
                queue_id: popped.queue_id as i32,
                offset: Some(record.queue_offset().0),
            };
            rewrite(&record, &pop.topic, &handle, &mut body);
        }
        bodies.push(Cow::Owned(body));
    }
    let body_bytes = bodies.iter().map(|body| body.len()).sum();
    out.reserve(body_bytes + HEAD_BYTES);
    let status = if harvest.messages > 0 { PullStatus::Found } else { PullStatus::NoMessageInQueue };
    let mut writer = ResponseWriter::new(out, encoding, opaque, stamp.code.number())
        .remark(status.name())
        .field("popTime", pop.pop_time.0)
        .field("invisibleTime", pop.invisible_millis)
        .field("reviveQid", stamp.revive_queue)
        .field("restNum", harvest.rest)
        .field("startOffsetInfo", &tables.start_offsets)
        .field("msgOffsetInfo", &tables.offsets);
    if pop.orderly.is_some() {
        writer = writer.field("orderCountInfo", &tables.order_counts);
    }
    if writer.finish_before_body(body_bytes) {
        bodies.iter().for_each(|body| out.extend_from_slice(body));
    }
}

fn rewrite(record: &Record<'_>, topic: &str, handle: &Handle<'_>, out: &mut Vec<u8>) {
    let mut with_handle = record.properties().to_vec();
    if record.property(properties::name::POP_CK).is_none() {
        properties::append(&mut with_handle, properties::name::POP_CK, handle);
    }
    let message = NewMessage { topic, properties: &with_handle, ..record.as_new_message() };
    let begin = out.len();
    out.resize(begin + message.encoded_len(), 0);
    message.encode(record.queue_offset(), record.physical_offset(), record.store_timestamp(), &mut out[begin..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringmq_shards::types::{Millis, QueueOffset};

    #[test]
    fn a_retried_message_is_its_topics_again_and_carries_its_handle() {
        let message = NewMessage {
            topic: "%RETRY%g_T",
            queue_id: 0,
            flag: 3,
            sys_flag: 0,
            born_timestamp: 5,
            born_host: "10.0.0.1:1".parse().unwrap(),
            store_host: "10.0.0.2:2".parse().unwrap(),
            reconsume_times: 2,
            prepared_transaction_offset: 0,
            body: b"body",
            properties: b"TAGS\x01a\x02",
        };
        let mut stored = vec![0; message.encoded_len()];
        message.encode(QueueOffset(9), 4096, Millis(77), &mut stored);
        let handle = Handle {
            start: 8,
            pop_time: 100,
            invisible_time: 60_000,
            revive_queue: 1,
            retry: RetryKind::V1,
            broker: "b",
            queue_id: 0,
            offset: Some(9),
        };
        let mut out = Vec::new();
        rewrite(&Record::parse(&stored).unwrap(), "T", &handle, &mut out);
        let again = Record::parse(&out).unwrap();
        assert_eq!((again.topic(), again.body(), again.reconsume_times(), again.flag()), ("T", &b"body"[..], 2, 3));
        assert_eq!((again.queue_offset(), again.store_timestamp()), (QueueOffset(9), Millis(77)));
        assert_eq!(again.property("TAGS"), Some(&b"a"[..]));
        assert_eq!(again.property("POP_CK"), Some(&b"8 100 60000 1 1 b 0 9"[..]));
        assert_eq!(again.verify(4096, None), Ok(()));
    }
}
