//! `TopicConfig` and tables of it in JSON: 17 and 18, 21 GET_ALL_TOPIC_CONFIG, 351 GET_TOPIC_CONFIG, registrations.
//!
//! Written from the topic table's own type; read into plain numbers, because what a peer or tool says about a topic has
//! yet to be checked.

use ringmq_shards::data_version::DataVersion;
use ringmq_shards::topic::TopicConfig;
use ringmq_shards::types::Millis;

use super::{BadRequest, queue};
use crate::remoting::json::{Dialect, Object, Writer};

/// A topic's settings as they are said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSettings {
    pub name: String,
    pub read_queue_nums: i32,
    pub write_queue_nums: i32,
    pub perm: i32,
    /// SINGLE_TAG, MULTI_TAG
    pub filter_type: String,
    pub sys_flag: i32,
    pub order: bool,
    /// With a sign before each key where they are to be changed.
    pub attributes: Vec<(String, String)>,
}

impl TopicSettings {
    /// What is missing is as in a fresh Java `TopicConfig`. None: it has no name.
    pub fn read(object: &Object<'_>) -> Option<TopicSettings> {
        Some(TopicSettings {
            name: object.text("topicName")?,
            read_queue_nums: object.int("readQueueNums").unwrap_or(16),
            write_queue_nums: object.int("writeQueueNums").unwrap_or(16),
            perm: object.int("perm").unwrap_or(6),
            filter_type: object.text("topicFilterType").unwrap_or_else(|| "SINGLE_TAG".to_owned()),
            sys_flag: object.int("topicSysFlag").unwrap_or_default(),
            order: object.flag("order").unwrap_or_default(),
            attributes: object.text_members("attributes"),
        })
    }

    /// The attributes in the grammar of 17: `+key=value,-key`.
    pub fn attributes_text(&self) -> String {
        let each = self.attributes.iter().map(|(key, value)| match key.starts_with('-') {
            true => key.clone(),
            false => format!("{key}={value}"),
        });
        each.collect::<Vec<_>>().join(",")
    }

    /// A body that is one topic's settings: the answer to 351.
    pub fn decode(body: &[u8]) -> Result<TopicSettings, BadRequest> {
        const WHAT: &str = "a topic's settings";
        let value = queue::parse(body, WHAT)?;
        let settings = Object::of(&value).and_then(|object| TopicSettings::read(&object));
        settings.ok_or(BadRequest::Body { what: WHAT, why: "it has no topicName" })
    }
}

/// The body of 18: several topics to create or change.
pub fn topic_list(body: &[u8]) -> Result<Vec<TopicSettings>, BadRequest> {
    const WHAT: &str = "a list of topics";
    let value = queue::parse(body, WHAT)?;
    let list = Object::of(&value).into_iter().flat_map(|body| body.objects("topicConfigList"));
    let topics: Option<Vec<TopicSettings>> = list.map(|object| TopicSettings::read(&object)).collect();
    topics.ok_or(BadRequest::Body { what: WHAT, why: "one of them has no topicName" })
}

/// One topic; `perm` may be narrower than the topic's own.
pub fn write(topic: &TopicConfig, perm: u8, json: &mut Writer<'_>) {
    json.object(|json| {
        json.key("attributes").object(|json| topic.attributes.iter().for_each(|(key, value)| json.key(key).string(value)));
        json.key("order").bool(topic.order);
        json.key("perm").number(perm);
        json.key("readQueueNums").number(topic.read_queue_nums);
        json.key("topicFilterType").string(topic.filter_type.name());
        json.key("topicName").string(&topic.name);
        json.key("topicSysFlag").number(topic.sys_flag);
        json.key("writeQueueNums").number(topic.write_queue_nums);
    });
}

/// The body that answers 351: no topic here has a mapping.
pub fn write_one(topic: &TopicConfig, body: &mut Vec<u8>) {
    write(topic, topic.perm.bits(), &mut Writer::new(body, Dialect::Fastjson));
}

/// `DataVersion`
pub fn write_version(version: DataVersion, json: &mut Writer<'_>) {
    json.object(|json| {
        json.key("counter").number(version.counter);
        json.key("stateVersion").number(version.state_version);
        json.key("timestamp").number(version.timestamp.0);
    });
}

pub fn read_version(object: &Object<'_>) -> DataVersion {
    let long = |name| object.long(name).unwrap_or_default();
    DataVersion { state_version: long("stateVersion"), timestamp: Millis(long("timestamp")), counter: long("counter") }
}

/// `TopicConfigAndMappingSerializeWrapper`: the body that answers 21, and the greater part of a registration's.
/// No topic here is a static one, so the mappings are empty.
pub fn write_table<'t>(topics: impl IntoIterator<Item = &'t TopicConfig>, version: DataVersion, json: &mut Writer<'_>) {
    json.object(|json| {
        json.key("dataVersion");
        write_version(version, json);
        json.key("mappingDataVersion");
        write_version(DataVersion::default(), json);
        json.key("topicConfigTable").object(|json| {
            for topic in topics {
                json.key(&topic.name);
                write(topic, topic.perm.bits(), json);
            }
        });
        json.key("topicQueueMappingDetailMap").object(|_| ());
        json.key("topicQueueMappingInfoMap").object(|_| ());
    });
}

/// `TopicConfigSerializeWrapper`, read: the table's version, and its topics by the map's keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicTable {
    pub version: DataVersion,
    pub topics: Vec<TopicSettings>,
}

impl TopicTable {
    pub fn decode(body: &[u8]) -> Result<TopicTable, BadRequest> {
        let value = queue::parse(body, "a topic table")?;
        Ok(Object::of(&value).map(|object| TopicTable::read(&object)).unwrap_or_default())
    }

    pub fn read(object: &Object<'_>) -> TopicTable {
        let table = object.object("topicConfigTable").into_iter().flat_map(|table| table.members());
        TopicTable {
            version: object.object("dataVersion").map(|version| read_version(&version)).unwrap_or_default(),
            topics: table.filter_map(|(_, topic)| TopicSettings::read(&Object::of(topic)?)).collect(),
        }
    }
}
