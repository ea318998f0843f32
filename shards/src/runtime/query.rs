//! Messages by key: candidates from the index, each one read and its key compared.
//!
//! The index keeps hashes, so a candidate is an answer only when the record itself says so: its topic, its keys, its store
//! time. A record of a deleted topic's queue is none, also when a topic of that name exists again.
//!
//! Bounds: what is asked for (`messages_max`, `bytes_max`; one message always fits), and `STRANGERS_MAX` records that are
//! read for nothing. The search yields between its steps.
//!
//! Before: `broker::query`; after: `queue::keys`, `runtime::reader`.

use super::live::LiveShard;
use super::reader::ReadError;
use super::{should_yield, yield_now};
use crate::queue::{KeySearch, KeyStep, is_queued, key_hash};
use crate::record::{IndexedProperties, Record};
use crate::types::{LogPosition, Millis};

/// Hashes have 64 bits: that so many of other keys are met by chance does not happen, so it was made to happen.
const STRANGERS_MAX: usize = 4096;

/// What is looked for; store times in [from, to].
#[derive(Clone, Debug)]
pub struct KeyQuery {
    pub topic: String,
    pub key: String,
    /// Only messages whose UNIQ_KEY it is; else also those that have it as a word of KEYS.
    pub unique: bool,
    pub from: Millis,
    pub to: Millis,
    pub messages_max: usize,
    pub bytes_max: usize,
}

/// One message that has the key.
#[derive(Clone, Debug)]
pub struct KeyHit {
    pub store_time: Millis,
    pub physical_offset: i64,
    /// As stored.
    pub record: Vec<u8>,
}

impl LiveShard {
    /// The newest messages with the key, newest first.
    pub async fn query(&self, query: &KeyQuery) -> Result<Vec<KeyHit>, ReadError> {
        let mut search = KeySearch::new(key_hash(&query.topic, query.key.as_bytes()), query.from, query.to);
        let (mut hits, mut bytes, mut strangers) = (Vec::new(), 0, 0);
        let (mut candidates, mut last) = (Vec::new(), None);
        while hits.len() < query.messages_max {
            let step = self.state.borrow_mut().queues.find_key(&mut search, &mut candidates);
            match step {
                KeyStep::Done => break,
                KeyStep::Need(read) => self.load_index(read).await?,
                KeyStep::More => {}
            }
            for position in candidates.drain(..) {
                // A record that has the key twice comes twice.
                if last.replace(position) == Some(position) {
                    continue;
                }
                match self.hit(query, position).await? {
                    Some(hit) => {
                        bytes += hit.record.len();
                        if bytes > query.bytes_max && !hits.is_empty() {
                            return Ok(hits);
                        }
                        hits.push(hit);
                    }
                    None => strangers += 1,
                }
                if hits.len() == query.messages_max {
                    return Ok(hits);
                }
                if strangers == STRANGERS_MAX {
                    tracing::warn!(topic = query.topic, "a query by key ends early: too many other keys have its hash");
                    return Ok(hits);
                }
            }
            if should_yield() {
                yield_now().await;
            }
        }
        Ok(hits)
    }

    async fn hit(&self, query: &KeyQuery, position: LogPosition) -> Result<Option<KeyHit>, ReadError> {
        let Some(bytes) = self.record(position).await? else { return Ok(None) };
        let Ok(record) = Record::parse(&bytes) else { return Ok(None) };
        if !is_meant(query, &record) {
            return Ok(None);
        }
        let (store_time, physical_offset) = (record.store_timestamp(), record.physical_offset());
        let owned = {
            let state = self.state.borrow();
            !is_queued(&record) || state.queues.owns(record.topic(), record.queue_id(), position)
        };
        Ok(owned.then_some(KeyHit { store_time, physical_offset, record: bytes }))
    }
}

fn is_meant(query: &KeyQuery, record: &Record<'_>) -> bool {
    let time = record.store_timestamp();
    if record.topic() != query.topic || time < query.from || time > query.to {
        return false;
    }
    let properties = IndexedProperties::of(record.properties());
    let key = query.key.as_bytes();
    match query.unique {
        true => properties.unique_key() == Some(key),
        false => properties.keys().any(|found| found == key),
    }
}
