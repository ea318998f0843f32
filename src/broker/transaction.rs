//! END_TRANSACTION (37): a half message is committed or rolled back. RESUME_CHECK_HALF_MESSAGE (323): one that was given up
//! is checked again.
//!
//! The client's physical offset names the shard, and that shard alone decides. Invariant: an end that comes twice, too
//! late, after another, or for another's message changes nothing. (The original stores a second commit as a second
//! message.) A reply, also the one that a half message waits no longer, is given when what it reports is durable.
//!
//! Before: `broker::dispatch`; after: `shards::runtime::halves`.

use std::rc::Rc;

use ringmq_shards::record::{NewMessage, Record, SYS_FLAG_COMMIT, SYS_FLAG_TRANSACTION};
use ringmq_shards::runtime::{self, mesh::Request};
use ringmq_shards::transaction::{GIVEN_UP_TOPIC, HALF_TOPIC, property, with_check_times};
use ringmq_shards::types::LogPosition;

use super::core::Core;
use super::dispatch::Call;
use super::put::OwnedMessage;
use super::response::{Refusal, Response};
use crate::remoting::code::ResponseCode;
use crate::remoting::message::id::OffsetMessageId;
use crate::remoting::message::properties;
use crate::remoting::request::transaction::{EndTransaction, ResumeCheckHalfMessage};
use crate::remoting::sysflag::message as flag;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Commit,
    RollBack,
}

pub async fn end(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    core.accepts_messages()?;
    let (commit_log_offset, end) = {
        let header = call.header();
        let request = EndTransaction::decode(&header)?;
        let decision = match request.commit_or_rollback {
            flag::TRANSACTION_COMMIT => Decision::Commit,
            flag::TRANSACTION_ROLLBACK => Decision::RollBack,
            // The producer does not know: it will be asked.
            flag::TRANSACTION_NONE => {
                return Ok(Response::success().with_remark("nothing is decided; the producer will be asked"));
            }
            _ => return Err(failed("commitOrRollback field wrong")),
        };
        let end = End {
            position: LogPosition::ZERO,
            decision,
            producer_group: request.producer_group.to_owned(),
            queue_offset: request.tran_state_table_offset,
            is_answer: request.from_transaction_check,
        };
        (request.commit_log_offset, end)
    };
    let (owner, position) = core.placement.locate(commit_log_offset, core.id).ok_or_else(not_waiting)?;
    core.mesh.ask(owner, core, End { position, ..end }).await.ok_or_else(Refusal::stopping)??;
    Ok(Response::success())
}

/// At the core of the half message.
struct End {
    position: LogPosition,
    decision: Decision,
    producer_group: String,
    queue_offset: i64,
    is_answer: bool,
}

impl Request<Core> for End {
    type Reply = Result<(), Refusal>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let live = &core.live;
        let half = live.state.borrow().halves.get(self.position).copied();
        let Some(half) = half else { return Err(refuse_durably(&core).await) };
        // What is not durable yet has not been answered either: nobody can know its place.
        let Some(bytes) = live.record(self.position).await? else { return Err(not_waiting()) };
        let record = Record::parse(&bytes).map_err(|bad| failed(&bad.to_string()))?;
        let timeout_millis = core.settings.borrow().transaction_timeout_ms;
        if !self.is_answer && half.is_too_late(runtime::now(), timeout_millis) {
            let remark = "the time of CHECK_IMMUNITY_TIME_IN_SECONDS is over; wait for the check".to_owned();
            return Err(Refusal::new(ResponseCode::IllegalOperation, remark));
        }
        if record.property(properties::name::PGROUP) != Some(self.producer_group.as_bytes()) {
            return Err(failed("The producer group wrong"));
        }
        if half.queue_offset.0 != self.queue_offset {
            return Err(failed("The transaction state table offset wrong"));
        }
        let end = match self.decision {
            Decision::RollBack => live.end_half(self.position).await?,
            Decision::Commit => {
                let properties = with_check_times(record.properties(), half.checks);
                let (topic, queue_id) = record.real_queue().ok_or_else(|| failed("the half message names no real queue"))?;
                let message = committed(&record, topic, queue_id, &properties);
                live.end_half_with(self.position, &message).await?.map(|appended| appended.end)
            }
        };
        match end {
            Some(end) => Ok(live.durable(end).await?),
            None => Err(refuse_durably(&core).await),
        }
    }
}

/// The message that a consumer gets. As the original leaves it: all properties of the half message are still there.
fn committed<'a>(half: &Record<'a>, topic: &'a str, queue_id: u32, properties: &'a [u8]) -> NewMessage<'a> {
    NewMessage {
        topic,
        queue_id,
        sys_flag: half.sys_flag() & !SYS_FLAG_TRANSACTION | SYS_FLAG_COMMIT,
        prepared_transaction_offset: half.physical_offset(),
        properties,
        ..half.as_new_message()
    }
}

/// It has ended; whoever hears so can rely on it.
async fn refuse_durably(core: &Core) -> Refusal {
    let appended = core.live.state.borrow().log.appended();
    match core.live.durable(appended).await {
        Ok(()) => not_waiting(),
        Err(error) => error.into(),
    }
}

fn not_waiting() -> Refusal {
    failed("Find prepared transaction message failed: there is none, or it has ended, was given up, or has moved since")
}

fn failed(remark: &str) -> Refusal {
    Refusal::new(ResponseCode::SystemError, remark.to_owned())
}

pub async fn resume(call: Call) -> Result<Response, Refusal> {
    const FAILED: &str = "Exception was thrown when putting message back to RMQ_SYS_TRANS_HALF_TOPIC.";
    let core = &call.core;
    core.accepts_messages()?;
    let because = |why: &str| failed(&format!("{FAILED} {why}"));
    let physical_offset = {
        let header = call.header();
        let msg_id = ResumeCheckHalfMessage::decode(&header)?.msg_id;
        let id = msg_id.parse::<OffsetMessageId>();
        id.map_err(|bad| because(&bad.to_string()))?.physical_offset
    };
    let none = || because("There is no message of that id.");
    let (owner, position) = core.placement.locate(physical_offset, core.id).ok_or_else(none)?;
    let bytes = core.mesh.ask(owner, core, GivenUp(position)).await.ok_or_else(Refusal::stopping)??.ok_or_else(none)?;
    let record = Record::parse(&bytes).map_err(|bad| because(&bad.to_string()))?;
    // Anything else may have been committed: it would come twice.
    let (topic, queue_id) = record
        .real_queue()
        .filter(|_| record.topic() == GIVEN_UP_TOPIC)
        .ok_or_else(|| because(&format!("Only messages of {GIVEN_UP_TOPIC} can be resumed.")))?;
    let half_queue = core.placement.part(HALF_TOPIC, 0, core.placement.queue(topic, queue_id, core.id));
    let mut properties = record.properties().to_vec();
    properties::put(&mut properties, property::CHECK_TIMES, 0);
    properties::validate(&properties).map_err(|long| because(&long.to_string()))?;
    let again = NewMessage { topic: HALF_TOPIC, queue_id: half_queue, properties: &properties, ..record.as_new_message() };
    core.put(OwnedMessage::of(&again)).await?;
    Ok(Response::success())
}

/// A record, read at its own core.
struct GivenUp(LogPosition);

impl Request<Core> for GivenUp {
    type Reply = Result<Option<Vec<u8>>, Refusal>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        Ok(core.live.record(self.0).await?)
    }
}
