//! HEART_BEAT (34), UNREGISTER_CLIENT (35), GET_CONSUMER_LIST_BY_GROUP (38), CHECK_CLIENT_CONFIG (46), and the end of
//! connections.
//!
//! Runs on the connection's core; the members of a group are kept by the group's core, see `membership`. Invariant: a
//! connection that has ended is in no group. What a late heartbeat registered is taken back by the heartbeat itself.
//!
//! Before: `broker::dispatch`; after: `broker::membership`, `broker::changes` for a group's first heartbeat.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use ringmq_shards::filter::ExpressionType;
use ringmq_shards::group::ConnectionId;
use ringmq_shards::runtime::{self, Lane, mesh::Request};
use ringmq_shards::topic::RETRY_PREFIX;

use super::changes::Wanted;
use super::core::Core;
use super::dispatch::Call;
use super::everywhere::ask_each;
use super::membership::{self, Gone, Join, Leave, Sender};
use super::response::{Refusal, Response};
use super::subscription;
use crate::net::Connection;
use crate::remoting::code::ResponseCode;
use crate::remoting::request::client::{CheckClientConfig, GetConsumerListByGroup, UnregisterClient, write_consumer_ids};
use crate::remoting::request::heartbeat::{Consumer, Heartbeat};

/// How often members are looked through for those who have fallen silent.
const EXPIRY_SCAN: Duration = Duration::from_secs(10);

pub fn start(core: &Rc<Core>) {
    let core = core.clone();
    let _detached = runtime::spawn(Lane::Background, async move {
        while !core.stopping.get() {
            runtime::sleep(EXPIRY_SCAN).await;
            membership::expire(&core).await;
        }
    });
}

pub async fn heartbeat(call: Call) -> Result<Response, Refusal> {
    let (core, connection) = (&call.core, call.connection());
    let Heartbeat { client_id, producer_groups, consumers, fingerprint, without_sub } = Heartbeat::decode(call.body())?;
    let sender = {
        let header = call.header();
        let (language, version) = (header.language.number(), header.version);
        Sender { connection: id_of(core, connection), client_id, address: connection.peer, language, version }
    };
    let mut joins = BTreeMap::new();
    let join = || Join { sender: sender.clone(), consumers: Vec::new(), producers: Vec::new(), fingerprint, without_sub };
    for consumer in consumers {
        if ensure_group(core, &consumer).await? {
            let home = core.placement.group(&consumer.group, core.id);
            joins.entry(home).or_insert_with(join).consumers.push(consumer);
        }
    }
    if !producer_groups.is_empty() {
        core.producers.borrow_mut().heartbeat(&sender.client_id, connection.number, runtime::now());
    }
    for group in producer_groups {
        joins.entry(core.placement.group(&group, core.id)).or_insert_with(join).producers.push(group);
    }
    for home in joins.keys() {
        let mut joined = connection.joined.borrow_mut();
        if !joined.contains(home) {
            joined.push(*home);
        }
    }
    let replies = ask_each(core, joins).await;
    if !connection.is_open() {
        connection_closed(core, connection);
    }
    let mut sub_change = fingerprint == 0;
    for reply in replies {
        sub_change |= reply?;
    }
    Ok(Response::success().with_field("IS_SUPPORT_HEART_BEAT_V2", true).with_field("IS_SUB_CHANGE", sub_change))
}

/// Whether the group may be joined; made with its retry topic if need be. A steady heartbeat finds both and asks nobody.
async fn ensure_group(core: &Rc<Core>, consumer: &Consumer) -> Result<bool, Refusal> {
    let has_order_topic = {
        let shard = core.live.state.borrow();
        let is_order = |topic: &str| shard.topics.get(topic).is_some_and(|topic| topic.order);
        let has_order_topic = consumer.subscriptions.iter().any(|subscription| is_order(&subscription.topic));
        let retry = shard.topics.get(&format!("{RETRY_PREFIX}{}", consumer.group));
        match (shard.groups.get(&consumer.group), retry) {
            (Some(group), _) if group.retry_queue_nums <= 0 => return Ok(true),
            (Some(_), Some(retry)) if retry.order == has_order_topic => return Ok(true),
            _ => has_order_topic,
        }
    };
    let wanted = Wanted::Group { group: consumer.group.clone(), has_order_topic, unit_mode: consumer.unit_mode };
    match wanted.make(core).await {
        Ok(()) => Ok(true),
        // Silently, as ever: the group's pulls are told.
        Err(refusal) if refusal.code == ResponseCode::SubscriptionGroupNotExist => Ok(false),
        Err(refusal) => Err(refusal),
    }
}

