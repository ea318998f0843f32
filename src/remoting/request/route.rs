//! 105 GET_ROUTEINFO_BY_TOPIC and 106 GET_BROKER_CLUSTER_INFO, and `TopicRouteData` as clients read it.
//! `namesrv` writes the bodies.

use super::{BadRequest, queue};
use crate::remoting::json::{Dialect, Object};
use crate::remoting::version;

fields! {
    /// 105
    pub struct GetRouteInfo<'a> {
        topic: &'a str = required "topic",
        accept_standard_json_only: Option<bool> = optional "acceptStandardJsonOnly",
    }
}

impl GetRouteInfo<'_> {
    /// What the asking client reads: newer ones the standard, and anyone who says so.
    pub fn dialect(&self, client_version: i32) -> Dialect {
        match client_version >= version::V4_9_4 || self.accept_standard_json_only == Some(true) {
            true => Dialect::Standard,
            false => Dialect::Fastjson,
        }
    }
}

/// `TopicRouteData`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicRoute {
    pub brokers: Vec<BrokerRoute>,
    pub queues: Vec<QueueRoute>,
    pub order_topic_conf: Option<String>,
}

/// `BrokerData`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerRoute {
    pub cluster: String,
    pub name: String,
    /// `ip:port` by broker id; 0 is the master.
    pub addresses: Vec<(i64, String)>,
}

/// `QueueData`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueRoute {
    pub broker_name: String,
    pub read_queue_nums: i32,
    pub write_queue_nums: i32,
    pub perm: i32,
    pub topic_sys_flag: i32,
}

impl TopicRoute {
    /// The body that answers 105, in either dialect.
    pub fn decode(body: &[u8]) -> Result<TopicRoute, BadRequest> {
        const WHAT: &str = "a topic's route";
        let value = queue::parse(body, WHAT)?;
        let object = Object::of(&value).ok_or(BadRequest::Body { what: WHAT, why: "it is not an object" })?;
        let brokers = object.objects("brokerDatas").map(|broker| {
            let addresses = broker.text_members("brokerAddrs").into_iter();
            BrokerRoute {
                cluster: broker.text("cluster").unwrap_or_default(),
                name: broker.text("brokerName").unwrap_or_default(),
                addresses: addresses.filter_map(|(id, address)| Some((id.parse().ok()?, address))).collect(),
            }
        });
        let queues = object.objects("queueDatas").map(|queue| QueueRoute {
            broker_name: queue.text("brokerName").unwrap_or_default(),
            read_queue_nums: queue.int("readQueueNums").unwrap_or_default(),
            write_queue_nums: queue.int("writeQueueNums").unwrap_or_default(),
            perm: queue.int("perm").unwrap_or_default(),
            topic_sys_flag: queue.int("topicSysFlag").or(queue.int("topicSynFlag")).unwrap_or_default(),
        });
        Ok(TopicRoute {
            brokers: brokers.collect(),
            queues: queues.collect(),
            order_topic_conf: object.text("orderTopicConf").filter(|conf| !conf.is_empty()),
        })
    }

    /// The address of a broker's master.
    pub fn master(&self, broker_name: &str) -> Option<&str> {
        let broker = self.brokers.iter().find(|broker| broker.name == broker_name)?;
        broker.addresses.iter().find(|(id, _)| *id == 0).map(|(_, address)| address.as_str())
    }
}
