//! QUERY_CONSUMER_OFFSET (14), UPDATE_CONSUMER_OFFSET (15), SEARCH_OFFSET_BY_TIMESTAMP (29), GET_MAX_OFFSET (30),
//! GET_MIN_OFFSET (31), GET_EARLIEST_MSG_STORETIME (32).
//!
//! Each is a question to the core of the queue. Only what is durable is told: a queue's end is the last acknowledged
//! message's, a consumer's offset is on disk before anybody hears of it.
//!
//! Queues that nobody has are no error: their offsets are 0, as ever. Consumer offsets are kept for whatever queue a client
//! names, also a negative one; `as u32` keeps its bits.
//!
//! Before: `broker::dispatch`; after: `shards::runtime::live`, `shards::runtime::reader`.

use std::rc::Rc;

use ringmq_shards::offsets::{Kept, OffsetCommit};
use ringmq_shards::queue;
use ringmq_shards::runtime::mesh::Request;
use ringmq_shards::types::{Millis, QueueOffset};

use super::busy::Busy;
use super::core::Core;
use super::dispatch::Call;
use super::response::{Refusal, Response};
use crate::remoting::code::ResponseCode;
use crate::remoting::request::BadRequest;
use crate::remoting::request::offset::{
    Boundary, GetMaxOffset, GetMinOffset, QueryConsumerOffset, SearchOffset, UpdateConsumerOffset,
};

pub async fn query(call: Call) -> Result<Response, Refusal> {
    let (stored, set_zero) = {
        let header = call.header();
        let request = QueryConsumerOffset::decode(&header)?;
        let (topic, group) = (request.topic.to_owned(), request.consumer_group.to_owned());
        (Stored { topic, group, queue_id: request.queue_id as u32 }, request.set_zero_if_not_found)
    };
    let not_found = |why: &str| Err(Refusal::new(ResponseCode::QueryNotFound, format!("Not found, {why}")));
    match ask_queue(&call.core, stored).await?? {
        Found { committed: Some(offset), .. } if offset >= 0 => Ok(Response::success().with_field("offset", offset)),
        _ if !set_zero => not_found("do not set to zero, maybe this group boot first"),
        Found { from_zero: true, .. } => Ok(Response::success().with_field("offset", 0)),
        _ => not_found("V3_0_6_SNAPSHOT maybe this group consumer boot first"),
    }
}

/// What a group has consumed of a queue.
pub(super) struct Stored {
    pub topic: String,
    pub group: String,
    pub queue_id: u32,
}

pub(super) struct Found {
    pub committed: Option<i64>,
    /// Nothing of the queue has expired, so a new group may as well begin at its first message.
    from_zero: bool,
}

impl OfQueue for Stored {
    fn queue(&self) -> (&str, u32) {
        (&self.topic, self.queue_id)
    }
}

impl Request<Core> for Stored {
    type Reply = Result<Found, Refusal>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let committed = core.live.offset(&self.topic, &self.group, self.queue_id).await?;
        let shard = core.live.state.borrow();
        let slot = shard.queues.slot(&self.topic, self.queue_id);
        let from_zero = slot.is_some_and(|slot| shard.queues.min(slot).0 <= 0 && shard.queues.max_visible(slot).0 > 0);
        Ok(Found { committed, from_zero })
    }
}

pub async fn update(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let header = call.header();
    let request = UpdateConsumerOffset::decode(&header)?;
    let (topic, group) = (request.topic, request.consumer_group);
    if topic.is_empty() {
        return Err(BadRequest::Missing { field: "topic" }.into());
    }
    {
        let shard = core.live.state.borrow();
        if shard.groups.get(group).is_none() {
            return Err(Refusal::new(ResponseCode::SubscriptionGroupNotExist, format!("Group {group} not exist!")));
        }
        if shard.topics.get(topic).is_none() {
            return Err(Refusal::new(ResponseCode::TopicNotExist, format!("Topic {topic} not exist!")));
        }
    }
    let missing = |what: &str| Refusal::new(ResponseCode::InvalidParameter, format!("{what} is null, topic is {topic}"));
    let queue_id = request.queue_id.ok_or_else(|| missing("QueueId"))? as u32;
    let offset = request.commit_offset.ok_or_else(|| missing("Offset"))?;
    let answered = !header.is_oneway();
    let commit = Commit { topic: topic.to_owned(), group: group.to_owned(), queue_id, offset, answered };
    Ok(match ask_queue(core, commit).await?? {
        Kept::Yes => Response::success(),
        Kept::Reset => Response::success().with_remark("Offset has been previously reset"),
    })
}

