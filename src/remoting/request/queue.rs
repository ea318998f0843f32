//! MessageQueue in JSON, and what reading any body begins with.

use serde_json::Value;

use super::BadRequest;
use crate::remoting::json::{self, Object, Writer};

/// `MessageQueue`, owned as it comes out of a body.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageQueue {
    pub broker_name: String,
    pub queue_id: i32,
    pub topic: String,
}

impl MessageQueue {
    pub fn read(object: &Object<'_>) -> MessageQueue {
        MessageQueue {
            broker_name: object.text("brokerName").unwrap_or_default(),
            queue_id: object.int("queueId").unwrap_or_default(),
            topic: object.text("topic").unwrap_or_default(),
        }
    }

    /// From the key of a map: an object's text.
    pub fn read_key(key: &str) -> Option<MessageQueue> {
        let value = json::parse(key.as_bytes()).ok()?;
        Object::of(&value).map(|object| MessageQueue::read(&object))
    }

    pub fn write(&self, json: &mut Writer<'_>) {
        json.object(|json| write_members(&self.topic, &self.broker_name, self.queue_id, json));
    }
}

/// Within an object, or an object that is a key.
pub fn write_members(topic: &str, broker_name: &str, queue_id: i32, json: &mut Writer<'_>) {
    json.key("brokerName").string(broker_name);
    json.key("queueId").number(queue_id);
    json.key("topic").string(topic);
}

/// A body that must be there.
pub(super) fn parse(body: &[u8], what: &'static str) -> Result<Value, BadRequest> {
    if body.is_empty() {
        return Err(BadRequest::NoBody { what });
    }
    json::parse(body).map_err(|why| BadRequest::Json { what, why })
}
