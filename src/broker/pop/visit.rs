//! The queues of one pop, and asking their shards.
//!
//! A pop of any queue begins with a random one and goes once round the topic's queues, those of one shard together. The retry topics of the
//! group come after, or now and then before, so that what is retried neither starves nor is starved.
//!
//! Before: `pop::take`; after: `shards::runtime::pop`, on the shards of the queues.

use std::rc::Rc;

use ringmq_shards::pop::{InitialOffset, PopError, PopRequest};
use ringmq_shards::runtime::mesh::Request;
use ringmq_shards::runtime::pop::{PopFailed, Popped};
use ringmq_shards::runtime::{self};
use ringmq_shards::types::{Millis, ShardId};

use crate::broker::core::Core;
use crate::broker::response::Refusal;
use crate::broker::subscription::Selector;
use crate::config::PopSettings;
use crate::remoting::code::ResponseCode;
use crate::remoting::message::pop::RetryKind;

/// A pop, checked.
#[derive(Clone, Debug)]
pub struct Pop {
    pub topic: String,
    pub group: String,
    /// `None`: any.
    pub queue_id: Option<u32>,
    pub read_queue_nums: u32,
    pub messages_max: u32,
    pub bytes_max: usize,
    pub invisible_millis: i64,
    pub selector: Selector,
    pub initial: InitialOffset,
    pub orderly: Option<String>,
    pub pop_time: Millis,
}

/// What one queue gave.
pub struct Found {
    pub retry: RetryKind,
    pub popped: Popped,
}

/// All that a pop got.
#[derive(Default)]
pub struct Harvest {
    pub found: Vec<Found>,
    pub messages: u32,
    bytes: usize,
    pub rest: i64,
    /// There may be more for whoever looks again at once.
    pub is_cut: bool,
}

/// The topics in which a topic's messages come back to a group, the one in use first.
pub fn retry_topics(settings: &PopSettings, topic: &str, group: &str) -> Vec<(RetryKind, String)> {
    let kinds: &[RetryKind] = match (settings.retry_topic_v2, settings.retry_topic_v1_too) {
        (true, true) => &[RetryKind::V2, RetryKind::V1],
        (true, false) => &[RetryKind::V2],
        (false, _) => &[RetryKind::V1],
    };
    kinds.iter().map(|kind| (*kind, kind.topic(topic, group))).collect()
}

/// Goes through the queues until there is enough.
pub async fn visit(core: &Rc<Core>, pop: &Pop) -> Result<Harvest, Refusal> {
    let retry_first = {
        let percent = core.settings.borrow().pop.retry_first_percent;
        runtime::random() % 100 < u64::from(percent)
    };
    let mut harvest = Harvest::default();
    // What is consumed in order comes again in its own queue.
    let retries = pop.orderly.is_none();
    if retries && retry_first {
        visit_retries(core, pop, &mut harvest).await?;
    }
    let queues = match pop.queue_id {
        Some(queue_id) => vec![queue_id],
        None => rotated(pop.read_queue_nums, runtime::random()),
    };
    visit_topic(core, pop, RetryKind::Normal, &pop.topic, &queues, &mut harvest).await?;
    if retries && !retry_first {
        visit_retries(core, pop, &mut harvest).await?;
    }
    Ok(harvest)
}

async fn visit_retries(core: &Rc<Core>, pop: &Pop, harvest: &mut Harvest) -> Result<(), Refusal> {
    let topics = retry_topics(&core.settings.borrow().pop, &pop.topic, &pop.group);
    for (kind, topic) in topics {
        let queues = core.live.state.borrow().topics.get(&topic).map_or(0, |topic| topic.read_queue_nums);
        visit_topic(core, pop, kind, &topic, &rotated(queues, runtime::random()), harvest).await?;
    }
    Ok(())
}

