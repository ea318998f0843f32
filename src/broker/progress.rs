//! GET_CONSUME_STATS (208), GET_BROKER_CONSUME_STATS (317), QUERY_CONSUME_TIME_SPAN (303): how far groups have read.
//!
//! Every core knows the offsets of its own queues; only durable ones are told. A topic that a group has offsets in, but that
//! no member subscribes to while members are online, is left out, as the original leaves it out.
//!
//! Before: `broker::dispatch`; after: `shards::offsets`, `shards::runtime::positions`, `broker::traffic` on the queues' cores.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use ringmq_shards::runtime::{self, mesh::Request};
use ringmq_shards::topic::TopicConfig;
use ringmq_shards::types::{QueueOffset, ShardId};

use super::core::Core;
use super::dispatch::Call;
use super::everywhere::{ask_all, ask_each};
use super::response::{Refusal, Response};
use super::{readers, view_stats};
use crate::remoting::code::ResponseCode;
use crate::remoting::json::{Dialect, Writer};
use crate::remoting::request::progress::{
    GetConsumeStats, GetConsumeStatsInBroker, GroupProgress, QueryConsumeTimeSpan, QueueProgress, TimeSpan, write_broker_stats,
    write_stats, write_time_spans,
};

/// Of one answer: about 14 MB, which is still a frame.
const QUEUES_MAX: usize = 100_000;

pub async fn of_group(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let (group, topic, listed) = {
        let header = call.header();
        let request = GetConsumeStats::decode(&header)?;
        let topic = request.topic.map(str::trim).filter(|topic| !topic.is_empty());
        let listed: Vec<String> = request.topics().into_iter().map(str::to_owned).collect();
        (request.consumer_group.to_owned(), topic.map(str::to_owned), listed)
    };
    // Who names several topics wants them all.
    let is_wanted = |topic: &str| !listed.is_empty() || is_shown(core, &group, topic);
    let topics: BTreeSet<String> = match &topic {
        _ if !listed.is_empty() => listed.iter().cloned().collect(),
        Some(topic) => BTreeSet::from([topic.clone()]),
        None => readers::topics_of(core, &group).await,
    };
    let (mut rows, mut tps, mut count) = (Vec::new(), 0.0, 0);
    for topic in topics {
        let Some(queues) = queue_count(core, &topic, |topic| topic.read_queue_nums) else { continue };
        if !is_wanted(&topic) {
            continue;
        }
        count += bounded(count, queues)?;
        let (queues, rate) = read(core, &topic, &group, queues).await?;
        tps += rate;
        rows.push((topic, queues));
    }
    let mut body = Vec::new();
    write_stats(&core.identity.name, &rows, tps, &mut Writer::new(&mut body, Dialect::Fastjson));
    Ok(Response::success().with_body(body))
}

pub async fn of_broker(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let is_order = GetConsumeStatsInBroker::decode(&call.header())?.is_order;
    let mut topics: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (topic, group) in ask_all(core, Pairs).await.into_iter().flatten() {
        topics.entry(group).or_default().insert(topic);
    }
    let groups: Vec<String> = core.live.state.borrow().groups.sorted().iter().map(|group| group.name.clone()).collect();
    let (mut all, mut count) = (Vec::new(), 0);
    for group in groups {
        let mut found = Vec::new();
        for topic in topics.remove(&group).unwrap_or_default() {
            let wanted = |topic: &TopicConfig| (!is_order || topic.order).then_some(topic.write_queue_nums);
            let Some(queues) = queue_count(core, &topic, wanted).flatten() else { continue };
            if !is_shown(core, &group, &topic) {
                continue;
            }
            count += bounded(count, queues)?;
            let (queues, rate) = read(core, &topic, &group, queues).await?;
            found.push((topic, queues, rate));
            runtime::yield_now().await;
        }
        all.push(GroupProgress { group, topics: found });
    }
    let mut body = Vec::new();
    write_broker_stats(&core.identity.address.to_string(), &core.identity.name, &all, &mut body);
    Ok(Response::success().with_body(body))
}

pub async fn time_span(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let (topic, group) = {
        let header = call.header();
        let request = QueryConsumeTimeSpan::decode(&header)?;
        (request.topic.to_owned(), request.group.to_owned())
    };
    let queues = queue_count(core, &topic, |topic| topic.write_queue_nums)
        .ok_or_else(|| Refusal::new(ResponseCode::TopicNotExist, format!("topic[{topic}] not exist")))?;
    let parts = of_cores(core, &topic, queues, |queue_ids| Spans(OfQueues::new(&topic, &group, queue_ids))).await?;
    let mut spans: Vec<TimeSpan> = parts.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    spans.sort_unstable_by_key(|span| span.queue_id);
    let mut body = Vec::new();
    write_time_spans(&topic, &core.identity.name, &spans, &mut body);
    Ok(Response::success().with_body(body))
}

fn bounded(count: usize, queues: u32) -> Result<usize, Refusal> {
    let queues = queues as usize;
    if count + queues > QUEUES_MAX {
        let remark = format!("the answer would have more than {QUEUES_MAX} queues; ask for one group and topic at a time");
        return Err(Refusal::new(ResponseCode::SystemError, remark));
    }
    Ok(queues)
}

