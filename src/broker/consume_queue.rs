//! QUERY_CONSUME_QUEUE (321): what the index has of a queue, entry by entry, for whoever looks into it with a tool.
//!
//! At most `ENTRIES_MAX` entries, whatever is asked for. A queue that was never sent to has no index and is answered as if it
//! were not there, as 5.x does.
//!
//! Before: `broker::dispatch`; after: `shards::runtime::positions` on the core of the queue.

use std::rc::Rc;

use ringmq_shards::runtime::mesh::Request;
use ringmq_shards::types::QueueOffset;

use super::core::Core;
use super::dispatch::Call;
use super::readers;
use super::response::{Refusal, Response};
use crate::remoting::code::ResponseCode;
use crate::remoting::request::stats::{ConsumeQueueEntry, Filter, QueryConsumeQueue, write_consume_queue};

const ENTRIES_MAX: usize = 4_096;

pub async fn show(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let (of, group) = {
        let header = call.header();
        let request = QueryConsumeQueue::decode(&header)?;
        let count = usize::try_from(request.count).unwrap_or(0).min(ENTRIES_MAX);
        let (topic, queue_id) = (request.topic.to_owned(), request.queue_id as u32);
        let group = request.consumer_group.filter(|group| !group.is_empty()).map(str::to_owned);
        (Entries { topic, queue_id, index: request.index, count }, group)
    };
    let (topic, queue_id, index) = (of.topic.clone(), of.queue_id, of.index);
    let owner = core.placement.queue(&topic, queue_id, core.id);
    let found = core.mesh.ask(owner, core, of).await.ok_or_else(Refusal::stopping)??;
    let queue = format!("{}@{topic}", queue_id as i32);
    let Some(found) = found else {
        return Err(Refusal::new(ResponseCode::SystemError, format!("{queue} is not exist!")));
    };
    if index < found.min || index >= found.max {
        return Ok(Response::success().with_remark(format!("Index {index} of {queue} is not exist!")));
    }
    let filter = match group {
        None => Filter::None,
        Some(group) => match readers::find(core, &group, &topic).await? {
            Some(data) => Filter::Subscribed(data),
            None => Filter::NotOnline(format!("{group}@{topic} is not online!")),
        },
    };
    let mut body = Vec::new();
    write_consume_queue(found.min, found.max, &found.entries, &filter, &mut body);
    Ok(Response::success().with_body(body))
}

struct Entries {
    topic: String,
    queue_id: u32,
    index: i64,
    count: usize,
}

struct Found {
    min: i64,
    max: i64,
    entries: Vec<ConsumeQueueEntry>,
}

impl Request<Core> for Entries {
    type Reply = Result<Option<Found>, Refusal>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let (min, max) = {
            let shard = core.live.state.borrow();
            let Some(slot) = shard.queues.slot(&self.topic, self.queue_id) else { return Ok(None) };
            (shard.queues.min(slot).0, shard.queues.max_visible(slot).0)
        };
        let mut entries = Vec::new();
        while entries.len() < self.count {
            let at = QueueOffset(self.index.saturating_add(entries.len() as i64));
            let left = self.count - entries.len();
            let found = core.live.entries(&self.topic, self.queue_id, at, left).await?;
            if found.is_empty() {
                break;
            }
            entries.extend(found.iter().map(|entry| ConsumeQueueEntry {
                physical_offset: core.placement.physical_offset(core.id, entry.position),
                size: entry.size,
                tags_code: entry.tags_code,
            }));
        }
        Ok(Some(Found { min, max, entries }))
    }
}
