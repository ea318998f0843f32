//! What clients say and ask about themselves, but for heartbeats: 35 UNREGISTER_CLIENT, 38 GET_CONSUMER_LIST_BY_GROUP,
//! 40 NOTIFY_CONSUMER_IDS_CHANGED (which the broker sends), 46 CHECK_CLIENT_CONFIG.

use ringmq_shards::filter::SubscriptionData;

use super::{BadRequest, queue, subscription};
use crate::remoting::json::{Dialect, Object, Writer};

fields! {
    /// 35
    pub struct UnregisterClient<'a> {
        client_id: &'a str = required "clientID",
        producer_group: Option<&'a str> = optional "producerGroup",
        consumer_group: Option<&'a str> = optional "consumerGroup",
    }
}

fields! {
    /// 38
    pub struct GetConsumerListByGroup<'a> {
        consumer_group: &'a str = required "consumerGroup",
    }
}

fields! {
    /// 40, one-way, to each member of a group.
    pub struct NotifyConsumerIdsChanged<'a> {
        consumer_group: &'a str = required "consumerGroup",
    }
}

/// The body that answers 38.
pub fn write_consumer_ids<'a>(client_ids: impl IntoIterator<Item = &'a str>, body: &mut Vec<u8>) {
    Writer::new(body, Dialect::Fastjson).object(|json| json.key("consumerIdList").strings(client_ids));
}

/// The body that answers 38, read.
pub fn consumer_ids(body: &[u8]) -> Result<Vec<String>, BadRequest> {
    let value = queue::parse(body, "a list of consumers")?;
    Ok(Object::of(&value).into_iter().flat_map(|body| body.texts("consumerIdList")).collect())
}

/// The body of 46.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckClientConfig {
    pub client_id: String,
    pub group: String,
    pub namespace: Option<String>,
    pub subscription: Option<SubscriptionData>,
}

impl CheckClientConfig {
    pub fn decode(body: &[u8]) -> Result<CheckClientConfig, BadRequest> {
        const WHAT: &str = "a client's configuration";
        let value = queue::parse(body, WHAT)?;
        let object = Object::of(&value).ok_or(BadRequest::Body { what: WHAT, why: "it is not an object" })?;
        let subscription = object.object("subscriptionData").map(|object| subscription::read(&object));
        Ok(CheckClientConfig {
            client_id: object.text("clientId").unwrap_or_default(),
            group: object.text("group").unwrap_or_default(),
            namespace: object.text("namespace"),
            subscription,
        })
    }
}