async fn visit_topic(
    core: &Rc<Core>,
    pop: &Pop,
    retry: RetryKind,
    topic: &str,
    queues: &[u32],
    harvest: &mut Harvest,
) -> Result<(), Refusal> {
    for (shard, queues) in by_shard(queues, |queue_id| core.placement.queue(topic, queue_id, core.id)) {
        if harvest.messages >= pop.messages_max || harvest.bytes >= pop.bytes_max {
            return Ok(());
        }
        let there = PopThere {
            pop: Pop {
                topic: topic.to_owned(),
                messages_max: pop.messages_max - harvest.messages,
                bytes_max: pop.bytes_max - harvest.bytes,
                // A retried message is never passed over.
                initial: if retry == RetryKind::Normal { pop.initial } else { InitialOffset::First },
                ..pop.clone()
            },
            queues,
        };
        match core.mesh.ask(shard, core, there).await {
            Some(Ok(popped)) => harvest.add(retry, popped),
            // What was handed out already is in this client's hands: it gets that, and hears of the fault with its next pop.
            Some(Err(_)) | None if harvest.messages > 0 => return Ok(()),
            Some(Err(refusal)) => return Err(refusal),
            None => return Err(Refusal::stopping()),
        }
    }
    Ok(())
}

impl Harvest {
    fn add(&mut self, retry: RetryKind, popped: Vec<Popped>) {
        for popped in popped {
            self.rest += popped.rest;
            self.is_cut |= popped.is_cut;
            if !popped.offsets.is_empty() {
                self.messages += popped.offsets.len() as u32;
                self.bytes += popped.body.len();
                self.found.push(Found { retry, popped });
            }
        }
    }
}

/// At a shard: a pop of some of its queues.
struct PopThere {
    pop: Pop,
    queues: Vec<u32>,
}

impl Request<Core> for PopThere {
    type Reply = Result<Vec<Popped>, Refusal>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let PopThere { pop, queues } = self;
        let in_flight_max = core.settings.borrow().pop.in_flight_max;
        let request = PopRequest {
            topic: &pop.topic,
            group: &pop.group,
            queue_id: 0,
            messages_max: pop.messages_max,
            bytes_max: pop.bytes_max,
            filter: &pop.selector.tags,
            properties: pop.selector.properties.as_ref(),
            pop_time: pop.pop_time,
            invisible_millis: pop.invisible_millis,
            initial: pop.initial,
            orderly: pop.orderly.as_deref(),
            in_flight_max,
        };
        core.live.pop(&request, &queues).await.map_err(Refusal::from)
    }
}

impl From<PopFailed> for Refusal {
    fn from(failed: PopFailed) -> Refusal {
        match failed {
            PopFailed::Pop(PopError::Append(error)) => error.into(),
            PopFailed::Pop(PopError::Offsets(full)) => Refusal::new(ResponseCode::SystemError, full.to_string()),
            PopFailed::Read(error) => error.into(),
        }
    }
}

/// All of `count` queues, beginning with a random one.
fn rotated(count: u32, random: u64) -> Vec<u32> {
    if count == 0 {
        return Vec::new();
    }
    let first = (random % u64::from(count)) as u32;
    (0..count).map(|step| (first + step) % count).collect()
}

/// The queues of each shard, in the order in which they are met.
fn by_shard(queues: &[u32], shard_of: impl Fn(u32) -> ShardId) -> Vec<(ShardId, Vec<u32>)> {
    let mut shards: Vec<(ShardId, Vec<u32>)> = Vec::new();
    for queue_id in queues {
        let shard = shard_of(*queue_id);
        match shards.iter_mut().find(|(known, _)| *known == shard) {
            Some((_, queues)) => queues.push(*queue_id),
            None => shards.push((shard, vec![*queue_id])),
        }
    }
    shards
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pop_goes_once_round_the_queues_shard_by_shard() {
        assert_eq!(rotated(0, 7), [0; 0]);
        assert_eq!(rotated(4, 6), [2, 3, 0, 1]);
        let shards = by_shard(&rotated(4, 6), |queue_id| ShardId((queue_id % 2) as u16));
        assert_eq!(shards, [(ShardId(0), vec![2, 0]), (ShardId(1), vec![3, 1])]);
    }
}
