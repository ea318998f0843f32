//! Messages that the broker itself stores: what was sent back, what is revived, what is dead.
//!
//! `Core::store` (in `broker::delay`) lets them wait when they say so; `Core::put` stores them as they are.
//! They own their bytes, cross to the core of their queue, and are told of when they are durable.
//!
//! Before: handlers that make messages; after: `shards::shard` on the owning core.

use std::net::SocketAddr;
use std::rc::Rc;

use ringmq_shards::record::{NewMessage, Record};
use ringmq_shards::runtime::{self, mesh::Request};
use ringmq_shards::shard::{AppendError, Appended};

use super::core::Core;
use super::response::Refusal;

/// A record to be, owned. Its topic must exist.
#[derive(Clone, Debug)]
pub struct OwnedMessage {
    pub topic: String,
    pub queue_id: u32,
    pub flag: i32,
    pub sys_flag: i32,
    pub born_timestamp: i64,
    pub born_host: SocketAddr,
    pub store_host: SocketAddr,
    pub reconsume_times: i32,
    pub prepared_transaction_offset: i64,
    pub body: Vec<u8>,
    /// In their stored form.
    pub properties: Vec<u8>,
}

impl OwnedMessage {
    /// A record that is to be handed out once more, and counts that: stored by this broker, as a message of another topic.
    pub fn retried(core: &Core, record: &Record<'_>, topic: String, queue_id: u32, properties: Vec<u8>) -> OwnedMessage {
        OwnedMessage {
            topic,
            queue_id,
            flag: record.flag(),
            sys_flag: record.sys_flag(),
            born_timestamp: record.born_timestamp(),
            born_host: record.born_host(),
            store_host: core.identity.address,
            reconsume_times: record.reconsume_times().saturating_add(1),
            prepared_transaction_offset: 0,
            body: record.body().to_vec(),
            properties,
        }
    }

    pub fn of(message: &NewMessage<'_>) -> OwnedMessage {
        OwnedMessage {
            topic: message.topic.to_owned(),
            queue_id: message.queue_id,
            flag: message.flag,
            sys_flag: message.sys_flag,
            born_timestamp: message.born_timestamp,
            born_host: message.born_host,
            store_host: message.store_host,
            reconsume_times: message.reconsume_times,
            prepared_transaction_offset: message.prepared_transaction_offset,
            body: message.body.to_vec(),
            properties: message.properties.to_vec(),
        }
    }

    pub fn view(&self) -> NewMessage<'_> {
        NewMessage {
            topic: &self.topic,
            queue_id: self.queue_id,
            flag: self.flag,
            sys_flag: self.sys_flag,
            born_timestamp: self.born_timestamp,
            born_host: self.born_host,
            store_host: self.store_host,
            reconsume_times: self.reconsume_times,
            prepared_transaction_offset: self.prepared_transaction_offset,
            body: &self.body,
            properties: &self.properties,
        }
    }
}

impl Core {
    /// Stores a message of the broker's own on the core of its queue; returns when it is durable.
    pub async fn put(self: &Rc<Self>, message: OwnedMessage) -> Result<Appended, Refusal> {
        let owner = self.placement.queue(&message.topic, message.queue_id, self.id);
        let stored = self.mesh.ask(owner, self, Put(message)).await.ok_or_else(Refusal::stopping)?;
        Ok(stored?)
    }
}

struct Put(OwnedMessage);

impl Request<Core> for Put {
    type Reply = Result<Appended, AppendError>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        loop {
            match core.live.append(runtime::now(), &self.0.view()) {
                Err(AppendError::NoRoom) => core.live.room().await,
                Err(error) => return Err(error),
                Ok(appended) => {
                    core.live.durable(appended.end).await?;
                    return Ok(appended);
                }
            }
        }
    }
}
