//! Consumer offsets across queues and groups: GET_ALL_CONSUMER_OFFSET (43), QUERY_CORRECTION_OFFSET (308),
//! CLONE_GROUP_OFFSET (314).
//!
//! Every shard has the offsets of its own queues: all are asked, and what they say is put together. Whatever is told is
//! durable first.
//!
//! Before: `broker::dispatch`; after: `shards::offsets` on every core.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use ringmq_shards::data_version::DataVersion;
use ringmq_shards::offsets::OffsetCommit;
use ringmq_shards::runtime::mesh::Request;
use ringmq_shards::types::{Millis, QueueOffset};

use super::core::Core;
use super::dispatch::Call;
use super::everywhere::ask_all;
use super::response::{Refusal, Response};
use crate::remoting::code::ResponseCode;
use crate::remoting::request::group_offsets::{
    CloneGroupOffset, OffsetTable, QueryCorrectionOffset, write_all, write_correction,
};

pub async fn all(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let mut table = OffsetTable::new();
    for rows in ask_all(core, Rows { topic: None }).await {
        for Row { topic, group, queues } in rows? {
            let known = table.entry(format!("{topic}@{group}")).or_default();
            known.extend(queues.into_iter().map(|queue| (queue.id, queue.offset)));
        }
    }
    let mut body = Vec::new();
    // The original's stays as it was at its start, too: consumer offsets change all the time.
    write_all(&table, DataVersion::first(Millis(core.identity.started)), &mut body);
    Ok(Response::success().with_body(body))
}

/// The lowest offset of all groups in each queue: up to there everybody has read. None in queues where the group that is
/// compared is behind that.
pub async fn correction(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let (topic, compared, filtered) = {
        let header = call.header();
        let request = QueryCorrectionOffset::decode(&header)?;
        let filtered: BTreeSet<String> = request.filter_groups.unwrap_or_default().split(',').map(str::to_owned).collect();
        (request.topic.to_owned(), request.compare_group.to_owned(), filtered)
    };
    let (mut lowest, mut of_compared) = (BTreeMap::new(), BTreeMap::new());
    for rows in ask_all(core, Rows { topic: Some(topic) }).await {
        for Row { group, queues, .. } in rows? {
            if group == compared {
                of_compared.extend(queues.iter().map(|queue| (queue.id, queue.offset)));
            }
            // The original also forgets the offsets of these groups; a question should change nothing.
            if filtered.contains(&group) {
                continue;
            }
            for queue in queues.iter().filter(|queue| queue.offset >= queue.min) {
                let least = lowest.entry(queue.id).or_insert(queue.offset);
                *least = queue.offset.min(*least);
            }
        }
    }
    for (queue_id, offset) in of_compared {
        if let Some(least) = lowest.get_mut(&queue_id).filter(|least| **least > offset) {
            *least = i64::MAX;
        }
    }
    let mut body = Vec::new();
    write_correction(&lowest, &mut body);
    Ok(Response::success().with_body(body))
}

/// The offsets of one topic, or of all, on one core.
#[derive(Clone)]
struct Rows {
    topic: Option<String>,
}

struct Row {
    topic: String,
    group: String,
    queues: Vec<QueueRow>,
}

struct QueueRow {
    id: i32,
    offset: i64,
    /// Of the first message that has not expired.
    min: i64,
}

impl Request<Core> for Rows {
    type Reply = Result<Vec<Row>, Refusal>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let rows = {
            let shard = core.live.state.borrow();
            let pairs = shard.offsets.pairs().filter(|(topic, _)| self.topic.as_ref().is_none_or(|wanted| wanted == topic));
            pairs
                .map(|(topic, group)| {
                    let min = |queue_id| shard.queues.slot(topic, queue_id).map_or(0, |slot| shard.queues.min(slot).0);
                    let queues = shard.offsets.queues(topic, group).map(|(queue_id, offset)| QueueRow {
                        id: queue_id as i32,
                        offset: offset.0,
                        min: min(queue_id),
                    });
                    Row { topic: topic.to_owned(), group: group.to_owned(), queues: queues.collect() }
                })
                .collect()
        };
        core.live.offsets_durable().await?;
        Ok(rows)
    }
}

/// One group goes on where another one is. Without a topic every topic of the source is meant; the original copies none then,
/// because it passes the empty name on.
pub async fn clone(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let header = call.header();
    let request = CloneGroupOffset::decode(&header)?;
    let topic = request.topic.filter(|topic| !topic.trim().is_empty()).map(str::to_owned);
    let (source, target) = (request.src_group.to_owned(), request.dest_group.to_owned());
    let clone = CloneOffsets { source, target, topic, offline: request.offline };
    ask_all(core, clone).await.into_iter().collect::<Result<(), Refusal>>()?;
    Ok(Response::success())
}

#[derive(Clone)]
struct CloneOffsets {
    source: String,
    target: String,
    topic: Option<String>,
    offline: bool,
}

impl CloneOffsets {
    /// Whether the topic is there, and the source's members, if there are any, still want it.
    fn is_meant(&self, core: &Core, topic: &str) -> bool {
        let views = core.group_views.borrow();
        let subscribes =
            views.get(&self.source).is_none_or(|view| view.subscriptions_len() == 0 || view.subscription(topic).is_some());
        core.live.state.borrow().topics.get(topic).is_some() && (self.offline || subscribes)
    }
}

impl Request<Core> for CloneOffsets {
    type Reply = Result<(), Refusal>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let rows: Vec<(String, u32, QueueOffset)> = {
            let shard = core.live.state.borrow();
            let topics = match &self.topic {
                Some(topic) => vec![topic.as_str()],
                None => shard.offsets.topics_of(&self.source),
            };
            let meant = topics.into_iter().filter(|topic| self.is_meant(&core, topic));
            let queues =
                |topic| shard.offsets.queues(topic, &self.source).map(move |(queue_id, offset)| (topic, queue_id, offset));
            meant.flat_map(queues).map(|(topic, queue_id, offset)| (topic.to_owned(), queue_id, offset)).collect()
        };
        for (topic, queue_id, offset) in &rows {
            let commit = OffsetCommit { topic, group: &self.target, queue_id: *queue_id, offset: *offset };
            core.live.commit_offset(commit).map_err(|full| Refusal::new(ResponseCode::SystemError, full.to_string()))?;
        }
        Ok(core.live.offsets_durable().await?)
    }
}
