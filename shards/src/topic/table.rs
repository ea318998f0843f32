//! All topics of a broker.
//!
//! Deciding and applying are two steps: `create_on_send`, `update`, `delete` and the like look at the table and say
//! which change is to be made; the home logs it; `apply` makes it, at the home and on every shard alike.
//!
//! Always true: the version changes with every change applied; an incarnation is given out once, also across
//! deletions and restarts (`next_incarnation` is part of the snapshot).
//!
//! Before: `broker::send`, `broker::topic`, `broker::heartbeat`; after: `entry` in the log of the home, `namesrv`
//! registration.

use std::fmt;

use super::attributes::{Attribute, BadAttributes, alter, parse};
use super::by_name::ByName;
use super::change::TopicChange;
use super::config::{Incarnation, Perm, QUEUES_MAX, TopicConfig, TopicFilterType};
use super::name::{DLQ_PREFIX, RETRY_PREFIX, TopicName};
use super::rules::{DEFAULT_TOPIC, TopicRules};
use crate::data_version::DataVersion;
use crate::types::Millis;
use crate::wire::{BadBytes, Reader, Writer};

const FORMAT: u16 = 1;

const SYS_FLAG_UNIT: i32 = 1;
const SYS_FLAG_UNIT_SUB: i32 = 2;

const MESSAGE_TYPE: &str = "message.type";
const ATTRIBUTES: &[Attribute] = &[
    Attribute { key: "queue.type", changeable: false, values: &["BatchCQ", "SimpleCQ"] },
    Attribute { key: "cleanup.policy", changeable: false, values: &["DELETE", "COMPACTION"] },
    Attribute {
        key: MESSAGE_TYPE,
        changeable: true,
        values: &["UNSPECIFIED", "NORMAL", "FIFO", "DELAY", "TRANSACTION", "MIXED"],
    },
];

/// One core's copy of the table.
#[derive(Clone, Debug)]
pub struct Topics {
    rules: TopicRules,
    table: ByName,
    /// As the rules made them at start: what equals them is not stored.
    built_in: ByName,
    version: DataVersion,
    /// Invariant: above every incarnation that was ever applied.
    next_incarnation: u64,
}

/// The send of a message whose topic is not known.
#[derive(Clone, Copy, Debug)]
pub struct FirstSend<'a> {
    pub topic: TopicName<'a>,
    /// The topic to take after, usually `TBW102`.
    pub default_topic: &'a str,
    pub default_topic_queue_nums: i32,
    pub unit_mode: bool,
}

/// UPDATE_AND_CREATE_TOPIC.
#[derive(Clone, Copy, Debug)]
pub struct TopicUpdate<'a> {
    pub topic: TopicName<'a>,
    pub read_queue_nums: i32,
    pub write_queue_nums: i32,
    pub perm: i32,
    pub filter_type: TopicFilterType,
    pub sys_flag: i32,
    pub order: bool,
    /// `+key=value,-key`
    pub attributes: &'a str,
}

impl Topics {
    /// The table of a broker that nobody has used yet.
    pub fn new(rules: TopicRules, now: Millis) -> Topics {
        let built_in: ByName = rules.built_in().into_iter().collect();
        Topics { rules, table: built_in.clone(), built_in, version: DataVersion::first(now), next_incarnation: 1 }
    }

    pub fn get(&self, topic: &str) -> Option<&TopicConfig> {
        self.table.get(topic)
    }

    pub fn version(&self) -> DataVersion {
        self.version
    }

    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// In name order, as the pages of GET_ALL_TOPIC_CONFIG are cut. For administration: it sorts.
    pub fn sorted(&self) -> Vec<&TopicConfig> {
        let mut topics: Vec<&TopicConfig> = self.table.iter().collect();
        topics.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        topics
    }

    pub fn rules(&self) -> &TopicRules {
        &self.rules
    }

    /// A property was changed on the live broker. Built-in topics stay as they are until the next start.
    pub fn set_rules(&mut self, rules: TopicRules) {
        self.rules = rules;
    }