/// A group has consumed a queue up to `offset`. Whoever wants an answer waits until it is durable.
struct Commit {
    topic: String,
    group: String,
    queue_id: u32,
    offset: i64,
    answered: bool,
}

impl OfQueue for Commit {
    fn queue(&self) -> (&str, u32) {
        (&self.topic, self.queue_id)
    }
}

impl Request<Core> for Commit {
    type Reply = Result<Kept, Refusal>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let commit =
            OffsetCommit { topic: &self.topic, group: &self.group, queue_id: self.queue_id, offset: QueueOffset(self.offset) };
        let kept = core.live.commit_offset(commit).map_err(|full| Busy::quota().refusal_with(ResponseCode::SystemError, full))?;
        if self.answered {
            core.live.offsets_durable().await?;
        }
        Ok(kept)
    }
}

pub async fn max(call: Call) -> Result<Response, Refusal> {
    let ends = {
        let header = call.header();
        let request = GetMaxOffset::decode(&header)?;
        Ends { topic: request.topic.to_owned(), queue_id: request.queue_id as u32 }
    };
    // `committed` makes no difference here: there is no other end that anybody may see.
    let (_, max) = ask_queue(&call.core, ends).await?;
    Ok(Response::success().with_field("offset", max))
}

pub async fn min(call: Call) -> Result<Response, Refusal> {
    let ends = {
        let header = call.header();
        let request = GetMinOffset::decode(&header)?;
        Ends { topic: request.topic.to_owned(), queue_id: request.queue_id as u32 }
    };
    let (min, _) = ask_queue(&call.core, ends).await?;
    // The original's remark is empty instead of absent.
    Ok(Response::success().with_remark("").with_field("offset", min))
}

/// A queue's first offset, and the one behind its last visible message.
pub(super) struct Ends {
    pub topic: String,
    pub queue_id: u32,
}

impl OfQueue for Ends {
    fn queue(&self) -> (&str, u32) {
        (&self.topic, self.queue_id)
    }
}

impl Request<Core> for Ends {
    type Reply = (i64, i64);

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let shard = core.live.state.borrow();
        let slot = shard.queues.slot(&self.topic, self.queue_id);
        slot.map_or((0, 0), |slot| (shard.queues.min(slot).0, shard.queues.max_visible(slot).0))
    }
}

pub async fn search(call: Call) -> Result<Response, Refusal> {
    let search = {
        let header = call.header();
        let request = SearchOffset::decode(&header)?;
        let boundary = match request.boundary() {
            Boundary::Lower => queue::Boundary::Lower,
            Boundary::Upper => queue::Boundary::Upper,
        };
        Search { topic: request.topic.to_owned(), queue_id: request.queue_id as u32, time: Millis(request.timestamp), boundary }
    };
    let offset = ask_queue(&call.core, search).await??;
    Ok(Response::success().with_field("offset", offset))
}

pub(super) struct Search {
    pub topic: String,
    pub queue_id: u32,
    pub time: Millis,
    pub boundary: queue::Boundary,
}

impl OfQueue for Search {
    fn queue(&self) -> (&str, u32) {
        (&self.topic, self.queue_id)
    }
}

impl Request<Core> for Search {
    type Reply = Result<i64, Refusal>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        Ok(core.live.search_time(&self.topic, self.queue_id, self.time, self.boundary).await?)
    }
}

pub async fn earliest(call: Call) -> Result<Response, Refusal> {
    let earliest = {
        let header = call.header();
        let request = GetMinOffset::decode(&header)?;
        Earliest { topic: request.topic.to_owned(), queue_id: request.queue_id as u32 }
    };
    let time = ask_queue(&call.core, earliest).await??;
    Ok(Response::success().with_field("timestamp", time.map_or(-1, |time| time.0)))
}

/// When a queue's first message was stored.
struct Earliest {
    topic: String,
    queue_id: u32,
}

impl OfQueue for Earliest {
    fn queue(&self) -> (&str, u32) {
        (&self.topic, self.queue_id)
    }
}

impl Request<Core> for Earliest {
    type Reply = Result<Option<Millis>, Refusal>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        Ok(core.live.earliest_store_time(&self.topic, self.queue_id).await?)
    }
}

/// A question about one queue, which its core answers.
pub(super) trait OfQueue: Request<Core> {
    fn queue(&self) -> (&str, u32);
}

pub(super) async fn ask_queue<R: OfQueue>(core: &Rc<Core>, request: R) -> Result<R::Reply, Refusal> {
    let (topic, queue_id) = request.queue();
    let owner = core.placement.queue(topic, queue_id, core.id);
    core.mesh.ask(owner, core, request).await.ok_or_else(Refusal::stopping)
}
