//! Acknowledgements: who waits for which position of the log, and the reply they get when it is durable.
//!
//! One queue per core, in log order; no task, no timer, no allocation per message (a batch keeps its list of ids).
//! Invariants:
//! - `pending` is ordered by position: appends happen on one thread, in log order.
//! - A reply says success only after the sync that covers the record's last byte (law 1). From a poisoned log on, every
//!   waiter gets code 14, and none is left to time out.
//!
//! Before: `broker::send`; after: `net::connection`, or the mesh when the message came from another core.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;

use ringmq_shards::log::Flush;
use ringmq_shards::runtime;
use ringmq_shards::runtime::mesh::Crossed;
use ringmq_shards::shard::{AppendError, Appended};
use ringmq_shards::types::{LogPosition, Millis, ShardId};

use super::core::Core;
use super::response::{Refusal, write_refusal};
use crate::net::ConnectionNumber;
use crate::net::reads::ReadNumber;
use crate::remoting::code::ResponseCode;
use crate::remoting::message::id::OffsetMessageId;
use crate::remoting::{Encoding, ResponseWriter};

/// Where a reply goes and what it repeats of the request. Stays on the core that holds the connection.
#[derive(Clone, Debug)]
pub struct Ticket {
    pub connection: ConnectionNumber,
    /// Where several cores answer: what the answer may wait for.
    pub read: Option<ReadNumber>,
    pub opaque: i32,
    pub encoding: Encoding,
    pub oneway: bool,
    pub queue_id: u32,
    pub unique_key: UniqueKey,
    /// Of a timer, what takes it back.
    pub recall_handle: Option<Box<str>>,
}

/// The message's UNIQ_KEY, which the reply repeats as transactionId. Nearly always 32 letters, so it lies inline.
#[derive(Clone, Debug)]
pub enum UniqueKey {
    Inline { bytes: [u8; UniqueKey::INLINE_MAX], len: u8 },
    Long(Box<str>),
}

impl UniqueKey {
    const INLINE_MAX: usize = 38;

    pub fn new(key: &str) -> UniqueKey {
        if key.len() > UniqueKey::INLINE_MAX {
            return UniqueKey::Long(key.into());
        }
        let mut bytes = [0; UniqueKey::INLINE_MAX];
        bytes[..key.len()].copy_from_slice(key.as_bytes());
        UniqueKey::Inline { bytes, len: key.len() as u8 }
    }

    pub fn as_str(&self) -> &str {
        match self {
            UniqueKey::Inline { bytes, len } => {
                std::str::from_utf8(&bytes[..usize::from(*len)]).expect("copied whole from a str")
            }
            UniqueKey::Long(key) => key,
        }
    }
}

/// Whom to tell what became of a message.
#[derive(Debug)]
pub enum Waiter {
    Here(Ticket),
    /// The message came over the mesh.
    There {
        core: ShardId,
        crossed: Crossed,
    },
}

/// What became of a message; plain data, so that it can cross cores.
pub type Outcome = Result<Stored, AppendError>;

#[derive(Debug)]
pub struct Stored {
    pub physical_offset: i64,
    pub queue_offset: i64,
    /// The physical offsets of a batch's messages.
    pub batch: Option<Box<[i64]>>,
}

struct Pending {
    end: LogPosition,
    /// When it got its place in the log.
    appended_at: Millis,
    waiter: Waiter,
    stored: Stored,
}

#[derive(Default)]
pub struct Acks {
    pending: RefCell<VecDeque<Pending>>,
}

impl Acks {
    /// Keeps the reply to a message that has its place in the log until that place is durable.
    pub fn wait(&self, waiter: Waiter, appended_at: Millis, appended: Appended, batch: Option<Box<[i64]>>) {
        let stored = Stored { physical_offset: appended.physical_offset, queue_offset: appended.queue_offset.0, batch };
        let mut pending = self.pending.borrow_mut();
        assert!(pending.back().is_none_or(|last| last.end <= appended.end), "appends come in log order");
        pending.push_back(Pending { end: appended.end, appended_at, waiter, stored });
    }

