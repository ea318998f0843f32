//! ACK_MESSAGE (200051), BATCH_ACK_MESSAGE (200151), CHANGE_MESSAGE_INVISIBLETIME (200053).
//!
//! A message is named by its queue, its offset and the time of its pop; the rest of a handle is only passed on. An ack of what is not held any more is as good as
//! one of what is: the client cannot know. Answers come when they are durable.
//!
//! Before: `broker::dispatch`; after: `shards::runtime::pop`, on the queue's core.

use std::rc::Rc;

use ringmq_shards::pop::{AckOutcome, Handed};
use ringmq_shards::runtime::{self, mesh::Request};
use ringmq_shards::types::{Millis, QueueOffset};

use super::take::{FAQ, NOT_SET};
use crate::broker::core::Core;
use crate::broker::dispatch::Call;
use crate::broker::response::{Refusal, Response};
use crate::remoting::code::ResponseCode;
use crate::remoting::message::pop::{BadHandle, Handle, ORDER_REVIVE_QUEUE, RetryKind};
use crate::remoting::request::pop::{AckMessage, ChangeInvisibleTime, batch_acks};

/// As for a pop.
const INVISIBLE_MILLIS_MAX: i64 = 366 * 24 * 3_600_000;

impl From<BadHandle> for Refusal {
    fn from(bad: BadHandle) -> Refusal {
        Refusal::new(ResponseCode::SystemError, bad.to_string())
    }
}

pub async fn ack(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let ack = {
        let header = call.header();
        let request = AckMessage::decode(&header)?;
        let queue_id = check_queue(core, &call, request.topic, request.queue_id)?;
        let handle = Handle::parse(request.extra_info)?;
        let message = Handed { offset: QueueOffset(request.offset), pop_time: Millis(handle.pop_time) };
        Ack {
            topic: request.topic.to_owned(),
            group: request.consumer_group.to_owned(),
            queue_id,
            messages: vec![message],
            is_batch: false,
        }
    };
    let owner = core.placement.queue(&ack.topic, ack.queue_id, core.id);
    core.mesh.ask(owner, core, ack).await.ok_or_else(Refusal::stopping)??;
    Ok(Response::success())
}

pub async fn ack_batch(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let batches = batch_acks(call.body())?;
    if batches.is_empty() {
        return Err(Refusal::new(ResponseCode::NoMessage, "the batch has no acks".to_owned()));
    }
    for batch in batches {
        let topic = RetryKind::from_text(&batch.retry).topic(&batch.topic, &batch.group);
        let queue_id = check_queue(core, &call, &topic, batch.queue_id)?;
        let handed = |offset: i64| Handed { offset: QueueOffset(offset), pop_time: Millis(batch.pop_time) };
        let messages = batch.offsets.iter().copied().map(handed).collect();
        let ack = Ack { topic, group: batch.group, queue_id, messages, is_batch: true };
        let owner = core.placement.queue(&ack.topic, ack.queue_id, core.id);
        core.mesh.ask(owner, core, ack).await.ok_or_else(Refusal::stopping)??;
    }
    Ok(Response::success())
}

/// Messages of one queue that a group has consumed.
struct Ack {
    topic: String,
    group: String,
    queue_id: u32,
    messages: Vec<Handed>,
    /// What of a batch lies outside of the queue is passed over.
    is_batch: bool,
}

impl Request<Core> for Ack {
    type Reply = Result<(), Refusal>;

    async fn serve(mut self, core: Rc<Core>) -> Self::Reply {
        let (min, max) = ends(&core, &self.topic, self.queue_id);
        if self.is_batch {
            self.messages.retain(|message| min <= message.offset && message.offset <= max);
        } else if let Some(message) = self.messages.iter().find(|message| message.offset < min || message.offset > max) {
            let (topic, queue_id, offset) = (&self.topic, self.queue_id, message.offset);
            let remark = format!("offset is illegal, key:{topic}@{queue_id}, commit:{offset}, store:{min}~{max}");
            return Err(Refusal::new(ResponseCode::NoMessage, remark));
        }
        match core.live.pop_ack(&self.topic, &self.group, self.queue_id, &self.messages).await? {
            AckOutcome::Done { .. } => Ok(()),
            AckOutcome::NotInBatch { offset } => {
                let remark =
                    format!("offset is illegal, the batch held of {}@{} does not have {offset}", self.topic, self.queue_id);
                Err(Refusal::new(ResponseCode::MessageIllegal, remark))
            }
        }
    }
}

