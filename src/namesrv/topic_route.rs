//! What a client is told about one topic: its queues on each broker, and the brokers' addresses.
//!
//! Steps, in the original's order: queues and brokers are picked up; with `supportActingMaster` the lowest slave of a
//! read-only topic stands in as master; a client that asks for its own zone gets the brokers of that zone, and those
//! whose master is away.
//!
//! Before: `handle`; after: `bodies`, which writes it in one of the two dialects.

use std::collections::BTreeMap;

use super::mapping::QueueMapping;
use super::routes::{BrokerAddress, BrokerData, MASTER_ID, QueueData, Routes, perm};

/// Topics of this prefix show the members of a group, so nobody stands in for anybody.
const SYNC_BROKER_MEMBER_GROUP_PREFIX: &str = "rmq_sys_SYNC_BROKER_MEMBER_";

/// `TopicRouteData`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicRoute {
    pub order_topic_conf: Option<String>,
    /// By broker name, like all of these.
    pub queues: BTreeMap<String, QueueData>,
    pub brokers: BTreeMap<String, BrokerData>,
    /// Broker address → filter servers beside it.
    pub filter_servers: BTreeMap<String, Vec<String>>,
    /// None for every topic that is not static.
    pub mappings: Option<BTreeMap<String, QueueMapping>>,
}

impl Routes {
    /// None when nobody has the topic.
    pub fn route(&self, topic: &str, support_acting_master: bool) -> Option<TopicRoute> {
        let queues: BTreeMap<String, QueueData> =
            self.topics.get(topic)?.iter().map(|(broker, queues)| (broker.to_string(), *queues)).collect();
        let named = queues.keys().filter_map(|name| self.brokers.get_key_value(name));
        let brokers: BTreeMap<String, BrokerData> = named.map(|(name, data)| (name.clone(), data.clone())).collect();
        if brokers.is_empty() {
            return None;
        }
        let mut filter_servers = BTreeMap::new();
        for data in brokers.values() {
            for address in data.addresses.values() {
                let live = self.live.get(&BrokerAddress::new(&data.cluster, address));
                if let Some(live) = live.filter(|live| !live.filter_servers.is_empty()) {
                    filter_servers.insert(address.clone(), live.filter_servers.clone());
                }
            }
        }
        let mappings = self.mappings.get(topic).cloned();
        let mut route = TopicRoute { order_topic_conf: None, queues, brokers, filter_servers, mappings };
        if support_acting_master && !topic.starts_with(SYNC_BROKER_MEMBER_GROUP_PREFIX) {
            route.let_slaves_act();
        }
        Some(route)
    }
}

impl TopicRoute {
    fn let_slaves_act(&mut self) {
        for (name, data) in &mut self.brokers {
            if !data.enable_acting_master || data.addresses.contains_key(&MASTER_ID) {
                continue;
            }
            let writable = self.queues.get(name).is_none_or(|queues| queues.perm & perm::WRITE != 0);
            if writable {
                continue;
            }
            if let Some((_, acting)) = data.addresses.pop_first() {
                data.addresses.insert(MASTER_ID, acting);
            }
        }
    }

    pub fn keep_zone(&mut self, zone: &str) {
        let is_near = |data: &BrokerData| {
            !data.addresses.contains_key(&MASTER_ID) || data.zone.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(zone))
        };
        let far: Vec<(String, BrokerData)> = self.brokers.extract_if(.., |_, data| !is_near(data)).collect();
        for (name, data) in far {
            self.queues.remove(&name);
            for address in data.addresses.values() {
                self.filter_servers.remove(address);
            }
        }
    }
}
