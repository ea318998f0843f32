//! POP_MESSAGE (200050).
//!
//! The checks run on the connection's core, their order, codes and remarks are the original's (remoting-protocol §5, code
//! 200050). What is read is handed out durably before the client sees it, and only once there is room for it on the way to
//! the client.
//!
//! Before: `broker::dispatch`; after: `pop::visit`, `pop::wait`, `pop::answer`.

use std::rc::Rc;

use ringmq_shards::filter::ExpressionType;
use ringmq_shards::group::GroupLookup;
use ringmq_shards::pop::InitialOffset;
use ringmq_shards::runtime::{self, Lane};

use super::answer::{Stamp, write_answer};
use super::polls::PollKey;
use super::visit::{Harvest, Pop, visit};
use super::wait::{Patience, Waited, is_too_late, looked, wait};
use crate::broker::changes::Wanted;
use crate::broker::core::Core;
use crate::broker::response::{Refusal, write_refusal};
use crate::broker::subscription::{Selector, carried};
use crate::net::connection::{AnswerRoom, InFlight};
use crate::net::{Connection, Flow};
use crate::remoting::code::{FAQ, ResponseCode};
use crate::remoting::message::pop::ORDER_REVIVE_QUEUE;
use crate::remoting::request::pop::PopMessage;
use crate::remoting::{Encoding, Frame, Header};

/// What a client may ask for at once.
const MESSAGES_MAX: i32 = 32;
/// Longer than anybody waits, and far from where times overflow.
pub(super) const INVISIBLE_MILLIS_MAX: i64 = 366 * 24 * 3_600_000;
const BYTES_MAX: usize = 256 * 1024;

/// The original's remark where it has none.
pub(super) const NOT_SET: &str = "not set any response code";

struct Asker {
    in_flight: InFlight,
    encoding: Encoding,
    opaque: i32,
    oneway: bool,
    new_group: bool,
    patience: Patience,
}

pub fn pop(core: &Rc<Core>, connection: &Rc<Connection>, frame: &Frame<'_>, header: &Header<'_>) -> Flow {
    match check(core, connection, header) {
        Ok((pop, patience, new_group)) => {
            let asker = Asker {
                in_flight: connection.begin(),
                encoding: frame.encoding,
                opaque: header.opaque,
                oneway: header.is_oneway(),
                new_group,
                patience,
            };
            let core = core.clone();
            let _detached = runtime::spawn(Lane::Network, async move { serve(core, pop, asker).await });
        }
        Err(refusal) => {
            let refusal = with_empty_answer(core.sure(refusal));
            core.counters.refused(refusal.code);
            if !header.is_oneway() {
                connection.reply(|out| write_refusal(frame.encoding, header.opaque, &refusal, out));
            }
        }
    }
    Flow::Taken
}

async fn serve(core: Rc<Core>, mut pop: Pop, asker: Asker) {
    let connection = asker.in_flight.connection().clone();
    let answer = match asker.new_group {
        true => Wanted::GroupUsed { group: pop.group.clone() }.make(&core).await,
        false => Ok(()),
    };
    let answer = match answer {
        Ok(()) => {
            let Some(answer) = look(&core, &connection, &mut pop, asker.patience).await else { return };
            answer
        }
        Err(refusal) => Err(refusal),
    };
    if asker.oneway {
        return;
    }
    match answer {
        Ok(Looked { code, harvest, .. }) => {
            let (revive_queue, actual_retry_topic) = {
                let settings = core.settings.borrow();
                let queues = u64::from(settings.pop.revive_queues);
                let queue = if pop.orderly.is_some() { ORDER_REVIVE_QUEUE } else { (runtime::random() % queues) as i32 };
                (queue, settings.pop.actual_retry_topic)
            };
            let stamp = Stamp { code, broker: &core.identity.name, revive_queue, actual_retry_topic };
            connection.reply(|out| write_answer(asker.encoding, asker.opaque, &pop, &harvest, &stamp, out));
            let bytes = harvest.found.iter().map(|found| found.popped.body.len()).sum();
            core.counters.pulled(harvest.messages, bytes);
        }
        Err(refusal) => {
            core.counters.refused(refusal.code);
            let refusal = with_empty_answer(refusal);
            connection.reply(|out| write_refusal(asker.encoding, asker.opaque, &refusal, out));
        }
    }
}

/// Java's client reads these fields of every answer to a pop, also of a refusal.
pub(super) fn with_empty_answer(refusal: Refusal) -> Refusal {
    ["popTime", "invisibleTime", "reviveQid", "restNum"]
        .into_iter()
        .fold(refusal, |refusal, field| refusal.with_field(field, "0".to_owned()))
}

/// What a pop came to.
struct Looked {
    code: ResponseCode,
    harvest: Harvest,
    /// On the way to the client, until the answer has left for it.
    _room: AnswerRoom,
}

