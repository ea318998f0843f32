//! 41 LOCK_BATCH_MQ and 42 UNLOCK_BATCH_MQ. Both have no fields and the same body; 42 is often one-way.

use super::BadRequest;
use super::queue::{self, MessageQueue};
use crate::remoting::json::{Dialect, Object, Writer};

const WHAT: &str = "a set of queues";

/// `LockBatchRequestBody`, `UnlockBatchRequestBody`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockBatch {
    pub consumer_group: String,
    pub client_id: String,
    pub queues: Vec<MessageQueue>,
    pub only_this_broker: bool,
}

impl LockBatch {
    pub fn decode(body: &[u8]) -> Result<LockBatch, BadRequest> {
        let value = queue::parse(body, WHAT)?;
        let object = Object::of(&value).ok_or(BadRequest::Body { what: WHAT, why: "it is not an object" })?;
        let text = |name, why| object.text(name).ok_or(BadRequest::Body { what: WHAT, why });
        Ok(LockBatch {
            consumer_group: text("consumerGroup", "it has no consumerGroup")?,
            client_id: text("clientId", "it has no clientId")?,
            queues: object.objects("mqSet").map(|queue| MessageQueue::read(&queue)).collect(),
            only_this_broker: object.flag("onlyThisBroker").unwrap_or_default(),
        })
    }

    pub fn encode(&self, body: &mut Vec<u8>) {
        Writer::new(body, Dialect::Fastjson).object(|json| {
            json.key("clientId").string(&self.client_id);
            json.key("consumerGroup").string(&self.consumer_group);
            json.key("mqSet").array(|json| self.queues.iter().for_each(|queue| queue.write(json)));
            json.key("onlyThisBroker").bool(self.only_this_broker);
        });
    }
}

/// The body that answers 41: the queues that the client now holds.
pub fn write_locked<'a>(queues: impl IntoIterator<Item = &'a MessageQueue>, body: &mut Vec<u8>) {
    Writer::new(body, Dialect::Fastjson).object(|json| {
        json.key("lockOKMQSet").array(|json| queues.into_iter().for_each(|queue| queue.write(json)));
    });
}

/// The body that answers 41, read.
pub fn locked(body: &[u8]) -> Result<Vec<MessageQueue>, BadRequest> {
    let value = queue::parse(body, WHAT)?;
    let queues = Object::of(&value).into_iter().flat_map(|body| body.objects("lockOKMQSet"));
    Ok(queues.map(|queue| MessageQueue::read(&queue)).collect())
}
