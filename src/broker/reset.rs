//! INVOKE_BROKER_TO_RESET_OFFSET (222): a group is to read on from another place; by time, by offset, all queues or one.
//!
//! `useServerSideResetOffset` says who does it. The broker: each shard sets the offsets of its own queues and marks them, and
//! the answer waits until all of that is durable; see `shards::resets` for what then happens to pulls and commits. Or the
//! clients: all members are told with RESET_CONSUMER_CLIENT_OFFSET (220), drop what they hold, and commit the new offsets
//! themselves; so there must be members, and offsets to begin with.
//!
//! Before: `broker::dispatch`; after: `shards::runtime::resets`, or `broker::client_calls`.

use std::collections::BTreeMap;
use std::rc::Rc;

use ringmq_shards::offsets::OffsetCommit;
use ringmq_shards::queue::Boundary;
use ringmq_shards::runtime::mesh::Request;
use ringmq_shards::shard::ResetError;
use ringmq_shards::types::{Millis, QueueOffset, ShardId};

use super::client_calls::ClientCall;
use super::core::Core;
use super::dispatch::Call;
use super::everywhere::{ask_each, at_once};
use super::offset::{Ends, Search, Stored, ask_queue};
use super::relay::{NO_REMARK, members, unsupported};
use super::response::{Refusal, Response};
use crate::remoting::Language;
use crate::remoting::code::{RequestCode, ResponseCode};
use crate::remoting::request::reset::{ResetOffset, write_reset, write_reset_list};
use crate::remoting::version;

/// `ResetOffset`, owned.
struct Wanted {
    topic: String,
    group: String,
    queue_id: i32,
    offset: Option<i64>,
    timestamp: i64,
    is_force: bool,
}

/// Queue ids and where each is to be read from.
type Targets = Vec<(i32, i64)>;

pub async fn reset(call: Call) -> Result<Response, Refusal> {
    let wanted = {
        let header = call.header();
        let ResetOffset { topic, group, queue_id, offset, timestamp, is_force } = ResetOffset::decode(&header)?;
        let offset = offset.filter(|offset| *offset != -1);
        Wanted { topic: topic.to_owned(), group: group.to_owned(), queue_id, offset, timestamp, is_force }
    };
    let core = &call.core;
    let server_side = core.settings.borrow().server_side_reset;
    let (targets, response) = if server_side {
        (wanted.at_the_broker(core).await?, Response::success())
    } else {
        (wanted.at_the_clients(core).await?, Response::success().with_remark(NO_REMARK))
    };
    let Wanted { topic, group, timestamp, .. } = &wanted;
    tracing::info!(topic, group, timestamp, queues = targets.len(), server_side, "consumer offsets reset");
    let mut body = Vec::new();
    write_reset(topic, &core.identity.name, &targets, &mut body);
    Ok(response.with_body(body))
}

impl Wanted {
    async fn at_the_broker(&self, core: &Rc<Core>) -> Result<Targets, Refusal> {
        let queues = {
            let shard = core.live.state.borrow();
            let Some(topic) = shard.topics.get(&self.topic) else {
                let remark = format!("Topic {} does not exist", self.topic);
                return Err(Refusal::new(ResponseCode::TopicNotExist, remark));
            };
            if shard.groups.get(&self.group).is_none() {
                let remark = format!("Group {} does not exist", self.group);
                return Err(Refusal::new(ResponseCode::SubscriptionGroupNotExist, remark));
            }
            topic.read_queue_nums as i32
        };
        let targets = match (u32::try_from(self.queue_id), self.offset) {
            (Ok(queue_id), Some(offset)) => {
                let (min, max) = ask_queue(core, Ends { topic: self.topic.clone(), queue_id }).await?;
                if offset < min || offset > max + 1 {
                    let remark = format!("Target offset {offset} not in consume queue range [{min}-{max}]");
                    return Err(Refusal::new(ResponseCode::SystemError, remark));
                }
                vec![(self.queue_id, offset)]
            }
            (Ok(_), None) => self.by_time(core, [self.queue_id]).await?,
            (Err(_), _) => self.by_time(core, 0..queues).await?,
        };
        if targets.is_empty() {
            return Err(Refusal::new(ResponseCode::SystemError, "No queues to reset.".to_owned()));
        }
        let mut shards: BTreeMap<ShardId, Targets> = BTreeMap::new();
        for (queue_id, offset) in &targets {
            let owner = core.placement.queue(&self.topic, *queue_id as u32, core.id);
            shards.entry(owner).or_default().push((*queue_id, *offset));
        }
        let asked = shards.len();
        let asks = shards.into_iter().map(|(shard, targets)| {
            let (topic, group) = (self.topic.clone(), self.group.clone());
            (shard, ResetHere { topic, group, targets })
        });
        let replies = ask_each(core, asks).await;
        if replies.len() < asked {
            return Err(Refusal::stopping());
        }
        replies.into_iter().collect::<Result<(), Refusal>>()?;
        Ok(targets)
    }

