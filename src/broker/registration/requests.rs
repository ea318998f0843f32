//! What a broker sends to a name server, and what the answers mean.
//!
//! The same request goes to every name server, so it is built once as an `Ask`; each connection adds its own opaque.
//! Names, values and bodies are those of a 5.3.3 broker, recorded in `tests/golden/namesrv/broker.json`.
//!
//! Before: `schedule` says what is due; after: `remoting`, through the caller's connection.

use std::collections::BTreeMap;

use ringmq_shards::data_version::DataVersion;
use ringmq_shards::topic::{Perm, TopicConfig};

use crate::remoting::code::{RequestCode, ResponseCode};
use crate::remoting::json::{self, Dialect, Object, Writer};
use crate::remoting::{Encoding, FrameTooLong, Header, RequestWriter};

/// A topic table that makes a longer body is sent in several requests: a frame takes 16 MiB, and the name server parses
/// one request in one go.
pub const BODY_BYTES_MAX: usize = 4 << 20;

/// As a broker is seen from outside. One for each broker name of a node, alike on all cores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertised {
    pub cluster: String,
    pub name: String,
    /// 0: master.
    pub id: i64,
    /// `ip:port` for clients.
    pub address: String,
    /// `ip:port` for slaves.
    pub ha_address: String,
    /// `brokerPermission`: narrows every topic's own permission.
    pub permission: Perm,
    pub enable_acting_master: bool,
}

/// A request without its opaque.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    pub code: RequestCode,
    pub fields: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// The answer to a registration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registered {
    /// For a slave: where its master is.
    pub master_address: Option<String>,
    pub ha_address: Option<String>,
    /// Topics of `ORDER_TOPIC_CONFIG` with their text; a topic that is not in it is not ordered any more. None: the name
    /// server does not say.
    pub order_topics: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationFailed {
    pub code: i32,
    pub remark: String,
}

impl std::fmt::Display for RegistrationFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "code {}, {}", self.code, self.remark)
    }
}

impl Ask {
    /// The frame for one connection.
    pub fn write(&self, encoding: Encoding, opaque: i32, out: &mut Vec<u8>) -> Result<(), FrameTooLong> {
        let mut writer = RequestWriter::new(out, encoding, opaque, self.code.number());
        for (name, value) in &self.fields {
            writer = writer.field(name, value);
        }
        writer.body(&self.body).finish()
    }
}

impl Advertised {
    /// The whole table, or only the topics that changed, for a name server that knows this broker. Nearly always one
    /// request; several are sent one after the other, each after the success of the one before it.
    ///
    /// A name server reads a table again only when its version changed. So each part but the last has a version of its
    /// own, and the last one has the real version, which QUERY_DATA_VERSION will compare.
    pub fn register<'t>(&self, topics: impl Iterator<Item = &'t TopicConfig>, version: DataVersion) -> Vec<Ask> {
        let mut parts: Vec<Vec<u8>> = vec![Vec::new()];
        for topic in topics {
            let last = parts.last_mut().expect("there is always one");
            if last.len() > BODY_BYTES_MAX {
                parts.push(Vec::new());
            }
            let last = parts.last_mut().expect("there is always one");
            if !last.is_empty() {
                last.push(b',');
            }
            self.write_topic(topic, last);
        }
        let last = parts.len() as i64 - 1;
        let version_of = |part: i64| match part == last {
            true => version,
            // Positions from the end, far above any count of changes.
            false => DataVersion { counter: version.counter.wrapping_add((last - part) << 40), ..version },
        };
        parts.iter().zip(0..).map(|(topics, part)| self.register_part(topics, version_of(part))).collect()
    }

    pub fn unregister(&self) -> Ask {
        Ask { code: RequestCode::UnregisterBroker, fields: self.identity(), body: Vec::new() }
    }

    /// Whether the name server has another version; it also counts as a heartbeat.
    pub fn query_data_version(&self, version: DataVersion) -> Ask {
        let mut body = Vec::new();
        write_version(version, &mut body);
        Ask { code: RequestCode::QueryDataVersion, fields: self.identity(), body }
    }

    fn register_part(&self, topics: &[u8], version: DataVersion) -> Ask {
        let mut body = Vec::with_capacity(topics.len() + 512);
        body.extend_from_slice(b"{\"filterServerList\":[],\"topicConfigSerializeWrapper\":{\"dataVersion\":");
        write_version(version, &mut body);
        body.extend_from_slice(b",\"mappingDataVersion\":");
        // No static topics here: their table has never changed.
        write_version(DataVersion::default(), &mut body);
        body.extend_from_slice(b",\"topicConfigTable\":{");
        body.extend_from_slice(topics);
        body.extend_from_slice(b"},\"topicQueueMappingDetailMap\":{},\"topicQueueMappingInfoMap\":{}}}");

        let mut fields = self.identity();
        fields.push(("haServerAddr", self.ha_address.clone()));
        fields.push(("enableActingMaster", self.enable_acting_master.to_string()));
        fields.push(("compressed", "false".to_string()));
        fields.push(("bodyCrc32", (crc32fast::hash(&body) & 0x7fff_ffff).to_string()));
        Ask { code: RequestCode::RegisterBroker, fields, body }
    }

    fn identity(&self) -> Vec<(&'static str, String)> {
        vec![
            ("brokerName", self.name.clone()),
            ("brokerAddr", self.address.clone()),
            ("clusterName", self.cluster.clone()),
            ("brokerId", self.id.to_string()),
        ]
    }

    /// A member of `topicConfigTable`.
    fn write_topic(&self, topic: &TopicConfig, out: &mut Vec<u8>) {
        // A broker that may read and write narrows nothing, not even the inherit bit.
        let narrowed = !self.permission.is_readable() || !self.permission.is_writable();
        let perm = if narrowed { topic.perm.and(self.permission) } else { topic.perm };
        Writer::new(out, Dialect::Fastjson).key(&topic.name).object(|json| {
            json.key("attributes").object(|json| {
                for (key, value) in topic.attributes.iter() {
                    json.key(key).string(value);
                }
            });
            json.key("order").bool(topic.order);
            json.key("perm").number(perm.bits());
            json.key("readQueueNums").number(topic.read_queue_nums);
            json.key("topicFilterType").string(topic.filter_type.name());
            json.key("topicName").string(&topic.name);
            json.key("topicSysFlag").number(topic.sys_flag);
            json.key("writeQueueNums").number(topic.write_queue_nums);
        });
    }
}

