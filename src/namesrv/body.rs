//! The body of REGISTER_BROKER: a broker's whole topic table, as JSON or in the compressed form of older brokers.
//!
//! Compressed form, after inflation of the zlib stream, integers big endian:
//!
//! ```text
//! i32 + bytes   data version, JSON
//! i32           number of topics, then for each
//!   i32 + bytes   "name readQueueNums writeQueueNums perm topicFilterType attributes", attributes JSON, may be missing
//! i32 + bytes   filter servers, JSON array
//! i32           number of queue mappings, then for each i32 + JSON; only from brokers of 5.0.0 and later
//! ```
//!
//! Lenient like the original's reader: what is missing has the default of the Java class. A reader here never trusts a
//! length before the bytes are there, and never inflates more than `INFLATED_BYTES_MAX`.
//!
//! Before: `handle`; after: `registration`.

use std::collections::BTreeMap;
use std::io::Read;

use ringmq_shards::data_version::DataVersion;
use ringmq_shards::types::Millis;
use serde_json::Value;

use super::mapping::QueueMapping;
use super::routes::QueueData;
use crate::remoting::json::{self, Object};
use crate::remoting::version;

/// Four times the largest frame.
pub const INFLATED_BYTES_MAX: u64 = 64 << 20;

const DEFAULT_QUEUE_NUMS: i32 = 16;
const DEFAULT_PERM: i32 = 6;

/// `RegisterBrokerBody`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationBody {
    pub topics: Option<TopicTable>,
    pub filter_servers: Option<Vec<String>>,
}

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

/// What is wrong with a body, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadBody(pub String);

impl RegistrationBody {
    /// `now` is the version of a table that has none, which is a version that no table will have again.
    pub fn decode(bytes: &[u8], compressed: bool, client: i32, now: Millis) -> Result<RegistrationBody, BadBody> {
        if bytes.is_empty() {
            let table = TopicTable { version: DataVersion::first(Millis(0)), topics: BTreeMap::new(), mappings: BTreeMap::new() };
            return Ok(RegistrationBody { topics: Some(table), filter_servers: Some(Vec::new()) });
        }
        if client < version::V3_0_11 {
            // Brokers before that send the topic table alone.
            let table = TopicTable::from_json(Object::of(&parse(bytes)?), now);
            return Ok(RegistrationBody { topics: Some(table), filter_servers: None });
        }
        if compressed { decode_compressed(bytes, client, now) } else { decode_json(bytes, now) }
    }
}

fn decode_json(bytes: &[u8], now: Millis) -> Result<RegistrationBody, BadBody> {
    let value = parse(bytes)?;
    let body = object(&value)?;
    // Absent has the class's default, null is null.
    let topics = match value.get("topicConfigSerializeWrapper") {
        Some(Value::Null) => None,
        _ => Some(TopicTable::from_json(body.object("topicConfigSerializeWrapper"), now)),
    };
    let filter_servers = match value.get("filterServerList") {
        Some(Value::Null) => None,
        _ => Some(body.texts("filterServerList").collect()),
    };
    Ok(RegistrationBody { topics, filter_servers })
}

fn decode_compressed(bytes: &[u8], client: i32, now: Millis) -> Result<RegistrationBody, BadBody> {
    let mut inflated = Vec::new();
    let mut stream = flate2::read::ZlibDecoder::new(bytes).take(INFLATED_BYTES_MAX + 1);
    stream.read_to_end(&mut inflated).map_err(|error| BadBody(format!("it cannot be inflated: {error}")))?;
    if inflated.len() as u64 > INFLATED_BYTES_MAX {
        return Err(BadBody(format!("it inflates to more than {INFLATED_BYTES_MAX} bytes")));
    }
    let mut rest = Rest(&inflated);
    let data_version = data_version(object(&parse(rest.part()?)?)?, now);
    let mut topics = BTreeMap::new();
    for _ in 0..rest.count()? {
        let text = String::from_utf8_lossy(rest.part()?);
        if let Some(topic) = RegisteredTopic::from_text(&text)? {
            topics.insert(topic.topic_name.clone(), topic);
        }
    }
    let filter_servers = parse(rest.part()?).map_or_else(|_| Vec::new(), |list| texts(&list));
    let mut mappings = BTreeMap::new();
    if client >= version::V5_0_0 {
        for _ in 0..rest.count()? {
            if let Some(mapping) = QueueMapping::from_json(object(&parse(rest.part()?)?)?) {
                mappings.insert(mapping.topic.clone(), mapping);
            }
        }
    }
    let table = TopicTable { version: data_version, topics, mappings };
    Ok(RegistrationBody { topics: Some(table), filter_servers: Some(filter_servers) })
}

impl TopicTable {
    fn from_json(wrapper: Option<Object<'_>>, now: Millis) -> TopicTable {
        let members = |name| wrapper.and_then(|wrapper| wrapper.object(name)).into_iter().flat_map(|table| table.members());
        let objects = |name| members(name).filter_map(|(key, value)| Some((key.to_string(), Object::of(value)?)));
        let topics = objects("topicConfigTable").filter_map(|(key, topic)| Some((key, RegisteredTopic::from_json(topic)?)));
        let mappings =
            objects("topicQueueMappingInfoMap").filter_map(|(key, value)| Some((key, QueueMapping::from_json(value)?)));
        let version = wrapper.and_then(|wrapper| wrapper.object("dataVersion"));
        TopicTable {
            version: version.map_or(DataVersion::first(now), |version| data_version(version, now)),
            topics: topics.collect(),
            mappings: mappings.collect(),
        }
    }
}

