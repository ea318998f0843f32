//! All that one core of the broker owns, and what the send path does with it.
//!
//! Lives on one core; cores meet only in `mesh`. Neighbours: `net` calls in through `Service`, `shards::runtime::live` calls
//! back when the log has become durable.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;

use ringmq_shards::data_version::DataVersion;
use ringmq_shards::group::{GroupViews, Members, QueueLocks};
use ringmq_shards::placement::Placement;
use ringmq_shards::record::NewMessage;
use ringmq_shards::runtime;
use ringmq_shards::runtime::live::LiveShard;
use ringmq_shards::runtime::mesh::Mesh;
use ringmq_shards::runtime::turns::Turns;
use ringmq_shards::shard::{AppendError, Appended, Change};
use ringmq_shards::topic::Perm;
use ringmq_shards::types::{Millis, ShardId};

use super::ack::{self, Acks, Ticket, Waiter};
use super::busy::Stalls;
use super::client_calls::ClientCalls;
use super::counters::Counters;
use super::crossing::Arrivals;
use super::dispatch;
use super::pop::{Polls, Routes};
use super::producers::Producers;
use super::promises::Promises;
use super::put_times::PutTimes;
use super::rates::Rates;
use super::registrar::Registrar;
use super::response::Refusal;
use super::settling::Settling;
use super::traffic::Traffic;
use crate::config::Settings;
use crate::net::connection::Shared;
use crate::net::log_limit::LogLimit;
use crate::net::{Connection, Flow, Service};
use crate::remoting::code::ResponseCode;
use crate::remoting::message::id::UniqueKeys;
use crate::remoting::{BadFrame, Frame};

/// How clients know the broker that this core answers for.
#[derive(Clone, Debug)]
pub struct Identity {
    pub cluster: String,
    pub name: String,
    /// What clients connect to: brokerIP1 and listenPort. Also the store host of records and message ids.
    pub address: SocketAddr,
    pub region: String,
    pub started: i64,
}

pub struct Core {
    pub id: ShardId,
    pub placement: Placement,
    pub identity: Identity,
    pub live: Rc<LiveShard>,
    pub mesh: Mesh<Core>,
    pub net: Rc<Shared>,
    pub settings: RefCell<Rc<Settings>>,
    /// Changes with the settings, on every core alike.
    pub settings_version: Cell<DataVersion>,
    pub counters: Counters,
    pub rates: RefCell<Rates>,
    pub traffic: Traffic,
    pub acks: Acks,
    pub promises: Promises,
    pub put_times: PutTimes,
    /// The longest that a pull took that found something, in milliseconds.
    pub pull_longest: Cell<i64>,
    pub arrivals: Arrivals,
    pub stalls: Stalls,
    /// Where a message's properties are put together; one message at a time.
    pub scratch: RefCell<Vec<u8>>,
    /// For messages that come without a key of their own.
    pub unique_keys: RefCell<UniqueKeys>,
    /// What clients were asked and have not answered yet.
    pub client_calls: ClientCalls,
    /// Numbers of requests that the broker itself sends to clients.
    pub opaques: Cell<i32>,
    /// Which producer of a group is asked about its transactions next.
    pub check_turn: Cell<usize>,
    /// Set when the node is told to stop: nothing new is promised.
    pub stopping: Cell<bool>,
    /// What other cores' groups want, for pulls that arrive here.
    pub group_views: RefCell<GroupViews>,
    /// Consumer groups whose home this core is, and the producers of connections.
    pub members: RefCell<Members>,
    pub locks: RefCell<QueueLocks>,
    /// Pops of this core's connections that wait.
    pub polls: RefCell<Polls>,
    pub routes: RefCell<Routes>,
    /// Of the connections of this core.
    pub producers: RefCell<Producers>,
    /// Groups whose members do not agree are named as often as this allows.
    pub clashes: LogLimit,
    /// At the home of settings: one change at a time.
    pub changes_turns: Rc<Turns>,
    /// A topic that is new and not yet everywhere.
    pub settling: Settling,
    /// At the home of settings, where there are name servers.
    pub registrar: RefCell<Option<Rc<Registrar>>>,
}

