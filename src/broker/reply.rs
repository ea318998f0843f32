//! SEND_REPLY_MESSAGE (324) and SEND_REPLY_MESSAGE_V2 (325): a consumer's answer to a request that came as a message.
//!
//! The answer is pushed (326) to the connection of the producer that REPLY_TO_CLIENT names, on whatever core that is, and
//! stored in `<cluster>_REPLY_TOPIC` besides, unless storeReplyMessageEnable is off. Whether the push succeeded is what the
//! consumer is told; the ids of the stored message come along either way, as from the original.
//!
//! Before: `broker::dispatch`; after: `broker::producers`, `broker::client_calls`, `broker::put`.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use ringmq_shards::runtime::{self, mesh::Request};
use ringmq_shards::types::ShardId;

use super::changes::Wanted;
use super::client_calls;
use super::core::Core;
use super::dispatch::Call;
use super::everywhere::ask_all;
use super::producers::Reached;
use super::put::OwnedMessage;
use super::response::{Refusal, Response};
use super::send::{self, Asker, Place};
use crate::net::ConnectionNumber;
use crate::remoting::code::{RequestCode, ResponseCode};
use crate::remoting::message::id::OffsetMessageId;
use crate::remoting::message::properties::{self, PROPERTIES_BYTES_MAX, name};
use crate::remoting::request::reply::PushReply;
use crate::remoting::request::send::SendMessage;
use crate::remoting::{Encoding, RequestWriter};

/// How long a producer may take to say that it has the answer.
const PUSH_PATIENCE: Duration = Duration::from_secs(10);

pub async fn reply(call: Call) -> Result<Response, Refusal> {
    let trace_on = call.core.settings.borrow().trace_on;
    let region = call.core.identity.region.clone();
    // Java's client reads these fields of every answer to a send, also of a refusal.
    let response = serve(&call).await.unwrap_or_else(Response::from);
    Ok(response.with_field("MSG_REGION", region).with_field("TRACE_ON", trace_on))
}

async fn serve(call: &Call) -> Result<Response, Refusal> {
    let (core, header) = (&call.core, call.header());
    let request = SendMessage::decode(&header)?;
    let queue_id = queue_of(call, &request).await?;
    let reply = Reply::of(core, call.connection().peer, &request, call.body());
    if reply.properties.len() > PROPERTIES_BYTES_MAX {
        return Err(send::illegal(core));
    }
    let mut response = match reply.push(core).await {
        Ok(()) => Response::success().with_field("msgId", 0).with_field("queueId", queue_id).with_field("queueOffset", 0),
        Err(remark) => Response::from(Refusal::new(ResponseCode::SystemError, remark)),
    };
    if core.settings.borrow().store_replies {
        match core.store(reply.into_message(core, queue_id)).await {
            Ok(stored) => {
                let id = OffsetMessageId { broker: core.identity.address, physical_offset: stored.physical_offset };
                response.fields.clear();
                response = response
                    .with_field("msgId", id)
                    .with_field("queueId", queue_id)
                    .with_field("queueOffset", stored.queue_offset.0);
            }
            Err(refusal) => tracing::warn!(topic = request.topic, "a reply is not stored: {}", refusal.remark),
        }
    }
    Ok(response)
}

/// The queue that the reply is stored in; its topic is made if it may be.
async fn queue_of(call: &Call, request: &SendMessage<'_>) -> Result<u32, Refusal> {
    let (core, asker) = (&call.core, Asker { peer: call.connection().peer, version: call.header().version });
    if let Place::Queue(queue_id) = send::place(core, asker, request)? {
        send::check_size(core, request, call.body())?;
        return Ok(queue_id);
    }
    Wanted::FirstSend {
        topic: request.topic.to_owned(),
        default_topic: request.default_topic.to_owned(),
        default_queue_nums: request.default_topic_queue_nums,
        unit_mode: request.unit_mode,
    }
    .make(core)
    .await?;
    match send::place(core, asker, request)? {
        Place::Queue(queue_id) => Ok(queue_id),
        // Deleted as soon as it was made.
        Place::UnknownTopic => Err(Refusal::new(ResponseCode::TopicNotExist, format!("topic[{}] not exist", request.topic))),
    }
}

/// A reply on its way, owned: it may cross to the core of the producer's connection.
#[derive(Clone)]
struct Reply {
    producer_group: String,
    topic: String,
    default_topic: String,
    default_topic_queue_nums: i32,
    queue_id: i32,
    sys_flag: i32,
    flag: i32,
    born_timestamp: i64,
    born_host: SocketAddr,
    reconsume_times: i32,
    unit_mode: bool,
    /// The consumer's, and where it was sent to.
    properties: String,
    body: Vec<u8>,
}

