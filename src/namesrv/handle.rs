//! A request to the name server and its answer, by request code.
//!
//! Must always be true:
//! - a request that asks for an answer gets exactly one frame; a one-way request none
//! - what `Effects::store` holds is on disk before the answer leaves: it reports the change
//!
//! Codes, remarks and bodies are those of 5.3.3 (`DefaultRequestProcessor`, `ClientRequestProcessor`), recorded under
//! `tests/golden/namesrv`. Only where Java answers with the text of an exception there is a sentence here.
//!
//! Before: a connection; after: `routes`, `kv`, `properties`.

use std::fmt::Display;

use ringmq_shards::types::Millis;

use super::kv::{KV_BYTES_MAX, KvConfig, KvFull, ORDER_TOPIC_CONFIG};
use super::properties::{Properties, UpdateRefused};
use super::registration::{Gone, LowestIdChange};
use super::routes::Routes;
use super::topics::UnitTopics;
use super::{ConnectionId, bodies};
use crate::remoting::code::{FAQ, RequestCode, ResponseCode};
use crate::remoting::json::Dialect;
use crate::remoting::{Encoding, Header, ResponseWriter, version};

/// One name server. Lives on core 0.
pub struct NameServer {
    pub(super) routes: Routes,
    pub(super) kv: KvConfig,
    pub(super) properties: Properties,
    started: Millis,
}

/// What the caller has to do, the stores before it sends the answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Effects {
    pub store: Option<Store>,
    /// NOTIFY_MIN_BROKER_ID_CHANGE, one way, to each address in it.
    pub lowest_id_change: Option<LowestIdChange>,
}

/// A file's new content, whole.
#[derive(Debug, PartialEq, Eq)]
pub enum Store {
    KvConfig(Vec<u8>),
    Properties(Vec<u8>),
}

/// A request as far as the answer depends on it.
pub(super) struct Request<'a, 'h> {
    pub now: Millis,
    pub connection: ConnectionId,
    pub header: &'a Header<'h>,
    pub body: &'a [u8],
}

pub(super) struct Answer {
    pub code: ResponseCode,
    pub remark: Option<String>,
    pub fields: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    pub effects: Effects,
}

impl NameServer {
    pub fn new(started: Millis, kv: KvConfig, properties: Properties) -> NameServer {
        NameServer { routes: Routes::default(), kv, properties, started }
    }

    /// Appends the answer's frame to `out`.
    pub fn handle(
        &mut self,
        now: Millis,
        connection: ConnectionId,
        header: &Header<'_>,
        body: &[u8],
        encoding: Encoding,
        out: &mut Vec<u8>,
    ) -> Effects {
        let answer = self.answer(&Request { now, connection, header, body });
        if !header.is_oneway() {
            answer.write(encoding, header.opaque, out);
        }
        answer.effects
    }

    pub fn connection_closed(&mut self, connection: ConnectionId) -> Gone {
        let gone = self.routes.connection_closed(connection);
        self.notifiable(gone)
    }

    /// Due every `scan_interval_ms`; closes nothing itself.
    pub fn scan(&mut self, now: Millis) -> Gone {
        let gone = self.routes.expire(now);
        self.notifiable(gone)
    }

    pub fn scan_interval_ms(&self) -> i64 {
        self.properties.policy().scan_not_active_broker_interval_ms
    }

    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    fn notifiable(&self, mut gone: Gone) -> Gone {
        if !self.properties.policy().notify_min_broker_id_changed {
            gone.lowest_id_changes.clear();
        }
        gone
    }

    fn answer(&mut self, request: &Request<'_, '_>) -> Answer {
        let Some(code) = RequestCode::from_number(request.header.code) else {
            return Answer::not_supported(request.header.code);
        };
        match code {
            RequestCode::GetRouteinfoByTopic => self.route_of_topic(request),
            RequestCode::GetBrokerClusterInfo => Answer::body(|out| bodies::cluster_info(&self.routes, out)),
            RequestCode::GetBrokerMemberGroup => self.member_group(request),
            RequestCode::RegisterBroker => self.register_broker(request),
            RequestCode::UnregisterBroker => self.unregister_broker(request),
            RequestCode::BrokerHeartbeat => self.broker_heartbeat(request),
            RequestCode::QueryDataVersion => self.query_data_version(request),
            RequestCode::RegisterTopicInNamesrv => self.register_topic(request),
            RequestCode::DeleteTopicInNamesrv => self.delete_topic(request),
            RequestCode::WipeWritePermOfBroker => self.change_write_perm(request, "wipeTopicCount", Routes::wipe_write_perm),
            RequestCode::AddWritePermOfBroker => self.change_write_perm(request, "addTopicCount", Routes::add_write_perm),
            RequestCode::GetAllTopicListFromNameserver => {
                let enabled = self.properties.policy().enable_all_topic_list;
                Answer::list_if(enabled, self.routes.topic_names())
            }
            RequestCode::GetTopicsByCluster => {
                let cluster = request.header.field("cluster").unwrap_or_default();
                self.topic_list(self.routes.topics_of_cluster(cluster))
            }
            RequestCode::GetSystemTopicListFromNs => {
                let (names, address) = self.routes.system_topics();
                Answer::body(|out| bodies::topic_list(names.into_iter(), address, out))
            }
            RequestCode::GetUnitTopicList => self.topic_list(self.routes.unit_topics(UnitTopics::Unit)),
            RequestCode::GetHasUnitSubTopicList => self.topic_list(self.routes.unit_topics(UnitTopics::WithUnitSubscription)),
            RequestCode::GetHasUnitSubUnunitTopicList => {
                self.topic_list(self.routes.unit_topics(UnitTopics::WithUnitSubscriptionNotUnit))
            }
            RequestCode::PutKvConfig => self.put_kv(request),
            RequestCode::GetKvConfig => self.get_kv(request),
            RequestCode::DeleteKvConfig => self.delete_kv(request),
            RequestCode::GetKvlistByNamespace => self.kv_list(request),
            RequestCode::UpdateNamesrvConfig => self.update_properties(request),
            RequestCode::GetNamesrvConfig => Answer::body(|out| out.extend_from_slice(self.properties.text().as_bytes())),
            _ => Answer::not_supported(request.header.code),
        }
    }

