//! PULL_MESSAGE (11) and LITE_PULL_MESSAGE (361).
//!
//! The checks run on the connection's core, whose replicas of settings and groups are complete; the queue is read on the
//! core that owns it. A pull that finds nothing may be held there: the record that ends the wait answers it.
//!
//! Before: `broker::dispatch`; after: `broker::pull_check`, `shards::runtime::live::LiveShard::pull`.

use std::rc::Rc;

use ringmq_shards::group::ConnectionId;
use ringmq_shards::offsets::OffsetCommit;
use ringmq_shards::queue::PullStatus;
use ringmq_shards::runtime::mesh::Request;
use ringmq_shards::runtime::reader::{HOLD_MILLIS_MAX, PullRequest, Pulled, steady};
use ringmq_shards::runtime::{self, Lane};
use ringmq_shards::types::{Millis, QueueOffset};

use super::changes::Wanted;
use super::core::Core;
use super::pull_check::check;
use super::response::{Refusal, write_refusal};
use super::traffic;
use crate::net::connection::{AnswerRoom, InFlight};
use crate::net::{Connection, Flow};
use crate::remoting::code::ResponseCode;
use crate::remoting::{Encoding, Frame, Header, ResponseWriter};

/// Where the answer goes.
struct Asker {
    in_flight: InFlight,
    encoding: Encoding,
    opaque: i32,
    oneway: bool,
    topic_sys_flag: i32,
    group_sys_flag: i32,
    /// The group comes into being by this pull, as in RocketMQ: its offsets may be committed before its first heartbeat.
    new_group: bool,
}

pub fn pull(core: &Rc<Core>, connection: &Rc<Connection>, frame: &Frame<'_>, header: &Header<'_>) -> Flow {
    match check(core, connection, header) {
        Ok((pull, topic_sys_flag, group_sys_flag, new_group)) => {
            let asker = Asker {
                in_flight: connection.begin(),
                encoding: frame.encoding,
                opaque: header.opaque,
                oneway: header.is_oneway(),
                topic_sys_flag,
                group_sys_flag,
                new_group,
            };
            let core = core.clone();
            let _detached = runtime::spawn(Lane::Network, async move { serve(core, pull, asker).await });
        }
        Err(refusal) => {
            let refusal = core.sure(refusal);
            core.counters.refused(refusal.code);
            if !header.is_oneway() {
                connection.reply(|out| write_refusal(frame.encoding, header.opaque, &refusal, out));
            }
        }
    }
    Flow::Taken
}

async fn serve(core: Rc<Core>, pull: PullFrom, asker: Asker) {
    let connection = asker.in_flight.connection().clone();
    if asker.new_group {
        let used = Wanted::GroupUsed { group: pull.group.clone() };
        if let Err(refusal) = used.make(&core).await {
            if !asker.oneway {
                connection.reply(|out| write_refusal(asker.encoding, asker.opaque, &refusal, out));
            }
            return;
        }
    }
    let asked_offset = pull.request.offset;
    let Some(pulled) = answer(&core, &connection, pull).await else { return };
    let (pulled, _room) = pulled;
    if asker.oneway {
        return;
    }
    connection.reply(|out| match &pulled {
        Ok(pulled) => write_pulled(&asker, pulled, asked_offset, out),
        Err(refusal) => write_refusal(asker.encoding, asker.opaque, refusal, out),
    });
    if let Ok(pulled) = pulled {
        core.counters.pulled(pulled.messages, pulled.body.len());
    }
}

/// The pull's answer and the room that was made for it: bytes are read only for a client that reads what it is owed, so a
/// pull that was held asks again when it is woken. `None`: the client or the core is gone.
async fn answer(
    core: &Rc<Core>,
    connection: &Rc<Connection>,
    mut pull: PullFrom,
) -> Option<(Result<Pulled, Refusal>, AnswerRoom)> {
    let owner = core.placement.queue(&pull.request.topic, pull.request.queue_id, core.id);
    let mut deadline = steady().plus(pull.request.hold_millis.clamp(0, HOLD_MILLIS_MAX));
    loop {
        let room = connection.answer_room(pull.request.bytes_max).await?;
        let pulled = core.mesh.ask(owner, core, pull.clone()).await?;
        match &pulled {
            Ok(pulled) if pulled.waits && steady() < deadline => {}
            Ok(_) | Err(_) => return Some((pulled, room)),
        }
        drop(room);
        pull.commit_offset = None;
        match core.mesh.ask(owner, core, Hold { pull: pull.clone(), deadline }).await? {
            Ok(true) => {}
            // No room to wait: answered as it is.
            Ok(false) => deadline = steady(),
            Err(refusal) => return Some((Err(refusal), connection.answer_room(0).await?)),
        }
    }
}

