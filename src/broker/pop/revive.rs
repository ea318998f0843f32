//! What was popped and not acked in time comes back: stored again in the group's retry topic of that topic, with one more
//! reconsume time.
//!
//! First the copy is durable, then the original is let go. So a crash between the two gives the message twice, never not at all. How often a message may come back is the consumer's
//! business, as in RocketMQ.
//!
//! One task for each shard. Before: `shards::pop` (what has expired); after: `broker::put`.

use std::rc::Rc;
use std::time::Duration;

use ringmq_shards::pop::Expired;
use ringmq_shards::record::Record;
use ringmq_shards::runtime::reader::ReadError;
use ringmq_shards::runtime::{self, Lane, slot};
use ringmq_shards::topic::TopicConfig;

use crate::broker::changes::Wanted;
use crate::broker::core::Core;
use crate::broker::put::OwnedMessage;
use crate::broker::response::Refusal;
use crate::remoting::message::pop::RetryKind;
use crate::remoting::message::properties::{self, name};

/// The longest sleep: a message that becomes visible earlier than all others is late by no more.
const LOOK: Duration = Duration::from_millis(100);
/// Messages that are revived at once.
const BATCH: usize = 256;
/// After a failure, such as a full disk.
const RETRY_MILLIS: i64 = 10_000;

pub fn start(core: &Rc<Core>) {
    let core = core.clone();
    let _detached = runtime::spawn(Lane::Background, async move {
        while !core.stopping.get() {
            let next = core.live.state.borrow().pops.next_expiry();
            let left = next.map_or(LOOK, |next| Duration::from_millis(next.since(runtime::now()) as u64).min(LOOK));
            if !left.is_zero() {
                runtime::sleep(left).await;
            }
            let expired = core.live.state.borrow_mut().pops.expire(runtime::now(), BATCH);
            if !expired.is_empty() {
                revive(&core, expired).await;
            }
        }
    });
}

/// Revives all of a batch at once, and lets go of those of one queue together.
async fn revive(core: &Rc<Core>, expired: Vec<Expired>) {
    let mut waiting = Vec::with_capacity(expired.len());
    for expired in expired {
        let (setter, waiter) = slot();
        let core = core.clone();
        let _detached = runtime::spawn(Lane::Background, async move {
            let result = revive_one(&core, &expired).await;
            setter.set((expired, result));
        });
        waiting.push(waiter);
    }
    let mut done: Vec<Expired> = Vec::with_capacity(waiting.len());
    for waiter in waiting {
        let Some((expired, result)) = waiter.await else { continue };
        match result {
            Ok(()) => done.push(expired),
            Err(refusal) => {
                let Expired { topic, group, queue_id, message } = &expired;
                let offset = message.offset;
                tracing::warn!(%topic, %group, queue_id, %offset, "a popped message cannot be revived yet: {}", refusal.remark);
                core.live.state.borrow_mut().pops.postpone(&expired, runtime::now().plus(RETRY_MILLIS));
            }
        }
    }
    done.sort_by(|one, other| (&one.topic, &one.group, one.queue_id).cmp(&(&other.topic, &other.group, other.queue_id)));
    let same =
        |one: &Expired, other: &Expired| one.queue_id == other.queue_id && one.topic == other.topic && one.group == other.group;
    for of_queue in done.chunk_by(same) {
        let Expired { topic, group, queue_id, .. } = &of_queue[0];
        let messages: Vec<_> = of_queue.iter().map(|expired| expired.message).collect();
        if let Err(error) = core.live.pop_revived(topic, group, *queue_id, &messages).await {
            tracing::warn!(%topic, %group, queue_id, "revived messages may come twice: {error}");
            let again = runtime::now().plus(RETRY_MILLIS);
            of_queue.iter().for_each(|expired| core.live.state.borrow_mut().pops.postpone(expired, again));
        }
    }
}

async fn revive_one(core: &Rc<Core>, expired: &Expired) -> Result<(), Refusal> {
    let Expired { topic, group, queue_id, message } = expired;
    let is_held = || core.live.state.borrow().pops.holds(topic, group, *queue_id, *message);
    if !is_held() {
        return Ok(());
    }
    let bytes = match core.live.pop_read(topic, *queue_id, message.offset).await {
        Ok(Some(bytes)) => bytes,
        // It has expired from the log: there is nothing left to hand out.
        Ok(None) | Err(ReadError::Gone) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let Ok(record) = Record::parse(&bytes) else { return Ok(()) };
    let kind = if core.settings.borrow().pop.retry_topic_v2 { RetryKind::V2 } else { RetryKind::V1 };
    let retry = if topic.starts_with("%RETRY%") { topic.clone() } else { kind.topic(topic, group) };
    if !core.can_send_to(&retry) {
        Wanted::OwnTopic(TopicConfig::new(&retry).with_queues(1)).make(core).await?;
    }
    // An ack that came meanwhile wins.
    if !is_held() {
        return Ok(());
    }
    core.put(again(core, &record, retry, message.pop_time.0)).await.map(drop)
}

/// The copy in the retry topic.
fn again(core: &Core, record: &Record<'_>, topic: String, pop_time: i64) -> OwnedMessage {
    let mut kept = record.properties().to_vec();
    if record.reconsume_times() == 0 || record.property(name::FIRST_POP_TIME).is_none() {
        properties::put(&mut kept, name::FIRST_POP_TIME, pop_time);
    }
    OwnedMessage {
        born_host: core.identity.address,
        prepared_transaction_offset: record.prepared_transaction_offset(),
        ..OwnedMessage::retried(core, record, topic, 0, kept)
    }
}