pub async fn unregister(call: Call) -> Result<Response, Refusal> {
    let (core, connection) = (&call.core, call.connection());
    let header = call.header();
    // Whose connection it is says who leaves, so the client's id is not needed.
    let field = |name| header.field(name).filter(|group| !group.is_empty()).map(str::to_owned);
    let [_, producer, consumer] = UnregisterClient::FIELDS else { unreachable!("three fields") };
    let (producer, consumer) = (field(producer), field(consumer));
    let id = id_of(core, connection);
    if let Some(group) = producer {
        // As the original: until its next heartbeat a client that leaves one group is not found for another.
        core.producers.borrow_mut().gone(connection.number);
        let home = core.placement.group(&group, core.id);
        core.mesh.ask(home, core, Leave { connection: id, consumer: None, producer: Some(group) }).await;
    }
    if let Some(group) = consumer {
        let home = core.placement.group(&group, core.id);
        core.mesh.ask(home, core, Leave { connection: id, consumer: Some(group), producer: None }).await;
    }
    Ok(Response::success())
}

pub async fn consumer_list(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let group = GetConsumerListByGroup::decode(&call.header())?.consumer_group.to_owned();
    let home = core.placement.group(&group, core.id);
    let ids = core.mesh.ask(home, core, ConsumerIds { group: group.clone() }).await.unwrap_or_default();
    if ids.is_empty() {
        return Err(Refusal::new(ResponseCode::SystemError, format!("no consumer for this group, {group}")));
    }
    let mut body = Vec::new();
    write_consumer_ids(ids.iter().map(String::as_str), &mut body);
    Ok(Response::success().with_body(body))
}

struct ConsumerIds {
    group: String,
}

impl Request<Core> for ConsumerIds {
    type Reply = Vec<String>;

    async fn serve(self, core: Rc<Core>) -> Vec<String> {
        let members = core.members.borrow();
        let group = members.consumer_group(&self.group);
        group.into_iter().flat_map(|group| group.client_ids()).map(str::to_owned).collect()
    }
}

/// Whether a consumer's expression can be served; asked once, when it starts. Tags always can.
pub async fn check_config(call: Call) -> Result<Response, Refusal> {
    // RocketMQ has nothing against a check without a subscription.
    if call.body().is_empty() {
        return Ok(Response::success());
    }
    let Some(wanted) = CheckClientConfig::decode(call.body())?.subscription else { return Ok(Response::success()) };
    let (kind, core) = (&wanted.expression_type, &call.core);
    if let ExpressionType::Tag = kind {
        return Ok(Response::success());
    }
    subscription::served(core, kind)?;
    match subscription::by_properties(core, kind, &wanted.sub_string) {
        Ok(_) => Ok(Response::success()),
        Err(bad) => Err(Refusal::new(ResponseCode::SubscriptionParseFailed, bad.to_string())),
    }
}

/// Whatever this connection has joined, it leaves.
pub fn connection_closed(core: &Rc<Core>, connection: &Rc<Connection>) {
    core.producers.borrow_mut().gone(connection.number);
    let joined = connection.joined.borrow().clone();
    if joined.is_empty() {
        return;
    }
    let (core, gone) = (core.clone(), Gone(id_of(core, connection)));
    let _detached = runtime::spawn(Lane::Network, async move {
        ask_each(&core, joined.into_iter().map(|home| (home, gone.clone()))).await;
    });
}

pub(super) fn id_of(core: &Core, connection: &Connection) -> ConnectionId {
    ConnectionId { core: core.id.0, number: connection.number.0 }
}
