//! Whole tables of consumer offsets: 43 GET_ALL_CONSUMER_OFFSET, 308 QUERY_CORRECTION_OFFSET, 314 CLONE_GROUP_OFFSET.

use std::collections::BTreeMap;

use ringmq_shards::data_version::DataVersion;

use super::topic_config::write_version;
use crate::remoting::json::{Dialect, Writer};

fields! {
    /// 308
    pub struct QueryCorrectionOffset<'a> {
        /// Groups that do not count, with commas between them.
        filter_groups: Option<&'a str> = optional "filterGroups",
        compare_group: &'a str = required "compareGroup",
        topic: &'a str = required "topic",
    }
}

fields! {
    /// 314
    pub struct CloneGroupOffset<'a> {
        src_group: &'a str = required "srcGroup",
        dest_group: &'a str = required "destGroup",
        /// Absent or empty: all topics that the source has offsets of.
        topic: Option<&'a str> = optional "topic",
        /// Also of topics that the source's members do not subscribe to now.
        offline: bool = default(false) "offline",
    }
}

/// Offsets by queue id, of each `topic@group`.
pub type OffsetTable = BTreeMap<String, BTreeMap<i32, i64>>;

/// `ConsumerOffsetManager`, as RocketMQ writes it into consumerOffset.json: the body that answers 43.
pub fn write_all(offsets: &OffsetTable, version: DataVersion, body: &mut Vec<u8>) {
    let mut topics: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (topic, group) in offsets.keys().filter_map(|pair| pair.rsplit_once('@')) {
        topics.entry(group).or_default().push(topic);
    }
    Writer::new(body, Dialect::Fastjson).object(|json| {
        write_version(version, json.key("dataVersion"));
        json.key("groupTopicMap").object(|json| {
            for (group, topics) in topics {
                json.key(group).strings(topics);
            }
        });
        json.key("offsetTable").object(|json| {
            for (pair, queues) in offsets {
                json.key(pair).object(|json| write_queues(queues, json));
            }
        });
    });
}

/// `QueryCorrectionOffsetBody`, which answers 308.
pub fn write_correction(offsets: &BTreeMap<i32, i64>, body: &mut Vec<u8>) {
    Writer::new(body, Dialect::Fastjson).object(|json| json.key("correctionOffsets").object(|json| write_queues(offsets, json)));
}

fn write_queues(queues: &BTreeMap<i32, i64>, json: &mut Writer<'_>) {
    for (queue_id, offset) in queues {
        json.numeric_key(i64::from(*queue_id)).number(offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_ids_are_bare_keys() {
        let queues = BTreeMap::from([(0, 5), (1, i64::MAX)]);
        let mut body = Vec::new();
        write_correction(&queues, &mut body);
        assert_eq!(body, br#"{"correctionOffsets":{0:5,1:9223372036854775807}}"#);
        let mut body = Vec::new();
        write_all(&BTreeMap::from([("T@g".to_owned(), BTreeMap::from([(0, 5)]))]), DataVersion::default(), &mut body);
        let expected = r#"{"dataVersion":{"counter":0,"stateVersion":0,"timestamp":0},"groupTopicMap":{"g":["T"]},"offsetTable":{"T@g":{0:5}}}"#;
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }
}
