//! How brokers come, stay and go: registration, heartbeat, the end of a connection, expiry.
//!
//! Must always be true:
//! - only the master's topic table counts, or, for brokers that send `enableActingMaster` at all, the one of the member
//!   with the lowest id while there is no master
//! - topics that a broker no longer names stay until someone deletes them, unless `deleteTopicWithBrokerRegistration`
//! - the same address is one member of a broker, whatever id it had before
//!
//! The order of the steps is the original's, because it shows: see `RouteInfoManager#registerBroker` of 5.3.3.
//!
//! Before: `handle`; after: the tables in `routes`.

use std::collections::{BTreeMap, BTreeSet};

use ringmq_shards::data_version::DataVersion;
use ringmq_shards::types::Millis;

use super::ConnectionId;
use super::body::TopicTable;
use super::mapping::QueueMapping;
use super::routes::{
    BROKERS_MAX, BrokerAddress, BrokerData, CLUSTERS_MAX, LIVE_MAX, Live, MASTER_ID, MEMBERS_MAX, NAME_BYTES_MAX,
    QUEUE_DATAS_MAX, QueueData, Routes, perm,
};

/// How long a member that names no time of its own may stay silent.
pub const HEARTBEAT_TIMEOUT_MS: i64 = 120_000;

/// REGISTER_BROKER, decoded.
#[derive(Clone, Debug)]
pub struct BrokerRegistration<'a> {
    pub cluster: &'a str,
    pub address: &'a str,
    pub name: &'a str,
    pub id: i64,
    pub ha_address: &'a str,
    pub zone: Option<&'a str>,
    pub heartbeat_timeout_ms: Option<i64>,
    /// None: a broker older than 5.0, which knows nothing of acting masters.
    pub enable_acting_master: Option<bool>,
    /// None: the body said null.
    pub topics: Option<&'a TopicTable>,
    /// None: the body said null; the known ones stay.
    pub filter_servers: Option<&'a [String]>,
    pub connection: ConnectionId,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Registered {
    /// For a slave whose master is here.
    pub master: Option<Master>,
    pub lowest_id_change: Option<LowestIdChange>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Master {
    pub address: String,
    pub ha_address: String,
}

#[derive(Debug, PartialEq, Eq)]
pub enum RegistrationRefused {
    /// A member that is not known yet must bring its whole table; one topic is what an increment looks like.
    OneTopicOnly,
    /// Which bound, in words.
    Full(String),
}

/// The member with the lowest id of an acting-master group is another one now; the brokers in `notify` want to know.
#[derive(Debug, PartialEq, Eq)]
pub struct LowestIdChange {
    pub broker: String,
    pub lowest_id: i64,
    pub lowest_address: String,
    pub offline_address: Option<String>,
    pub ha_address: Option<String>,
    pub notify: Vec<String>,
}

/// What `expire` and `connection_closed` did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Gone {
    pub members: Vec<BrokerAddress>,
    /// To be closed by the caller; only expiry asks for it.
    pub connections: Vec<ConnectionId>,
    pub lowest_id_changes: Vec<LowestIdChange>,
}

impl Routes {
    pub fn register(
        &mut self,
        now: Millis,
        broker: &BrokerRegistration<'_>,
        delete_missing_topics: bool,
    ) -> Result<Registered, RegistrationRefused> {
        self.check_bounds(broker)?;
        let key = BrokerAddress::new(broker.cluster, broker.address);
        let known = self.brokers.get(broker.name);
        let known_address = known.and_then(|data| data.addresses.get(&broker.id)).cloned();
        let lowest_before = known.and_then(BrokerData::lowest_id).unwrap_or(0);
        if known_address.is_none() && broker.topics.is_some_and(|table| table.topics.len() == 1) {
            return Err(RegistrationRefused::OneTopicOnly);
        }

        self.clusters.entry(broker.cluster.to_string()).or_default().insert(broker.name.to_string());
        let data = self.brokers.entry(broker.name.to_string()).or_insert_with(|| BrokerData {
            cluster: broker.cluster.to_string(),
            addresses: BTreeMap::new(),
            enable_acting_master: false,
            zone: None,
        });
        data.enable_acting_master = broker.enable_acting_master == Some(true);
        data.zone = broker.zone.map(str::to_string);
        data.addresses.retain(|id, address| address != broker.address || *id == broker.id);

        if let Some(old) = known_address.as_deref().filter(|old| *old != broker.address) {
            let old = BrokerAddress::new(broker.cluster, old);
            let state_version = broker.topics.map_or(0, |table| table.version.state_version);
            if self.live.get(&old).is_some_and(|live| live.version.state_version > state_version) {
                self.live.remove(&key);
                return Ok(Registered::default());
            }
            self.live.remove(&old);
        }
        let first = known_address.is_none();
        data.addresses.insert(broker.id, broker.address.to_string());
        let lowest = data.lowest_id() == Some(broker.id);
        let prime_slave = broker.enable_acting_master.is_some() && broker.id != MASTER_ID && lowest;
        let read_only = prime_slave && data.enable_acting_master;
        if let Some(table) = broker.topics
            && (broker.id == MASTER_ID || prime_slave)
        {
            let changed = first || self.live.get(&key).is_none_or(|live| live.version != table.version);
            if delete_missing_topics && table.mappings.is_empty() {
                self.delete_missing(broker.name, table);
            }
            self.take_topics(broker.name, table, changed, read_only);
        }

        let before = self.live.remove(&key);
        let filter_servers = match broker.filter_servers {
            Some(servers) => servers.to_vec(),
            None => before.map_or_else(Vec::new, |live| live.filter_servers),
        };
        self.live.insert(
            key,
            Live {
                last_update: now,
                heartbeat_timeout_ms: broker.heartbeat_timeout_ms.unwrap_or(HEARTBEAT_TIMEOUT_MS),
                version: broker.topics.map_or_else(|| DataVersion::first(now), |table| table.version),
                connection: broker.connection,
                ha_address: broker.ha_address.to_string(),
                filter_servers,
            },
        );
        let master = if broker.id == MASTER_ID { None } else { self.master_of(broker.cluster, broker.name) };
        let lowest_id_change = (broker.id < lowest_before)
            .then(|| self.lowest_id_change(broker.name, None, Some(broker.ha_address.to_string())))
            .flatten();
        Ok(Registered { master, lowest_id_change })
    }