    /// Where each queue's first message at or after the time lies; before all time stands for the end.
    async fn by_time(&self, core: &Rc<Core>, queues: impl IntoIterator<Item = i32>) -> Result<Targets, Refusal> {
        let asks = queues.into_iter().map(|queue_id| {
            let (core, topic, timestamp) = (core.clone(), self.topic.clone(), self.timestamp);
            async move {
                let place = queue_id as u32;
                let offset = if timestamp < 0 {
                    ask_queue(&core, Ends { topic, queue_id: place }).await?.1
                } else {
                    let (time, boundary) = (Millis(timestamp), Boundary::Lower);
                    ask_queue(&core, Search { topic, queue_id: place, time, boundary }).await??
                };
                Ok((queue_id, offset.max(0)))
            }
        });
        at_once(asks).await.into_iter().collect()
    }

    async fn at_the_clients(&self, core: &Rc<Core>) -> Result<Targets, Refusal> {
        let queues = {
            let shard = core.live.state.borrow();
            let Some(topic) = shard.topics.get(&self.topic) else {
                let remark = format!("[reset-offset] reset offset failed, no topic in this broker. topic={}", self.topic);
                return Err(Refusal::new(ResponseCode::TopicNotExist, remark));
            };
            topic.write_queue_nums as i32
        };
        let mut committed = Vec::new();
        for queue_id in 0..queues {
            let stored = Stored { topic: self.topic.clone(), group: self.group.clone(), queue_id: queue_id as u32 };
            let Some(offset) = ask_queue(core, stored).await??.committed else {
                let remark = format!("THe consumer group <{}> not exist", self.group);
                return Err(Refusal::new(ResponseCode::SystemError, remark));
            };
            committed.push(offset);
        }
        let mut targets = self.by_time(core, 0..queues).await?;
        for ((_, target), committed) in targets.iter_mut().zip(committed) {
            if !self.is_force {
                *target = committed.min(*target);
            }
        }
        let members = members(core, &self.group).await?;
        if members.is_empty() {
            let Wanted { topic, group, timestamp, .. } = self;
            let remark =
                format!("Consumer not online, so can not reset offset, Group: {group} Topic: {topic} Timestamp: {timestamp}");
            return Err(Refusal::new(ResponseCode::ConsumerNotOnline, remark));
        }
        if let Some((_, old)) = members.iter().find(|(_, member)| member.version < version::V3_0_7_SNAPSHOT) {
            return Err(unsupported(old.version));
        }
        for (connection, member) in members {
            // The original looks at the administrator's language; what matters is who has to read it.
            let is_list = Language::from_number(member.language.into()) == Language::Cpp;
            if !core.tell_client(connection, self.told(core, &targets, is_list)).await {
                tracing::info!(client = member.client_id, group = self.group, "gone before it could be told of a reset");
            }
        }
        Ok(targets)
    }

    fn told(&self, core: &Core, targets: &[(i32, i64)], is_list: bool) -> ClientCall {
        let mut body = Vec::new();
        let write = if is_list { write_reset_list } else { write_reset };
        write(&self.topic, &core.identity.name, targets, &mut body);
        let field = |name: &str, value: String| (name.to_owned(), value);
        let fields = vec![
            field("topic", self.topic.clone()),
            field("group", self.group.clone()),
            field("queueId", "-1".to_owned()),
            field("timestamp", self.timestamp.to_string()),
            field("isForce", "false".to_owned()),
        ];
        ClientCall { code: RequestCode::ResetConsumerClientOffset, fields, body }
    }
}

/// At the core of some of the topic's queues.
struct ResetHere {
    topic: String,
    group: String,
    targets: Targets,
}

impl Request<Core> for ResetHere {
    type Reply = Result<(), Refusal>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let ResetHere { topic, group, targets } = &self;
        let rows: Vec<OffsetCommit<'_>> = targets
            .iter()
            .map(|(queue_id, offset)| OffsetCommit { topic, group, queue_id: *queue_id as u32, offset: QueueOffset(*offset) })
            .collect();
        Ok(core.live.reset_offsets(&rows).await?)
    }
}

impl From<ResetError> for Refusal {
    fn from(error: ResetError) -> Refusal {
        match error {
            ResetError::Append(error) => error.into(),
            ResetError::Full(full) => Refusal::new(ResponseCode::SystemError, full.to_string()),
        }
    }
}
