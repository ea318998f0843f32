//! PEEK_MESSAGE (200052), NOTIFICATION (200054), POLLING_INFO (200055): looking without taking.
//!
//! Before: `broker::dispatch`; after: `shards::runtime::reader`, `pop::wait`.

use std::rc::Rc;

use ringmq_shards::filter::TagFilter;
use ringmq_shards::queue::PullStatus;
use ringmq_shards::runtime::mesh::Request;
use ringmq_shards::runtime::reader::{PullRequest, Pulled};
use ringmq_shards::runtime::{self};
use ringmq_shards::types::Millis;

use super::polls::PollKey;
use super::take::{NOT_SET, check_names, with_empty_answer};
use super::visit::retry_topics;
use super::wait::{Patience, Waited, is_too_late, looked, wait};
use crate::broker::core::Core;
use crate::broker::dispatch::Call;
use crate::broker::everywhere::ask_all;
use crate::broker::response::{Refusal, Response};
use crate::remoting::code::ResponseCode;
use crate::remoting::request::pop::{Notification, PeekMessage, PollingInfo};

const BYTES_MAX: usize = 256 * 1024;
const MESSAGES_MAX: i32 = 32;

pub async fn peek(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let header = call.header();
    let request = PeekMessage::decode(&header)?;
    if !core.permission().is_readable() {
        let remark = format!("the broker[{}] peek message is forbidden", core.identity.address.ip());
        return Err(Refusal::new(ResponseCode::NoPermission, remark));
    }
    let (read_queue_nums, _) = check_names(core, call.connection(), request.topic, request.consumer_group, request.queue_id)?;
    let mut places: Vec<(String, u32)> = match u32::try_from(request.queue_id) {
        Ok(queue_id) => vec![(request.topic.to_owned(), queue_id)],
        Err(_) => (0..read_queue_nums).map(|queue_id| (request.topic.to_owned(), queue_id)).collect(),
    };
    for (_, topic) in retry_topics(&core.settings.borrow().pop, request.topic, request.consumer_group) {
        let queues = core.live.state.borrow().topics.get(&topic).map_or(0, |topic| topic.read_queue_nums);
        places.extend((0..queues).map(|queue_id| (topic.clone(), queue_id)));
    }
    let Some(_room) = call.connection().answer_room(BYTES_MAX).await else { return Err(Refusal::stopping()) };
    let mut messages_left = u32::try_from(request.max_msg_nums.clamp(1, MESSAGES_MAX)).unwrap_or(1);
    let (mut body, mut rest) = (Vec::new(), 0);
    for (topic, queue_id) in places {
        if messages_left == 0 || body.len() >= BYTES_MAX {
            break;
        }
        let owner = core.placement.queue(&topic, queue_id, core.id);
        let group = request.consumer_group.to_owned();
        let peek = Peek { topic, group, queue_id, messages_max: messages_left, bytes_max: BYTES_MAX - body.len() };
        let pulled = core.mesh.ask(owner, core, peek).await.ok_or_else(Refusal::stopping)??;
        rest += (pulled.max_offset - pulled.next_offset).max(0);
        messages_left -= pulled.messages.min(messages_left);
        body.extend_from_slice(&pulled.body);
    }
    if body.is_empty() {
        let refusal = Refusal::new(ResponseCode::PullNotFound, PullStatus::NoMessageInQueue.name().to_owned());
        return Err(with_empty_answer(refusal));
    }
    let response = Response::success().with_remark(PullStatus::Found.name()).with_field("popTime", 0);
    let response = response.with_field("invisibleTime", 0).with_field("reviveQid", 0).with_field("restNum", rest);
    Ok(response.with_body(body))
}

/// What a pop of this queue would get, left where it is.
struct Peek {
    topic: String,
    group: String,
    queue_id: u32,
    messages_max: u32,
    bytes_max: usize,
}