pub async fn change_invisible_time(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let (extend, revive_queue) = {
        let header = call.header();
        let request = ChangeInvisibleTime::decode(&header)?;
        let queue_id = check_queue(core, &call, request.topic, request.queue_id)?;
        let handle = Handle::parse(request.extra_info)?;
        let extend = Extend {
            topic: request.topic.to_owned(),
            group: request.consumer_group.to_owned(),
            queue_id,
            message: Handed { offset: QueueOffset(request.offset), pop_time: Millis(handle.pop_time) },
            invisible_millis: request.invisible_time.clamp(0, INVISIBLE_MILLIS_MAX),
            in_order: handle.revive_queue == ORDER_REVIVE_QUEUE,
        };
        (extend, handle.revive_queue)
    };
    let owner = core.placement.queue(&extend.topic, extend.queue_id, core.id);
    let (pop_time, invisible_millis) = core.mesh.ask(owner, core, extend).await.ok_or_else(Refusal::stopping)??;
    let response =
        Response::success().with_remark(NOT_SET).with_field("popTime", pop_time.0).with_field("invisibleTime", invisible_millis);
    Ok(response.with_field("reviveQid", revive_queue))
}

struct Extend {
    topic: String,
    group: String,
    queue_id: u32,
    message: Handed,
    invisible_millis: i64,
    in_order: bool,
}

impl Request<Core> for Extend {
    /// The pop time and invisible time of the handle from now on.
    type Reply = Result<(Millis, i64), Refusal>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let Extend { topic, group, queue_id, message, invisible_millis, in_order } = self;
        let (min, max) = ends(&core, &topic, queue_id);
        if message.offset < min || message.offset >= max {
            let refusal = Refusal::new(ResponseCode::NoMessage, NOT_SET.to_owned());
            let fields = ["popTime", "invisibleTime", "reviveQid"].into_iter();
            return Err(fields.fold(refusal, |refusal, field| refusal.with_field(field, "0".to_owned())));
        }
        let now = runtime::now();
        let visible_at = now.plus(invisible_millis);
        // In order the batch keeps its name.
        let pop_time = if in_order { message.pop_time } else { now };
        core.live.pop_extend(&topic, &group, queue_id, message, pop_time, visible_at).await?;
        Ok((pop_time, visible_at.0 - pop_time.0))
    }
}

fn ends(core: &Core, topic: &str, queue_id: u32) -> (QueueOffset, QueueOffset) {
    let shard = core.live.state.borrow();
    let slot = shard.queues.slot(topic, queue_id);
    slot.map_or((QueueOffset::ZERO, QueueOffset::ZERO), |slot| (shard.queues.min(slot), shard.queues.max_visible(slot)))
}

fn check_queue(core: &Core, call: &Call, topic: &str, queue_id: i32) -> Result<u32, Refusal> {
    let shard = core.live.state.borrow();
    let Some(config) = shard.topics.get(topic) else {
        let remark = format!("topic[{topic}] not exist, apply first please! {FAQ}");
        return Err(Refusal::new(ResponseCode::TopicNotExist, remark));
    };
    u32::try_from(queue_id).ok().filter(|queue_id| *queue_id < config.read_queue_nums).ok_or_else(|| {
        let remark = format!(
            "queueId[{queue_id}] is illegal, topic:[{topic}] topicConfig.readQueueNums:[{}] consumer:[/{}]",
            config.read_queue_nums,
            call.connection().peer
        );
        Refusal::new(ResponseCode::MessageIllegal, remark)
    })
}