    pub fn waiting(&self) -> usize {
        self.pending.borrow().len()
    }

    /// Answers all whose records end at or before `durable`.
    pub fn durable(&self, core: &Rc<Core>, durable: LogPosition) {
        let mut now = None;
        while let Some(pending) = self.take_until(durable) {
            // Read once for those who wait together. Where nobody waits for the disk there is nothing to be measured.
            let now = *now.get_or_insert_with(|| (core.live.log.options.flush == Flush::Sync).then(runtime::now));
            core.put_times.count(now.map_or(0, |now| now.since(pending.appended_at)));
            deliver(core, pending.waiter, Ok(pending.stored));
        }
    }

    /// Answers all with code 14: the log takes nothing more.
    pub fn failed(&self, core: &Rc<Core>, error: &AppendError) {
        while let Some(pending) = { self.pending.borrow_mut().pop_front() } {
            deliver(core, pending.waiter, Err(error.clone()));
        }
    }

    fn take_until(&self, durable: LogPosition) -> Option<Pending> {
        let mut pending = self.pending.borrow_mut();
        if pending.front()?.end > durable {
            return None;
        }
        pending.pop_front()
    }
}

/// Sends the outcome to the core of the connection, or writes the reply when that is here.
pub fn deliver(core: &Rc<Core>, waiter: Waiter, outcome: Outcome) {
    match waiter {
        Waiter::Here(ticket) => write_reply(core, &ticket, &outcome),
        Waiter::There { core: origin, crossed } => core.mesh.acked(origin, crossed, outcome),
    }
}

pub fn write_reply(core: &Core, ticket: &Ticket, outcome: &Outcome) {
    core.counters.sent(outcome);
    if ticket.oneway {
        return;
    }
    let Some(connection) = core.net.connections.get(ticket.connection) else { return };
    let write = |out: &mut Vec<u8>| match outcome {
        Ok(stored) => write_stored(core, ticket, stored, out),
        Err(error) => write_refusal(ticket.encoding, ticket.opaque, &Refusal::from(error.clone()), out),
    };
    match ticket.read {
        Some(read) => connection.answer(read, &core.net.holding, write),
        None => connection.reply(write),
    }
}

fn write_stored(core: &Core, ticket: &Ticket, stored: &Stored, out: &mut Vec<u8>) {
    let host = core.identity.address;
    let writer = ResponseWriter::new(out, ticket.encoding, ticket.opaque, ResponseCode::Success.number());
    let writer = match &stored.batch {
        None => writer.field("msgId", OffsetMessageId { broker: host, physical_offset: stored.physical_offset }),
        Some(offsets) => writer.field("msgId", MessageIds { host, offsets }),
    };
    let writer = writer.field("queueId", ticket.queue_id).field("queueOffset", stored.queue_offset);
    let writer = match ticket.unique_key.as_str() {
        // Of a batch, unless its envelope has one: its messages have their own.
        "" => writer,
        key => writer.field("transactionId", key),
    };
    let writer = match &ticket.recall_handle {
        None => writer,
        Some(handle) => writer.field("recallHandle", handle),
    };
    writer.field("MSG_REGION", core.identity.region.as_str()).field("TRACE_ON", core.settings.borrow().trace_on).finish();
}

/// The ids of a batch, joined by commas.
struct MessageIds<'a> {
    host: SocketAddr,
    offsets: &'a [i64],
}

impl std::fmt::Display for MessageIds<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, physical_offset) in self.offsets.iter().enumerate() {
            if place > 0 {
                f.write_str(",")?;
            }
            OffsetMessageId { broker: self.host, physical_offset: *physical_offset }.fmt(f)?;
        }
        Ok(())
    }
}
