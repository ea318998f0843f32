//! What a group has given up: its `%DLQ%` topic, the count of what went there, and the word about the first.
//!
//! Before: `broker::retry` (sent back once too often), `broker::retry_send` (a retry that a client sends itself);
//! after: `broker::put`.

use std::borrow::Cow;
use std::rc::Rc;

use ringmq_shards::record::property;
use ringmq_shards::shard::Appended;
use ringmq_shards::topic::{DLQ_PREFIX, RETRY_PREFIX};

use super::changes::Wanted;
use super::core::Core;
use super::put::OwnedMessage;
use super::response::Refusal;
use crate::remoting::message::properties::name;

/// The only queue of a group's dead letters.
pub const QUEUE: u32 = 0;

/// The group's topic for them, which exists when this returns.
pub async fn topic(core: &Rc<Core>, group: &str) -> Result<String, Refusal> {
    let topic = format!("{DLQ_PREFIX}{group}");
    if !core.can_send_to(&topic) {
        Wanted::DeadLetterTopic { group: group.to_owned() }.make(core).await?;
    }
    Ok(topic)
}

/// Stores it as a dead letter of the group; its topic is the one that `topic` has given.
pub async fn store(core: &Rc<Core>, group: &str, message: OwnedMessage) -> Result<Appended, Refusal> {
    let from = origin(group, &message);
    let (dead_letters, reconsume_times) = (message.topic.clone(), message.reconsume_times);
    let stored = core.store(message).await?;
    core.counters.dead_letter(group, &from);
    if stored.queue_offset.0 == 0 {
        tracing::warn!(
            group,
            topic = from,
            reconsume_times,
            "the group has given up a message for the first time: it and those to come lie in {dead_letters}"
        );
    }
    Ok(stored)
}

/// The topic that the consumer subscribed to. A client that does not say it has sent to the retry topic.
fn origin(group: &str, message: &OwnedMessage) -> String {
    let topic = property(&message.properties, name::RETRY_TOPIC).map(String::from_utf8_lossy);
    topic.map_or_else(|| format!("{RETRY_PREFIX}{group}"), Cow::into_owned)
}