    /// What makes the topic of a first send, or why there will be none. `None`: it exists by now.
    pub fn create_on_send<'a>(&self, send: FirstSend<'a>, now: Millis) -> Result<Option<TopicChange>, TopicMissing<'a>> {
        let topic = send.topic.as_str();
        if self.table.contains(topic) {
            return Ok(None);
        }
        let missing = |why| TopicMissing { topic, why };
        let sys_flag = match (send.unit_mode, send.topic.is_retry()) {
            (false, _) => 0,
            (true, false) => SYS_FLAG_UNIT,
            (true, true) => SYS_FLAG_UNIT_SUB,
        };
        let mut created = match self.inherited(&send) {
            Ok(created) => created,
            // A group's retry topic needs no model.
            Err(_) if send.topic.is_retry() => TopicConfig::new(topic).with_queues(1),
            Err(why) => return Err(missing(why)),
        };
        created.sys_flag = sys_flag;
        self.put_new(created, now).map(Some).map_err(|TopicsFull { max }| missing(MissingWhy::Full { max }))
    }

    /// The rule of inheritance: the default topic's perm and filter type, and no more queues than it or the client has.
    fn inherited(&self, send: &FirstSend<'_>) -> Result<TopicConfig, MissingWhy> {
        let model = self.table.get(send.default_topic).ok_or(MissingWhy::DefaultTopicUnknown)?;
        let switched_off = send.default_topic == DEFAULT_TOPIC && !self.rules.auto_create;
        if switched_off || !model.perm.is_inherited() {
            return Err(MissingWhy::NotInherited);
        }
        let queues = u32::try_from(send.default_topic_queue_nums).unwrap_or(0).min(model.write_queue_nums);
        let mut created = TopicConfig::new(send.topic.as_str()).with_queues(queues).with_perm(model.perm.without_inherit());
        created.filter_type = model.filter_type;
        Ok(created)
    }

    /// What makes this topic unless there is one of its name, whatever its settings. Its incarnation is given here.
    pub fn create_if_absent(&self, wanted: TopicConfig, now: Millis) -> Result<Option<TopicChange>, TopicsFull> {
        if self.table.contains(&wanted.name) {
            return Ok(None);
        }
        self.put_new(wanted, now).map(Some)
    }

    /// What a heartbeat makes of its group's retry topic: it exists, and is an order topic if the group reads one.
    pub fn retry(
        &self,
        group: &str,
        queue_nums: i32,
        order: bool,
        unit_mode: bool,
        now: Millis,
    ) -> Result<Option<TopicChange>, TopicsFull> {
        let mut wanted = of_group(RETRY_PREFIX, group, queue_nums);
        wanted.order = order;
        wanted.sys_flag = if unit_mode { SYS_FLAG_UNIT_SUB } else { 0 };
        match self.table.get(&wanted.name) {
            None => self.put_new(wanted, now).map(Some),
            Some(topic) if topic.order == order => Ok(None),
            Some(topic) => Ok(Some(self.put(TopicConfig { order, ..topic.clone() }, now))),
        }
    }

    /// What a message that is sent back makes of its group's retry topic: it exists.
    pub fn retry_if_absent(
        &self,
        group: &str,
        queue_nums: i32,
        unit_mode: bool,
        now: Millis,
    ) -> Result<Option<TopicChange>, TopicsFull> {
        let mut wanted = of_group(RETRY_PREFIX, group, queue_nums);
        wanted.sys_flag = if unit_mode { SYS_FLAG_UNIT_SUB } else { 0 };
        self.create_if_absent(wanted, now)
    }

    /// What makes the topic of a group's given-up messages.
    pub fn dlq(&self, group: &str, now: Millis) -> Result<Option<TopicChange>, TopicsFull> {
        self.create_if_absent(of_group(DLQ_PREFIX, group, 1), now)
    }

    /// What UPDATE_AND_CREATE_TOPIC changes. `None`: everything is so already.
    pub fn update(&self, update: &TopicUpdate<'_>, now: Millis) -> Result<Option<TopicChange>, BadTopicUpdate> {
        let name = update.topic.as_str();
        if self.rules.protect_system_topics && self.rules.is_system(name) {
            return Err(BadTopicUpdate::System(SystemTopic { topic: name.to_owned() }));
        }
        let old = self.table.get(name);
        let changes = parse(update.attributes).map_err(BadTopicUpdate::Attributes)?;
        if !self.rules.mixed_message_type && changes.contains(&("+message.type", "MIXED")) {
            return Err(BadTopicUpdate::MixedMessageType);
        }
        let mut topic = TopicConfig::new(name);
        topic.read_queue_nums = queue_nums(update.read_queue_nums)?;
        topic.write_queue_nums = queue_nums(update.write_queue_nums)?;
        topic.perm = Perm::from_bits(update.perm).ok_or(BadTopicUpdate::Perm(update.perm))?;
        topic.filter_type = update.filter_type;
        topic.sys_flag = update.sys_flag;
        topic.order = update.order;
        let current = old.map(|old| old.attributes.clone()).unwrap_or_default();
        topic.attributes = alter(old.is_none(), ATTRIBUTES, &current, &changes).map_err(BadTopicUpdate::Attributes)?;
        match old {
            None => self.put_new(topic, now).map(Some).map_err(BadTopicUpdate::Full),
            Some(old) => {
                topic.incarnation = old.incarnation;
                Ok((topic != *old).then(|| self.put(topic, now)))
            }
        }
    }

    /// What makes these topics ordered, as the name server's ORDER_TOPIC_CONFIG says. It never makes one unordered.
    pub fn set_order(&self, topic: &str, now: Millis) -> Option<TopicChange> {
        let old = self.table.get(topic).filter(|old| !old.order)?;
        Some(self.put(TopicConfig { order: true, ..old.clone() }, now))
    }

    /// What deletes the topic. `None`: there is none of that name.
    pub fn delete(&self, name: &str, now: Millis) -> Result<Option<TopicChange>, SystemTopic> {
        if self.rules.is_system(name) {
            return Err(SystemTopic { topic: name.to_owned() });
        }
        Ok(self.table.get(name).map(|topic| TopicChange::Deleted {
            name: topic.name.clone(),
            incarnation: topic.incarnation,
            version: self.version.next(now),
        }))
    }

    fn put_new(&self, mut topic: TopicConfig, now: Millis) -> Result<TopicChange, TopicsFull> {
        if self.table.len() >= self.rules.topics_max {
            return Err(TopicsFull { max: self.rules.topics_max });
        }
        topic.incarnation = Incarnation(self.next_incarnation);
        Ok(self.put(topic, now))
    }

    fn put(&self, topic: TopicConfig, now: Millis) -> TopicChange {
        TopicChange::Put { topic, version: self.version.next(now) }
    }

    /// Makes a change that was decided at the home, and returns the topic as it was. A replay may repeat changes: what
    /// concerns an older incarnation than the one that is here leaves it alone.
    pub fn apply(&mut self, change: TopicChange) -> Option<TopicConfig> {
        self.version = change.version();
        match change {
            TopicChange::Put { topic, .. } => {
                self.next_incarnation = self.next_incarnation.max(topic.incarnation.0.saturating_add(1));
                match self.table.get(&topic.name) {
                    Some(newer) if newer.incarnation > topic.incarnation => None,
                    _ => self.table.insert(topic),
                }
            }
            TopicChange::Deleted { name, incarnation, .. } => match self.table.get(&name) {
                Some(topic) if topic.incarnation == incarnation => self.table.remove(&name),
                _ => None,
            },
        }
    }

    /// Appends the whole table, built-in topics excepted that are as the rules made them.
    ///
    /// | bytes | format 1 |
    /// |---|---|
    /// | u16 | format |
    /// | 3 × i64 | data version |
    /// | u64 | the next incarnation |
    /// | list | topics in name order, see `config` |
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut out = Writer::new(out);
        out.u16(FORMAT);
        self.version.encode(&mut out);
        out.u64(self.next_incarnation);
        let stored: Vec<&TopicConfig> =
            self.sorted().into_iter().filter(|topic| self.built_in.get(&topic.name) != Some(*topic)).collect();
        out.count(stored.len());
        for topic in stored {
            topic.encode(&mut out);
        }
    }

    /// The table that `encode` wrote, on a broker that now has these rules.
    pub fn decode(rules: TopicRules, bytes: &[u8]) -> Result<Topics, BadBytes> {
        let mut read = Reader::new(bytes);
        read.version(FORMAT, "the topic table")?;
        let mut topics = Topics::new(rules, Millis::default());
        topics.version = DataVersion::decode(&mut read)?;
        topics.next_incarnation = read.u64("next incarnation")?;
        for _ in 0..read.count(TopicConfig::BYTES_MIN, "topics")? {
            let topic = TopicConfig::decode(&mut read)?;
            if topic.incarnation.0 >= topics.next_incarnation {
                return Err(BadBytes::Value { what: "topic incarnation given out", found: topic.incarnation.0 });
            }
            topics.table.insert(topic);
        }
        read.finish()?;
        Ok(topics)
    }
}

