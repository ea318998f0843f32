//! QUERY_TOPIC_CONSUME_BY_WHO (300), QUERY_TOPICS_BY_CONSUMER (343), QUERY_SUBSCRIPTION_BY_CONSUMER (345): who reads what.
//!
//! A group reads a topic if it has offsets there, on whatever core, or a member online that subscribes to it.
//!
//! Before: `broker::dispatch`; after: `shards::offsets` on every core, `shards::group::members` on the group's.

use std::collections::BTreeSet;
use std::rc::Rc;

use ringmq_shards::filter::SubscriptionData;
use ringmq_shards::runtime::mesh::Request;

use super::core::Core;
use super::dispatch::Call;
use super::everywhere::ask_all;
use super::response::{Refusal, Response};
use crate::remoting::request::namesrv::write_topic_list;
use crate::remoting::request::progress::{
    QuerySubscriptionByConsumer, QueryTopicConsumeByWho, QueryTopicsByConsumer, write_groups, write_subscription,
};

pub async fn groups(call: Call) -> Result<Response, Refusal> {
    let topic = QueryTopicConsumeByWho::decode(&call.header())?.topic.to_owned();
    let groups: BTreeSet<String> = ask_all(&call.core, GroupsOf { topic }).await.into_iter().flatten().collect();
    let mut body = Vec::new();
    write_groups(groups.iter().map(String::as_str), &mut body);
    Ok(Response::success().with_body(body))
}

#[derive(Clone)]
struct GroupsOf {
    topic: String,
}

impl Request<Core> for GroupsOf {
    type Reply = Vec<String>;

    async fn serve(self, core: Rc<Core>) -> Vec<String> {
        let shard = core.live.state.borrow();
        let members = core.members.borrow();
        let online = members.consumer_groups().filter(|(_, group)| group.subscription(&self.topic).is_some());
        let online = online.map(|(group, _)| group.to_owned());
        shard.offsets.groups_of(&self.topic).into_iter().map(str::to_owned).chain(online).collect()
    }
}

pub async fn topics(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let group = QueryTopicsByConsumer::decode(&call.header())?.group.to_owned();
    let topics = topics_of(core, &group).await;
    let mut body = Vec::new();
    write_topic_list(topics.iter().map(String::as_str), Some(&core.identity.address.to_string()), &mut body);
    Ok(Response::success().with_body(body))
}

/// The topics in which a group has offsets, in name order.
pub async fn topics_of(core: &Rc<Core>, group: &str) -> BTreeSet<String> {
    ask_all(core, TopicsOf { group: group.to_owned() }).await.into_iter().flatten().collect()
}

#[derive(Clone)]
struct TopicsOf {
    group: String,
}

impl Request<Core> for TopicsOf {
    type Reply = Vec<String>;

    async fn serve(self, core: Rc<Core>) -> Vec<String> {
        let shard = core.live.state.borrow();
        shard.offsets.topics_of(&self.group).into_iter().map(str::to_owned).collect()
    }
}

pub async fn subscription(call: Call) -> Result<Response, Refusal> {
    let (group, topic) = {
        let header = call.header();
        let request = QuerySubscriptionByConsumer::decode(&header)?;
        (request.group.to_owned(), request.topic.to_owned())
    };
    let found = find(&call.core, &group, &topic).await?;
    let mut body = Vec::new();
    write_subscription(&group, &topic, found.as_ref(), &mut body);
    Ok(Response::success().with_body(body))
}

/// What a group that is online subscribes to of a topic.
pub async fn find(core: &Rc<Core>, group: &str, topic: &str) -> Result<Option<SubscriptionData>, Refusal> {
    let home = core.placement.group(group, core.id);
    let asked = SubscriptionOf { group: group.to_owned(), topic: topic.to_owned() };
    core.mesh.ask(home, core, asked).await.ok_or_else(Refusal::stopping)
}

struct SubscriptionOf {
    group: String,
    topic: String,
}

impl Request<Core> for SubscriptionOf {
    type Reply = Option<SubscriptionData>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        core.members.borrow().consumer_group(&self.group)?.subscription(&self.topic).cloned()
    }
}
