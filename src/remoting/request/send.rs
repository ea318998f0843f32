//! The header of SEND_MESSAGE (10, long names) and of SEND_MESSAGE_V2 and SEND_BATCH_MESSAGE (310, 320, one letter each).

use super::{BadRequest, flag, number, optional, text};
use crate::remoting::code::RequestCode;
use crate::remoting::{Encoding, FrameTooLong, Header, RequestWriter};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendMessage<'a> {
    pub producer_group: &'a str,
    pub topic: &'a str,
    pub default_topic: &'a str,
    pub default_topic_queue_nums: i32,
    /// Negative: the broker picks one.
    pub queue_id: i32,
    pub sys_flag: i32,
    pub born_timestamp: i64,
    pub flag: i32,
    /// Encoded, as stored.
    pub properties: &'a str,
    pub reconsume_times: Option<i32>,
    pub unit_mode: bool,
    pub batch: bool,
    pub max_reconsume_times: Option<i32>,
}

/// The names of the fields in one of the two forms.
struct Names {
    producer_group: &'static str,
    topic: &'static str,
    default_topic: &'static str,
    default_topic_queue_nums: &'static str,
    queue_id: &'static str,
    sys_flag: &'static str,
    born_timestamp: &'static str,
    flag: &'static str,
    properties: &'static str,
    reconsume_times: &'static str,
    unit_mode: &'static str,
    max_reconsume_times: &'static str,
    batch: &'static str,
}

const LONG: Names = Names {
    producer_group: "producerGroup",
    topic: "topic",
    default_topic: "defaultTopic",
    default_topic_queue_nums: "defaultTopicQueueNums",
    queue_id: "queueId",
    sys_flag: "sysFlag",
    born_timestamp: "bornTimestamp",
    flag: "flag",
    properties: "properties",
    reconsume_times: "reconsumeTimes",
    unit_mode: "unitMode",
    max_reconsume_times: "maxReconsumeTimes",
    batch: "batch",
};

const SHORT: Names = Names {
    producer_group: "a",
    topic: "b",
    default_topic: "c",
    default_topic_queue_nums: "d",
    queue_id: "e",
    sys_flag: "f",
    born_timestamp: "g",
    flag: "h",
    properties: "i",
    reconsume_times: "j",
    unit_mode: "k",
    max_reconsume_times: "l",
    batch: "m",
};

impl<'a> SendMessage<'a> {
    pub fn decode(header: &'a Header<'_>) -> Result<SendMessage<'a>, BadRequest> {
        let names = if header.code == RequestCode::SendMessage.number() { &LONG } else { &SHORT };
        Ok(SendMessage {
            producer_group: text(header, names.producer_group)?,
            topic: text(header, names.topic)?,
            default_topic: header.field(names.default_topic).unwrap_or_default(),
            default_topic_queue_nums: number(header, names.default_topic_queue_nums)?,
            queue_id: number(header, names.queue_id)?,
            sys_flag: number(header, names.sys_flag)?,
            born_timestamp: number(header, names.born_timestamp)?,
            flag: number(header, names.flag)?,
            properties: header.field(names.properties).unwrap_or_default(),
            reconsume_times: optional(header, names.reconsume_times)?,
            unit_mode: flag(header, names.unit_mode),
            batch: flag(header, names.batch),
            max_reconsume_times: optional(header, names.max_reconsume_times)?,
        })
    }

    /// A whole SEND_MESSAGE_V2 frame (SEND_BATCH_MESSAGE for a batch), as clients send it.
    pub fn encode(&self, encoding: Encoding, opaque: i32, body: &[u8], out: &mut Vec<u8>) -> Result<(), FrameTooLong> {
        let code = if self.batch { RequestCode::SendBatchMessage } else { RequestCode::SendMessageV2 };
        RequestWriter::new(out, encoding, opaque, code.number())
            .field(SHORT.producer_group, self.producer_group)
            .field(SHORT.topic, self.topic)
            .field(SHORT.default_topic, self.default_topic)
            .field(SHORT.default_topic_queue_nums, self.default_topic_queue_nums)
            .field(SHORT.queue_id, self.queue_id)
            .field(SHORT.sys_flag, self.sys_flag)
            .field(SHORT.born_timestamp, self.born_timestamp)
            .field(SHORT.flag, self.flag)
            .field(SHORT.properties, self.properties)
            .field(SHORT.reconsume_times, self.reconsume_times.unwrap_or(0))
            .field(SHORT.unit_mode, self.unit_mode)
            .field(SHORT.batch, self.batch)
            .body(body)
            .finish()
    }
}