impl Registered {
    pub fn decode(header: &Header<'_>, body: &[u8]) -> Result<Registered, RegistrationFailed> {
        check(header)?;
        let text = |name| header.field(name).filter(|text| !text.is_empty()).map(str::to_string);
        let table = if body.is_empty() { None } else { json::parse(body).ok() };
        let table = table.as_ref().and_then(Object::of).filter(|table| table.has("table"));
        let order_topics = table.map(|table| table.text_members("table").into_iter().collect());
        Ok(Registered { master_address: text("masterAddr"), ha_address: text("haServerAddr"), order_topics })
    }
}

/// The answer to `query_data_version`.
pub fn decode_changed(header: &Header<'_>) -> Result<bool, RegistrationFailed> {
    check(header)?;
    // No answer in the field is a reason to register too.
    Ok(!header.field("changed").is_some_and(|changed| changed.eq_ignore_ascii_case("false")))
}

fn check(header: &Header<'_>) -> Result<(), RegistrationFailed> {
    if header.code == ResponseCode::Success.number() {
        return Ok(());
    }
    let remark = header.remark.as_deref().unwrap_or("without a remark").to_string();
    Err(RegistrationFailed { code: header.code, remark })
}

fn write_version(version: DataVersion, out: &mut Vec<u8>) {
    Writer::new(out, Dialect::Fastjson).object(|json| {
        json.key("counter").number(version.counter);
        json.key("stateVersion").number(version.state_version);
        json.key("timestamp").number(version.timestamp.0);
    });
}

#[cfg(test)]
mod tests {
    use ringmq_shards::topic::TopicFilterType;
    use ringmq_shards::types::Millis;
    use serde_json::Value;

    use super::*;
    use crate::remoting::{ResponseWriter, split};

    fn broker() -> Advertised {
        Advertised {
            cluster: "DefaultCluster".to_string(),
            name: "broker-a".to_string(),
            id: 0,
            address: "127.0.0.1:33911".to_string(),
            ha_address: "192.0.2.2:33915".to_string(),
            permission: Perm::READ_WRITE,
            enable_acting_master: false,
        }
    }

    fn version(counter: i64) -> DataVersion {
        DataVersion { state_version: 0, timestamp: Millis(1), counter }
    }

    fn recorded() -> Value {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/namesrv/broker.json");
        serde_json::from_slice(&std::fs::read(path).expect("golden file")).expect("JSON")
    }

    fn fields(ask: &Ask) -> Value {
        ask.fields.iter().map(|(name, value)| (name.to_string(), Value::from(value.as_str()))).collect()
    }

    /// The topic table of a body as our configs.
    fn topics(body: &Value) -> Vec<TopicConfig> {
        let table = body["topicConfigSerializeWrapper"]["topicConfigTable"].as_object().expect("a table");
        let number = |value: &Value| u32::try_from(value.as_u64().expect("a number")).expect("a small number");
        let topic = |topic: &Value| TopicConfig {
            read_queue_nums: number(&topic["readQueueNums"]),
            write_queue_nums: number(&topic["writeQueueNums"]),
            perm: Perm::from_bits(number(&topic["perm"]) as i32).expect("a perm"),
            filter_type: TopicFilterType::from_name(topic["topicFilterType"].as_str().expect("a name")).expect("a filter type"),
            ..TopicConfig::new(topic["topicName"].as_str().expect("a name"))
        };
        table.values().map(topic).collect()
    }