/// What became of a message that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// It will be answered, well or badly.
    Taken,
    /// A bound is reached; offer it again when there is room.
    NoRoom,
}

impl Core {
    /// Whether messages are taken at all now.
    pub fn accepts_messages(&self) -> Result<(), Refusal> {
        if self.stopping.get() {
            let remark = "the broker is stopping; send to another one".to_owned();
            return Err(Refusal::new(ResponseCode::ServiceNotAvailable, remark));
        }
        Ok(())
    }

    /// The number of the next request to a client.
    pub fn next_opaque(&self) -> i32 {
        let opaque = self.opaques.get();
        self.opaques.set(opaque.wrapping_add(1) & i32::MAX);
        opaque
    }

    /// brokerPermission: what this broker allows at all.
    pub fn permission(&self) -> Perm {
        Perm::from_bits(self.settings.borrow().broker_permission).unwrap_or(Perm::READ_WRITE)
    }

    /// A change of settings is durable and known on every core that still logs: name servers are told.
    pub fn settings_changed(&self, change: &Change) {
        if let Some(registrar) = &*self.registrar.borrow() {
            registrar.changed(change);
        }
    }

    /// Brings a message to the core that owns its queue, and the answer to where the ticket says.
    pub fn offer(self: &Rc<Self>, message: &NewMessage<'_>, batch: bool, ticket: Ticket) -> Offered {
        let owner = self.placement.queue(message.topic, message.queue_id, self.id);
        if owner == self.id {
            return self.append(message, batch, Waiter::Here(ticket));
        }
        if !self.mesh.has_room(owner) {
            return Offered::NoRoom;
        }
        self.stalls.taken(owner);
        let bytes = message.topic.len() + message.properties.len() + message.body.len();
        self.mesh.append(owner, ticket, bytes, |parcels, crossed| parcels.pack(crossed, message, batch));
        Offered::Taken
    }

    /// Appends a message to this core's log. The reply is kept until the record is durable, or given at once when there
    /// is none.
    pub fn append(self: &Rc<Self>, message: &NewMessage<'_>, batch: bool, waiter: Waiter) -> Offered {
        let mut offsets = Vec::new();
        let now = runtime::now();
        match self.append_bytes(now, message, batch, &mut offsets) {
            Err(AppendError::NoRoom) => return Offered::NoRoom,
            Ok(appended) => {
                self.stalls.taken(self.id);
                let batch = (!offsets.is_empty()).then(|| offsets.into_boxed_slice());
                self.acks.wait(waiter, now, appended, batch);
            }
            Err(error) => ack::deliver(self, waiter, Err(error)),
        }
        Offered::Taken
    }

    fn append_bytes(
        &self,
        now: Millis,
        message: &NewMessage<'_>,
        batch: bool,
        offsets: &mut Vec<i64>,
    ) -> Result<Appended, AppendError> {
        if batch { self.live.append_batch(now, message, offsets) } else { self.live.append(now, message) }
    }

    pub fn complain(&self, connection: &Connection, bad: &BadFrame) {
        if let Some(left_out) = self.net.bad_frames.pass() {
            tracing::warn!(peer = %connection.peer, left_out, "closed: {bad}");
        }
    }
}

impl Service for Core {
    fn frame(self: &Rc<Self>, connection: &Rc<Connection>, frame: &Frame<'_>) -> Flow {
        dispatch::dispatch(self, connection, frame)
    }

    async fn room(self: &Rc<Self>) {
        self.live.room().await;
    }

    fn closed(self: &Rc<Self>, connection: &Rc<Connection>) {
        self.client_calls.connection_closed(connection.number);
        super::client::connection_closed(self, connection);
        super::pop::connection_closed(self, connection);
    }
}
