//! Sends to `%RETRY%group` by clients themselves: when sending back (36) has failed, and always from ordered consumers.
//!
//! Such a message goes to the group's dead letters at once if it was tried too often, or if anybody of the group holds a
//! queue's lock: an ordered group that gives a message up must not see it again out of order (broker-semantics §4.2).
//! The locks lie on the group's core, so these sends take a detour as a task of their own; no other send does.
//!
//! Before: `broker::send`; after: `broker::send` again for a retry, `broker::dead_letter` for the rest.

use std::rc::Rc;

use ringmq_shards::runtime::{self, Lane};
use ringmq_shards::topic::RETRY_PREFIX;

use super::ack::{self, Stored, Ticket, UniqueKey};
use super::core::Core;
use super::properties::Sent;
use super::put::OwnedMessage;
use super::response::Refusal;
use super::{dead_letter, lock, retry, send};
use crate::net::owned_frame::OwnedFrame;
use crate::net::{Connection, Flow};
use crate::remoting::message::properties::{self, PROPERTIES_BYTES_MAX, name};
use crate::remoting::request::send::SendMessage;
use crate::remoting::{Frame, Header, version};

/// Serves the send as a task; `queue_id` is the one that the checks have found.
pub fn start(core: &Rc<Core>, connection: &Rc<Connection>, frame: &Frame<'_>, queue_id: u32) {
    let (core, in_flight, frame) = (core.clone(), connection.begin(), OwnedFrame::copy(frame));
    let _detached = runtime::spawn(Lane::Network, async move {
        let connection = in_flight.connection();
        let frame = frame.frame();
        let Ok(header) = Header::parse(&frame) else { return };
        if let Err(refusal) = serve(&core, connection, &frame, &header, queue_id).await {
            send::refuse(&core, connection, frame.encoding, &header, refusal);
        }
    });
}

async fn serve(
    core: &Rc<Core>,
    connection: &Rc<Connection>,
    frame: &Frame<'_>,
    header: &Header<'_>,
    queue_id: u32,
) -> Result<(), Refusal> {
    let request = SendMessage::decode(header)?;
    let sent = Sent::of(request.properties.as_bytes());
    let name = request.topic.strip_prefix(RETRY_PREFIX).unwrap_or(request.topic);
    let group = retry::known_group(core, name).await?;
    let asked = request.max_reconsume_times.filter(|_| header.version >= version::V3_4_9);
    let given_up = request.reconsume_times > asked.unwrap_or(group.retry_max_times) || lock::any_held(core, name).await?;
    if given_up {
        send::check_size(core, &request, frame.body)?;
        return bury(core, connection, frame, header, &request, &sent, (name, queue_id)).await;
    }
    send::check_message(core, &request, &sent, frame.body)?;
    while send::append(core, connection, frame, header, &request, &sent, (queue_id, send::Attempt::First)) == Flow::Later {
        core.live.room().await;
    }
    Ok(())
}

/// Stores it as a dead letter. The answer is the one of a send: it has the queue that the client asked for.
async fn bury(
    core: &Rc<Core>,
    connection: &Rc<Connection>,
    frame: &Frame<'_>,
    header: &Header<'_>,
    request: &SendMessage<'_>,
    sent: &Sent<'_>,
    (group, queue_id): (&str, u32),
) -> Result<(), Refusal> {
    let given = sent.unique_key().map(UniqueKey::new);
    let unique_key = given.clone().unwrap_or_else(|| UniqueKey::new(core.unique_keys.borrow_mut().next(runtime::now()).as_str()));
    let mut composed = Vec::new();
    let trace_on = core.settings.borrow().trace_on.to_string();
    let added = [
        (name::MSG_REGION, core.identity.region.as_str()),
        (name::TRACE_ON, trace_on.as_str()),
        (name::CLUSTER, core.identity.cluster.as_str()),
    ];
    sent.compose(&added, &mut composed);
    if given.is_none() {
        properties::append(&mut composed, name::UNIQ_KEY, unique_key.as_str());
    }
    properties::put(&mut composed, name::DELAY, -1);
    if composed.len() > PROPERTIES_BYTES_MAX {
        return Err(send::illegal(core));
    }
    let message = OwnedMessage {
        topic: dead_letter::topic(core, group).await?,
        queue_id: dead_letter::QUEUE,
        flag: request.flag,
        sys_flag: request.sys_flag,
        born_timestamp: request.born_timestamp,
        born_host: connection.peer,
        store_host: core.identity.address,
        reconsume_times: request.reconsume_times,
        prepared_transaction_offset: 0,
        body: frame.body.to_vec(),
        properties: composed,
    };
    let stored = dead_letter::store(core, group, message).await?;
    let ticket = Ticket {
        connection: connection.number,
        read: None,
        opaque: header.opaque,
        encoding: frame.encoding,
        oneway: header.is_oneway(),
        queue_id,
        unique_key,
        recall_handle: None,
    };
    let stored = Stored { physical_offset: stored.physical_offset, queue_offset: stored.queue_offset.0, batch: None };
    ack::write_reply(core, &ticket, &Ok(stored));
    Ok(())
}
