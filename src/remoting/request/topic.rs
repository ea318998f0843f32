//! 17 UPDATE_AND_CREATE_TOPIC, 21 GET_ALL_TOPIC_CONFIG, 202 GET_TOPIC_STATS_INFO, 215 DELETE_TOPIC_IN_BROKER,
//! 351 GET_TOPIC_CONFIG. 18, and bodies with topics' settings: `topic_config`.

use super::BadRequest;
use super::queue::{self, MessageQueue};
use crate::remoting::json::{Dialect, Object, Writer};

fields! {
    /// 17
    pub struct CreateTopic<'a> {
        topic: &'a str = default("") "topic",
        /// TBW102, and of no use.
        default_topic: &'a str = default("") "defaultTopic",
        read_queue_nums: i32 = required "readQueueNums",
        write_queue_nums: i32 = required "writeQueueNums",
        perm: i32 = required "perm",
        /// SINGLE_TAG, MULTI_TAG
        topic_filter_type: &'a str = default("SINGLE_TAG") "topicFilterType",
        topic_sys_flag: i32 = default(0) "topicSysFlag",
        order: bool = default(false) "order",
        /// `+key=value,-key`
        attributes: Option<&'a str> = optional "attributes",
        force: bool = default(false) "force",
    }
}

fields! {
    /// 215
    pub struct DeleteTopic<'a> {
        topic: &'a str = default("") "topic",
    }
}

fields! {
    /// 21. Any field present asks for a page; clients up to 5.3.2 send none and get everything.
    pub struct GetAllTopicConfig<'a> {
        topic_seq: Option<i32> = optional "topicSeq",
        data_version: Option<&'a str> = optional "dataVersion",
        max_topic_num: Option<i32> = optional "maxTopicNum",
    }
}

fields! {
    /// Answers 21.
    pub struct GetAllTopicConfigResponse {
        total_topic_num: i32 = required "totalTopicNum",
    }
}

fields! {
    /// 351
    pub struct GetTopicConfig<'a> {
        topic: &'a str = required "topic",
    }
}

fields! {
    /// 202
    pub struct GetTopicStatsInfo<'a> {
        topic: &'a str = required "topic",
    }
}

/// `TopicOffset`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueStats {
    pub min_offset: i64,
    pub max_offset: i64,
    pub last_update_timestamp: i64,
}

/// `TopicStatsTable`, the body that answers 202: each queue id with its offsets.
pub fn write_stats(
    topic: &str,
    broker_name: &str,
    queues: impl IntoIterator<Item = (i32, QueueStats)>,
    put_tps: f64,
    body: &mut Vec<u8>,
) {
    Writer::new(body, Dialect::Fastjson).object(|json| {
        json.key("offsetTable").object(|json| {
            for (queue_id, stats) in queues {
                json.object_key(|json| queue::write_members(topic, broker_name, queue_id, json)).object(|json| {
                    json.key("lastUpdateTimestamp").number(stats.last_update_timestamp);
                    json.key("maxOffset").number(stats.max_offset);
                    json.key("minOffset").number(stats.min_offset);
                });
            }
        });
        json.key("topicPutTps").double(put_tps);
    });
}

/// The body that answers 202, read.
pub fn stats(body: &[u8]) -> Result<Vec<(MessageQueue, QueueStats)>, BadRequest> {
    let value = queue::parse(body, "topic statistics")?;
    let table = Object::of(&value).and_then(|body| body.object("offsetTable"));
    let queues = table.into_iter().flat_map(|table| table.members()).filter_map(|(key, value)| {
        let offsets = Object::of(value)?;
        let long = |name| offsets.long(name).unwrap_or_default();
        let stats = QueueStats {
            min_offset: long("minOffset"),
            max_offset: long("maxOffset"),
            last_update_timestamp: long("lastUpdateTimestamp"),
        };
        Some((MessageQueue::read_key(key)?, stats))
    });
    Ok(queues.collect())
}
