//! Questions that the broker asks clients, on the clients' own connections, and their answers.
//!
//! Lives on the core of the connections; whoever asks from another core does so over the mesh. An answer is matched by its
//! number and its connection. Always true: at most `CALLS_MAX` questions of a core are unanswered; each ends with the
//! answer, the end of its connection, or its time, and the asker hears which.
//!
//! Before: `broker::relay`; after: `net::connection`, and `broker::dispatch`, which hands answers to `answered`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use ringmq_shards::group::ConnectionId;
use ringmq_shards::runtime::{self, SlotSetter, mesh::Request, slot};
use ringmq_shards::types::ShardId;

use super::core::Core;
use crate::net::ConnectionNumber;
use crate::remoting::code::RequestCode;
use crate::remoting::{Encoding, Frame, FrameTooLong, Header, RequestWriter};

/// Questions of one core that may wait for their answers. Each may hold an answer of a whole frame for a moment.
const CALLS_MAX: usize = 1_024;

/// Every client reads JSON, whatever it writes.
const JSON: Encoding = Encoding::Json;

/// A question, owned, as it crosses to the core of the connection.
#[derive(Clone, Debug)]
pub struct ClientCall {
    pub code: RequestCode,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What a client has answered: its code may be any number.
#[derive(Clone, Debug)]
pub struct ClientAnswer {
    pub code: i32,
    pub remark: Option<String>,
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// The connection has ended, before or after it was asked.
    Gone,
    TimedOut,
    /// Too many questions wait already.
    Full,
    /// The question does not fit a frame.
    TooLong,
}

#[derive(Default)]
pub struct ClientCalls(RefCell<BTreeMap<(ConnectionNumber, i32), SlotSetter<ClientAnswer>>>);

impl ClientCalls {
    /// An answer to somebody who still waits for it; any other is dropped.
    pub fn answered(&self, connection: ConnectionNumber, header: &Header<'_>, frame: &Frame<'_>) {
        let Some(setter) = self.0.borrow_mut().remove(&(connection, header.opaque)) else { return };
        setter.set(ClientAnswer {
            code: header.code,
            remark: header.remark.as_deref().map(str::to_owned),
            body: frame.body.to_vec(),
        });
    }

    /// Nobody will answer there any more.
    pub fn connection_closed(&self, connection: ConnectionNumber) {
        let gone = {
            let mut calls = self.0.borrow_mut();
            let mut from = calls.split_off(&(connection, i32::MIN));
            let mut behind = from.split_off(&(ConnectionNumber(connection.0.saturating_add(1)), i32::MIN));
            calls.append(&mut behind);
            from
        };
        // Who waits is woken by the drop, and may ask again at once.
        drop(gone);
    }
}

impl Core {
    /// Asks a client, on whatever core its connection is.
    pub async fn ask_client(
        self: &Rc<Self>,
        client: ConnectionId,
        call: ClientCall,
        limit: Duration,
    ) -> Result<ClientAnswer, NoAnswer> {
        let asked = AskClient { connection: ConnectionNumber(client.number), call, limit };
        self.mesh.ask(ShardId(client.core), self, asked).await.unwrap_or(Err(NoAnswer::Gone))
    }

    /// Tells a client something that it does not answer. False when it is gone.
    pub async fn tell_client(self: &Rc<Self>, client: ConnectionId, call: ClientCall) -> bool {
        let told = TellClient { connection: ConnectionNumber(client.number), call };
        self.mesh.ask(ShardId(client.core), self, told).await.unwrap_or(false)
    }
}

struct AskClient {
    connection: ConnectionNumber,
    call: ClientCall,
    limit: Duration,
}

impl Request<Core> for AskClient {
    type Reply = Result<ClientAnswer, NoAnswer>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let AskClient { connection, call, limit } = self;
        ask_here(&core, connection, limit, |opaque, out| fill(&call, RequestWriter::new(out, JSON, opaque, call.code.number())))
            .await
    }
}

/// Asks over a connection of this core. `write` puts the request, with the number that it must have, into the buffer, if it
/// fits a frame.
pub async fn ask_here(
    core: &Rc<Core>,
    number: ConnectionNumber,
    limit: Duration,
    write: impl FnOnce(i32, &mut Vec<u8>) -> Result<(), FrameTooLong>,
) -> Result<ClientAnswer, NoAnswer> {
    let connection = core.net.connections.get(number).filter(|connection| connection.is_open());
    let connection = connection.ok_or(NoAnswer::Gone)?;
    let opaque = core.next_opaque();
    let key = (number, opaque);
    let waiter = {
        let mut calls = core.client_calls.0.borrow_mut();
        if calls.len() >= CALLS_MAX {
            return Err(NoAnswer::Full);
        }
        let (setter, waiter) = slot();
        calls.insert(key, setter);
        waiter
    };
    let mut written = Ok(());
    connection.reply(|out| written = write(opaque, out));
    if written.is_err() {
        core.client_calls.0.borrow_mut().remove(&key);
        return Err(NoAnswer::TooLong);
    }
    match runtime::timeout(limit, waiter).await {
        Some(answer) => answer.ok_or(NoAnswer::Gone),
        None => {
            core.client_calls.0.borrow_mut().remove(&key);
            Err(NoAnswer::TimedOut)
        }
    }
}

struct TellClient {
    connection: ConnectionNumber,
    call: ClientCall,
}

impl Request<Core> for TellClient {
    type Reply = bool;

    async fn serve(self, core: Rc<Core>) -> bool {
        let connection = core.net.connections.get(self.connection).filter(|connection| connection.is_open());
        let Some(connection) = connection else { return false };
        let mut written = Ok(());
        connection.reply(|out| {
            let writer = RequestWriter::new(out, JSON, core.next_opaque(), self.call.code.number()).oneway();
            written = fill(&self.call, writer);
        });
        written.is_ok()
    }
}

fn fill(call: &ClientCall, writer: RequestWriter<'_>) -> Result<(), FrameTooLong> {
    let writer = call.fields.iter().fold(writer, |writer, (name, value)| writer.field(name, value));
    writer.body(&call.body).finish()
}