impl Request<Core> for Peek {
    type Reply = Result<Pulled, Refusal>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let Peek { topic, group, queue_id, messages_max, bytes_max } = self;
        let offset = core.live.state.borrow().pop_position(&topic, &group, queue_id).map_or(0, |offset| offset.0);
        let mut request = PullRequest {
            topic,
            queue_id,
            offset,
            messages_max,
            bytes_max,
            filter: TagFilter::ALL,
            properties: None,
            hold_millis: 0,
        };
        let pulled = core.live.pull(&request).await?;
        // What expired meanwhile is passed over.
        if matches!(pulled.status, PullStatus::OffsetTooSmall | PullStatus::MessageWasRemoving) {
            request.offset = pulled.next_offset;
            return Ok(core.live.pull(&request).await?);
        }
        Ok(pulled)
    }
}

pub async fn notification(call: Call) -> Result<Response, Refusal> {
    let with_answer =
        |refusal: Refusal| refusal.with_field("hasMsg", "false".to_owned()).with_field("pollingFull", "false".to_owned());
    notify(call).await.map_err(with_answer)
}

async fn notify(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let (key, patience) = {
        let header = call.header();
        let request = Notification::decode(&header)?;
        let ip = core.identity.address.ip();
        if is_too_late(request.born_time, request.poll_time) {
            let remark = format!("the broker[{ip}] pop message is timeout too much");
            return Err(Refusal::new(ResponseCode::PollingTimeout, remark));
        }
        if !core.permission().is_readable() {
            return Err(Refusal::new(ResponseCode::NoPermission, format!("the broker[{ip}] peeking message is forbidden")));
        }
        check_names(core, call.connection(), request.topic, request.consumer_group, request.queue_id)?;
        let key = PollKey {
            topic: request.topic.to_owned(),
            group: request.consumer_group.to_owned(),
            queue_id: request.queue_id.max(-1),
        };
        (key, Patience::of(request.born_time, request.poll_time))
    };
    let answer = |found: bool, full: bool| Ok(Response::success().with_field("hasMsg", found).with_field("pollingFull", full));
    let mut was_woken = false;
    loop {
        let found = ask_all(core, HasMessages { key: key.clone() }).await.into_iter().any(|found| found);
        if was_woken {
            looked(core, &key);
        }
        if found {
            return answer(true, false);
        }
        match wait(core, call.connection(), &key, patience, was_woken).await {
            Waited::Woken => was_woken = true,
            Waited::Full => return answer(false, true),
            Waited::TimeOver | Waited::Gone => return answer(false, false),
        }
    }
}

/// At a shard: whether it has something for the key.
#[derive(Clone)]
struct HasMessages {
    key: PollKey,
}

impl Request<Core> for HasMessages {
    type Reply = bool;

    async fn serve(self, core: Rc<Core>) -> bool {
        let in_flight_max = core.settings.borrow().pop.in_flight_max;
        let queues = super::wait::queues_here(&core, &self.key);
        let shard = core.live.state.borrow();
        let now: Millis = runtime::now();
        let has = |topic: &str, queue_id| shard.pop_has_messages(topic, &self.key.group, queue_id, in_flight_max, now);
        queues.iter().any(|queue| has(&queue.topic, queue.queue_id))
    }
}

pub async fn polling_info(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let key = {
        let header = call.header();
        let request = PollingInfo::decode(&header)?;
        if !core.permission().is_readable() {
            let remark = format!("the broker[{}] peeking message is forbidden", core.identity.address.ip());
            return Err(Refusal::new(ResponseCode::NoPermission, remark));
        }
        check_names(core, call.connection(), request.topic, request.consumer_group, request.queue_id)?;
        let queue_id = request.queue_id.max(-1);
        PollKey { topic: request.topic.to_owned(), group: request.consumer_group.to_owned(), queue_id }
    };
    let waiting: usize = ask_all(core, Waiting { key }).await.into_iter().sum();
    Ok(Response::success().with_remark(NOT_SET).with_field("pollingNum", waiting))
}

/// At every core: how many of its connections' pops wait for the key.
#[derive(Clone)]
struct Waiting {
    key: PollKey,
}

impl Request<Core> for Waiting {
    type Reply = usize;

    async fn serve(self, core: Rc<Core>) -> usize {
        core.polls.borrow().len_of(&self.key)
    }
}
