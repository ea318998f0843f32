//! GET_CONSUMER_CONNECTION_LIST (203), GET_PRODUCER_CONNECTION_LIST (204) and GET_ALL_PRODUCER_INFO (328): who is in a
//! group, for administration.
//!
//! Before: `broker::dispatch`; after: `shards::group::members` on the group's core.

use std::collections::BTreeMap;
use std::rc::Rc;

use ringmq_shards::filter::SubscriptionData;
use ringmq_shards::group::{ConsumeFromWhere, ConsumeType, Member, MessageModel};
use ringmq_shards::runtime::mesh::Request;

use super::core::Core;
use super::dispatch::Call;
use super::everywhere::ask_all;
use super::response::{Refusal, Response};
use crate::remoting::Language;
use crate::remoting::code::ResponseCode;
use crate::remoting::json::{Dialect, Writer};
use crate::remoting::request::client::GetConsumerListByGroup;
use crate::remoting::request::stats::write_producers;
use crate::remoting::request::{BadRequest, subscription};

pub async fn consumers(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let group = GetConsumerListByGroup::decode(&call.header())?.consumer_group.to_owned();
    let home = core.placement.group(&group, core.id);
    let found = core.mesh.ask(home, core, Consumers { group: group.clone() }).await.ok_or_else(Refusal::stopping)?;
    let Some(found) = found else {
        let remark = format!("the consumer group[{group}] not online");
        return Err(Refusal::new(ResponseCode::ConsumerNotOnline, remark));
    };
    let mut body = Vec::new();
    Writer::new(&mut body, Dialect::Fastjson).object(|json| {
        json.key("connectionSet");
        write_connections(&found.members, json);
        json.key("consumeFromWhere").string(found.consume_from_where.name());
        json.key("consumeType").string(found.consume_type.name());
        json.key("messageModel").string(found.message_model.name());
        json.key("subscriptionTable").object(|json| {
            for data in &found.subscriptions {
                json.key(&data.topic);
                subscription::write(data, json);
            }
        });
    });
    Ok(Response::success().with_body(body))
}

pub async fn producers(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let group = call.header().field("producerGroup").map(str::to_owned).ok_or(BadRequest::Missing { field: "producerGroup" })?;
    let home = core.placement.group(&group, core.id);
    let members = core.mesh.ask(home, core, Producers { group: group.clone() }).await.ok_or_else(Refusal::stopping)?;
    if members.is_empty() {
        return Err(Refusal::new(ResponseCode::SystemError, format!("the producer group[{group}] not exist")));
    }
    let mut body = Vec::new();
    Writer::new(&mut body, Dialect::Fastjson).object(|json| {
        json.key("connectionSet");
        write_connections(&members, json);
    });
    Ok(Response::success().with_body(body))
}

pub async fn all_producers(call: Call) -> Result<Response, Refusal> {
    let mut groups: BTreeMap<String, Vec<Member>> = BTreeMap::new();
    for (group, member) in ask_all(&call.core, AllProducers).await.into_iter().flatten() {
        groups.entry(group).or_default().push(member);
    }
    let groups: Vec<_> = groups.into_iter().collect();
    let mut body = Vec::new();
    write_producers(&groups, &mut body);
    Ok(Response::success().with_body(body))
}

fn write_connections(members: &[Member], json: &mut Writer<'_>) {
    json.array(|json| {
        for member in members {
            json.object(|json| {
                json.key("clientAddr").string(&member.address.to_string());
                json.key("clientId").string(&member.client_id);
                json.key("language").string(Language::from_number(member.language.into()).name());
                json.key("version").number(member.version);
            });
        }
    });
}

struct Consumers {
    group: String,
}

/// A consumer group, copied to be shown.
struct Shown {
    members: Vec<Member>,
    consume_type: ConsumeType,
    message_model: MessageModel,
    consume_from_where: ConsumeFromWhere,
    subscriptions: Vec<SubscriptionData>,
}

impl Request<Core> for Consumers {
    type Reply = Option<Shown>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let members = core.members.borrow();
        let group = members.consumer_group(&self.group)?;
        Some(Shown {
            members: group.members().map(|(_, member)| member.clone()).collect(),
            consume_type: group.consume_type(),
            message_model: group.message_model(),
            consume_from_where: group.consume_from_where(),
            subscriptions: group.subscriptions().cloned().collect(),
        })
    }
}

struct Producers {
    group: String,
}

impl Request<Core> for Producers {
    type Reply = Vec<Member>;

    async fn serve(self, core: Rc<Core>) -> Vec<Member> {
        core.members.borrow().producers_of(&self.group).map(|(_, member)| member.clone()).collect()
    }
}

#[derive(Clone)]
struct AllProducers;

impl Request<Core> for AllProducers {
    type Reply = Vec<(String, Member)>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        core.members.borrow().producers().map(|(group, _, member)| (group.to_owned(), member.clone())).collect()
    }
}