    /// 904, and a side effect of 322.
    pub fn heartbeat(&mut self, now: Millis, cluster: &str, address: &str) {
        if let Some(live) = self.live.get_mut(&BrokerAddress::new(cluster, address)) {
            live.last_update = now;
        }
    }

    pub fn version(&self, cluster: &str, address: &str) -> Option<DataVersion> {
        self.live(cluster, address).map(|live| live.version)
    }

    /// Only a member that is known by this name and address goes. (The original forgets the heartbeat of an address that
    /// comes with a wrong name, and that member would then never expire.)
    pub fn unregister(&mut self, cluster: &str, address: &str, name: &str, id: i64) -> Option<LowestIdChange> {
        let data = self.brokers.get_mut(name).filter(|data| data.addresses.values().any(|at| at == address))?;
        self.live.remove(&BrokerAddress::new(cluster, address));
        let was_lowest = data.lowest_id() == Some(id);
        data.addresses.retain(|_, at| at != address);
        if data.addresses.is_empty() {
            self.remove_broker(name);
            return None;
        }
        if !data.enable_acting_master {
            return None;
        }
        if !data.has_master() {
            self.wipe_write_perm(name);
        }
        was_lowest.then(|| self.lowest_id_change(name, Some(address.to_string()), None)).flatten()
    }

    /// The connection of a member is gone, and with it the member, at once. A member that has registered again over
    /// another connection stays.
    pub fn connection_closed(&mut self, connection: ConnectionId) -> Gone {
        let gone = self.live.iter().filter(|(_, live)| live.connection == connection);
        let members: Vec<BrokerAddress> = gone.map(|(member, _)| member.clone()).collect();
        let lowest_id_changes = self.forget(&members);
        Gone { members, connections: Vec::new(), lowest_id_changes }
    }

    /// Every `scanNotActiveBrokerInterval`: members that were silent for longer than they said they would be.
    pub fn expire(&mut self, now: Millis) -> Gone {
        let mut members = Vec::new();
        let mut connections = Vec::new();
        for (member, live) in &self.live {
            if live.last_update.0.saturating_add(live.heartbeat_timeout_ms) < now.0 {
                members.push(member.clone());
                connections.push(live.connection);
            }
        }
        connections.sort_unstable();
        connections.dedup();
        let lowest_id_changes = self.forget(&members);
        Gone { members, connections, lowest_id_changes }
    }

    fn forget(&mut self, members: &[BrokerAddress]) -> Vec<LowestIdChange> {
        let mut changes = Vec::new();
        for member in members {
            self.live.remove(member);
            let named = self.brokers.iter().find_map(|(name, data)| {
                let id = data.addresses.iter().find(|(_, at)| **at == member.address).map(|(id, _)| *id)?;
                (data.cluster == member.cluster).then(|| (name.clone(), id))
            });
            // None: another address has taken its place, or a broker of the same name in another cluster has.
            if let Some((name, id)) = named {
                changes.extend(self.unregister(&member.cluster, &member.address, &name, id));
            }
        }
        changes
    }

    fn remove_broker(&mut self, name: &str) {
        self.brokers.remove(name);
        self.clusters.retain(|_, names| {
            names.remove(name);
            !names.is_empty()
        });
        for topic in self.topics_of(name) {
            self.remove_queues(&topic, name);
        }
        self.forget_name(name);
    }

