//! 45 GET_ALL_DELAY_OFFSET, 60 GET_TIMER_CHECK_POINT, 61 GET_TIMER_METRICS, none of which has fields; 370 RECALL_MESSAGE.

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use crate::remoting::json::{Dialect, Writer};

/// As Java writes it, and as its decoder reads it: with or without padding.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&URL_SAFE, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

fields! {
    /// 370; the answer has `msgId`.
    pub struct RecallMessage<'a> {
        producer_group: Option<&'a str> = optional "producerGroup",
        topic: &'a str = required "topic",
        recall_handle: Option<&'a str> = optional "recallHandle",
    }
}

/// What names a waiting message: base64url of `v1 topic broker time key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecallHandle {
    pub topic: String,
    pub broker: String,
    /// When it is delivered, in milliseconds since 1970; as sent, it may be no number.
    pub deliver_at: String,
    pub unique_key: String,
}

impl RecallHandle {
    pub fn encode(topic: &str, broker: &str, deliver_at: i64, unique_key: &str) -> String {
        BASE64.encode(format!("v1 {topic} {broker} {deliver_at} {unique_key}"))
    }

    pub fn decode(handle: &str) -> Option<RecallHandle> {
        let text = String::from_utf8(BASE64.decode(handle).ok()?).ok()?;
        let mut parts = text.split(' ').map(str::to_owned);
        if parts.next()? != "v1" {
            return None;
        }
        let handle =
            RecallHandle { topic: parts.next()?, broker: parts.next()?, deliver_at: parts.next()?, unique_key: parts.next()? };
        Some(handle)
    }
}

/// Answers 45: of each level, how far it has been delivered. `timestamp`: of the data version.
pub fn write_delay_offsets(timestamp: i64, levels: impl IntoIterator<Item = (u32, i64)>, body: &mut Vec<u8>) {
    Writer::new(body, Dialect::Fastjson).object(|json| {
        json.key("dataVersion");
        write_version(json, 0, timestamp);
        json.key("offsetTable").object(|json| {
            for (level, offset) in levels {
                json.numeric_key(i64::from(level)).number(offset);
            }
        });
    });
}

/// Answers 61: how many timers wait for each topic.
pub fn write_timer_metrics<'t>(
    counter: u64,
    timestamp: i64,
    topics: impl IntoIterator<Item = (&'t str, u64)>,
    body: &mut Vec<u8>,
) {
    Writer::new(body, Dialect::Fastjson).object(|json| {
        json.key("dataVersion");
        write_version(json, counter, timestamp);
        json.key("timingCount").object(|json| {
            for (topic, count) in topics {
                json.key(topic).object(|json| {
                    json.key("count").number(count);
                    json.key("timeStamp").number(timestamp);
                });
            }
        });
    });
}

fn write_version(json: &mut Writer<'_>, counter: u64, timestamp: i64) {
    json.object(|json| {
        json.key("counter").number(counter);
        json.key("stateVersion").number(0);
        json.key("timestamp").number(timestamp);
    });
}

/// Answers 60: seven numbers of eight bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimerCheckPoint {
    /// Up to when timers have been delivered.
    pub last_read: i64,
    pub last_log_flush: i64,
    /// How far the timers' topic has been read.
    pub queue_offset: i64,
    pub timestamp: i64,
    pub counter: i64,
}

impl TimerCheckPoint {
    pub fn encode(&self) -> Vec<u8> {
        let TimerCheckPoint { last_read, last_log_flush, queue_offset, timestamp, counter } = *self;
        let state_version = 0;
        let numbers = [last_read, last_log_flush, queue_offset, queue_offset, state_version, timestamp, counter];
        numbers.iter().flat_map(|number: &i64| number.to_be_bytes()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_are_those_of_the_original() {
        let recorded = "djEgdG9waWMtbXdxdDZpcHEtMSBicm9rZXItYSAxNzk1Mjg5Nzg2MDAxIERFTE1BUks=";
        let handle = RecallHandle::decode(recorded).expect("recorded from 5.3.3");
        assert_eq!((handle.topic.as_str(), handle.broker.as_str()), ("topic-mwqt6ipq-1", "broker-a"));
        assert_eq!((handle.deliver_at.as_str(), handle.unique_key.as_str()), ("1795289786001", "DELMARK"));
        assert_eq!(RecallHandle::encode("topic-mwqt6ipq-1", "broker-a", 1_795_289_786_001, "DELMARK"), recorded);
        assert_eq!(RecallHandle::decode(recorded.trim_end_matches('=')), Some(handle));
        for bad in ["garbage", "", "%", &BASE64.encode("v2 a b 1 d"), &BASE64.encode("v1 a b 1"), &BASE64.encode([0xff])] {
            assert_eq!(RecallHandle::decode(bad), None, "{bad}");
        }
    }

    #[test]
    fn bodies_are_those_of_the_original() {
        let mut body = Vec::new();
        write_delay_offsets(5, [(1, 2), (18, 0)], &mut body);
        let expected = r#"{"dataVersion":{"counter":0,"stateVersion":0,"timestamp":5},"offsetTable":{1:2,18:0}}"#;
        assert_eq!(String::from_utf8(body).unwrap(), expected);
        let mut body = Vec::new();
        write_timer_metrics(3, 5, [("T", 2)], &mut body);
        let expected =
            r#"{"dataVersion":{"counter":3,"stateVersion":0,"timestamp":5},"timingCount":{"T":{"count":2,"timeStamp":5}}}"#;
        assert_eq!(String::from_utf8(body).unwrap(), expected);
        let check_point = TimerCheckPoint { last_read: 1, last_log_flush: 2, queue_offset: 3, timestamp: 5, counter: 6 };
        let numbers: Vec<u8> = check_point.encode().chunks(8).map(|number| number[7]).collect();
        assert_eq!(numbers, [1, 2, 3, 3, 0, 5, 6]);
    }
}
