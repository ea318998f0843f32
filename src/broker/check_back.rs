//! CHECK_TRANSACTION_STATE (39): producers are asked what has become of their half messages.
//!
//! One task per core looks through the half messages of its shard every transactionCheckInterval and asks one live producer
//! of the group, another one each time; whoever was asked transactionCheckMax times is moved to
//! TRANS_CHECK_MAX_TIME_TOPIC. A check is counted before it is sent, whether or not there is somebody to ask, as the
//! original does. The half message stays where it is (the original appends it again for every check), so an end that
//! was sent before the check is as good as its answer.
//!
//! Bounded: `LOOK_MAX` half messages are looked at before others get their turn, one check is under way at a time, and a
//! pass that takes longer than `PASS_MAX` goes on where it was with the next.
//!
//! Before: `shards::transaction::halves`; after: `broker::membership` for the producers, `net::connection`.

use std::rc::Rc;
use std::time::Duration;

use ringmq_shards::group::ConnectionId;
use ringmq_shards::record::{NewMessage, Record};
use ringmq_shards::runtime::{self, Lane, mesh::Request};
use ringmq_shards::topic::TopicConfig;
use ringmq_shards::transaction::{CheckRules, Due, GIVEN_UP_TOPIC, HALF_TOPIC, with_check_times};
use ringmq_shards::types::{LogPosition, ShardId};

use super::changes::Wanted;
use super::core::Core;
use super::response::Refusal;
use crate::net::ConnectionNumber;
use crate::remoting::code::RequestCode;
use crate::remoting::message::id::OffsetMessageId;
use crate::remoting::message::properties::name;
use crate::remoting::request::transaction::CheckTransactionState;
use crate::remoting::{Encoding, RequestWriter};

/// How often it is looked whether the interval is over: it may be changed meanwhile.
const REST: Duration = Duration::from_millis(200);
const LOOK_MAX: usize = 512;
/// As long as the original's.
const PASS_MAX: Duration = Duration::from_secs(60);
/// Producers of one group that are tried before a check is lost.
const TRIES_MAX: usize = 3;

pub fn start(core: &Rc<Core>) {
    let core = core.clone();
    let _detached = runtime::spawn(Lane::Background, async move {
        let mut from = LogPosition::ZERO;
        while rested(&core).await {
            from = pass(&core, from).await;
        }
    });
}

/// Returns when the interval is over; false: the broker is stopping.
async fn rested(core: &Core) -> bool {
    let begun = runtime::uptime();
    while !core.stopping.get() {
        let interval = Duration::from_millis(core.settings.borrow().transaction_check_interval_ms.max(1) as u64);
        let left = interval.saturating_sub(runtime::uptime().saturating_sub(begun));
        if left.is_zero() {
            return true;
        }
        runtime::sleep(left.min(REST)).await;
    }
    false
}

/// Looks through the half messages from `from` on. Returns where the next pass begins.
async fn pass(core: &Rc<Core>, from: LogPosition) -> LogPosition {
    let begun = runtime::uptime();
    let mut given_up = 0_u32;
    // One that cannot be read must not keep the others from being checked.
    let mut failed: Option<(u32, Refusal)> = None;
    let mut next = Some(from);
    let mut due = Vec::new();
    while let Some(at) = next {
        let rules = rules(core);
        next = core.live.state.borrow().halves.due(at, LOOK_MAX, runtime::now(), &rules, &mut due);
        for (position, due) in due.drain(..) {
            if core.stopping.get() {
                return position;
            }
            let done = match due {
                Due::Check => check(core, position).await,
                Due::GiveUp => give_up(core, position).await.map(|gone| given_up += u32::from(gone)),
            };
            if let Err(refusal) = done {
                failed = Some((failed.map_or(1, |(count, _)| count + 1), refusal));
            }
        }
        if runtime::uptime().saturating_sub(begun) > PASS_MAX {
            break;
        }
        runtime::yield_now().await;
    }
    if let Some((count, refusal)) = failed {
        tracing::warn!(count, "half messages cannot be checked now: {}", refusal.remark);
    }
    if given_up > 0 {
        tracing::warn!(given_up, "transactions that nobody has ended in time are in {GIVEN_UP_TOPIC} now");
    }
    next.unwrap_or(LogPosition::ZERO)
}

fn rules(core: &Core) -> CheckRules {
    let settings = core.settings.borrow();
    CheckRules {
        timeout_millis: settings.transaction_timeout_ms,
        checks_max: settings.transaction_checks_max,
        reserved_millis: settings.retention_hours * 3_600_000,
    }
}

