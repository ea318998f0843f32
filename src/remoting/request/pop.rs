//! The POP family: 200050 to 200055 and 200151.
//!
//! The body of a successful 200050 or 200052 is the stored records, one after the other (`message::records`); which offsets they have is in
//! the tables of `message::pop`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{BadRequest, queue};
use crate::remoting::json::Object;

fields! {
    /// 200050
    pub struct PopMessage<'a> {
        consumer_group: &'a str = required "consumerGroup",
        topic: &'a str = required "topic",
        /// Negative: any.
        queue_id: i32 = required "queueId",
        max_msg_nums: i32 = required "maxMsgNums",
        invisible_time: i64 = required "invisibleTime",
        poll_time: i64 = required "pollTime",
        born_time: i64 = required "bornTime",
        /// 0 the first message, else the last one.
        init_mode: i32 = required "initMode",
        exp_type: Option<&'a str> = optional "expType",
        exp: Option<&'a str> = optional "exp",
        order: bool = default(false) "order",
        attempt_id: Option<&'a str> = optional "attemptId",
    }
}

fields! {
    /// 200051
    pub struct AckMessage<'a> {
        consumer_group: &'a str = required "consumerGroup",
        topic: &'a str = required "topic",
        queue_id: i32 = required "queueId",
        extra_info: &'a str = required "extraInfo",
        offset: i64 = required "offset",
    }
}

fields! {
    /// 200053
    pub struct ChangeInvisibleTime<'a> {
        consumer_group: &'a str = required "consumerGroup",
        topic: &'a str = required "topic",
        queue_id: i32 = required "queueId",
        extra_info: &'a str = required "extraInfo",
        offset: i64 = required "offset",
        invisible_time: i64 = required "invisibleTime",
    }
}

fields! {
    /// 200052
    pub struct PeekMessage<'a> {
        topic: &'a str = required "topic",
        queue_id: i32 = required "queueId",
        max_msg_nums: i32 = required "maxMsgNums",
        consumer_group: &'a str = required "consumerGroup",
    }
}

fields! {
    /// 200054
    pub struct Notification<'a> {
        consumer_group: &'a str = required "consumerGroup",
        topic: &'a str = required "topic",
        queue_id: i32 = required "queueId",
        poll_time: i64 = required "pollTime",
        born_time: i64 = required "bornTime",
        order: bool = default(false) "order",
        attempt_id: Option<&'a str> = optional "attemptId",
    }
}

fields! {
    /// 200055
    pub struct PollingInfo<'a> {
        consumer_group: &'a str = required "consumerGroup",
        topic: &'a str = required "topic",
        queue_id: i32 = required "queueId",
    }
}

/// One pop's acks in the body of 200151.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchAck {
    pub topic: String,
    pub group: String,
    /// The retry flag of the handle.
    pub retry: String,
    pub queue_id: i32,
    pub start: i64,
    pub pop_time: i64,
    /// Only passed on.
    pub invisible_time: i64,
    pub revive_queue: i32,
    pub offsets: Vec<i64>,
}

/// The offsets of one pop lie near to each other, however many its filter passed over: within 49,152 of them.
const BITS_TEXT_BYTES_MAX: usize = 8192;

/// The acks of 200151; none if there is no body.
pub fn batch_acks(body: &[u8]) -> Result<Vec<BatchAck>, BadRequest> {
    const WHAT: &str = "a batch of acks";
    if body.is_empty() {
        return Ok(Vec::new());
    }
    let value = queue::parse(body, WHAT)?;
    let object = Object::of(&value).ok_or(BadRequest::Body { what: WHAT, why: "it is not an object" })?;
    let ack = |ack: Object<'_>| {
        let text = |name, why| ack.text(name).ok_or(BadRequest::Body { what: WHAT, why });
        let start = ack.long("so").ok_or(BadRequest::Body { what: WHAT, why: "an ack has no start offset (so)" })?;
        let bits = ack.text("b").unwrap_or_default();
        if bits.len() > BITS_TEXT_BYTES_MAX {
            return Err(BadRequest::Body { what: WHAT, why: "the bits (b) name more offsets than one pop hands out" });
        }
        let bits = STANDARD.decode(bits).map_err(|_| BadRequest::Body { what: WHAT, why: "the bits (b) are not base64" })?;
        Ok(BatchAck {
            topic: text("t", "an ack has no topic (t)")?,
            group: text("c", "an ack has no group (c)")?,
            retry: ack.text("r").unwrap_or_default(),
            queue_id: ack.int("q").ok_or(BadRequest::Body { what: WHAT, why: "an ack has no queue (q)" })?,
            start,
            pop_time: ack.long("pt").unwrap_or_default(),
            invisible_time: ack.long("it").unwrap_or_default(),
            revive_queue: ack.int("rq").unwrap_or_default(),
            offsets: set_bits(&bits).filter_map(|bit| start.checked_add(bit)).collect(),
        })
    };
    object.objects("acks").map(ack).collect()
}

