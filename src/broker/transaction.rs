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
use ringmq_shards::shard::AppendError;
use ringmq_shards::transaction::{GIVEN_UP_TOPIC, HALF_TOPIC, Half, property, with_check_times};
use ringmq_shards::types::{LogPosition, ShardId};

use super::core::Core;
use super::dispatch::Call;
use super::promises;
use super::put::OwnedMessage;
use super::response::{Refusal, Response};
use crate::net::{Connection, Flow};
use crate::remoting::code::ResponseCode;
use crate::remoting::message::id::OffsetMessageId;
use crate::remoting::message::properties;
use crate::remoting::request::transaction::{EndTransaction, ResumeCheckHalfMessage};
use crate::remoting::sysflag::message as flag;
use crate::remoting::{Frame, Header};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Commit,
    RollBack,
}

pub fn end(core: &Rc<Core>, connection: &Rc<Connection>, frame: &Frame<'_>, header: &Header<'_>) -> Flow {
    promises::answer(core, connection, frame, header, end_here(core, header), |call| Box::pin(end_anywhere(call)))
}

/// Nearly always an end comes right behind its half message, which is in memory then and on this core: it is ended at once, from the
/// borrowed frame. Where the log must be durable for it; `None`: something is to be waited for or said first.
fn end_here(core: &Core, header: &Header<'_>) -> Result<Option<LogPosition>, Refusal> {
    let Some((owner, end)) = asked(core, header)? else { return Ok(None) };
    let half = core.live.state.borrow().halves.get(end.position).copied();
    let (Some(half), true) = (half, owner == core.id) else { return Ok(None) };
    let Some((buffer, range)) = core.live.record_in_memory(end.position) else { return Ok(None) };
    let record = Record::parse(&buffer.as_slice()[range]).map_err(|bad| failed(&bad.to_string()))?;
    end.check(core, &half, &record)?;
    let ended = match end.decision {
        Decision::RollBack => core.live.end_half_at_once(end.position, None),
        Decision::Commit => {
            let properties = with_check_times(record.properties(), half.checks);
            core.live.end_half_at_once(end.position, Some(&committed(&record, &properties)?))
        }
    };
    match ended {
        Err(AppendError::NoRoom) => Ok(None),
        ended => Ok(ended?),
    }
}

/// The same request once more, with time to wait and to ask other cores.
async fn end_anywhere(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let Some((owner, end)) = asked(core, &call.header())? else {
        // The producer does not know: it will be asked.
        return Ok(Response::success().with_remark("nothing is decided; the producer will be asked"));
    };
    core.mesh.ask(owner, core, end).await.ok_or_else(Refusal::stopping)??;
    Ok(Response::success())
}

/// Which core has the half message, and what is to become of it; `None`: nothing.
fn asked(core: &Core, header: &Header<'_>) -> Result<Option<(ShardId, End)>, Refusal> {
    core.accepts_messages()?;
    let request = EndTransaction::decode(header)?;
    let decision = match request.commit_or_rollback {
        flag::TRANSACTION_COMMIT => Decision::Commit,
        flag::TRANSACTION_ROLLBACK => Decision::RollBack,
        flag::TRANSACTION_NONE => return Ok(None),
        _ => return Err(failed("commitOrRollback field wrong")),
    };
    let (owner, position) = core.placement.locate(request.commit_log_offset, core.id).ok_or_else(not_waiting)?;
    let end = End {
        position,
        decision,
        producer_group: request.producer_group.to_owned(),
        queue_offset: request.tran_state_table_offset,
        is_answer: request.from_transaction_check,
    };
    Ok(Some((owner, end)))
}

/// At the core of the half message.
struct End {
    position: LogPosition,
    decision: Decision,
    producer_group: String,
    queue_offset: i64,
    is_answer: bool,
}

impl End {
    /// Whether it is this half message that is meant, and may still be ended.
    fn check(&self, core: &Core, half: &Half, record: &Record<'_>) -> Result<(), Refusal> {
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
        Ok(())
    }
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
        self.check(&core, &half, &record)?;
        let end = match self.decision {
            Decision::RollBack => live.end_half(self.position).await?,
            Decision::Commit => {
                let properties = with_check_times(record.properties(), half.checks);
                let message = committed(&record, &properties)?;
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
fn committed<'a>(half: &Record<'a>, properties: &'a [u8]) -> Result<NewMessage<'a>, Refusal> {
    let (topic, queue_id) = half.real_queue().ok_or_else(|| failed("the half message names no real queue"))?;
    Ok(NewMessage {
        topic,
        queue_id,
        sys_flag: half.sys_flag() & !SYS_FLAG_TRANSACTION | SYS_FLAG_COMMIT,
        prepared_transaction_offset: half.physical_offset(),
        properties,
        ..half.as_new_message()
    })
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