    #[test]
    fn a_registration_is_the_one_of_a_real_broker() {
        let recorded = recorded();
        let theirs: Value = serde_json::from_str(recorded["register"]["body"].as_str().unwrap()).unwrap();
        let version = &theirs["topicConfigSerializeWrapper"]["dataVersion"];
        let version = DataVersion {
            state_version: 0,
            timestamp: Millis(version["timestamp"].as_i64().unwrap()),
            counter: version["counter"].as_i64().unwrap(),
        };
        let asks = broker().register(topics(&theirs).iter(), version);
        let [ask] = &asks[..] else { panic!("one request") };
        assert_eq!(ask.code.number(), 103);

        let mut ours: Value = serde_json::from_slice(&ask.body).unwrap();
        // The version of a table that is always empty.
        ours["topicConfigSerializeWrapper"]["mappingDataVersion"] =
            theirs["topicConfigSerializeWrapper"]["mappingDataVersion"].clone();
        assert_eq!(ours, theirs);

        let mut fields = fields(ask);
        let mut their_fields = recorded["register"]["header"]["extFields"].clone();
        let crc = fields.as_object_mut().unwrap().remove("bodyCrc32").unwrap();
        assert_eq!(crc, (crc32fast::hash(&ask.body) & 0x7fff_ffff).to_string());
        their_fields.as_object_mut().unwrap().remove("bodyCrc32");
        assert_eq!(fields, their_fields);
    }

    #[test]
    fn unregistering_is_the_one_of_a_real_broker() {
        let ask = broker().unregister();
        assert_eq!((ask.code.number(), ask.body.len()), (104, 0));
        assert_eq!(fields(&ask), recorded()["unregister"]["header"]["extFields"]);
    }

    #[test]
    fn a_frame_has_the_fields_and_the_body() {
        let ask = broker().query_data_version(version(3));
        for encoding in [Encoding::Json, Encoding::Binary] {
            let mut out = Vec::new();
            ask.write(encoding, 42, &mut out).unwrap();
            let (frame, used) = split(&out).unwrap().unwrap();
            let header = Header::parse(&frame).unwrap();
            assert_eq!((used, header.code, header.opaque, header.flag, header.version), (out.len(), 322, 42, 0, 479));
            assert_eq!(header.field("brokerAddr"), Some("127.0.0.1:33911"));
            assert_eq!(frame.body, br#"{"counter":3,"stateVersion":0,"timestamp":1}"#);
        }
    }

    #[test]
    fn answers_are_understood() {
        let answer = |code: i32, name: &str, value: &str, remark: &str, body: &[u8]| {
            let mut out = Vec::new();
            let writer = ResponseWriter::new(&mut out, Encoding::Json, 1, code).remark(remark).field(name, value);
            writer.body(body).finish();
            let (frame, _) = split(&out).unwrap().unwrap();
            let header = Header::parse(&frame).unwrap();
            (Registered::decode(&header, frame.body), decode_changed(&header))
        };
        let (registered, changed) = answer(0, "masterAddr", "m:1", "", br#"{"table":{"T":"a:4"}}"#);
        let registered = registered.unwrap();
        assert_eq!((registered.master_address.as_deref(), registered.ha_address), (Some("m:1"), None));
        assert_eq!(registered.order_topics, Some(BTreeMap::from([("T".to_string(), "a:4".to_string())])));
        assert_eq!(changed, Ok(true));
        assert_eq!(answer(0, "changed", "false", "", b"").1, Ok(false));
        assert_eq!(answer(0, "haServerAddr", "", "", b"").0, Ok(Registered::default()));
        let failed = answer(1, "x", "y", "register broker failed", b"").0.unwrap_err();
        assert_eq!(failed.to_string(), "code 1, register broker failed");
    }

    #[test]
    fn a_broker_that_may_not_write_narrows_its_topics() {
        let narrowed = Advertised { permission: Perm::READ, ..broker() };
        let topics = [TopicConfig::new("T").with_perm(Perm::ALL)];
        let body = |broker: &Advertised| {
            let body: Value = serde_json::from_slice(&broker.register(topics.iter(), version(1))[0].body).unwrap();
            body["topicConfigSerializeWrapper"]["topicConfigTable"]["T"]["perm"].clone()
        };
        assert_eq!((body(&broker()), body(&narrowed)), (7.into(), 4.into()));
    }

    #[test]
    fn a_huge_table_goes_in_parts_that_a_name_server_reads_each() {
        let topics: Vec<TopicConfig> = (0..60_000).map(|number| TopicConfig::new(&format!("topic-number-{number}"))).collect();
        let asks = broker().register(topics.iter(), version(7));
        assert!(asks.len() > 1);
        let mut count = 0;
        let mut counters = Vec::new();
        for ask in &asks {
            assert!(ask.body.len() < BODY_BYTES_MAX + 4096);
            let body: Value = serde_json::from_slice(&ask.body).unwrap();
            let wrapper = &body["topicConfigSerializeWrapper"];
            count += wrapper["topicConfigTable"].as_object().unwrap().len();
            counters.push(wrapper["dataVersion"]["counter"].as_i64().unwrap());
        }
        assert_eq!(count, topics.len());
        assert_eq!(counters.last(), Some(&7));
        counters.sort_unstable();
        counters.dedup();
        assert_eq!(counters.len(), asks.len());
    }
}
