//! UPDATE_AND_CREATE_TOPIC (17, 18 for a list), GET_ALL_TOPIC_CONFIG (21), DELETE_TOPIC_IN_BROKER (215),
//! GET_SYSTEM_TOPIC_LIST_FROM_BROKER (305), GET_TOPIC_CONFIG (351).
//!
//! Changes go through their home, see `changes`: whoever gets the answer finds the topic on every core. The whole table
//! is the home's, so that a list taken in pages is one list; a single topic is read from this core's replica.
//!
//! Before: `broker::dispatch`; after: `broker::changes`, `shards::topic`.

use std::rc::Rc;

use ringmq_shards::runtime::mesh::Request;
use ringmq_shards::topic::TopicFilterType;

use super::changes::{TopicWanted, Wanted};
use super::core::Core;
use super::dispatch::Call;
use super::page::Page;
use super::response::{Refusal, Response};
use crate::remoting::code::ResponseCode;
use crate::remoting::json::{Dialect, Writer};
use crate::remoting::request::namesrv::write_topic_list;
use crate::remoting::request::topic::{CreateTopic, DeleteTopic, GetAllTopicConfig, GetTopicConfig};
use crate::remoting::request::topic_config::{self, TopicSettings};

pub async fn put(call: Call) -> Result<Response, Refusal> {
    let wanted = {
        let header = call.header();
        let request = CreateTopic::decode(&header)?;
        TopicWanted {
            topic: request.topic.to_owned(),
            read_queue_nums: request.read_queue_nums,
            write_queue_nums: request.write_queue_nums,
            perm: request.perm,
            filter_type: filter_type(request.topic_filter_type)?,
            sys_flag: request.topic_sys_flag,
            order: request.order,
            attributes: request.attributes.unwrap_or_default().to_owned(),
        }
    };
    Wanted::Topic(wanted).make(&call.core).await?;
    Ok(Response::success())
}

/// All or none, as far as that can be known before. RocketMQ stops at a topic that is so already; here the rest is made.
pub async fn put_list(call: Call) -> Result<Response, Refusal> {
    let topics = topic_config::topic_list(call.body())?;
    let wanted: Vec<Wanted> = topics.into_iter().map(|topic| wanted(topic).map(Wanted::Topic)).collect::<Result<_, _>>()?;
    for wanted in &wanted {
        wanted.check(&call.core)?;
    }
    for wanted in wanted {
        wanted.make(&call.core).await?;
    }
    Ok(Response::success())
}

fn wanted(topic: TopicSettings) -> Result<TopicWanted, Refusal> {
    Ok(TopicWanted {
        attributes: topic.attributes_text(),
        filter_type: filter_type(&topic.filter_type)?,
        topic: topic.name,
        read_queue_nums: topic.read_queue_nums,
        write_queue_nums: topic.write_queue_nums,
        perm: topic.perm,
        sys_flag: topic.sys_flag,
        order: topic.order,
    })
}

fn filter_type(name: &str) -> Result<TopicFilterType, Refusal> {
    TopicFilterType::from_name(name).ok_or_else(|| {
        let remark = format!("topicFilterType {name} is neither SINGLE_TAG nor MULTI_TAG");
        Refusal::new(ResponseCode::SystemError, remark)
    })
}

pub async fn delete(call: Call) -> Result<Response, Refusal> {
    let topic = DeleteTopic::decode(&call.header())?.topic.to_owned();
    if topic.trim().is_empty() {
        return Err(Refusal::new(ResponseCode::InvalidParameter, "The specified topic is blank.".to_owned()));
    }
    Wanted::TopicGone { topic }.make(&call.core).await?;
    Ok(Response::success())
}

pub async fn get(call: Call) -> Result<Response, Refusal> {
    let header = call.header();
    let name = GetTopicConfig::decode(&header)?.topic;
    let shard = call.core.live.state.borrow();
    let topic = shard
        .topics
        .get(name)
        .ok_or_else(|| Refusal::new(ResponseCode::TopicNotExist, format!("No topic in this broker. topic: {name}")))?;
    let mut body = Vec::new();
    topic_config::write_one(topic, &mut body);
    Ok(Response::success().with_body(body))
}

/// The broker's own topics, which tools set apart.
pub async fn system(call: Call) -> Result<Response, Refusal> {
    let shard = call.core.live.state.borrow();
    let topics = shard.topics.sorted();
    let system = topics.iter().map(|topic| topic.name.as_str()).filter(|topic| shard.topics.rules().is_system(topic));
    let mut body = Vec::new();
    write_topic_list(system, None, &mut body);
    Ok(Response::success().with_body(body))
}

pub async fn all(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let page = {
        let header = call.header();
        let request = GetAllTopicConfig::decode(&header)?;
        Page::of(request.topic_seq, request.max_topic_num, request.data_version)
    };
    let is_page = page.is_some();
    let home = core.placement.settings(core.id);
    let (total, body) = core.mesh.ask(home, core, Table { page }).await.ok_or_else(Refusal::stopping)?;
    let response = Response::success().with_body(body);
    // Clients up to 5.3 know neither pages nor this field.
    Ok(if is_page { response.with_field("totalTopicNum", total) } else { response })
}

/// At the home: the table's size, and the body that has it or a page of it.
struct Table {
    page: Option<Page>,
}

impl Request<Core> for Table {
    type Reply = (usize, Vec<u8>);

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let shard = core.live.state.borrow();
        let topics = shard.topics.sorted();
        let shown = Page::cut(self.page, &topics, shard.topics.version());
        let mut body = Vec::new();
        topic_config::write_table(shown.iter().copied(), shard.topics.version(), &mut Writer::new(&mut body, Dialect::Fastjson));
        (topics.len(), body)
    }
}