fn of_group(prefix: &str, group: &str, queue_nums: i32) -> TopicConfig {
    let queues = u32::try_from(queue_nums).unwrap_or(0).min(QUEUES_MAX);
    TopicConfig::new(&format!("{prefix}{group}")).with_queues(queues)
}

fn queue_nums(found: i32) -> Result<u32, BadTopicUpdate> {
    u32::try_from(found).ok().filter(|queues| *queues <= QUEUES_MAX).ok_or(BadTopicUpdate::Queues(found))
}

/// The topic of a send does not exist and is not made: response code 17 TOPIC_NOT_EXIST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicMissing<'a> {
    pub topic: &'a str,
    pub why: MissingWhy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingWhy {
    /// The topic that the client named to take after does not exist (`TBW102` without autoCreateTopicEnable).
    DefaultTopicUnknown,
    /// It exists, but nothing may take after it.
    NotInherited,
    Full {
        max: usize,
    },
}

impl fmt::Display for TopicMissing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "topic[{}] not exist, apply first please!", self.topic)?;
        if let MissingWhy::Full { max } = self.why {
            write!(f, " It cannot be created: {}.", TopicsFull { max })?;
        }
        f.write_str("\nSee https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details.")
    }
}

impl std::error::Error for TopicMissing<'_> {}