/// A body of 200151, as Java writes it.
pub fn encode_batch_acks(broker: &str, acks: &[BatchAck]) -> Vec<u8> {
    let ack = |ack: &BatchAck| {
        serde_json::json!({
            "b": STANDARD.encode(bits_of(ack.start, &ack.offsets)),
            "c": ack.group,
            "it": ack.invisible_time,
            "pt": ack.pop_time,
            "q": ack.queue_id,
            "r": ack.retry,
            "rq": ack.revive_queue,
            "so": ack.start,
            "t": ack.topic,
        })
    };
    let acks: Vec<_> = acks.iter().map(ack).collect();
    serde_json::json!({ "acks": acks, "brokerName": broker }).to_string().into_bytes()
}

/// As `BitSet.toByteArray`: no more bytes than the last bit needs. What lies below `start` has no bit.
fn bits_of(start: i64, offsets: &[i64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for bit in offsets.iter().filter_map(|offset| usize::try_from(offset.checked_sub(start)?).ok()) {
        if bytes.len() <= bit / 8 {
            bytes.resize(bit / 8 + 1, 0);
        }
        bytes[bit / 8] |= 1 << (bit % 8);
    }
    bytes
}

/// As `BitSet.valueOf` numbers them.
fn set_bits(bytes: &[u8]) -> impl Iterator<Item = i64> {
    let bits = |(index, byte): (usize, &u8)| {
        let byte = *byte;
        (0..8).filter(move |bit| byte >> bit & 1 == 1).map(move |bit| (index * 8 + bit) as i64)
    };
    bytes.iter().enumerate().flat_map(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_names_its_offsets_by_bits() {
        // A BitSet of 0, 3 and 9 as Java writes it.
        let body = br#"{"acks":[{"b":"CQI=","c":"g","it":60000,"pt":5,"q":2,"r":"1","rq":4,"so":100,"t":"T"}],"brokerName":"b"}"#;
        let acks = batch_acks(body).unwrap();
        assert_eq!(acks.len(), 1);
        assert_eq!(acks[0].offsets, [100, 103, 109]);
        assert_eq!((acks[0].topic.as_str(), acks[0].group.as_str(), acks[0].retry.as_str()), ("T", "g", "1"));
        assert_eq!((acks[0].queue_id, acks[0].pop_time, acks[0].revive_queue), (2, 5, 4));
        assert_eq!(acks[0].invisible_time, 60_000);
        assert_eq!(encode_batch_acks("b", &acks), body, "as Java writes it");
        assert_eq!(batch_acks(b"").unwrap(), []);
        assert_eq!(batch_acks(br#"{"acks":[]}"#).unwrap(), []);
    }

    #[test]
    fn what_is_no_batch_is_refused() {
        for body in [
            &b"x"[..],
            b"[]",
            br#"{"acks":[{"c":"g","t":"T","q":0}]}"#,
            br#"{"acks":[{"c":"g","t":"T","q":0,"so":1,"b":"*"}]}"#,
            br#"{"acks":[{"c":"g","so":1,"q":0}]}"#,
            format!(r#"{{"acks":[{{"c":"g","t":"T","q":0,"so":1,"b":"{}"}}]}}"#, "A".repeat(8196)).as_bytes(),
        ] {
            assert!(batch_acks(body).is_err(), "{}", String::from_utf8_lossy(body));
        }
        let far = br#"{"acks":[{"c":"g","t":"T","q":0,"so":9223372036854775807,"b":"Aw=="}]}"#;
        assert_eq!(batch_acks(far).unwrap()[0].offsets, [i64::MAX], "no offset is beyond the last");
    }
}
