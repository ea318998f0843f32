//! A message whose queue another core owns: how it crosses, and what happens where it arrives.
//!
//! The bytes are copied once into a pooled vector that travels there and back. Invariant: every `Parcel` that arrives
//! is answered by exactly one `Outcome`, so the sender's room in the mesh always comes back.
//!
//! Before: `broker::send`; after: `shards::shard` on the owning core, then `broker::ack`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;

use ringmq_shards::record::NewMessage;
use ringmq_shards::runtime::mesh::Crossing;
use ringmq_shards::types::ShardId;

use super::ack::{self, Outcome, Ticket};
use super::core::Core;

/// Carriers kept for use, and the largest that is kept.
const CARRIERS_MAX: usize = 4096;
const CARRIER_BYTES_MAX: usize = 16 * 1024;

/// Vectors that messages cross in.
#[derive(Default)]
pub struct Carriers(RefCell<Vec<Vec<u8>>>);

impl Carriers {
    fn take(&self) -> Vec<u8> {
        self.0.borrow_mut().pop().unwrap_or_default()
    }

    pub fn give_back(&self, mut carrier: Vec<u8>) {
        let fits = carrier.capacity() > 0 && carrier.capacity() <= CARRIER_BYTES_MAX;
        let mut carriers = self.0.borrow_mut();
        if fits && carriers.len() < CARRIERS_MAX {
            carrier.clear();
            carriers.push(carrier);
        }
    }
}

/// A message on its way to the core of its queue.
pub struct Parcel {
    pub ticket: Ticket,
    pub batch: bool,
    head: Head,
    /// Topic, properties and body, one after the other.
    carrier: Vec<u8>,
    topic_end: usize,
    properties_end: usize,
}

#[derive(Clone, Copy)]
struct Head {
    queue_id: u32,
    flag: i32,
    sys_flag: i32,
    born_timestamp: i64,
    born_host: SocketAddr,
    store_host: SocketAddr,
    reconsume_times: i32,
    prepared_transaction_offset: i64,
}

impl Parcel {
    pub fn pack(carriers: &Carriers, message: &NewMessage<'_>, batch: bool, ticket: Ticket) -> Parcel {
        let mut carrier = carriers.take();
        carrier.extend_from_slice(message.topic.as_bytes());
        let topic_end = carrier.len();
        carrier.extend_from_slice(message.properties);
        let properties_end = carrier.len();
        carrier.extend_from_slice(message.body);
        let head = Head {
            queue_id: message.queue_id,
            flag: message.flag,
            sys_flag: message.sys_flag,
            born_timestamp: message.born_timestamp,
            born_host: message.born_host,
            store_host: message.store_host,
            reconsume_times: message.reconsume_times,
            prepared_transaction_offset: message.prepared_transaction_offset,
        };
        Parcel { ticket, batch, head, carrier, topic_end, properties_end }
    }

    pub fn message(&self) -> NewMessage<'_> {
        NewMessage {
            topic: std::str::from_utf8(&self.carrier[..self.topic_end]).expect("packed from a str"),
            queue_id: self.head.queue_id,
            flag: self.head.flag,
            sys_flag: self.head.sys_flag,
            born_timestamp: self.head.born_timestamp,
            born_host: self.head.born_host,
            store_host: self.head.store_host,
            reconsume_times: self.head.reconsume_times,
            prepared_transaction_offset: self.head.prepared_transaction_offset,
            body: &self.carrier[self.properties_end..],
            properties: &self.carrier[self.topic_end..self.properties_end],
        }
    }

    pub fn unpack(self) -> (Ticket, Vec<u8>) {
        (self.ticket, self.carrier)
    }
}

/// Parcels that have arrived while the log had no room, in order.
#[derive(Default)]
pub struct Arrivals(RefCell<VecDeque<Parcel>>);

impl Arrivals {
    /// Appends what waits, as far as the log has room; called whenever room may have come.
    pub fn retry(&self, core: &Rc<Core>) {
        while let Some(parcel) = { self.0.borrow_mut().pop_front() } {
            if let Some(parcel) = core.append_parcel(parcel) {
                self.0.borrow_mut().push_front(parcel);
                return;
            }
        }
    }
}

impl Crossing for Core {
    type Append = Parcel;
    type Acked = Outcome;

    fn append_arrived(self: &Rc<Self>, _from: ShardId, parcel: Parcel) {
        // Order: nothing overtakes what already waits.
        self.arrivals.0.borrow_mut().push_back(parcel);
        self.arrivals.retry(self);
    }

    fn acked_arrived(self: &Rc<Self>, outcome: Outcome) {
        ack::write_reply(self, outcome);
    }
}
