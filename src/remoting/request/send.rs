//! 10 SEND_MESSAGE, 310 SEND_MESSAGE_V2, 320 SEND_BATCH_MESSAGE.
//!
//! 310 and 320 have names of one letter for the fields of 10. Whether the body is a batch is decided by `batch`, not by
//! the code. The body is the message's, as it will be stored.

use std::fmt::Display;

use super::BadRequest;
use super::fields::{FieldWriter, required};
use crate::remoting::Header;

fields! {
    /// The fields of all three. `encode` writes the long names of 10.
    pub struct SendMessage<'a> {
        producer_group: &'a str = default("") "producerGroup" | "a",
        /// Empty is an illegal topic, which is for the broker to say.
        topic: &'a str = default("") "topic" | "b",
        /// What a topic that does not exist is made after.
        default_topic: &'a str = default("") "defaultTopic" | "c",
        /// Read only for a topic that is made; the original takes a send to one that exists without it.
        default_topic_queue_nums: i32 = default(4) "defaultTopicQueueNums" | "d",
        /// Below 0: the broker picks.
        queue_id: i32 = required "queueId" | "e",
        sys_flag: i32 = required "sysFlag" | "f",
        born_timestamp: i64 = required "bornTimestamp" | "g",
        flag: i32 = required "flag" | "h",
        /// In their stored form.
        properties: &'a str = default("") "properties" | "i",
        reconsume_times: i32 = default(0) "reconsumeTimes" | "j",
        unit_mode: bool = default(false) "unitMode" | "k",
        max_reconsume_times: Option<i32> = optional "maxReconsumeTimes" | "l",
        batch: bool = default(false) "batch" | "m",
        broker_name: Option<&'a str> = optional "bname" | "n",
    }
}

impl<'a> SendMessage<'a> {
    /// One message with nothing special about it, nor any properties.
    pub fn plain(producer_group: &'a str, topic: &'a str, queue_id: i32, born_timestamp: i64) -> SendMessage<'a> {
        SendMessage {
            producer_group,
            topic,
            default_topic: "TBW102",
            default_topic_queue_nums: 4,
            queue_id,
            sys_flag: 0,
            born_timestamp,
            flag: 0,
            properties: "",
            reconsume_times: 0,
            unit_mode: false,
            max_reconsume_times: None,
            batch: false,
            broker_name: None,
        }
    }
}

impl SendMessage<'_> {
    /// With the names of 310 and 320.
    pub fn encode_v2<W: FieldWriter>(&self, writer: W) -> W {
        let writer = writer
            .put("a", self.producer_group)
            .put("b", self.topic)
            .put("c", self.default_topic)
            .put("d", self.default_topic_queue_nums)
            .put("e", self.queue_id)
            .put("f", self.sys_flag)
            .put("g", self.born_timestamp)
            .put("h", self.flag)
            .put("i", self.properties)
            .put("j", self.reconsume_times)
            .put("k", self.unit_mode);
        let writer = match self.max_reconsume_times {
            Some(times) => writer.put("l", times),
            None => writer,
        };
        let writer = writer.put("m", self.batch);
        match self.broker_name {
            Some(name) => writer.put("n", name),
            None => writer,
        }
    }
}

/// The answer to a send, also to one that was stored but not (yet) as safely as it should be. No body.
///
/// `I` is the message's id: anything that can be displayed on the broker's side, a text on the client's. For a batch it
/// is the ids of all its messages, with commas between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendResponse<'a, I> {
    pub msg_id: I,
    pub queue_id: i32,
    /// Of the first message.
    pub queue_offset: i64,
    /// The message's UNIQ_KEY.
    pub transaction_id: Option<&'a str>,
    /// Only of a batch that is stored as one record.
    pub batch_uniq_id: Option<&'a str>,
    /// Only of a timer message that may be recalled.
    pub recall_handle: Option<&'a str>,
}

impl<I: Display> SendResponse<'_, I> {
    pub fn encode<W: FieldWriter>(&self, writer: W) -> W {
        let mut writer = writer.put("msgId", &self.msg_id).put("queueId", self.queue_id).put("queueOffset", self.queue_offset);
        let optional =
            [("transactionId", self.transaction_id), ("batchUniqId", self.batch_uniq_id), ("recallHandle", self.recall_handle)];
        for (name, value) in optional {
            if let Some(value) = value {
                writer = writer.put(name, value);
            }
        }
        writer
    }
}

impl<'a> SendResponse<'a, &'a str> {
    pub fn decode(header: &'a Header<'_>) -> Result<SendResponse<'a, &'a str>, BadRequest> {
        Ok(SendResponse {
            msg_id: required(header.field("msgId"), "msgId")?,
            queue_id: required(header.field("queueId"), "queueId")?,
            queue_offset: required(header.field("queueOffset"), "queueOffset")?,
            transaction_id: header.field("transactionId"),
            batch_uniq_id: header.field("batchUniqId"),
            recall_handle: header.field("recallHandle"),
        })
    }
}

/// The two fields that every answer to a send carries besides, also a refusal: clients keep them with the message.
pub fn write_region<W: FieldWriter>(region_id: &str, trace_on: bool, writer: W) -> W {
    writer.put("MSG_REGION", region_id).put("TRACE_ON", trace_on)
}
