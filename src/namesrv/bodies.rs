//! The bodies that a name server answers with, written as fastjson writes them: keys in alphabetical order, nothing for
//! null, and ids as map keys without quotes, unless the client asked for standard JSON.
//!
//! Before: `handle`; after: the wire.

use std::collections::BTreeMap;

use ringmq_shards::data_version::DataVersion;

use super::mapping::QueueMapping;
use super::routes::{BrokerData, QueueData, Routes};
use super::topic_route::TopicRoute;
use crate::remoting::json::{Dialect, Writer};

/// TopicRouteData.
pub fn topic_route(route: &TopicRoute, dialect: Dialect, out: &mut Vec<u8>) {
    let TopicRoute { order_topic_conf, queues, brokers, filter_servers, mappings } = route;
    Writer::new(out, dialect).object(|json| {
        json.key("brokerDatas").array(|json| brokers.iter().for_each(|(name, data)| broker_data(name, data, json)));
        json.key("filterServerTable").object(|json| {
            for (address, servers) in filter_servers {
                json.key(address).strings(servers.iter().map(String::as_str));
            }
        });
        if let Some(conf) = order_topic_conf {
            json.key("orderTopicConf").string(conf);
        }
        json.key("queueDatas").array(|json| queues.iter().for_each(|(broker, queues)| queue_data(broker, queues, json)));
        if let Some(mappings) = mappings {
            json.key("topicQueueMappingByBroker").object(|json| {
                for (broker, mapping) in mappings {
                    queue_mapping(mapping, json.key(broker));
                }
            });
        }
    });
}

/// ClusterInfo.
pub fn cluster_info(routes: &Routes, out: &mut Vec<u8>) {
    Writer::new(out, Dialect::Fastjson).object(|json| {
        json.key("brokerAddrTable").object(|json| {
            for (name, data) in routes.brokers() {
                broker_data(name, data, json.key(name));
            }
        });
        json.key("clusterAddrTable").object(|json| {
            for (cluster, names) in routes.clusters() {
                json.key(cluster).strings(names.iter().map(String::as_str));
            }
        });
    });
}

/// GetBrokerMemberGroupResponseBody; the names are the request's.
pub fn member_group(cluster: Option<&str>, name: Option<&str>, data: Option<&BrokerData>, out: &mut Vec<u8>) {
    Writer::new(out, Dialect::Fastjson).object(|json| {
        json.key("brokerMemberGroup").object(|json| {
            json.key("brokerAddrs").object(|json| data.into_iter().for_each(|data| addresses(data, json)));
            for (key, value) in [("brokerName", name), ("cluster", cluster)] {
                if let Some(value) = value {
                    json.key(key).string(value);
                }
            }
        });
    });
}

/// TopicList.
pub fn topic_list<'a>(names: impl Iterator<Item = &'a str>, broker_address: Option<&str>, out: &mut Vec<u8>) {
    Writer::new(out, Dialect::Fastjson).object(|json| {
        if let Some(address) = broker_address {
            json.key("brokerAddr").string(address);
        }
        json.key("topicList").strings(names);
    });
}

/// KVTable.
pub fn kv_table(keys: &BTreeMap<String, String>, out: &mut Vec<u8>) {
    Writer::new(out, Dialect::Fastjson).object(|json| texts(keys, json.key("table")));
}

/// `kvConfig.json`.
pub fn kv_file(namespaces: &BTreeMap<String, BTreeMap<String, String>>, out: &mut Vec<u8>) {
    Writer::new(out, Dialect::Fastjson).object(|json| {
        json.key("configTable").object(|json| {
            for (namespace, keys) in namespaces {
                texts(keys, json.key(namespace));
            }
        });
    });
}

pub fn data_version(version: &DataVersion, out: &mut Vec<u8>) {
    Writer::new(out, Dialect::Fastjson).object(|json| {
        json.key("counter").number(version.counter);
        json.key("stateVersion").number(version.state_version);
        json.key("timestamp").number(version.timestamp.0);
    });
}

fn broker_data(name: &str, data: &BrokerData, json: &mut Writer<'_>) {
    json.object(|json| {
        json.key("brokerAddrs").object(|json| addresses(data, json));
        json.key("brokerName").string(name);
        json.key("cluster").string(&data.cluster);
        json.key("enableActingMaster").bool(data.enable_acting_master);
        if let Some(zone) = &data.zone {
            json.key("zoneName").string(zone);
        }
    });
}

fn addresses(data: &BrokerData, json: &mut Writer<'_>) {
    for (id, address) in &data.addresses {
        json.numeric_key(*id).string(address);
    }
}

fn queue_data(broker: &str, queues: &QueueData, json: &mut Writer<'_>) {
    json.object(|json| {
        json.key("brokerName").string(broker);
        json.key("perm").number(queues.perm);
        json.key("readQueueNums").number(queues.read_queue_nums);
        json.key("topicSysFlag").number(queues.topic_sys_flag);
        json.key("writeQueueNums").number(queues.write_queue_nums);
    });
}

fn queue_mapping(mapping: &QueueMapping, json: &mut Writer<'_>) {
    let QueueMapping { topic, scope, total_queues, broker, epoch, dirty, current_ids } = mapping;
    json.object(|json| {
        json.key("bname").string(broker);
        json.key("currIdMap").object(|json| {
            for (logical, own) in current_ids {
                json.numeric_key(i64::from(*logical)).number(own);
            }
        });
        json.key("dirty").bool(*dirty);
        json.key("epoch").number(epoch);
        json.key("scope").string(scope);
        json.key("topic").string(topic);
        json.key("totalQueues").number(total_queues);
    });
}

fn texts(keys: &BTreeMap<String, String>, json: &mut Writer<'_>) {
    json.object(|json| {
        for (key, value) in keys {
            json.key(key).string(value);
        }
    });
}
