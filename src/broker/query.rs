//! QUERY_MESSAGE (12): messages by key or unique key, of every core.
//!
//! Each core finds its newest ones; of all together the newest are answered, oldest first, as the original orders them (by
//! physical offset, which grows with the store time). Bounded by maxNum, `MESSAGES_MAX` and `BYTES_MAX`: what is left out
//! is older than all that is answered.
//!
//! Before: `broker::dispatch`; after: `shards::runtime::query` on every core.

use std::rc::Rc;

use ringmq_shards::runtime::mesh::Request;
use ringmq_shards::runtime::query::{KeyHit, KeyQuery};
use ringmq_shards::types::Millis;

use super::core::Core;
use super::dispatch::Call;
use super::everywhere::ask_all;
use super::response::{Refusal, Response};
use crate::remoting::code::ResponseCode;
use crate::remoting::request::query::QueryMessage;

/// The original's maxMsgsNumBatch.
const MESSAGES_MAX: usize = 64;
/// Of the records of one answer, of which one always fits: a stock client takes no frame above 16 MiB.
const BYTES_MAX: usize = 12 << 20;

pub async fn by_key(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let query = {
        let header = call.header();
        let request = QueryMessage::decode(&header)?;
        let wanted = match request.unique {
            // Whatever it asks for, as the original.
            true => core.settings.borrow().unique_key_messages_max,
            false => usize::try_from(request.max_num).unwrap_or(0),
        };
        KeyQuery {
            topic: request.topic.to_owned(),
            key: request.key.to_owned(),
            unique: request.unique,
            from: Millis(request.begin),
            to: Millis(request.end),
            messages_max: wanted.min(MESSAGES_MAX),
            bytes_max: BYTES_MAX,
        }
    };
    let parts = ask_all(core, OfCore(query.clone())).await;
    if parts.len() < core.placement.broker(core.id).count() {
        return Err(Refusal::stopping());
    }
    let mut hits = Vec::new();
    let (mut stored_until, mut indexed_to) = (0, 0);
    for part in parts {
        let part = part?;
        hits.extend(part.hits);
        stored_until = stored_until.max(part.stored_until.0);
        indexed_to = indexed_to.max(part.indexed_to);
    }
    let hits = newest(hits, query.messages_max, BYTES_MAX);
    if hits.is_empty() {
        return Err(not_found());
    }
    let body: Vec<u8> = hits.iter().flat_map(|hit| hit.record.iter().copied()).collect();
    Ok(answer(Response::success(), stored_until, indexed_to).with_body(body))
}

fn answer(response: Response, stored_until: i64, indexed_to: i64) -> Response {
    response.with_field("indexLastUpdateTimestamp", stored_until).with_field("indexLastUpdatePhyoffset", indexed_to)
}

fn not_found() -> Refusal {
    Refusal::new(ResponseCode::QueryNotFound, "can not find message, maybe time range not correct".to_owned())
        .with_field("indexLastUpdateTimestamp", "0".to_owned())
        .with_field("indexLastUpdatePhyoffset", "0".to_owned())
}

/// The newest hits within the bounds, oldest first.
fn newest(mut hits: Vec<KeyHit>, messages_max: usize, bytes_max: usize) -> Vec<KeyHit> {
    hits.sort_by_key(|hit| std::cmp::Reverse((hit.store_time, hit.physical_offset)));
    let mut bytes = 0;
    let fits = |hit: &&KeyHit| {
        let first = bytes == 0;
        bytes += hit.record.len();
        first || bytes <= bytes_max
    };
    let count = hits.iter().take(messages_max).take_while(fits).count();
    hits.truncate(count);
    hits.reverse();
    hits
}

#[derive(Clone)]
struct OfCore(KeyQuery);

/// What one core has found.
struct Found {
    hits: Vec<KeyHit>,
    /// How far its index goes, which is as far as its log.
    stored_until: Millis,
    indexed_to: i64,
}

impl Request<Core> for OfCore {
    type Reply = Result<Found, Refusal>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let hits = core.live.query(&self.0).await?;
        let shard = core.live.state.borrow();
        let indexed_to = core.placement.physical_offset(core.id, shard.log.acknowledged());
        Ok(Found { hits, stored_until: shard.stored_until(), indexed_to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(store_time: i64, physical_offset: i64, bytes: usize) -> KeyHit {
        KeyHit { store_time: Millis(store_time), physical_offset, record: vec![0; bytes] }
    }

    fn picked(hits: &[(i64, i64)], messages_max: usize, bytes_max: usize) -> Vec<i64> {
        let hits = hits.iter().map(|(time, offset)| hit(*time, *offset, 10)).collect();
        newest(hits, messages_max, bytes_max).iter().map(|hit| hit.physical_offset).collect()
    }

    #[test]
    fn the_newest_of_all_cores_are_answered_oldest_first() {
        // Two cores; physical offsets of different cores say nothing about time.
        let hits = [(30, 64), (10, 0), (40, 33), (20, 1)];
        assert_eq!(picked(&hits, 10, 100), [0, 1, 64, 33]);
        assert_eq!(picked(&hits, 2, 100), [64, 33]);
        assert_eq!(picked(&hits, 0, 100), [0; 0]);
        assert_eq!(picked(&hits, 10, 25), [64, 33], "bytes are a bound");
        assert_eq!(picked(&hits, 10, 1), [33], "one always fits");
    }
}
