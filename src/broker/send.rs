//! SEND_MESSAGE (10), SEND_MESSAGE_V2 (310), SEND_BATCH_MESSAGE (320).
//!
//! The hot path: nothing here allocates for a message to a topic that exists. The body is copied once, from the
//! connection's read buffer into the log block. The reply is written when the block is durable: see `broker::ack`.
//!
//! The order of checks is the original's (remoting-protocol §5, code 10).
//! Before: `broker::dispatch`; after: `shards::placement`, `shards::shard`, `broker::crossing` for another core's queue, and
//! `broker::send_after` when something must be done first.

use std::net::SocketAddr;
use std::rc::Rc;

use ringmq_shards::record::NewMessage;
use ringmq_shards::runtime;
use ringmq_shards::shard::AppendError;
use ringmq_shards::topic::{self, RETRY_PREFIX, TopicName};
use ringmq_shards::transaction::HALF_TOPIC;

use super::ack::{Ticket, UniqueKey};
use super::busy::Busy;
use super::core::{Core, Offered};
use super::delay::{self, Diverted};
use super::half;
use super::properties::Sent;
use super::response::{Refusal, write_refusal};
use super::retry_send;
use super::send_after::{create_then_send, take_back_then_send};
use crate::net::{Connection, Flow};
use crate::remoting::code::ResponseCode;
use crate::remoting::message::properties::{PROPERTIES_BYTES_MAX, name};
use crate::remoting::request::delay::RecallHandle;
use crate::remoting::request::send::SendMessage;
use crate::remoting::sysflag::message as flag;
use crate::remoting::{Encoding, Frame, Header, version};

/// What the checks have found.
enum Checked {
    Ready {
        queue_id: u32,
    },
    /// A group's retry topic: whether it is its dead letters instead, the group's core knows.
    Retry {
        queue_id: u32,
    },
    /// The topic does not exist here; it may be made from the request's default topic.
    UnknownTopic,
}

/// A message that takes another one back is tried a second time when it has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    First,
    TakenBack,
}

pub fn send(core: &Rc<Core>, connection: &Rc<Connection>, frame: &Frame<'_>, header: &Header<'_>) -> Flow {
    // Nothing overtakes a send of the same connection whose topic is still being made.
    if connection.is_detained() {
        return Flow::Later;
    }
    serve(core, connection, frame, header, Attempt::First)
}

pub(super) fn serve(
    core: &Rc<Core>,
    connection: &Rc<Connection>,
    frame: &Frame<'_>,
    header: &Header<'_>,
    attempt: Attempt,
) -> Flow {
    let request = match SendMessage::decode(header) {
        Ok(request) => request,
        Err(bad) => return refuse(core, connection, frame.encoding, header, Refusal::from(bad)),
    };
    let sent = Sent::of(request.properties.as_bytes());
    match check(core, Asker { peer: connection.peer, version: header.version }, &request, &sent, frame.body) {
        Ok(Checked::Ready { queue_id }) => append(core, connection, frame, header, &request, &sent, (queue_id, attempt)),
        Ok(Checked::Retry { queue_id }) => {
            retry_send::start(core, connection, frame, queue_id);
            Flow::Taken
        }
        Ok(Checked::UnknownTopic) => {
            create_then_send(core, connection, frame, &request);
            Flow::Taken
        }
        Err(refusal) => refuse(core, connection, frame.encoding, header, refusal),
    }
}

fn check(core: &Rc<Core>, asker: Asker, request: &SendMessage<'_>, sent: &Sent<'_>, body: &[u8]) -> Result<Checked, Refusal> {
    let Place::Queue(queue_id) = place(core, asker, request)? else { return Ok(Checked::UnknownTopic) };
    if request.topic.starts_with(RETRY_PREFIX) && !request.batch {
        return Ok(Checked::Retry { queue_id });
    }
    check_message(core, request, sent, body)?;
    Ok(Checked::Ready { queue_id })
}

/// Where a message goes.
pub enum Place {
    Queue(u32),
    UnknownTopic,
}

/// Who sends: its address, and the version in the request's header.
#[derive(Clone, Copy)]
pub struct Asker {
    pub peer: SocketAddr,
    pub version: i32,
}

impl Asker {
    /// The code for a queue that the topic does not have. A producer of 4.x whose route is older than the topic's new size
    /// tries another queue after SYSTEM_ERROR, as brokers of 4.x answer, and gives up after any code that it does not know.
    fn no_such_queue(self) -> ResponseCode {
        if self.version < version::V5_0_0 { ResponseCode::SystemError } else { ResponseCode::InvalidParameter }
    }
}