    fn route_of_topic(&self, request: &Request<'_, '_>) -> Answer {
        let policy = self.properties.policy();
        let ready_at = self.started.0.saturating_add(policy.wait_seconds_for_service.saturating_mul(1000));
        if policy.need_wait_for_service && request.now.0 < ready_at {
            return Answer::remark(ResponseCode::SystemError, "name server not ready");
        }
        let topic = request.header.field("topic");
        let Some(mut route) = topic.and_then(|topic| self.routes.route(topic, policy.support_acting_master)) else {
            let topic = topic.unwrap_or("null");
            let remark = format!("No topic route info in name server for the topic: {topic}{FAQ}");
            return Answer::remark(ResponseCode::TopicNotExist, remark);
        };
        if policy.order_message_enable {
            route.order_topic_conf = topic.and_then(|topic| self.kv.get(ORDER_TOPIC_CONFIG, topic)).map(str::to_string);
        }
        let standard = request.header.version >= version::V4_9_4 || request.flag("acceptStandardJsonOnly");
        let mut dialect = if standard { Dialect::Standard } else { Dialect::Fastjson };
        if let Some(zone) = request.zone_wanted() {
            route.keep_zone(zone);
            // The original writes the body a second time for a zone, and forgets what the client can read.
            dialect = Dialect::Fastjson;
        }
        Answer::body(|out| bodies::topic_route(&route, dialect, out))
    }

    fn member_group(&self, request: &Request<'_, '_>) -> Answer {
        let (cluster, name) = (request.header.field("clusterName"), request.header.field("brokerName"));
        let data = name.and_then(|name| self.routes.brokers().get(name));
        let answer = Answer::body(|out| bodies::member_group(cluster, name, data, out));
        Answer { remark: Some("not set any response code".to_string()), ..answer }
    }

    fn delete_topic(&mut self, request: &Request<'_, '_>) -> Answer {
        if let Some(topic) = request.header.field("topic") {
            match request.header.field("clusterName") {
                None | Some("") => self.routes.delete_topic(topic),
                Some(cluster) => self.routes.delete_topic_in_cluster(topic, cluster),
            }
        }
        Answer::success()
    }

    fn change_write_perm(
        &mut self,
        request: &Request<'_, '_>,
        field: &'static str,
        change: impl Fn(&mut Routes, &str) -> usize,
    ) -> Answer {
        let count = request.header.field("brokerName").map_or(0, |broker| change(&mut self.routes, broker));
        Answer::success().field(field, count)
    }

