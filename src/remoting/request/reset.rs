//! Resets of consumer offsets and what consumers say of theirs: 222 INVOKE_BROKER_TO_RESET_OFFSET and 223
//! INVOKE_BROKER_TO_GET_CONSUMER_STATUS of administrators; 220 RESET_CONSUMER_CLIENT_OFFSET and 221
//! GET_CONSUMER_STATUS_FROM_CLIENT, which the broker sends to members of the group.

use super::BadRequest;
use super::queue::{self, MessageQueue};
use crate::remoting::json::{Dialect, Object, Writer};

fields! {
    /// 222 of an administrator, 220 to a client.
    pub struct ResetOffset<'a> {
        topic: &'a str = required "topic",
        group: &'a str = required "group",
        /// -1: all queues. Not of 4.9.
        queue_id: i32 = default(-1) "queueId",
        /// Instead of a time; only with a queue.
        offset: Option<i64> = optional "offset",
        /// Milliseconds since 1970; -1: the end.
        timestamp: i64 = default(0) "timestamp",
        /// Also forwards. Only where clients reset themselves.
        is_force: bool = default(false) "isForce",
    }
}

fields! {
    /// 223 of an administrator, 221 to a client.
    pub struct GetConsumerStatus<'a> {
        topic: &'a str = required "topic",
        group: &'a str = required "group",
        /// Only this client, by its id.
        client_addr: Option<&'a str> = optional "clientAddr",
    }
}

/// `ResetOffsetBody`: answers 222, and tells a client with 220.
pub fn write_reset(topic: &str, broker_name: &str, offsets: &[(i32, i64)], body: &mut Vec<u8>) {
    Writer::new(body, Dialect::Fastjson).object(|json| {
        json.key("offsetTable").object(|json| {
            for (queue_id, offset) in offsets {
                json.object_key(|json| queue::write_members(topic, broker_name, *queue_id, json)).number(offset);
            }
        });
    });
}

/// `ResetOffsetBodyForC`: the same for clients that read no objects as keys.
pub fn write_reset_list(topic: &str, broker_name: &str, offsets: &[(i32, i64)], body: &mut Vec<u8>) {
    Writer::new(body, Dialect::Fastjson).object(|json| {
        json.key("offsetTable").array(|json| {
            for (queue_id, offset) in offsets {
                json.object(|json| {
                    json.key("brokerName").string(broker_name);
                    json.key("offset").number(offset);
                    json.key("queueId").number(queue_id);
                    json.key("topic").string(topic);
                });
            }
        });
    });
}

/// A client's offsets: the body of its answer to 221.
pub type QueueOffsets = Vec<(MessageQueue, i64)>;

pub fn client_offsets(body: &[u8]) -> Result<QueueOffsets, BadRequest> {
    let value = queue::parse(body, "a consumer's offsets")?;
    let table = Object::of(&value).and_then(|body| body.object("messageQueueTable"));
    let members = table.iter().flat_map(|table| table.members().map(|(key, _)| (key, table.long(key))));
    Ok(members.filter_map(|(key, offset)| Some((MessageQueue::read_key(key)?, offset?))).collect())
}

/// `GetConsumerStatusBody`: answers 223, each client with its offsets.
pub fn write_consumer_status(clients: &[(String, QueueOffsets)], body: &mut Vec<u8>) {
    Writer::new(body, Dialect::Fastjson).object(|json| {
        json.key("consumerTable").object(|json| {
            for (client_id, offsets) in clients {
                json.key(client_id).object(|json| {
                    for (queue, offset) in offsets {
                        json.object_key(|json| queue::write_members(&queue.topic, &queue.broker_name, queue.queue_id, json))
                            .number(offset);
                    }
                });
            }
        });
        json.key("messageQueueTable").object(|_| ());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_fastjsons() {
        let mut body = Vec::new();
        write_reset("T", "b", &[(0, 5), (1, 0)], &mut body);
        let queue = |queue_id| format!(r#"{{"brokerName":"b","queueId":{queue_id},"topic":"T"}}"#);
        let expected = format!(r#"{{"offsetTable":{{{}:5,{}:0}}}}"#, queue(0), queue(1));
        assert_eq!(String::from_utf8(body).unwrap(), expected);
        let mut body = Vec::new();
        write_reset_list("T", "b", &[(1, 7)], &mut body);
        assert_eq!(body, br#"{"offsetTable":[{"brokerName":"b","offset":7,"queueId":1,"topic":"T"}]}"#);
    }

    #[test]
    fn what_a_client_says_is_passed_on() {
        let said = br#"{"consumerTable":{},"messageQueueTable":{{"brokerName":"b","queueId":3,"topic":"T"}:12}}"#;
        let offsets = client_offsets(said).unwrap();
        assert_eq!(offsets, [(MessageQueue { broker_name: "b".into(), queue_id: 3, topic: "T".into() }, 12)]);
        let mut body = Vec::new();
        write_consumer_status(&[("c@1".into(), offsets)], &mut body);
        let expected = r#"{"consumerTable":{"c@1":{{"brokerName":"b","queueId":3,"topic":"T"}:12}},"messageQueueTable":{}}"#;
        assert_eq!(String::from_utf8(body).unwrap(), expected);
        assert!(client_offsets(b"{").is_err());
        assert_eq!(client_offsets(b"{}").unwrap(), []);
    }
}
