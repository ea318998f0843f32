//! The route tables: which topic has queues on which broker, and where each broker's members listen.
//!
//! Must always be true:
//! - a topic is in the table only while some broker has it; a broker only while it has a member; a cluster only while it
//!   has a broker
//! - `queue_datas` counts the (topic, broker) pairs, and never passes `QUEUE_DATAS_MAX`
//!
//! The tables follow `RouteInfoManager` of 5.3.3, with three leaks left out: a first registration that is refused leaves
//! no broker behind, a member that another address replaces leaves no live entry, and a topic that goes takes its queue
//! mapping with it.
//!
//! Lives on core 0 and sees all clusters that register here. Before: `handle`; the changes are in `registration` and
//! `topics`, the answer to a client in `topic_route`.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use ringmq_shards::data_version::DataVersion;
use ringmq_shards::types::Millis;

use super::ConnectionId;
use super::broker_queues::BrokerQueues;
use super::mapping::QueueMapping;

/// Pairs of topic and broker, about 150 bytes each: 150 MiB when full, and a hundred brokers with ten thousand topics.
pub const QUEUE_DATAS_MAX: usize = 1_000_000;
pub const BROKERS_MAX: usize = 4096;
pub const CLUSTERS_MAX: usize = 1024;
/// Master and slaves of one broker name.
pub const MEMBERS_MAX: usize = 256;
/// Members of all brokers together.
pub const LIVE_MAX: usize = 2 * BROKERS_MAX;
/// Bytes in the name of a cluster, broker or topic, and in an address.
pub const NAME_BYTES_MAX: usize = 512;

pub const MASTER_ID: i64 = 0;

pub mod perm {
    pub const READ: i32 = 4;
    pub const WRITE: i32 = 2;
}

/// The name server's tables. Iteration order is name order, so the same registrations always give the same answers.
#[derive(Default)]
pub struct Routes {
    /// topic → broker name → queues there.
    pub(super) topics: BTreeMap<Box<str>, BrokerQueues>,
    /// Broker names as `topics` has them: each once, however many topics a broker has.
    names: BTreeSet<Rc<str>>,
    /// topic → broker name → mapping of a static topic.
    pub(super) mappings: BTreeMap<String, BTreeMap<String, QueueMapping>>,
    pub(super) brokers: BTreeMap<String, BrokerData>,
    pub(super) clusters: BTreeMap<String, BTreeSet<String>>,
    pub(super) live: BTreeMap<BrokerAddress, Live>,
    queue_datas: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueData {
    pub read_queue_nums: i32,
    pub write_queue_nums: i32,
    pub perm: i32,
    pub topic_sys_flag: i32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerData {
    pub cluster: String,
    /// broker id → `ip:port`; 0 is the master.
    pub addresses: BTreeMap<i64, String>,
    pub enable_acting_master: bool,
    pub zone: Option<String>,
}

/// What a heartbeat names: one process of one cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BrokerAddress {
    pub cluster: String,
    pub address: String,
}

#[derive(Clone, Debug)]
pub struct Live {
    pub last_update: Millis,
    pub heartbeat_timeout_ms: i64,
    /// Of the topic table that was last read from this member.
    pub version: DataVersion,
    /// Whose end is the member's end.
    pub connection: ConnectionId,
    pub ha_address: String,
    pub filter_servers: Vec<String>,
}

impl BrokerData {
    pub fn lowest_id(&self) -> Option<i64> {
        self.addresses.keys().next().copied()
    }

    pub fn has_master(&self) -> bool {
        self.lowest_id().is_some_and(|id| id <= MASTER_ID)
    }
}

impl Routes {
    pub fn brokers(&self) -> &BTreeMap<String, BrokerData> {
        &self.brokers
    }

    pub fn clusters(&self) -> &BTreeMap<String, BTreeSet<String>> {
        &self.clusters
    }

    pub fn live(&self, cluster: &str, address: &str) -> Option<&Live> {
        self.live.get(&BrokerAddress::new(cluster, address))
    }

    pub fn queues(&self, topic: &str, broker: &str) -> Option<&QueueData> {
        self.topics.get(topic)?.get(broker)
    }

    pub fn queue_datas(&self) -> usize {
        self.queue_datas
    }

    /// Invariant kept here and in `remove_queues`: no empty topic, and the count fits.
    pub(super) fn put_queues(&mut self, topic: &str, broker: &str, queues: QueueData) {
        let name = self.shared_name(broker);
        let brokers = match self.topics.get_mut(topic) {
            Some(brokers) => brokers,
            None => self.topics.entry(topic.into()).or_default(),
        };
        match brokers.get_mut(broker) {
            Some(known) => *known = queues,
            None => {
                brokers.insert(name, queues);
                self.queue_datas += 1;
                assert!(self.queue_datas <= QUEUE_DATAS_MAX);
            }
        }
    }

    pub(super) fn remove_queues(&mut self, topic: &str, broker: &str) {
        let Some(brokers) = self.topics.get_mut(topic) else { return };
        if brokers.remove(broker) {
            self.queue_datas -= 1;
        }
        if let Some(mappings) = self.mappings.get_mut(topic) {
            mappings.remove(broker);
        }
        if brokers.is_empty() {
            self.topics.remove(topic);
            self.mappings.remove(topic);
        }
    }

    pub(super) fn remove_topic(&mut self, topic: &str) {
        if let Some(brokers) = self.topics.remove(topic) {
            self.queue_datas -= brokers.len();
        }
        self.mappings.remove(topic);
    }

    pub(super) fn topics_of(&self, broker: &str) -> Vec<String> {
        let with = self.topics.iter().filter(|(_, brokers)| brokers.get(broker).is_some());
        with.map(|(topic, _)| topic.to_string()).collect()
    }

    fn shared_name(&mut self, broker: &str) -> Rc<str> {
        if let Some(name) = self.names.get(broker) {
            return Rc::clone(name);
        }
        let name: Rc<str> = broker.into();
        self.names.insert(Rc::clone(&name));
        name
    }

    /// The broker has no topics any more.
    pub(super) fn forget_name(&mut self, broker: &str) {
        self.names.remove(broker);
    }
}

impl BrokerAddress {
    pub fn new(cluster: &str, address: &str) -> BrokerAddress {
        BrokerAddress { cluster: cluster.to_string(), address: address.to_string() }
    }
}