/// What can be said without looking at the message itself.
pub fn place(core: &Core, asker: Asker, request: &SendMessage<'_>) -> Result<Place, Refusal> {
    core.accepts_messages()?;
    TopicName::parse(request.topic)?;
    if topic::send_is_forbidden(request.topic) {
        return Err(Refusal::new(
            ResponseCode::NoPermission,
            format!("Sending message to topic[{}] is forbidden.", request.topic),
        ));
    }
    let shard = core.live.state.borrow();
    let Some(config) = core.topic_to_send(&shard, request.topic) else { return Ok(Place::UnknownTopic) };
    if config.order && !core.permission().is_writable() {
        return Err(Refusal::new(
            ResponseCode::NoPermission,
            format!("the broker[{}] sending message is forbidden", core.identity.address.ip()),
        ));
    }
    let queues = config.read_queue_nums.max(config.write_queue_nums);
    match u32::try_from(request.queue_id) {
        Ok(queue_id) if queue_id >= queues => Err(Refusal::new(
            asker.no_such_queue(),
            format!("request queueId[{queue_id}] is illegal, {config} Producer: {}", asker.peer),
        )),
        Ok(queue_id) => Ok(Place::Queue(queue_id)),
        // The broker picks one.
        Err(_) => Ok(Place::Queue((runtime::random() % u64::from(config.write_queue_nums.max(1))) as u32)),
    }
}

/// What of the message itself would make the store refuse it.
pub fn check_message(core: &Core, request: &SendMessage<'_>, sent: &Sent<'_>, body: &[u8]) -> Result<(), Refusal> {
    check_size(core, request, body)?;
    if request.batch {
        return check_batch(core, request, sent);
    }
    if sent.is_half(request.reconsume_times) {
        half::check(core, sent)?;
    }
    Ok(())
}

/// What the messages of a batch cannot be: they go to one queue together and at once. The original delays a batch with a
/// timer, for all that it says against delays; ours says no to both.
fn check_batch(core: &Core, request: &SendMessage<'_>, sent: &Sent<'_>) -> Result<(), Refusal> {
    if request.topic.starts_with(RETRY_PREFIX) {
        let remark = "batch request does not support retry group ".to_string() + request.topic;
        return Err(Refusal::new(ResponseCode::MessageIllegal, remark));
    }
    if sent.asks_for_later() || sent.is_half(0) {
        return Err(illegal(core));
    }
    Ok(())
}

/// What a record cannot hold, whatever its topic.
pub fn check_size(core: &Core, request: &SendMessage<'_>, body: &[u8]) -> Result<(), Refusal> {
    if body.is_empty() {
        return Err(Refusal::new(ResponseCode::SystemError, "the message has no body; send at least one byte".into()));
    }
    if body.len() > core.settings.borrow().message_bytes_max || request.properties.len() > PROPERTIES_BYTES_MAX {
        return Err(illegal(core));
    }
    // A whole batch stored as one record belongs to a queue of type BatchCQ, which no topic here has; a consumer would
    // take its body apart; and no transaction has more than one message.
    if request.sys_flag & flag::INNER_BATCH != 0 || request.batch && request.sys_flag & flag::TRANSACTION != 0 {
        return Err(illegal(core));
    }
    Ok(())
}

/// The original's words for a message that its store does not take, whatever of it is wrong.
pub fn illegal(core: &Core) -> Refusal {
    let body_bytes_max = core.settings.borrow().message_bytes_max;
    Refusal::new(
        ResponseCode::MessageIllegal,
        format!(
            "the message is illegal, maybe msg body or properties length not matched. msg body length limit {body_bytes_max}B, \
             msg properties length limit 32KB."
        ),
    )
}