impl Reply {
    fn of(core: &Core, peer: SocketAddr, request: &SendMessage<'_>, body: &[u8]) -> Reply {
        let mut properties = request.properties.as_bytes().to_vec();
        properties::put(&mut properties, name::MSG_REGION, core.identity.region.as_str());
        properties::put(&mut properties, name::TRACE_ON, core.settings.borrow().trace_on);
        Reply {
            producer_group: request.producer_group.to_owned(),
            topic: request.topic.to_owned(),
            default_topic: request.default_topic.to_owned(),
            default_topic_queue_nums: request.default_topic_queue_nums,
            queue_id: request.queue_id,
            sys_flag: request.sys_flag,
            flag: request.flag,
            born_timestamp: request.born_timestamp,
            born_host: peer,
            reconsume_times: request.reconsume_times,
            unit_mode: request.unit_mode,
            properties: String::from_utf8(properties).expect("texts put behind a text"),
            body: body.to_vec(),
        }
    }

    /// Pushes it to the producer; an error is what the consumer is told.
    async fn push(&self, core: &Rc<Core>) -> Result<(), String> {
        let asker = properties::get(self.properties.as_bytes(), name::REPLY_TO_CLIENT);
        let Some(client_id) = asker.and_then(|id| std::str::from_utf8(id).ok()) else {
            return Err("reply message properties[REPLY_TO_CLIENT] is null".to_owned());
        };
        let Some((shard, connection)) = find(core, client_id).await else {
            return Err(format!("push reply message fail, channel of <{client_id}> not found."));
        };
        let mut pushed = self.clone();
        pushed.properties = with_push_time(&self.properties);
        match core.mesh.ask(shard, core, Push { connection, reply: pushed }).await {
            Some(true) => Ok(()),
            // The original's words, blank and all.
            Some(false) | None => Err(format!("push reply message to {client_id}fail.")),
        }
    }

    fn into_message(self, core: &Core, queue_id: u32) -> OwnedMessage {
        OwnedMessage {
            topic: self.topic,
            queue_id,
            flag: self.flag,
            sys_flag: self.sys_flag,
            born_timestamp: self.born_timestamp,
            born_host: self.born_host,
            store_host: core.identity.address,
            reconsume_times: self.reconsume_times,
            prepared_transaction_offset: 0,
            body: self.body,
            properties: self.properties.into_bytes(),
        }
    }

    /// The request as it stands in its header.
    fn sent(&self) -> SendMessage<'_> {
        SendMessage {
            producer_group: &self.producer_group,
            topic: &self.topic,
            default_topic: &self.default_topic,
            default_topic_queue_nums: self.default_topic_queue_nums,
            queue_id: self.queue_id,
            sys_flag: self.sys_flag,
            born_timestamp: self.born_timestamp,
            flag: self.flag,
            properties: &self.properties,
            reconsume_times: self.reconsume_times,
            unit_mode: self.unit_mode,
            max_reconsume_times: None,
            batch: false,
            broker_name: None,
        }
    }
}

fn with_push_time(before: &str) -> String {
    let mut after = before.as_bytes().to_vec();
    properties::put(&mut after, name::PUSH_REPLY_TIME, runtime::now().0);
    String::from_utf8(after).expect("texts put behind a text")
}

/// The producer of this name that was heard of last, on any core of this broker.
async fn find(core: &Rc<Core>, client_id: &str) -> Option<(ShardId, ConnectionNumber)> {
    let found = ask_all(core, WhereIs(client_id.to_owned())).await;
    let (shard, reached) = found.into_iter().flatten().max_by_key(|(_, reached)| reached.at)?;
    Some((shard, reached.connection))
}

#[derive(Clone)]
struct WhereIs(String);

impl Request<Core> for WhereIs {
    type Reply = Option<(ShardId, Reached)>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        core.producers.borrow().find(&self.0).map(|reached| (core.id, reached))
    }
}

/// At the core of the producer's connection.
struct Push {
    connection: ConnectionNumber,
    reply: Reply,
}

impl Request<Core> for Push {
    /// Whether the producer says that it has it.
    type Reply = bool;

    async fn serve(self, core: Rc<Core>) -> bool {
        let Push { connection, reply } = self;
        let store_host = core.identity.address;
        let answer = client_calls::ask_here(&core, connection, PUSH_PATIENCE, |opaque, out| {
            let request = RequestWriter::new(out, Encoding::Json, opaque, RequestCode::PushReplyMessageToClient.number());
            let (sent, now) = (reply.sent(), runtime::now().0);
            let fields = PushReply {
                sent: &sent,
                properties: &reply.properties,
                born_host: reply.born_host,
                store_host,
                store_timestamp: now,
            };
            fields.encode(request).body(&reply.body).finish()
        });
        matches!(answer.await, Ok(answer) if answer.code == ResponseCode::Success.number())
    }
}
