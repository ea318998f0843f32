//! What operators do with topics here, and the lists they ask for: permissions wiped and added (205, 327), one topic
//! registered (217) or deleted (216), topic lists (206, 224, 304, 311-313).
//!
//! None of it is kept: a broker that registers with a changed table says again what it has.
//!
//! Before: `handle`; after: the tables in `routes`.

use super::broker_queues::BrokerQueues;
use super::routes::{NAME_BYTES_MAX, QUEUE_DATAS_MAX, QueueData, Routes, perm};

/// Bits of `topicSysFlag`.
mod sys_flag {
    pub const UNIT: i32 = 1;
    pub const UNIT_SUB: i32 = 2;
}

/// Which topics of the unit architecture are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitTopics {
    Unit,
    WithUnitSubscription,
    WithUnitSubscriptionNotUnit,
}

impl Routes {
    /// Answers how many topics the broker has, also those that were read-only before.
    pub fn wipe_write_perm(&mut self, broker: &str) -> usize {
        self.change_perm(broker, |perm| perm & !perm::WRITE)
    }

    pub fn add_write_perm(&mut self, broker: &str) -> usize {
        self.change_perm(broker, |_| perm::READ | perm::WRITE)
    }

    /// Brokers that are not known end it: what stood before them is kept for a topic that exists, nothing for a new one.
    pub fn register_topic(&mut self, topic: &str, queues: &[(String, QueueData)]) {
        let unknown = queues.iter().position(|(broker, _)| !self.brokers.contains_key(broker));
        let taken = match unknown {
            None => queues,
            Some(at) if self.topics.contains_key(topic) => &queues[..at],
            Some(_) => return,
        };
        if topic.len() > NAME_BYTES_MAX || self.queue_datas() + taken.len() > QUEUE_DATAS_MAX {
            return;
        }
        for (broker, queues) in taken {
            self.put_queues(topic, broker, *queues);
        }
    }

    pub fn delete_topic(&mut self, topic: &str) {
        self.remove_topic(topic);
    }

    pub fn delete_topic_in_cluster(&mut self, topic: &str, cluster: &str) {
        let brokers: Vec<String> = self.clusters.get(cluster).into_iter().flatten().cloned().collect();
        for broker in brokers {
            self.remove_queues(topic, &broker);
        }
    }

    pub fn topic_names(&self) -> impl Iterator<Item = &str> {
        self.topics.keys().map(|topic| &**topic)
    }

    pub fn topics_of_cluster(&self, cluster: &str) -> impl Iterator<Item = &str> {
        let names = self.clusters.get(cluster);
        let here = move |brokers: &BrokerQueues| names.is_some_and(|names| names.iter().any(|name| brokers.get(name).is_some()));
        self.topics.iter().filter(move |(_, brokers)| here(brokers)).map(|(topic, _)| &**topic)
    }

    /// By the flags on the first broker of each topic.
    pub fn unit_topics(&self, which: UnitTopics) -> impl Iterator<Item = &str> {
        let wanted = move |flag: i32| {
            let unit = flag & sys_flag::UNIT != 0;
            let unit_sub = flag & sys_flag::UNIT_SUB != 0;
            match which {
                UnitTopics::Unit => unit,
                UnitTopics::WithUnitSubscription => unit_sub,
                UnitTopics::WithUnitSubscriptionNotUnit => unit_sub && !unit,
            }
        };
        let first_flag = |brokers: &BrokerQueues| brokers.iter().next().map_or(0, |(_, queues)| queues.topic_sys_flag);
        self.topics.iter().filter(move |(_, brokers)| wanted(first_flag(brokers))).map(|(topic, _)| &**topic)
    }

    /// Names that are reserved: topics of the same name exist on every broker. With the address of a broker that knows
    /// the rest of them.
    pub fn system_topics(&self) -> (Vec<&str>, Option<&str>) {
        let mut names = Vec::new();
        for (cluster, brokers) in &self.clusters {
            names.push(cluster.as_str());
            names.extend(brokers.iter().map(String::as_str));
        }
        let first = self.brokers.values().find_map(|data| data.addresses.values().next());
        (names, first.map(String::as_str))
    }

    fn change_perm(&mut self, broker: &str, change: impl Fn(i32) -> i32) -> usize {
        let mut count = 0;
        for brokers in self.topics.values_mut() {
            if let Some(queues) = brokers.get_mut(broker) {
                queues.perm = change(queues.perm);
                count += 1;
            }
        }
        count
    }
}
