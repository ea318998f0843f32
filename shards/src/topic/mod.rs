//! Topics: their settings, their names, and the rules by which they come into being.
//!
//! - `name`: what may be a topic's or group's name, and what RocketMQ says when it may not;
//! - `config`: one topic's settings and their bytes;
//! - `attributes`: the `+key=value,-key` grammar of UPDATE_TOPIC, shared with groups;
//! - `rules`: which topics every broker has, and the properties behind that;
//! - `table`: all topics of a broker, decided about at their home and replicated to every shard;
//! - `change`: one change of the table, as it stands in the log and travels to the other shards.
//!
//! The home of settings (`placement::settings`) holds the table twice: one copy runs ahead and decides, each change
//! being applied to it when it is appended to the log; the other, like that of all shards, gets a change when it is
//! durable, and is what clients see.

mod attributes;
mod by_name;
mod change;
mod config;
mod name;
mod rules;
mod table;
#[cfg(test)]
mod tests;

pub use attributes::{Attribute, Attributes, BadAttributes, alter, parse};
pub use change::TopicChange;
pub use config::{Incarnation, Perm, QUEUES_MAX, TopicConfig, TopicFilterType};
pub use name::{BadName, DLQ_PREFIX, GroupName, RETRY_PREFIX, TopicName, send_is_forbidden};
pub use rules::{DEFAULT_TOPIC, TopicRules};
pub use table::{BadTopicUpdate, FirstSend, MissingWhy, SystemTopic, TopicMissing, TopicUpdate, Topics, TopicsFull};
