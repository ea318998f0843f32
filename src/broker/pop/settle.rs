//! ACK_MESSAGE (200051), BATCH_ACK_MESSAGE (200151), CHANGE_MESSAGE_INVISIBLETIME (200053).
//!
//! A message is named by its queue, its offset and the time of its pop; the rest of a handle is only passed on. An ack of what is not held any more is as good as
//! one of what is: the client cannot know. Answers come when they are durable.
//!
//! There is an ack for each message, so those of this core's queues are made at once, from the borrowed frame, and their answers wait in
//! `promises`; only what other cores take part in, or what must wait for room, is a task.
//!
//! Before: `broker::dispatch`; after: `shards::runtime::pop`, on the queue's core.

use std::net::SocketAddr;
use std::rc::Rc;

use ringmq_shards::pop::{AckOutcome, Handed};
use ringmq_shards::runtime::{self, Lane, mesh::Request};
use ringmq_shards::shard::AppendError;
use ringmq_shards::types::{LogPosition, Millis, QueueOffset, ShardId};

use super::take::{INVISIBLE_MILLIS_MAX, NOT_SET};
use crate::broker::core::Core;
use crate::broker::dispatch::Call;
use crate::broker::promises;
use crate::broker::response::{Refusal, Response};
use crate::net::{Connection, Flow};
use crate::remoting::code::{FAQ, RequestCode, ResponseCode};
use crate::remoting::message::pop::{BadHandle, Handle, ORDER_REVIVE_QUEUE, RetryKind};
use crate::remoting::request::pop::{AckMessage, ChangeInvisibleTime, batch_acks};
use crate::remoting::{Frame, Header};

impl From<BadHandle> for Refusal {
    fn from(bad: BadHandle) -> Refusal {
        Refusal::new(ResponseCode::SystemError, bad.to_string())
    }
}

pub fn ack(core: &Rc<Core>, connection: &Rc<Connection>, frame: &Frame<'_>, header: &Header<'_>) -> Flow {
    let settled = ack_of(core, connection.peer, header).and_then(|(ack, message)| settle_here(core, &[(ack, &[message])]));
    promises::answer(core, connection, frame, header, settled, |call| Box::pin(settle_anywhere(call)))
}

pub fn ack_batch(core: &Rc<Core>, connection: &Rc<Connection>, frame: &Frame<'_>, header: &Header<'_>) -> Flow {
    let settled = acks_of(core, connection.peer, frame.body).and_then(|acks| {
        let acks: Vec<_> = acks.iter().map(|ack| (ack.borrowed(), &ack.messages[..])).collect();
        settle_here(core, &acks)
    });
    promises::answer(core, connection, frame, header, settled, |call| Box::pin(settle_anywhere(call)))
}

/// A group has consumed messages of a queue. What of a batch lies outside of the queue is passed over.
#[derive(Clone, Copy)]
struct Ack<'a> {
    topic: &'a str,
    group: &'a str,
    queue_id: u32,
    is_batch: bool,
}

/// The same with its messages, to be taken elsewhere.
struct OwnedAck {
    topic: String,
    group: String,
    queue_id: u32,
    is_batch: bool,
    messages: Vec<Handed>,
}

impl OwnedAck {
    fn borrowed(&self) -> Ack<'_> {
        Ack { topic: &self.topic, group: &self.group, queue_id: self.queue_id, is_batch: self.is_batch }
    }
}

fn ack_of<'a>(core: &Core, peer: SocketAddr, header: &'a Header<'_>) -> Result<(Ack<'a>, Handed), Refusal> {
    let request = AckMessage::decode(header)?;
    let queue_id = check_queue(core, peer, request.topic, request.queue_id)?;
    let handle = Handle::parse(request.extra_info)?;
    let message = Handed { offset: QueueOffset(request.offset), pop_time: Millis(handle.pop_time) };
    Ok((Ack { topic: request.topic, group: request.consumer_group, queue_id, is_batch: false }, message))
}

fn acks_of(core: &Core, peer: SocketAddr, body: &[u8]) -> Result<Vec<OwnedAck>, Refusal> {
    let batches = batch_acks(body)?;
    if batches.is_empty() {
        return Err(Refusal::new(ResponseCode::NoMessage, "the batch has no acks".to_owned()));
    }
    let acks = batches.into_iter().map(|batch| {
        let topic = RetryKind::from_text(&batch.retry).topic(&batch.topic, &batch.group);
        let queue_id = check_queue(core, peer, &topic, batch.queue_id)?;
        let handed = |offset: &i64| Handed { offset: QueueOffset(*offset), pop_time: Millis(batch.pop_time) };
        let messages = batch.offsets.iter().map(handed).collect();
        Ok(OwnedAck { topic, group: batch.group, queue_id, is_batch: true, messages })
    });
    acks.collect()
}