async fn check(core: &Rc<Core>, position: LogPosition) -> Result<(), Refusal> {
    let Some(bytes) = core.live.record(position).await? else { return Ok(()) };
    let Ok(record) = Record::parse(&bytes) else { return Ok(()) };
    // It may have ended meanwhile.
    let Some(checks) = core.live.check_half(position).await? else { return Ok(()) };
    let Some((group, question)) = Question::about(core, &record, checks) else { return Ok(()) };
    let home = core.placement.group(&group, core.id);
    core.mesh.ask(home, core, AskProducer { group, question }).await;
    Ok(())
}

/// Copies the half message to where operators find it, and ends it. False: it has ended meanwhile.
async fn give_up(core: &Rc<Core>, position: LogPosition) -> Result<bool, Refusal> {
    let Some(bytes) = core.live.record(position).await? else { return Ok(false) };
    let Ok(record) = Record::parse(&bytes) else { return Ok(false) };
    if !core.can_send_to(GIVEN_UP_TOPIC) {
        let topic = TopicConfig::new(GIVEN_UP_TOPIC).with_queues(core.placement.parts());
        Wanted::OwnTopic(topic).make(core).await?;
    }
    let checks = core.live.state.borrow().halves.get(position).map_or(0, |half| half.checks);
    let copy = NewMessage {
        topic: GIVEN_UP_TOPIC,
        queue_id: core.placement.part(GIVEN_UP_TOPIC, 0, core.id),
        properties: &with_check_times(record.properties(), checks),
        ..record.as_new_message()
    };
    let ended = core.live.end_half_with(position, &copy).await?;
    Ok(ended.is_some())
}

/// What a producer is asked, as plain data that crosses cores.
struct Question {
    tran_state_table_offset: i64,
    commit_log_offset: i64,
    unique_key: String,
    offset_msg_id: String,
    /// The half message with its real topic and queue.
    body: Vec<u8>,
}

impl Question {
    /// And the group of those who can answer it. `None`: nobody can.
    fn about(core: &Core, half: &Record<'_>, checks: u32) -> Option<(String, Question)> {
        let text = |name| half.property(name).and_then(|value| std::str::from_utf8(value).ok());
        let group = text(name::PGROUP)?.to_owned();
        let (topic, queue_id) = half.real_queue()?;
        let properties = with_check_times(half.properties(), checks);
        let message = NewMessage { topic, queue_id, properties: &properties, ..half.as_new_message() };
        let mut body = vec![0; message.encoded_len()];
        message.encode(half.queue_offset(), half.physical_offset(), half.store_timestamp(), &mut body);
        let id = OffsetMessageId { broker: core.identity.address, physical_offset: half.physical_offset() };
        let question = Question {
            tran_state_table_offset: half.queue_offset().0,
            commit_log_offset: half.physical_offset(),
            unique_key: text(name::UNIQ_KEY).unwrap_or_default().to_owned(),
            offset_msg_id: id.to_string(),
            body,
        };
        Some((group, question))
    }
}

/// At the core of the group: one of its producers is asked.
struct AskProducer {
    group: String,
    question: Question,
}

impl Request<Core> for AskProducer {
    /// False: there is nobody to ask.
    type Reply = bool;

    async fn serve(self, core: Rc<Core>) -> bool {
        let mut question = self.question;
        for _ in 0..TRIES_MAX {
            let turn = core.check_turn.get();
            core.check_turn.set(turn.wrapping_add(1));
            let producer = core.members.borrow().producer_in_turn(&self.group, turn);
            let Some(ConnectionId { core: at, number }) = producer else { return false };
            let send = Send { to: ConnectionNumber(number), question };
            match core.mesh.ask(ShardId(at), &core, send).await {
                Some(Some(unsent)) => question = unsent,
                Some(None) => return true,
                None => return false,
            }
        }
        false
    }
}

/// At the core of the connection. It comes back if that connection has ended or does not read.
struct Send {
    to: ConnectionNumber,
    question: Question,
}

impl Request<Core> for Send {
    type Reply = Option<Question>;

    async fn serve(self, core: Rc<Core>) -> Option<Question> {
        let Send { to, question } = self;
        let Some(connection) = core.net.connections.get(to).filter(|connection| connection.takes_more()) else {
            return Some(question);
        };
        let opaque = core.next_opaque();
        connection.reply(|out| {
            let request = RequestWriter::new(out, Encoding::Json, opaque, RequestCode::CheckTransactionState.number()).oneway();
            let fields = CheckTransactionState {
                topic: HALF_TOPIC,
                tran_state_table_offset: question.tran_state_table_offset,
                commit_log_offset: question.commit_log_offset,
                msg_id: Some(&question.unique_key),
                transaction_id: Some(&question.unique_key),
                offset_msg_id: Some(&question.offset_msg_id),
                broker_name: Some(&core.identity.name),
            };
            let written = fields.encode(request).body(&question.body).finish();
            assert!(written.is_ok(), "a record fits a frame");
        });
        None
    }
}