/// Looks until there is something, as long as the client waits. `None`: the client is gone.
async fn look(
    core: &Rc<Core>,
    connection: &Rc<Connection>,
    pop: &mut Pop,
    patience: Patience,
) -> Option<Result<Looked, Refusal>> {
    let key = PollKey { topic: pop.topic.clone(), group: pop.group.clone(), queue_id: pop.queue_id.map_or(-1, |id| id as i32) };
    let mut was_woken = false;
    loop {
        let room = connection.answer_room(pop.bytes_max).await;
        let harvest = match &room {
            Some(_) => {
                pop.pop_time = runtime::now();
                Some(visit(core, pop).await)
            }
            None => None,
        };
        if was_woken {
            looked(core, &key);
        }
        let (harvest, room) = match (harvest?, room?) {
            (Ok(harvest), room) if harvest.messages > 0 => {
                return Some(Ok(Looked { code: ResponseCode::Success, harvest, _room: room }));
            }
            (Ok(harvest), room) => (harvest, room),
            (Err(refusal), _) => return Some(Err(refusal)),
        };
        drop(room);
        if harvest.is_cut && patience.is_left() {
            // Asleep it would be woken by new messages only.
            was_woken = false;
            runtime::yield_now().await;
            continue;
        }
        let code = match wait(core, connection, &key, patience, was_woken).await {
            Waited::Woken => {
                was_woken = true;
                continue;
            }
            Waited::TimeOver => ResponseCode::PollingTimeout,
            Waited::Full => ResponseCode::PollingFull,
            Waited::Gone => return None,
        };
        let room = connection.answer_room(0).await?;
        return Some(Ok(Looked { code, harvest, _room: room }));
    }
}

/// Everything that can be said without looking at the queues.
fn check(core: &Core, connection: &Connection, header: &Header<'_>) -> Result<(Pop, Patience, bool), Refusal> {
    let request = PopMessage::decode(header)?;
    let ip = core.identity.address.ip();
    let refuse = |code, remark| Err(Refusal::new(code, remark));
    if is_too_late(request.born_time, request.poll_time) {
        return refuse(ResponseCode::PollingTimeout, format!("the broker[{ip}] pop message is timeout too much"));
    }
    if !core.permission().is_readable() {
        return refuse(ResponseCode::NoPermission, format!("the broker[{ip}] pop message is forbidden"));
    }
    if request.max_msg_nums > MESSAGES_MAX {
        return refuse(ResponseCode::InvalidParameter, format!("the broker[{ip}] pop message's num is greater than 32"));
    }
    let (read_queue_nums, new_group) = check_names(core, connection, request.topic, request.consumer_group, request.queue_id)?;
    let pop = Pop {
        topic: request.topic.to_owned(),
        group: request.consumer_group.to_owned(),
        queue_id: u32::try_from(request.queue_id).ok(),
        read_queue_nums,
        messages_max: u32::try_from(request.max_msg_nums).unwrap_or(0).max(1),
        bytes_max: BYTES_MAX,
        invisible_millis: request.invisible_time.clamp(0, INVISIBLE_MILLIS_MAX),
        selector: selector(core, &request)?,
        initial: if request.init_mode == 0 { InitialOffset::First } else { InitialOffset::Last },
        orderly: request.order.then(|| request.attempt_id.unwrap_or_default().to_owned()),
        pop_time: runtime::now(),
    };
    Ok((pop, Patience::of(request.born_time, request.poll_time), new_group))
}

/// The topic's number of queues to read, and whether the group is yet to be made.
pub(super) fn check_names(
    core: &Core,
    connection: &Connection,
    topic: &str,
    group: &str,
    queue_id: i32,
) -> Result<(u32, bool), Refusal> {
    let refuse = |code, remark| Err(Refusal::new(code, remark));
    let shard = core.live.state.borrow();
    let Some(config) = shard.topics.get(topic) else {
        return refuse(ResponseCode::TopicNotExist, format!("topic[{topic}] not exist, apply first please! {FAQ}"));
    };
    if !config.perm.is_readable() {
        return refuse(ResponseCode::NoPermission, format!("the topic[{topic}] peeking message is forbidden"));
    }
    if u32::try_from(queue_id).is_ok_and(|queue_id| queue_id >= config.read_queue_nums) {
        let remark = format!(
            "queueId[{queue_id}] is illegal, topic:[{topic}] topicConfig.readQueueNums:[{}] consumer:[/{}]",
            config.read_queue_nums, connection.peer
        );
        return refuse(ResponseCode::InvalidParameter, remark);
    }
    let new_group = match shard.groups.find(group, runtime::now()) {
        GroupLookup::Known(known) if !known.consume_enable => {
            return refuse(ResponseCode::NoPermission, format!("subscription group no permission, {group}"));
        }
        GroupLookup::Known(_) => false,
        GroupLookup::Create(_) => true,
        GroupLookup::Missing => {
            let remark = format!("subscription group [{group}] does not exist, {FAQ}");
            return refuse(ResponseCode::SubscriptionGroupNotExist, remark);
        }
    };
    Ok((config.read_queue_nums, new_group))
}

/// Nothing said is everything wanted.
fn selector(core: &Core, request: &PopMessage<'_>) -> Result<Selector, Refusal> {
    let kind = match request.exp {
        None | Some("") => ExpressionType::Tag,
        Some(_) => ExpressionType::from_name(request.exp_type.unwrap_or("")),
    };
    carried(core, &kind, request.exp.filter(|expression| !expression.is_empty()))
}