/// Makes acks whose queues are all of this core; where the log must be durable for them. `None`: another core has to take part,
/// or the log has no room. Then some may be made already, which does no harm when all of them come again.
fn settle_here(core: &Rc<Core>, acks: &[(Ack<'_>, &[Handed])]) -> Result<Option<LogPosition>, Refusal> {
    if acks.iter().any(|(ack, _)| core.placement.queue(ack.topic, ack.queue_id, core.id) != core.id) {
        return Ok(None);
    }
    let mut end = LogPosition::ZERO;
    for (ack, messages) in acks {
        match settle_one(core, *ack, messages)? {
            Some(of_one) => end = end.max(of_one),
            None => return Ok(None),
        }
    }
    Ok(Some(end))
}

/// Where the log must be durable for it; `None`: it has no room.
fn settle_one(core: &Rc<Core>, ack: Ack<'_>, messages: &[Handed]) -> Result<Option<LogPosition>, Refusal> {
    let Ack { topic, group, queue_id, is_batch } = ack;
    let (min, max) = ends(core, topic, queue_id);
    let is_inside = |message: &Handed| min <= message.offset && message.offset <= max;
    let inside: Vec<Handed>;
    let messages = match messages.iter().find(|message| !is_inside(message)) {
        None => messages,
        Some(_) if is_batch => {
            inside = messages.iter().copied().filter(is_inside).collect();
            &inside
        }
        Some(Handed { offset, .. }) => {
            let remark = format!("offset is illegal, key:{topic}@{queue_id}, commit:{offset}, store:{min}~{max}");
            return Err(Refusal::new(ResponseCode::NoMessage, remark));
        }
    };
    match core.live.pop_ack(topic, group, queue_id, messages) {
        Ok(AckOutcome::Done { end, freed }) => {
            if freed {
                let (core, topic) = (core.clone(), topic.to_owned());
                let _detached = runtime::spawn(Lane::Network, async move { core.live.pop_freed(&topic, queue_id, end).await });
            }
            Ok(Some(end))
        }
        Ok(AckOutcome::NotInBatch { offset }) => {
            let remark = format!("offset is illegal, the batch held of {topic}@{queue_id} does not have {offset}");
            Err(Refusal::new(ResponseCode::MessageIllegal, remark))
        }
        Err(AppendError::NoRoom) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The same request once more, with time to wait for room and to ask other cores.
async fn settle_anywhere(call: Call) -> Result<Response, Refusal> {
    let (core, peer) = (&call.core, call.connection().peer);
    let acks = {
        let header = call.header();
        if header.code == RequestCode::BatchAckMessage.number() {
            acks_of(core, peer, call.body())?
        } else {
            let (ack, message) = ack_of(core, peer, &header)?;
            let Ack { topic, group, queue_id, is_batch } = ack;
            vec![OwnedAck { topic: topic.to_owned(), group: group.to_owned(), queue_id, is_batch, messages: vec![message] }]
        }
    };
    let mut by_owner: Vec<(ShardId, Vec<OwnedAck>)> = Vec::new();
    for ack in acks {
        let owner = core.placement.queue(&ack.topic, ack.queue_id, core.id);
        match by_owner.iter_mut().find(|(known, _)| *known == owner) {
            Some((_, acks)) => acks.push(ack),
            None => by_owner.push((owner, vec![ack])),
        }
    }
    for (owner, acks) in by_owner {
        core.mesh.ask(owner, core, AcksThere(acks)).await.ok_or_else(Refusal::stopping)??;
    }
    Ok(Response::success())
}

/// At a shard: acks of its queues.
struct AcksThere(Vec<OwnedAck>);

impl Request<Core> for AcksThere {
    type Reply = Result<(), Refusal>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let mut end = LogPosition::ZERO;
        for ack in &self.0 {
            let of_one = loop {
                match settle_one(&core, ack.borrowed(), &ack.messages)? {
                    Some(end) => break end,
                    None => core.live.room().await,
                }
            };
            end = end.max(of_one);
        }
        Ok(core.live.durable(end).await?)
    }
}

pub async fn change_invisible_time(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let (extend, revive_queue) = {
        let header = call.header();
        let request = ChangeInvisibleTime::decode(&header)?;
        let queue_id = check_queue(core, call.connection().peer, request.topic, request.queue_id)?;
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

fn check_queue(core: &Core, peer: SocketAddr, topic: &str, queue_id: i32) -> Result<u32, Refusal> {
    let shard = core.live.state.borrow();
    let Some(config) = shard.topics.get(topic) else {
        let remark = format!("topic[{topic}] not exist, apply first please! {FAQ}");
        return Err(Refusal::new(ResponseCode::TopicNotExist, remark));
    };
    u32::try_from(queue_id).ok().filter(|queue_id| *queue_id < config.read_queue_nums).ok_or_else(|| {
        let remark = format!(
            "queueId[{queue_id}] is illegal, topic:[{topic}] topicConfig.readQueueNums:[{}] consumer:[/{peer}]",
            config.read_queue_nums
        );
        Refusal::new(ResponseCode::MessageIllegal, remark)
    })
}
