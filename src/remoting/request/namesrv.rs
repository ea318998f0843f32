//! What tools ask of a name server: 205 and 327 (write permission of a broker), 206, 224, 304, 311, 312 and 313 (lists of
//! topics), 216 DELETE_TOPIC_IN_NAMESRV, 217 REGISTER_TOPIC_IN_NAMESRV. 318 and 319 have no fields.

use super::{BadRequest, queue};
use crate::remoting::json::{Dialect, Object, Writer};

fields! {
    /// 205
    pub struct WipeWritePermOfBroker<'a> {
        broker_name: &'a str = required "brokerName",
    }
}

fields! {
    /// Answers 205.
    pub struct WipeWritePermOfBrokerResponse {
        wipe_topic_count: i32 = required "wipeTopicCount",
    }
}

fields! {
    /// 327
    pub struct AddWritePermOfBroker<'a> {
        broker_name: &'a str = required "brokerName",
    }
}

fields! {
    /// Answers 327.
    pub struct AddWritePermOfBrokerResponse {
        add_topic_count: i32 = required "addTopicCount",
    }
}

fields! {
    /// 224
    pub struct GetTopicsByCluster<'a> {
        cluster: &'a str = required "cluster",
    }
}

fields! {
    /// 216
    pub struct DeleteTopicInNamesrv<'a> {
        topic: &'a str = required "topic",
        /// Only from the brokers of this cluster.
        cluster_name: Option<&'a str> = optional "clusterName",
    }
}

fields! {
    /// 217. The body is a route, of which only the queues count.
    pub struct RegisterTopicInNamesrv<'a> {
        topic: &'a str = required "topic",
    }
}

/// `TopicList`: the body that answers 206, 224, 304, 311, 312 and 313.
pub fn write_topic_list<'t>(topics: impl IntoIterator<Item = &'t str>, broker_addr: Option<&str>, body: &mut Vec<u8>) {
    Writer::new(body, Dialect::Fastjson).object(|json| {
        if let Some(address) = broker_addr {
            json.key("brokerAddr").string(address);
        }
        json.key("topicList").strings(topics);
    });
}

pub fn topic_list(body: &[u8]) -> Result<Vec<String>, BadRequest> {
    let value = queue::parse(body, "a list of topics")?;
    Ok(Object::of(&value).into_iter().flat_map(|body| body.texts("topicList")).collect())
}