    fn topic_list<'a>(&self, names: impl Iterator<Item = &'a str>) -> Answer {
        Answer::list_if(self.properties.policy().enable_topic_list, names)
    }

    fn put_kv(&mut self, request: &Request<'_, '_>) -> Answer {
        let header = request.header;
        let (Some(namespace), Some(key)) = (header.field("namespace"), header.field("key")) else {
            return Answer::remark(ResponseCode::SystemError, "namespace or key is null");
        };
        match self.kv.put(namespace, key, header.field("value")) {
            Ok(()) => self.kv_stored(),
            Err(KvFull) => {
                let remark = format!("the KV settings of this name server would have more than {KV_BYTES_MAX} bytes");
                Answer::remark(ResponseCode::SystemError, remark)
            }
        }
    }

    fn get_kv(&self, request: &Request<'_, '_>) -> Answer {
        let (namespace, key) = (request.header.field("namespace"), request.header.field("key"));
        let value = namespace.zip(key).and_then(|(namespace, key)| self.kv.get(namespace, key));
        match value {
            Some(value) => Answer::success().field("value", value),
            None => {
                let (namespace, key) = (namespace.unwrap_or("null"), key.unwrap_or("null"));
                let remark = format!("No config item, Namespace: {namespace} Key: {key}");
                Answer::remark(ResponseCode::QueryNotFound, remark)
            }
        }
    }

    fn delete_kv(&mut self, request: &Request<'_, '_>) -> Answer {
        let (namespace, key) = (request.header.field("namespace"), request.header.field("key"));
        let Some((namespace, key)) = namespace.zip(key) else { return Answer::success() };
        self.kv.delete(namespace, key);
        self.kv_stored()
    }

    fn kv_stored(&self) -> Answer {
        Answer::success().store(Store::KvConfig(self.kv.encode()))
    }

    fn kv_list(&self, request: &Request<'_, '_>) -> Answer {
        let namespace = request.header.field("namespace");
        match namespace.and_then(|namespace| self.kv.namespace(namespace)) {
            Some(keys) => Answer::body(|out| bodies::kv_table(keys, out)),
            None => {
                let remark = format!("No config item, Namespace: {}", namespace.unwrap_or("null"));
                Answer::remark(ResponseCode::QueryNotFound, remark)
            }
        }
    }

    fn update_properties(&mut self, request: &Request<'_, '_>) -> Answer {
        if request.body.is_empty() {
            return Answer::success();
        }
        match self.properties.update(&String::from_utf8_lossy(request.body)) {
            Ok(()) => Answer::success().store(Store::Properties(self.properties.text().into_bytes())),
            Err(UpdateRefused::Syntax) => Answer::remark(ResponseCode::SystemError, "string2Properties error"),
            Err(UpdateRefused::BlackList) => Answer::remark(ResponseCode::NoPermission, "Can not update config in black list."),
        }
    }
}

/// Whether the name server answers this code with more than "not supported". A test asks `answer` the same.
pub fn serves(code: RequestCode) -> bool {
    matches!(
        code,
        RequestCode::GetRouteinfoByTopic
            | RequestCode::GetBrokerClusterInfo
            | RequestCode::GetBrokerMemberGroup
            | RequestCode::RegisterBroker
            | RequestCode::UnregisterBroker
            | RequestCode::BrokerHeartbeat
            | RequestCode::QueryDataVersion
            | RequestCode::RegisterTopicInNamesrv
            | RequestCode::DeleteTopicInNamesrv
            | RequestCode::WipeWritePermOfBroker
            | RequestCode::AddWritePermOfBroker
            | RequestCode::GetAllTopicListFromNameserver
            | RequestCode::GetTopicsByCluster
            | RequestCode::GetSystemTopicListFromNs
            | RequestCode::GetUnitTopicList
            | RequestCode::GetHasUnitSubTopicList
            | RequestCode::GetHasUnitSubUnunitTopicList
            | RequestCode::PutKvConfig
            | RequestCode::GetKvConfig
            | RequestCode::DeleteKvConfig
            | RequestCode::GetKvlistByNamespace
            | RequestCode::UpdateNamesrvConfig
            | RequestCode::GetNamesrvConfig
    )
}

impl Request<'_, '_> {
    pub fn flag(&self, name: &str) -> bool {
        self.header.field(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    fn zone_wanted(&self) -> Option<&str> {
        let zone = self.header.field("__ZONE_NAME").filter(|zone| !zone.trim().is_empty());
        zone.filter(|_| self.flag("__ZONE_MODE"))
    }
}

impl Answer {
    pub fn success() -> Answer {
        Answer { code: ResponseCode::Success, remark: None, fields: Vec::new(), body: Vec::new(), effects: Effects::default() }
    }

    pub fn remark(code: ResponseCode, remark: impl Into<String>) -> Answer {
        Answer { code, remark: Some(remark.into()), ..Answer::success() }
    }

    pub fn body(write: impl FnOnce(&mut Vec<u8>)) -> Answer {
        let mut body = Vec::new();
        write(&mut body);
        Answer { body, ..Answer::success() }
    }

    pub fn field(mut self, name: &'static str, value: impl Display) -> Answer {
        self.fields.push((name, value.to_string()));
        self
    }

    fn store(mut self, store: Store) -> Answer {
        self.effects.store = Some(store);
        self
    }

    fn list_if<'a>(enabled: bool, names: impl Iterator<Item = &'a str>) -> Answer {
        match enabled {
            true => Answer::body(|out| bodies::topic_list(names, None, out)),
            false => Answer::remark(ResponseCode::SystemError, "disable"),
        }
    }

    fn not_supported(code: i32) -> Answer {
        Answer::remark(ResponseCode::RequestCodeNotSupported, format!(" request type {code} not supported"))
    }

    fn write(&self, encoding: Encoding, opaque: i32, out: &mut Vec<u8>) {
        let mut writer = ResponseWriter::new(out, encoding, opaque, self.code.number());
        if let Some(remark) = &self.remark {
            writer = writer.remark(remark);
        }
        for (name, value) in &self.fields {
            writer = writer.field(name, value);
        }
        writer.body(&self.body).finish();
    }
}
