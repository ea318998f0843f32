//! 34 HEART_BEAT. It has no fields; the body says who is alive, in which groups, and what they subscribe to.
//!
//! Before: `remoting::header`; after: `broker::heartbeat`, which tells `group::members` of each group.

use ringmq_shards::filter::SubscriptionData;
use ringmq_shards::group::{ConsumeFromWhere, ConsumeType, MessageModel};

use super::fields::FieldWriter;
use super::{BadRequest, queue, subscription};
use crate::remoting::json::{Dialect, Object, Writer};

const WHAT: &str = "a heartbeat";

/// `HeartbeatData`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heartbeat {
    pub client_id: String,
    pub producer_groups: Vec<String>,
    pub consumers: Vec<Consumer>,
    /// Not 0: the client may leave out subscriptions that have not changed.
    pub fingerprint: i32,
    /// It does so here.
    pub without_sub: bool,
}

/// `ConsumerData`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    pub group: String,
    pub consume_type: ConsumeType,
    pub message_model: MessageModel,
    pub consume_from_where: ConsumeFromWhere,
    pub subscriptions: Vec<SubscriptionData>,
    pub unit_mode: bool,
}

impl Heartbeat {
    pub fn decode(body: &[u8]) -> Result<Heartbeat, BadRequest> {
        let value = queue::parse(body, WHAT)?;
        let object = Object::of(&value).ok_or(BadRequest::Body { what: WHAT, why: "it is not an object" })?;
        let client_id = object.text("clientID").filter(|id| !id.is_empty());
        Ok(Heartbeat {
            client_id: client_id.ok_or(BadRequest::Body { what: WHAT, why: "it has no clientID" })?,
            producer_groups: object.objects("producerDataSet").filter_map(|producer| producer.text("groupName")).collect(),
            consumers: object.objects("consumerDataSet").filter_map(|consumer| Consumer::read(&consumer)).collect(),
            fingerprint: object.int("heartbeatFingerprint").unwrap_or_default(),
            without_sub: object.flag("withoutSub").unwrap_or_default(),
        })
    }

    pub fn encode(&self, body: &mut Vec<u8>) {
        Writer::new(body, Dialect::Fastjson).object(|json| {
            json.key("clientID").string(&self.client_id);
            json.key("consumerDataSet").array(|json| self.consumers.iter().for_each(|consumer| consumer.write(json)));
            json.key("heartbeatFingerprint").number(self.fingerprint);
            json.key("producerDataSet").array(|json| {
                for group in &self.producer_groups {
                    json.object(|json| json.key("groupName").string(group));
                }
            });
            json.key("withoutSub").bool(self.without_sub);
        });
    }
}

impl Consumer {
    /// Names that we do not know are what an ordinary push consumer says. Without a group's name there is no group.
    fn read(object: &Object<'_>) -> Option<Consumer> {
        let name = |key| object.text(key).unwrap_or_default();
        Some(Consumer {
            group: object.text("groupName")?,
            consume_type: ConsumeType::from_name(&name("consumeType")).unwrap_or(ConsumeType::Passively),
            message_model: MessageModel::from_name(&name("messageModel")).unwrap_or(MessageModel::Clustering),
            consume_from_where: ConsumeFromWhere::from_name(&name("consumeFromWhere")).unwrap_or(ConsumeFromWhere::LastOffset),
            subscriptions: object.objects("subscriptionDataSet").map(|object| subscription::read(&object)).collect(),
            unit_mode: object.flag("unitMode").unwrap_or_default(),
        })
    }

    fn write(&self, json: &mut Writer<'_>) {
        json.object(|json| {
            json.key("consumeFromWhere").string(self.consume_from_where.name());
            json.key("consumeType").string(self.consume_type.name());
            json.key("groupName").string(&self.group);
            json.key("messageModel").string(self.message_model.name());
            json.key("subscriptionDataSet").array(|json| {
                self.subscriptions.iter().for_each(|subscription| subscription::write(subscription, json));
            });
            json.key("unitMode").bool(self.unit_mode);
        });
    }
}

/// What the answer carries (5.1 and later): the client may leave out subscriptions from now on, and whether it must
/// send them once more.
pub fn write_response<W: FieldWriter>(sub_change: bool, writer: W) -> W {
    writer.put("IS_SUPPORT_HEART_BEAT_V2", true).put("IS_SUB_CHANGE", sub_change)
}