impl RegisteredTopic {
    fn from_json(value: Object<'_>) -> Option<RegisteredTopic> {
        Some(RegisteredTopic {
            topic_name: value.text("topicName")?,
            read_queue_nums: value.int("readQueueNums").unwrap_or(DEFAULT_QUEUE_NUMS),
            write_queue_nums: value.int("writeQueueNums").unwrap_or(DEFAULT_QUEUE_NUMS),
            perm: value.int("perm").unwrap_or(DEFAULT_PERM),
            topic_sys_flag: value.int("topicSysFlag").unwrap_or(0),
        })
    }

    /// None for a text of fewer than five words. A number that is none spoils the whole body, as in the original.
    fn from_text(text: &str) -> Result<Option<RegisteredTopic>, BadBody> {
        let words: Vec<&str> = text.split(' ').collect();
        let [name, read, write, perm, _filter, ..] = words[..] else {
            return Ok(None);
        };
        let number = |word: &str| word.parse::<i32>().map_err(|_| BadBody(format!("{word:?} is not a number")));
        Ok(Some(RegisteredTopic {
            topic_name: name.to_string(),
            read_queue_nums: number(read)?,
            write_queue_nums: number(write)?,
            perm: number(perm)?,
            topic_sys_flag: 0,
        }))
    }
}

/// A DataVersion object; QUERY_DATA_VERSION's whole body is one too.
pub fn data_version(value: Object<'_>, now: Millis) -> DataVersion {
    DataVersion {
        state_version: value.long("stateVersion").unwrap_or(0),
        timestamp: Millis(value.long("timestamp").unwrap_or(now.0)),
        counter: value.long("counter").unwrap_or(0),
    }
}

/// One QueueData of a TopicRouteData, with its broker.
pub fn queue_data(value: Object<'_>) -> Option<(String, QueueData)> {
    let number = |name| value.int(name).unwrap_or(0);
    let queues = QueueData {
        read_queue_nums: number("readQueueNums"),
        write_queue_nums: number("writeQueueNums"),
        perm: number("perm"),
        topic_sys_flag: number("topicSysFlag"),
    };
    Some((value.text("brokerName")?, queues))
}

pub fn parse(bytes: &[u8]) -> Result<Value, BadBody> {
    json::parse(bytes).map_err(|error| BadBody(format!("it is not JSON: {error}")))
}

pub fn object(value: &Value) -> Result<Object<'_>, BadBody> {
    Object::of(value).ok_or_else(|| BadBody("it is not an object".to_string()))
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(|text| text.as_str().map(str::to_string)).collect()
}

/// What is left of the inflated bytes.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], BadBody> {
        let (part, rest) = self.0.split_at_checked(len).ok_or_else(|| BadBody("it ends too early".to_string()))?;
        self.0 = rest;
        Ok(part)
    }

    fn count(&mut self) -> Result<usize, BadBody> {
        let bytes = self.take(4)?;
        let number = i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        usize::try_from(number).map_err(|_| BadBody("a length is negative".to_string()))
    }

    fn part(&mut self) -> Result<&'a [u8], BadBody> {
        let len = self.count()?;
        self.take(len)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    #[track_caller]
    fn refused(bytes: &[u8], why: &str) {
        let error = RegistrationBody::decode(bytes, true, 479, Millis(7)).unwrap_err();
        assert!(error.0.contains(why), "{error:?}");
    }

    #[test]
    fn compressed_bodies_that_lie_about_lengths() {
        refused(b"nonsense", "cannot be inflated");
        refused(&deflated(&[0, 0]), "ends too early");
        refused(&deflated(&[0, 0, 0, 9, b'{']), "ends too early");
        refused(&deflated(&[0xff, 0xff, 0xff, 0xff]), "negative");
        refused(&deflated(&[&[0, 0, 0, 2][..], b"{}", &[0x7f, 0xff, 0xff, 0xff]].concat()), "ends too early");
    }

    #[test]
    fn a_small_body_cannot_inflate_without_end() {
        let bomb = deflated(&vec![0; INFLATED_BYTES_MAX as usize + 10]);
        assert!(bomb.len() < 1 << 20);
        refused(&bomb, "inflates to more than");
    }

    #[test]
    fn what_is_missing_has_the_defaults_of_the_java_class() {
        let body = br#"{"topicConfigSerializeWrapper":{"topicConfigTable":{"A":{"topicName":"A"},"B":{}}}}"#;
        let body = RegistrationBody::decode(body, false, 479, Millis(7)).unwrap();
        let table = body.topics.unwrap();
        assert_eq!(table.version, DataVersion::first(Millis(7)));
        assert_eq!(table.topics.len(), 1);
        let topic = RegisteredTopic {
            topic_name: "A".to_string(),
            read_queue_nums: 16,
            write_queue_nums: 16,
            perm: 6,
            topic_sys_flag: 0,
        };
        assert_eq!(table.topics["A"], topic);
        assert_eq!(body.filter_servers, Some(Vec::new()));
    }
}