    fn delete_missing(&mut self, name: &str, table: &TopicTable) {
        for topic in self.topics_of(name) {
            if !table.topics.contains_key(&topic) {
                self.remove_queues(&topic, name);
            }
        }
    }

    /// A topic is taken when the table changed, and also when it is not here yet: someone may have deleted it.
    fn take_topics(&mut self, name: &str, table: &TopicTable, changed: bool, read_only: bool) {
        for config in table.topics.values() {
            let topic = config.topic_name.as_str();
            if !changed && self.queues(topic, name).is_some() {
                continue;
            }
            let permitted = if read_only { config.perm & !perm::WRITE } else { config.perm };
            self.put_queues(
                topic,
                name,
                QueueData {
                    read_queue_nums: config.read_queue_nums,
                    write_queue_nums: config.write_queue_nums,
                    perm: permitted,
                    topic_sys_flag: config.topic_sys_flag,
                },
            );
        }
        if changed {
            for (topic, mapping) in &table.mappings {
                self.take_mapping(topic, mapping);
            }
        }
    }

    fn take_mapping(&mut self, topic: &str, mapping: &QueueMapping) {
        // Only for pairs that are counted: a mapping is never more than its topic.
        if self.queues(topic, &mapping.broker).is_some() {
            self.mappings.entry(topic.to_string()).or_default().insert(mapping.broker.clone(), mapping.clone());
        }
    }

    fn master_of(&self, cluster: &str, name: &str) -> Option<Master> {
        let address = self.brokers.get(name)?.addresses.get(&MASTER_ID)?;
        let live = self.live(cluster, address)?;
        Some(Master { address: address.clone(), ha_address: live.ha_address.clone() })
    }

    /// With a member gone, all that are left are told; with a new lowest one, all others.
    fn lowest_id_change(&self, name: &str, offline: Option<String>, ha_address: Option<String>) -> Option<LowestIdChange> {
        let data = self.brokers.get(name)?;
        let (&lowest_id, lowest_address) = data.addresses.first_key_value()?;
        let everyone = offline.is_some() || data.addresses.len() == 1;
        let notify = data.addresses.iter().filter(|(id, _)| everyone || **id != lowest_id).map(|(_, at)| at.clone()).collect();
        Some(LowestIdChange {
            broker: name.to_string(),
            lowest_id,
            lowest_address: lowest_address.clone(),
            offline_address: offline,
            ha_address,
            notify,
        })
    }

    fn check_bounds(&self, broker: &BrokerRegistration<'_>) -> Result<(), RegistrationRefused> {
        let full = |what: String| Err(RegistrationRefused::Full(what));
        for name in [broker.cluster, broker.name, broker.address, broker.ha_address, broker.zone.unwrap_or_default()] {
            if name.len() > NAME_BYTES_MAX {
                return full(format!("a name or address is longer than {NAME_BYTES_MAX} bytes"));
            }
        }
        if !self.brokers.contains_key(broker.name) && self.brokers.len() >= BROKERS_MAX {
            return full(format!("this name server takes at most {BROKERS_MAX} broker names"));
        }
        if !self.clusters.contains_key(broker.cluster) && self.clusters.len() >= CLUSTERS_MAX {
            return full(format!("this name server takes at most {CLUSTERS_MAX} clusters"));
        }
        let members = self.brokers.get(broker.name).map(|data| &data.addresses);
        if members.is_some_and(|members| members.len() >= MEMBERS_MAX && !members.contains_key(&broker.id)) {
            return full(format!("a broker name has at most {MEMBERS_MAX} members"));
        }
        if self.live(broker.cluster, broker.address).is_none() && self.live.len() >= LIVE_MAX {
            return full(format!("this name server takes at most {LIVE_MAX} brokers, slaves included"));
        }
        let names: usize = self.clusters.values().map(BTreeSet::len).sum();
        let in_cluster = self.clusters.get(broker.cluster).is_some_and(|names| names.contains(broker.name));
        if !in_cluster && names >= 2 * BROKERS_MAX {
            return full("too many broker names are in several clusters".to_string());
        }
        let Some(table) = broker.topics else { return Ok(()) };
        if let Some(long) = table.topics.values().find(|config| config.topic_name.len() > NAME_BYTES_MAX) {
            let start: String = long.topic_name.chars().take(32).collect();
            return full(format!("the topic name {start}... is longer than {NAME_BYTES_MAX} bytes"));
        }
        // The exact sum only when the rough one does not fit.
        if self.queue_datas() + table.topics.len() > QUEUE_DATAS_MAX {
            let new = table.topics.values().filter(|config| self.queues(&config.topic_name, broker.name).is_none()).count();
            if self.queue_datas() + new > QUEUE_DATAS_MAX {
                return full(format!("this name server takes at most {QUEUE_DATAS_MAX} topics, counted per broker"));
            }
        }
        Ok(())
    }
}
