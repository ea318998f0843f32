//! Messages whose queues another core owns: how they cross, and what happens where they arrive.
//!
//! All that one pass of a core has for another lies in one buffer, copied once; what the reply needs of the request stays
//! at home. Invariant: every message that arrives is answered by exactly one `Outcome`, so the sender's room in the mesh
//! always comes back.
//!
//! Before: `broker::send`; after: `shards::shard` on the owning core, then `broker::ack`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;

use ringmq_shards::record::NewMessage;
use ringmq_shards::runtime::mesh::{Crossed, Crossing};
use ringmq_shards::shard::AppendError;
use ringmq_shards::types::ShardId;

use super::ack::{self, Outcome, Ticket, Waiter};
use super::core::{Core, Offered};

/// A buffer that has grown beyond this is not kept.
const BYTES_KEPT: usize = 1 << 20;

/// Messages on their way to the core of their queues, in the order in which they came.
#[derive(Default)]
pub struct Parcels {
    heads: Vec<Head>,
    /// Topic, properties and body of each, one after the other.
    bytes: Vec<u8>,
}

/// One message, without its bytes.
#[derive(Clone, Copy)]
struct Head {
    crossed: Crossed,
    batch: bool,
    topic_bytes: u32,
    properties_bytes: u32,
    body_bytes: u32,
    queue_id: u32,
    flag: i32,
    sys_flag: i32,
    born_timestamp: i64,
    born_host: SocketAddr,
    store_host: SocketAddr,
    reconsume_times: i32,
    prepared_transaction_offset: i64,
}

/// How far a core has come with what has arrived.
#[derive(Clone, Copy, Default)]
struct Progress {
    heads: usize,
    bytes: usize,
}

impl Parcels {
    pub fn pack(&mut self, crossed: Crossed, message: &NewMessage<'_>, batch: bool) {
        for part in [message.topic.as_bytes(), message.properties, message.body] {
            self.bytes.extend_from_slice(part);
        }
        self.heads.push(Head {
            crossed,
            batch,
            topic_bytes: length(message.topic.as_bytes()),
            properties_bytes: length(message.properties),
            body_bytes: length(message.body),
            queue_id: message.queue_id,
            flag: message.flag,
            sys_flag: message.sys_flag,
            born_timestamp: message.born_timestamp,
            born_host: message.born_host,
            store_host: message.store_host,
            reconsume_times: message.reconsume_times,
            prepared_transaction_offset: message.prepared_transaction_offset,
        });
    }

    /// Appends from where `progress` stands; false: the log has no room for the next.
    fn append(&self, core: &Rc<Core>, from: ShardId, progress: &mut Progress) -> bool {
        while let Some(head) = self.heads.get(progress.heads) {
            let (message, end) = self.message(head, progress.bytes);
            let waiter = Waiter::There { core: from, crossed: head.crossed };
            if core.append(&message, head.batch, waiter) == Offered::NoRoom {
                return false;
            }
            *progress = Progress { heads: progress.heads + 1, bytes: end };
        }
        true
    }

    /// Tells all that are not appended yet that there is no room, and has been none for long.
    fn refuse(&mut self, core: &Rc<Core>, from: ShardId, progress: Progress) {
        for head in &self.heads[progress.heads..] {
            ack::deliver(core, Waiter::There { core: from, crossed: head.crossed }, Err(AppendError::NoRoom));
        }
        self.clear();
    }

    /// A message whose bytes begin at `begin`, and where they end.
    fn message(&self, head: &Head, begin: usize) -> (NewMessage<'_>, usize) {
        let (topic, rest) = self.bytes[begin..].split_at(head.topic_bytes as usize);
        let (properties, rest) = rest.split_at(head.properties_bytes as usize);
        let body = &rest[..head.body_bytes as usize];
        let message = NewMessage {
            topic: std::str::from_utf8(topic).expect("packed from a str"),
            queue_id: head.queue_id,
            flag: head.flag,
            sys_flag: head.sys_flag,
            born_timestamp: head.born_timestamp,
            born_host: head.born_host,
            store_host: head.store_host,
            reconsume_times: head.reconsume_times,
            prepared_transaction_offset: head.prepared_transaction_offset,
            body,
            properties,
        };
        (message, begin + topic.len() + properties.len() + body.len())
    }

    fn clear(&mut self) {
        self.heads.clear();
        self.bytes.clear();
        self.bytes.shrink_to(BYTES_KEPT);
    }
}

fn length(part: &[u8]) -> u32 {
    u32::try_from(part.len()).expect("a frame has at most 16 MiB")
}

/// Messages that have arrived while the log had no room, in order.
#[derive(Default)]
pub struct Arrivals(RefCell<VecDeque<Waiting>>);

struct Waiting {
    from: ShardId,
    parcels: Parcels,
    progress: Progress,
}

impl Arrivals {
    /// Appends what waits, as far as the log has room; called whenever room may have come.
    pub fn retry(&self, core: &Rc<Core>) {
        while let Some(mut waiting) = { self.0.borrow_mut().pop_front() } {
            if !waiting.parcels.append(core, waiting.from, &mut waiting.progress) {
                self.0.borrow_mut().push_front(waiting);
                return;
            }
        }
    }
}

impl Crossing for Core {
    type Appends = Parcels;
    type Ticket = Ticket;
    type Acked = Outcome;

    fn appends_arrived(self: &Rc<Self>, from: ShardId, parcels: &mut Parcels) {
        let mut progress = Progress::default();
        // Order: nothing overtakes what already waits.
        let waits = !self.arrivals.0.borrow().is_empty();
        if waits || !parcels.append(self, from, &mut progress) {
            if self.stalls.refused(self.id).is_some() {
                return parcels.refuse(self, from, progress);
            }
            let parcels = std::mem::take(parcels);
            self.arrivals.0.borrow_mut().push_back(Waiting { from, parcels, progress });
        }
        parcels.clear();
    }

    fn acked_arrived(self: &Rc<Self>, ticket: Ticket, outcome: Outcome) {
        ack::write_reply(self, &ticket, &outcome);
    }
}