/// A pull that waits on the core of its queue.
struct Hold {
    pull: PullFrom,
    deadline: Millis,
}

impl Request<Core> for Hold {
    type Reply = Result<bool, Refusal>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let PullFrom { request, group, .. } = &self.pull;
        // A reset may have come between the answer that there is nothing and this.
        if core.live.is_reset(&request.topic, group, request.queue_id) {
            return Ok(true);
        }
        core.live.hold(request, self.deadline).await.map_err(Refusal::from)
    }
}

/// A pull on its way to the core of its queue.
#[derive(Clone)]
pub struct PullFrom {
    pub request: PullRequest,
    pub group: String,
    /// Who pulls: each hears of a reset itself.
    pub client: ConnectionId,
    /// How far the group has consumed, which the pull brings along.
    pub commit_offset: Option<i64>,
}

impl Request<Core> for PullFrom {
    type Reply = Result<Pulled, Refusal>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let (topic, group) = (self.request.topic.as_str(), self.group.as_str());
        if let Some(offset) = self.commit_offset {
            let commit = OffsetCommit { topic, group, queue_id: self.request.queue_id, offset: QueueOffset(offset) };
            if let Err(full) = core.live.commit_offset(commit) {
                tracing::warn!(topic, group, "an offset that came with a pull is not kept: {full}");
            }
        }
        // Behind the commit, which tells of messages from before the reset.
        let reset = core.live.pull_reset(topic, group, self.request.queue_id, self.client).await?;
        if let Some(offset) = reset {
            core.traffic.sent_elsewhere(topic, group, self.request.queue_id, offset.0);
            return Ok(reset_to(&core, &self.request, offset));
        }
        let begun = steady();
        let pulled = core.live.pull(&self.request).await?;
        if pulled.messages > 0 {
            let millis = steady().since(begun);
            core.pull_longest.set(core.pull_longest.get().max(millis));
            let found = traffic::Pulled {
                queue_id: self.request.queue_id,
                messages: pulled.messages,
                bytes: pulled.body.len(),
                next_offset: pulled.next_offset,
                millis,
            };
            core.traffic.pulled(topic, group, found);
        } else if pulled.next_offset != self.request.offset {
            core.traffic.sent_elsewhere(topic, group, self.request.queue_id, pulled.next_offset);
        }
        Ok(pulled)
    }
}

/// The answer that has a consumer read on from elsewhere.
fn reset_to(core: &Core, request: &PullRequest, offset: QueueOffset) -> Pulled {
    let shard = core.live.state.borrow();
    let slot = shard.queues.slot(&request.topic, request.queue_id);
    let (min, max) = slot.map_or((0, 0), |slot| (shard.queues.min(slot).0, shard.queues.max_visible(slot).0));
    Pulled {
        status: PullStatus::OffsetReset,
        waits: false,
        next_offset: offset.0,
        min_offset: min,
        max_offset: max,
        messages: 0,
        body: Vec::new(),
    }
}

fn code_of(status: PullStatus, asked_offset: i64) -> ResponseCode {
    match status {
        PullStatus::Found => ResponseCode::Success,
        PullStatus::NoMatchedMessage | PullStatus::MessageWasRemoving => ResponseCode::PullRetryImmediately,
        PullStatus::NoMatchedLogicQueue | PullStatus::NoMessageInQueue if asked_offset != 0 => ResponseCode::PullOffsetMoved,
        PullStatus::NoMatchedLogicQueue | PullStatus::NoMessageInQueue => ResponseCode::PullNotFound,
        PullStatus::OffsetOverflowOne => ResponseCode::PullNotFound,
        PullStatus::OffsetOverflowBadly | PullStatus::OffsetTooSmall | PullStatus::OffsetReset => ResponseCode::PullOffsetMoved,
    }
}

fn write_pulled(asker: &Asker, pulled: &Pulled, asked_offset: i64, out: &mut Vec<u8>) {
    let code = code_of(pulled.status, asked_offset);
    ResponseWriter::new(out, asker.encoding, asker.opaque, code.number())
        .remark(pulled.status.name())
        .field("suggestWhichBrokerId", 0)
        .field("nextBeginOffset", pulled.next_offset)
        .field("minOffset", pulled.min_offset)
        .field("maxOffset", pulled.max_offset)
        .field("topicSysFlag", asker.topic_sys_flag)
        .field("groupSysFlag", asker.group_sys_flag)
        .body(&pulled.body)
        .finish();
}
