//! RECALL_MESSAGE (370), and messages that take another one back (TIMER_DEL_UNIQKEY).
//!
//! A handle tells topic, time and unique key, not the queue, so every core looks among what waits there. As in the
//! original, nothing found is no error: it may have been delivered, or taken back before.
//!
//! Before: `broker::dispatch`, `broker::send`; after: `shards::runtime::timers`.

use std::rc::Rc;

use ringmq_shards::runtime::mesh::Request;
use ringmq_shards::runtime::{self, take_back::TakeBackError};
use ringmq_shards::types::Millis;

use super::core::Core;
use super::delay::Target;
use super::dispatch::Call;
use super::everywhere::ask_all;
use super::response::{Refusal, Response};
use crate::remoting::code::ResponseCode;
use crate::remoting::request::delay::{RecallHandle, RecallMessage};

/// MSG_REGION is in every answer, as the original has it.
pub async fn recall(call: Call) -> Result<Response, Refusal> {
    let region = call.core.identity.region.clone();
    let recalled = recall_from(&call).await.map_err(|refusal| refusal.with_field("MSG_REGION", region.clone()))?;
    Ok(Response::success().with_field("MSG_REGION", region).with_field("msgId", recalled))
}

/// Returns the id of the message that was taken back.
async fn recall_from(call: &Call) -> Result<String, Refusal> {
    let core = &call.core;
    let settings = core.settings.borrow().clone();
    let now = runtime::now();
    let refused = |code, why: &str| Err(Refusal::new(code, format!("recall failed, {why}")));
    if !settings.recall {
        return refused(ResponseCode::NoPermission, "operation is forbidden");
    }
    let writes = core.permission().is_writable() || settings.recall_when_unwritable;
    if now.0 < settings.accept_sends_from || !writes {
        return refused(ResponseCode::ServiceNotAvailable, "broker service not available");
    }
    let header = call.header();
    let request = RecallMessage::decode(&header)?;
    if core.live.state.borrow().topics.get(request.topic).is_none() {
        return refused(ResponseCode::TopicNotExist, &format!("the topic[{}] not exist", request.topic));
    }
    let handle = request.recall_handle.and_then(RecallHandle::decode);
    let Some(handle) = handle else {
        return Err(Refusal::new(ResponseCode::IllegalOperation, "recall handle is invalid".into()));
    };
    if handle.topic != request.topic {
        return refused(ResponseCode::IllegalOperation, "topic not match");
    }
    if handle.broker != core.identity.name {
        return refused(ResponseCode::IllegalOperation, "broker service not available");
    }
    let deliver_at = Millis(handle.deliver_at.parse().unwrap_or(-1));
    if deliver_at <= now || deliver_at.since(now) > settings.timer_delay_millis_max {
        return refused(ResponseCode::IllegalOperation, "timestamp invalid");
    }
    take_back(core, Target { topic: handle.topic, unique_key: handle.unique_key.clone(), deliver_at }).await?;
    Ok(handle.unique_key)
}

/// Takes a waiting message back, wherever it waits; returns when that is durable.
pub async fn take_back(core: &Rc<Core>, target: Target) -> Result<(), Refusal> {
    let cores = core.placement.broker(core.id).count();
    let taken = ask_all(core, TakeBack(target)).await;
    if taken.len() < cores {
        return Err(Refusal::stopping());
    }
    for taken in taken {
        taken.map_err(|error| match error {
            TakeBackError::Read(error) => Refusal::from(error),
            TakeBackError::Append(error) => Refusal::from(error),
        })?;
    }
    Ok(())
}

#[derive(Clone)]
struct TakeBack(Target);

impl Request<Core> for TakeBack {
    type Reply = Result<usize, TakeBackError>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let Target { topic, unique_key, deliver_at } = self.0;
        core.live.take_back_timers(deliver_at, &topic, &unique_key).await
    }
}
