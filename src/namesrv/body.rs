//! The body of REGISTER_BROKER: a broker's whole topic table.
//!
//! After: `registration`.

use std::collections::BTreeMap;

use ringmq_shards::data_version::DataVersion;

use super::mapping::QueueMapping;

/// `TopicConfigAndMappingSerializeWrapper`, as far as a name server reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicTable {
    pub version: DataVersion,
    /// By the key of the JSON map, which is the topic's name, though nothing enforces it.
    pub topics: BTreeMap<String, RegisteredTopic>,
    pub mappings: BTreeMap<String, QueueMapping>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredTopic {
    pub topic_name: String,
    pub read_queue_nums: i32,
    pub write_queue_nums: i32,
    pub perm: i32,
    pub topic_sys_flag: i32,
}
