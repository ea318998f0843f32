//! What brokers send to a name server: REGISTER_BROKER, UNREGISTER_BROKER, BROKER_HEARTBEAT, QUERY_DATA_VERSION,
//! REGISTER_TOPIC_IN_NAMESRV.
//!
//! Before: `handle`; after: `registration`.

use super::bodies;
use super::body::{self, BadBody, RegistrationBody};
use super::handle::{Answer, NameServer, Request};
use super::kv::ORDER_TOPIC_CONFIG;
use super::registration::{BrokerRegistration, Registered, RegistrationRefused};
use super::routes::QueueData;
use crate::remoting::code::ResponseCode;
use crate::remoting::json::Object;

impl NameServer {
    pub(super) fn register_broker(&mut self, request: &Request<'_, '_>) -> Answer {
        let header = request.header;
        let crc = header.field("bodyCrc32").and_then(|crc| crc.parse::<i32>().ok()).unwrap_or(0);
        if crc != 0 && crc != body_crc32(request.body) {
            return Answer::remark(ResponseCode::SystemError, "crc32 not match");
        }
        match self.register(request) {
            Ok(registered) => self.registered(registered),
            Err(refused) => refused.answer(),
        }
    }

    fn register(&mut self, request: &Request<'_, '_>) -> Result<Registered, Refused> {
        let header = request.header;
        let id = request.required("brokerId")?;
        let id = id.parse().map_err(|_| Refused(format!("brokerId {id:?} is not a number")))?;
        let body = RegistrationBody::decode(request.body, request.flag("compressed"), header.version, request.now);
        let body = body.map_err(|BadBody(what)| bad_body("the registration", &what))?;
        let registration = BrokerRegistration {
            cluster: request.required("clusterName")?,
            address: request.required("brokerAddr")?,
            name: request.required("brokerName")?,
            id,
            ha_address: header.field("haServerAddr").unwrap_or_default(),
            zone: header.field("__ZONE_NAME"),
            heartbeat_timeout_ms: header.field("heartbeatTimeoutMillis").and_then(|millis| millis.parse().ok()),
            enable_acting_master: header.field("enableActingMaster").map(|flag| flag.eq_ignore_ascii_case("true")),
            topics: body.topics.as_ref(),
            filter_servers: body.filter_servers.as_deref(),
            connection: request.connection,
        };
        let delete_missing = self.properties.policy().delete_topic_with_broker_registration;
        self.routes.register(request.now, &registration, delete_missing).map_err(|refused| match refused {
            RegistrationRefused::OneTopicOnly => Refused("register broker failed".to_string()),
            RegistrationRefused::Full(what) => Refused(format!("register broker failed: {what}")),
        })
    }

    fn registered(&self, registered: Registered) -> Answer {
        let policy = self.properties.policy();
        let order = self.kv.namespace(ORDER_TOPIC_CONFIG).filter(|_| policy.return_order_topic_config_to_broker);
        let mut answer = match order {
            Some(keys) => Answer::body(|out| bodies::kv_table(keys, out)),
            None => Answer::success(),
        };
        if let Some(master) = registered.master {
            if !master.ha_address.is_empty() {
                answer = answer.field("haServerAddr", master.ha_address);
            }
            answer = answer.field("masterAddr", master.address);
        }
        answer.effects.lowest_id_change = registered.lowest_id_change.filter(|_| policy.notify_min_broker_id_changed);
        answer
    }

    pub(super) fn unregister_broker(&mut self, request: &Request<'_, '_>) -> Answer {
        let field = |name| request.header.field(name);
        let mut answer = Answer::success();
        if let (Some(cluster), Some(address), Some(name)) = (field("clusterName"), field("brokerAddr"), field("brokerName")) {
            let id = field("brokerId").and_then(|id| id.parse().ok()).unwrap_or(i64::MIN);
            let change = self.routes.unregister(cluster, address, name, id);
            answer.effects.lowest_id_change = change.filter(|_| self.properties.policy().notify_min_broker_id_changed);
        }
        answer
    }

    pub(super) fn broker_heartbeat(&mut self, request: &Request<'_, '_>) -> Answer {
        match (request.required("clusterName"), request.required("brokerAddr")) {
            (Ok(cluster), Ok(address)) => {
                self.routes.heartbeat(request.now, cluster, address);
                Answer::success()
            }
            (Err(refused), _) | (_, Err(refused)) => refused.answer(),
        }
    }

    /// Also a heartbeat.
    pub(super) fn query_data_version(&mut self, request: &Request<'_, '_>) -> Answer {
        let (cluster, address) = match (request.required("clusterName"), request.required("brokerAddr")) {
            (Ok(cluster), Ok(address)) => (cluster, address),
            (Err(refused), _) | (_, Err(refused)) => return refused.answer(),
        };
        let theirs = match request.body {
            [] => None,
            bytes => {
                let value = body::parse(bytes);
                match value.as_ref().map_err(BadBody::clone).and_then(body::object) {
                    Ok(version) => Some(body::data_version(version, request.now)),
                    Err(BadBody(what)) => return bad_body("the data version", &what).answer(),
                }
            }
        };
        let ours = self.routes.version(cluster, address);
        self.routes.heartbeat(request.now, cluster, address);
        let answer = match ours {
            Some(version) => Answer::body(|out| bodies::data_version(&version, out)),
            None => Answer::success(),
        };
        answer.field("changed", ours.is_none() || ours != theirs)
    }

    pub(super) fn register_topic(&mut self, request: &Request<'_, '_>) -> Answer {
        if request.body.is_empty() {
            return Answer::success();
        }
        let value = match body::parse(request.body) {
            Ok(value) => value,
            Err(BadBody(what)) => return bad_body("the topic's route", &what).answer(),
        };
        let list = Object::of(&value).into_iter().flat_map(|route| route.objects("queueDatas"));
        let queues: Vec<(String, QueueData)> = list.filter_map(body::queue_data).collect();
        if let Some(topic) = request.header.field("topic") {
            self.routes.register_topic(topic, &queues);
        }
        Answer::success()
    }
}

/// As `UtilAll.crc32`: without the sign, and 0 for nothing.
fn body_crc32(body: &[u8]) -> i32 {
    (crc32fast::hash(body) & 0x7fff_ffff) as i32
}

fn bad_body(what: &str, why: &str) -> Refused {
    Refused(format!("the body of {what} cannot be read: {why}"))
}

/// SYSTEM_ERROR with this remark.
struct Refused(String);

impl Refused {
    fn answer(self) -> Answer {
        Answer::remark(ResponseCode::SystemError, self.0)
    }
}

impl<'a> Request<'a, '_> {
    /// The tables have no place for a broker without a name; Java throws here.
    fn required(&self, name: &str) -> Result<&'a str, Refused> {
        let value = self.header.field(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| Refused(format!("the field {name} is missing")))
    }
}