/// The broker's own topic is not the client's to change: response code 29 INVALID_PARAMETER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemTopic {
    pub topic: String,
}

impl fmt::Display for SystemTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "The topic[{}] is conflict with system topic.", self.topic)
    }
}

impl std::error::Error for SystemTopic {}

/// No room for another topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicsFull {
    pub max: usize,
}

impl fmt::Display for TopicsFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the broker holds {} topics, the most it may", self.max)
    }
}

impl std::error::Error for TopicsFull {}

/// Why a topic cannot be changed so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadTopicUpdate {
    /// Code 29.
    System(SystemTopic),
    /// Code 29.
    MixedMessageType,
    /// Code 29; RocketMQ would take it and route nothing.
    Perm(i32),
    /// Code 29; RocketMQ would take it and fail later.
    Queues(i32),
    /// Code 1.
    Attributes(BadAttributes),
    /// Code 1.
    Full(TopicsFull),
}

impl fmt::Display for BadTopicUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadTopicUpdate::System(system) => system.fmt(f),
            BadTopicUpdate::MixedMessageType => f.write_str("MIXED message type is not supported."),
            BadTopicUpdate::Perm(perm) => write!(f, "topicPermission value: {perm} is invalid."),
            BadTopicUpdate::Queues(queues) => write!(f, "{queues} is no number of queues: 0 up to {QUEUES_MAX}"),
            BadTopicUpdate::Attributes(bad) => bad.fmt(f),
            BadTopicUpdate::Full(full) => full.fmt(f),
        }
    }
}

impl std::error::Error for BadTopicUpdate {}
