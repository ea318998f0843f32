//! From the bytes of an answer to the bytes of its acks, as a broker reads them.

use ringmq::remoting::ResponseWriter;
use ringmq::remoting::request::pop::batch_acks;
use ringmq::remoting::split;
use ringmq_shards::record::NewMessage;
use ringmq_shards::types::{Millis, QueueOffset};

use super::*;

const WHOSE: Whose<'_> = Whose { broker: "b", topic: "T", group: "g" };

fn record(queue_id: u32, offset: i64, properties: &[u8]) -> Vec<u8> {
    let host = "127.0.0.1:1".parse().expect("an address");
    let message = NewMessage {
        topic: "T",
        queue_id,
        flag: 0,
        sys_flag: 0,
        born_timestamp: 1,
        born_host: host,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: b"body",
        properties,
    };
    let mut out = vec![0; message.encoded_len()];
    message.encode(QueueOffset(offset), 0, Millis(2), &mut out);
    out
}

/// Two messages of queue 3, one of queue 1, and one that came back.
fn answer(starts: &str) -> Vec<u8> {
    let mut body = [record(3, 10, b""), record(3, 12, b""), record(1, 7, b"")].concat();
    body.extend(record(0, 99, b"POP_CK\x014 90 5000 2 2 b 0 5\x02"));
    let mut out = Vec::new();
    let writer = ResponseWriter::new(&mut out, Encoding::Json, 5, 0)
        .field("popTime", 100)
        .field("invisibleTime", 60_000)
        .field("reviveQid", 4)
        .field("startOffsetInfo", starts);
    writer.body(&body).finish();
    out
}

fn handed(starts: &str) -> Result<Vec<Handed>, String> {
    let bytes = answer(starts);
    let (frame, _) = split(&bytes).expect("a frame").expect("a whole one");
    messages(&Header::parse(&frame).expect("a header"), frame.body, true)
}

#[test]
fn an_answers_messages_are_acked_by_the_handles_that_java_makes() {
    let handed = handed("0 3 9;0 1 7;2 0 4").expect("a good answer");
    let mut out = Vec::new();
    let mut acks = Vec::new();
    for (index, one) in handed.iter().enumerate() {
        out.clear();
        one.write_ack(WHOSE, index as i32, &mut out);
        let (frame, _) = split(&out).expect("a frame").expect("a whole one");
        let header = Header::parse(&frame).expect("a header");
        let ack = AckMessage::decode(&header).expect("an ack");
        assert_eq!((header.code, header.opaque, ack.consumer_group), (ACK_MESSAGE, index as i32, "g"));
        acks.push(format!("{} {} {}: {}", ack.topic, ack.queue_id, ack.offset, ack.extra_info));
    }
    assert_eq!(
        acks,
        [
            "T 3 10: 9 100 60000 4 0 b 3 10",
            "T 3 12: 9 100 60000 4 0 b 3 12",
            "T 1 7: 7 100 60000 4 0 b 1 7",
            "%RETRY%g+T 0 5: 4 90 5000 2 2 b 0 5",
        ]
    );
}

#[test]
fn a_batch_has_an_ack_for_each_queue_of_the_pop() {
    let mut out = Vec::new();
    write_batch_ack(&handed("0 3 9;0 1 7").expect("a good answer"), WHOSE, 8, &mut out);
    let (frame, _) = split(&out).expect("a frame").expect("a whole one");
    assert_eq!(Header::parse(&frame).expect("a header").code, BATCH_ACK_MESSAGE);
    let acks = batch_acks(frame.body).expect("acks");
    let acks: Vec<_> = acks.into_iter().map(|ack| (ack.retry, ack.queue_id, ack.pop_time, ack.offsets)).collect();
    assert_eq!(acks, [("0".into(), 3, 100, vec![10, 12]), ("0".into(), 1, 100, vec![7]), ("2".to_string(), 0, 90, vec![5])]);
}

#[test]
fn an_answer_that_leaves_out_a_queue_is_told() {
    assert_eq!(handed("0 3 9"), Err("startOffsetInfo says nothing of queue 1".to_string()));
    assert_eq!(handed("0 x 9"), Err("startOffsetInfo has '0 x 9'".to_string()));
}