fn queue_count<T>(core: &Core, topic: &str, of: impl FnOnce(&TopicConfig) -> T) -> Option<T> {
    core.live.state.borrow().topics.get(topic).map(of)
}

fn is_shown(core: &Core, group: &str, topic: &str) -> bool {
    let views = core.group_views.borrow();
    views.get(group).is_none_or(|view| view.subscriptions_len() == 0 || view.subscription(topic).is_some())
}

/// A group's offsets in a topic's first queues, and how many messages a second it reads of them.
async fn read(core: &Rc<Core>, topic: &str, group: &str, queues: u32) -> Result<(Vec<QueueProgress>, f64), Refusal> {
    let parts = of_cores(core, topic, queues, |queue_ids| OfQueues::new(topic, group, queue_ids)).await?;
    let (mut rows, mut rate) = (Vec::new(), 0.0);
    for part in parts {
        let (queues, of_core) = part?;
        rows.extend(queues);
        rate += of_core;
    }
    rows.sort_unstable_by_key(|row| row.queue_id);
    Ok((rows, rate))
}

/// Asks the cores of a topic's queues, each for its own.
async fn of_cores<R: Request<Core>>(
    core: &Rc<Core>,
    topic: &str,
    queues: u32,
    ask: impl Fn(Vec<u32>) -> R,
) -> Result<Vec<R::Reply>, Refusal> {
    let mut owners: BTreeMap<ShardId, Vec<u32>> = BTreeMap::new();
    for queue_id in 0..queues {
        owners.entry(core.placement.queue(topic, queue_id, core.id)).or_default().push(queue_id);
    }
    let asked = owners.len();
    let replies = ask_each(core, owners.into_iter().map(|(owner, queue_ids)| (owner, ask(queue_ids)))).await;
    if replies.len() == asked { Ok(replies) } else { Err(Refusal::stopping()) }
}

/// Queues of one core.
struct OfQueues {
    topic: String,
    group: String,
    queue_ids: Vec<u32>,
}

impl OfQueues {
    fn new(topic: &str, group: &str, queue_ids: Vec<u32>) -> OfQueues {
        OfQueues { topic: topic.to_owned(), group: group.to_owned(), queue_ids }
    }

    /// First offset, end, and what the group has consumed; an offset below 0 is none.
    async fn offsets(&self, core: &Core, queue_id: u32) -> Result<(i64, i64, Option<i64>), Refusal> {
        let committed = core.live.offset(&self.topic, &self.group, queue_id).await?.filter(|offset| *offset >= 0);
        let shard = core.live.state.borrow();
        let slot = shard.queues.slot(&self.topic, queue_id);
        let (min, max) = slot.map_or((0, 0), |slot| (shard.queues.min(slot).0, shard.queues.max_visible(slot).0));
        Ok((min, max, committed))
    }

    /// 0 or less: no message is there.
    async fn stored(&self, core: &Core, queue_id: u32, offset: i64, none: i64) -> Result<i64, Refusal> {
        let time = core.live.store_time(&self.topic, queue_id, QueueOffset(offset)).await?;
        Ok(time.map_or(none, |time| time.0))
    }
}

impl Request<Core> for OfQueues {
    type Reply = Result<(Vec<QueueProgress>, f64), Refusal>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let mut rows = Vec::with_capacity(self.queue_ids.len());
        for queue_id in self.queue_ids.iter().copied() {
            let (_, max, committed) = self.offsets(&core, queue_id).await?;
            let consumer_offset = committed.unwrap_or(0);
            let pulled = core.traffic.pulled_to(&self.topic, &self.group, queue_id).unwrap_or(0);
            rows.push(QueueProgress {
                queue_id: queue_id as i32,
                broker_offset: max,
                consumer_offset,
                pull_offset: pulled.max(consumer_offset),
                last_timestamp: self.stored(&core, queue_id, consumer_offset - 1, 0).await?,
            });
        }
        Ok((rows, view_stats::get_rate(&core, &self.topic, &self.group)))
    }
}

struct Spans(OfQueues);

impl Request<Core> for Spans {
    type Reply = Result<Vec<TimeSpan>, Refusal>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let of = &self.0;
        let mut spans = Vec::with_capacity(of.queue_ids.len());
        for queue_id in of.queue_ids.iter().copied() {
            let (first, end, committed) = of.offsets(&core, queue_id).await?;
            let min = of.stored(&core, queue_id, first, -1).await?;
            let max = of.stored(&core, queue_id, end - 1, -1).await?;
            let consumed = match committed {
                Some(offset) if offset > 0 => of.stored(&core, queue_id, offset - 1, -1).await?,
                _ => min,
            };
            // Who has no offset yet would begin at the first message.
            let next = committed.unwrap_or(0).max(first);
            let delay_millis =
                if next < end { runtime::now().0.saturating_sub(of.stored(&core, queue_id, next, 0).await?).max(0) } else { 0 };
            spans.push(TimeSpan { queue_id: queue_id as i32, min, max, consumed, delay_millis });
        }
        Ok(spans)
    }
}

/// Topics and groups that have offsets there.
#[derive(Clone)]
struct Pairs;

impl Request<Core> for Pairs {
    type Reply = Vec<(String, String)>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let shard = core.live.state.borrow();
        shard.offsets.pairs().map(|(topic, group)| (topic.to_owned(), group.to_owned())).collect()
    }
}
