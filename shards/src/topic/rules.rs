//! The broker's properties that decide about topics, and the topics that every broker has.
//!
//! Built-in topics follow from the properties alone: they are made anew at every start and are neither logged nor
//! kept in a snapshot unless someone changed them. So a changed `defaultTopicQueueNums` takes effect at the next start.

use super::config::{Perm, TopicConfig};

/// The topic after which new ones are made on their first send.
pub const DEFAULT_TOPIC: &str = "TBW102";

const SCHEDULE_QUEUES: u32 = 18; // one for each delay level
const BENCHMARK_QUEUES: u32 = 1024;

/// The same on every core; replaced as a whole when a property changes.
#[derive(Clone, Debug)]
pub struct TopicRules {
    /// brokerClusterName
    pub cluster: String,
    /// brokerName
    pub broker: String,
    /// autoCreateTopicEnable
    pub auto_create: bool,
    /// defaultTopicQueueNums
    pub default_queues: u32,
    /// msgTraceTopicName, when traceTopicEnable
    pub trace_topic: Option<String>,
    /// clusterTopicEnable, brokerTopicEnable: whether these topics carry messages; they are inherited from anyway
    pub cluster_topic: bool,
    pub broker_topic: bool,
    /// Shards of the broker: the topics in which messages wait have so many parts of each queue (`Placement::part`).
    pub parts: u32,
    /// reviveQueueNum
    pub revive_queues: u32,
    /// timerWheelEnable
    pub timer_topic: bool,
    /// enableMixedMessageType
    pub mixed_message_type: bool,
    /// validateSystemTopicWhenUpdateTopic
    pub protect_system_topics: bool,
    /// Topics a broker holds at most, built-in ones included: each costs memory on every shard.
    pub topics_max: usize,
}

impl TopicRules {
    /// RocketMQ's defaults.
    pub fn new(cluster: &str, broker: &str) -> TopicRules {
        TopicRules {
            cluster: cluster.to_owned(),
            broker: broker.to_owned(),
            auto_create: true,
            default_queues: 8,
            trace_topic: None,
            cluster_topic: true,
            broker_topic: true,
            parts: 1,
            revive_queues: 8,
            timer_topic: true,
            mixed_message_type: false,
            protect_system_topics: true,
            topics_max: 1_000_000,
        }
    }

    /// Whether the topic is the broker's own: clients cannot change or delete it, and consoles set it apart.
    pub fn is_system(&self, topic: &str) -> bool {
        matches!(
            topic,
            DEFAULT_TOPIC
                | "SCHEDULE_TOPIC_XXXX"
                | "BenchmarkTest"
                | "RMQ_SYS_TRANS_HALF_TOPIC"
                | "RMQ_SYS_TRACE_TOPIC"
                | "RMQ_SYS_TRANS_OP_HALF_TOPIC"
                | "TRANS_CHECK_MAX_TIME_TOPIC"
                | "SELF_TEST_TOPIC"
                | "OFFSET_MOVED_EVENT"
                | "CHECKPOINT_TOPIC"
        ) || topic.starts_with("rmq_sys_")
            || topic == self.cluster
            || topic == self.broker
            || self.trace_topic.as_deref() == Some(topic)
            || topic.strip_suffix("_REPLY_TOPIC") == Some(self.cluster.as_str())
    }

    /// The topics of a broker that nobody has used yet (§23 of the behaviour reference).
    pub(super) fn built_in(&self) -> Vec<TopicConfig> {
        let inherited = |carries: bool| if carries { Perm::ALL } else { Perm::INHERIT };
        let topic = |name: &str, queues: u32| TopicConfig::new(name).with_queues(queues);
        let mut topics = vec![
            topic("SELF_TEST_TOPIC", 1),
            topic("BenchmarkTest", BENCHMARK_QUEUES),
            TopicConfig::new(&self.cluster).with_perm(inherited(self.cluster_topic)),
            topic(&self.broker, 1).with_perm(inherited(self.broker_topic)),
            topic("OFFSET_MOVED_EVENT", 1),
            topic("SCHEDULE_TOPIC_XXXX", SCHEDULE_QUEUES * self.parts),
            topic(&format!("{}_REPLY_TOPIC", self.cluster), 1),
            topic(&format!("rmq_sys_REVIVE_LOG_{}", self.cluster), self.revive_queues),
            topic(&format!("rmq_sys_SYNC_BROKER_MEMBER_{}", self.broker), 1).with_perm(Perm::INHERIT),
            topic("RMQ_SYS_TRANS_HALF_TOPIC", self.parts),
            topic("RMQ_SYS_TRANS_OP_HALF_TOPIC", self.parts),
        ];
        if self.auto_create {
            topics.push(topic(DEFAULT_TOPIC, self.default_queues).with_perm(Perm::ALL));
        }
        if let Some(trace) = &self.trace_topic {
            topics.push(topic(trace, 1));
        }
        if self.timer_topic {
            topics.push(topic("rmq_sys_wheel_timer", self.parts));
        }
        topics
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_broker_has_the_topics_of_the_original() {
        let rules = TopicRules { trace_topic: Some("RMQ_SYS_TRACE_TOPIC".into()), ..TopicRules::new("C", "b") };
        let mut found: Vec<String> =
            rules.built_in().iter().map(|t| format!("{} {} {}", t.name, t.read_queue_nums, t.perm)).collect();
        found.sort();
        let expected = "BenchmarkTest 1024 6, C 16 7, C_REPLY_TOPIC 1 6, OFFSET_MOVED_EVENT 1 6, RMQ_SYS_TRACE_TOPIC 1 6, \
             RMQ_SYS_TRANS_HALF_TOPIC 1 6, RMQ_SYS_TRANS_OP_HALF_TOPIC 1 6, SCHEDULE_TOPIC_XXXX 18 6, SELF_TEST_TOPIC 1 6, \
             TBW102 8 7, b 1 7, rmq_sys_REVIVE_LOG_C 8 6, rmq_sys_SYNC_BROKER_MEMBER_b 1 1, rmq_sys_wheel_timer 1 6";
        assert_eq!(found.join(", "), expected);
        for topic in rules.built_in() {
            assert!(rules.is_system(&topic.name), "{}", topic.name);
        }
        assert!(!rules.is_system("TopicTest"));
        assert!(!rules.is_system("%RETRY%g"));
        assert!(!rules.is_system("X_REPLY_TOPIC"));
    }
}
