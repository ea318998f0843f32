//! 326 PUSH_REPLY_MESSAGE_TO_CLIENT, which the broker sends: an answer to a request that a producer has sent as a message.
//! The body is the answer's, compressed as its sys flag says. 324 and 325 have the fields of sends, see `send`.

use std::net::SocketAddr;

use super::FieldWriter;
use super::send::SendMessage;

/// `ReplyMessageRequestHeader`
pub struct PushReply<'a> {
    /// What the consumer sent, but for its properties.
    pub sent: &'a SendMessage<'a>,
    pub properties: &'a str,
    pub born_host: SocketAddr,
    pub store_host: SocketAddr,
    pub store_timestamp: i64,
}

impl PushReply<'_> {
    pub fn encode<W: FieldWriter>(&self, writer: W) -> W {
        let sent = self.sent;
        writer
            .put("producerGroup", sent.producer_group)
            .put("topic", sent.topic)
            .put("defaultTopic", sent.default_topic)
            .put("defaultTopicQueueNums", sent.default_topic_queue_nums)
            .put("queueId", sent.queue_id)
            .put("sysFlag", sent.sys_flag)
            .put("bornTimestamp", sent.born_timestamp)
            .put("flag", sent.flag)
            .put("properties", self.properties)
            .put("reconsumeTimes", sent.reconsume_times)
            .put("unitMode", sent.unit_mode)
            .put("bornHost", self.born_host)
            .put("storeHost", self.store_host)
            .put("storeTimestamp", self.store_timestamp)
    }
}