pub fn append(
    core: &Rc<Core>,
    connection: &Rc<Connection>,
    frame: &Frame<'_>,
    header: &Header<'_>,
    request: &SendMessage<'_>,
    sent: &Sent<'_>,
    (queue_id, attempt): (u32, Attempt),
) -> Flow {
    let mut composed = core.scratch.borrow_mut();
    let made_key;
    let given = sent.unique_key();
    let unique_key = match given {
        Some(key) => key,
        // The messages of a batch have their own.
        None if request.batch => "",
        None => {
            made_key = core.unique_keys.borrow_mut().next(runtime::now());
            made_key.as_str()
        }
    };
    let (mut topic, mut stored_queue_id) = (request.topic, queue_id);
    if !request.batch {
        let identity = &core.identity;
        let trace_on = if core.settings.borrow().trace_on { "true" } else { "false" };
        let added = [
            (name::MSG_REGION, identity.region.as_str()),
            (name::TRACE_ON, trace_on),
            (name::CLUSTER, identity.cluster.as_str()),
            (name::UNIQ_KEY, unique_key),
        ];
        let added = if given.is_some() { &added[..3] } else { &added };
        sent.compose(added, &mut composed);
        if sent.is_half(request.reconsume_times) {
            let half_queue = half::divert(core, request.topic, queue_id, unique_key, &mut composed);
            (topic, stored_queue_id) = (HALF_TOPIC, half_queue);
        }
        if composed.len() > PROPERTIES_BYTES_MAX {
            // As the original: what the broker adds counts too, and a message without it would be no message of this broker.
            return refuse(core, connection, frame.encoding, header, illegal(core));
        }
    }
    let diverted = if sent.asks_for_later() && topic != HALF_TOPIC {
        let settings = core.settings.borrow().clone();
        let rules = delay::Rules { settings: &settings, placement: core.placement, here: core.id };
        match delay::divert(rules, runtime::now(), request.topic, queue_id, &mut composed) {
            Ok(diverted) => diverted,
            Err(refusal) => return refuse(core, connection, frame.encoding, header, refusal),
        }
    } else {
        None
    };
    if let Some(target) = diverted.as_ref().and_then(|diverted| diverted.takes_back.clone())
        && attempt == Attempt::First
    {
        take_back_then_send(core, connection, frame, target);
        return Flow::Taken;
    }
    if let Some(diverted) = &diverted {
        (topic, stored_queue_id) = (diverted.topic, diverted.queue_id);
    }
    let message = NewMessage {
        topic,
        queue_id: stored_queue_id,
        flag: request.flag,
        // Only an end makes a message part of a transaction. What claimed so itself would lie in the log unseen.
        sys_flag: request.sys_flag & !flag::TRANSACTION,
        born_timestamp: request.born_timestamp,
        born_host: connection.peer,
        store_host: core.identity.address,
        reconsume_times: request.reconsume_times,
        prepared_transaction_offset: 0,
        body: frame.body,
        properties: &composed,
    };
    let read = (core.placement.crosses() && !header.is_oneway()).then(|| connection.expect());
    let ticket = Ticket {
        connection: connection.number,
        read,
        opaque: header.opaque,
        encoding: frame.encoding,
        oneway: header.is_oneway(),
        queue_id,
        unique_key: UniqueKey::new(unique_key),
        recall_handle: diverted.and_then(|diverted| recall_handle(core, request, unique_key, &diverted)),
    };
    match core.offer(&message, request.batch, ticket) {
        Offered::Taken => Flow::Taken,
        Offered::NoRoom => {
            if let Some(read) = read {
                connection.forget(read);
            }
            let owner = core.placement.queue(message.topic, message.queue_id, core.id);
            match core.stalls.refused(owner) {
                None => Flow::Later,
                Some(age) => {
                    drop(composed);
                    let refusal = Busy::stalled(age).refusal(AppendError::NoRoom);
                    refuse(core, connection, frame.encoding, header, refusal)
                }
            }
        }
    }
}

/// As the original: whether it may be used is asked when it is.
fn recall_handle(core: &Core, request: &SendMessage<'_>, unique_key: &str, diverted: &Diverted) -> Option<Box<str>> {
    let deliver_at = diverted.deliver_at?;
    if TopicName::parse(request.topic).is_ok_and(TopicName::is_retry) {
        return None;
    }
    Some(RecallHandle::encode(request.topic, &core.identity.name, deliver_at.0, unique_key).into_boxed_str())
}

pub fn refuse(core: &Rc<Core>, connection: &Rc<Connection>, encoding: Encoding, header: &Header<'_>, refusal: Refusal) -> Flow {
    let refusal = core.sure(refusal);
    core.counters.refused(refusal.code);
    if !header.is_oneway() {
        // Java's producer reads these fields of every answer to a send, also of a refusal.
        let trace_on = core.settings.borrow().trace_on.to_string();
        let refusal = refusal.with_field("MSG_REGION", core.identity.region.clone()).with_field("TRACE_ON", trace_on);
        connection.reply(|out| write_refusal(encoding, header.opaque, &refusal, out));
    }
    Flow::Taken
}
