//! What the index knows without reading a record: entries of a queue, offsets by time, times by offset.
//!
//! Before: `broker::offset`, `broker::progress`, `broker::consume_queue`; after: `queue::lookup`, `queue::time`.

use super::live::LiveShard;
use super::reader::ReadError;
use crate::queue::{Boundary, IndexEntry, Lookup, TimeSearch};
use crate::types::{Millis, QueueOffset};

impl LiveShard {
    /// The offset of a store time: see `queue::time`. An unknown queue has 0.
    pub async fn search_time(&self, topic: &str, queue_id: u32, time: Millis, boundary: Boundary) -> Result<i64, ReadError> {
        loop {
            let found = {
                let mut state = self.state.borrow_mut();
                let Some(slot) = state.queues.slot(topic, queue_id) else { return Ok(0) };
                state.queues.search_time(slot, time, boundary)
            };
            match found {
                TimeSearch::Offset(offset) => return Ok(offset.0),
                TimeSearch::Need(read) => self.load_index(read).await?,
                TimeSearch::Gone => return Err(ReadError::Gone),
            }
        }
    }

    /// What the index says of up to `max` visible messages from `from` on; one at least, unless there is none there.
    pub async fn entries(&self, topic: &str, queue_id: u32, from: QueueOffset, max: usize) -> Result<Vec<IndexEntry>, ReadError> {
        let mut entries = Vec::new();
        loop {
            let found = {
                let mut state = self.state.borrow_mut();
                let Some(slot) = state.queues.slot(topic, queue_id) else { return Ok(entries) };
                state.queues.lookup(slot, from, max, &mut entries)
            };
            match found {
                Lookup::Entries | Lookup::Nothing | Lookup::Gone(_) => return Ok(entries),
                Lookup::Need(read) => self.load_index(read).await?,
            }
        }
    }

    /// When a visible message was stored; `None` if there is none at that offset.
    pub async fn store_time(&self, topic: &str, queue_id: u32, offset: QueueOffset) -> Result<Option<Millis>, ReadError> {
        let entries = self.entries(topic, queue_id, offset, 1).await?;
        Ok(entries.first().map(|entry| entry.store_time))
    }

    /// When the first message that has not expired was stored; `None` without one.
    pub async fn earliest_store_time(&self, topic: &str, queue_id: u32) -> Result<Option<Millis>, ReadError> {
        let first = {
            let state = self.state.borrow();
            let Some(slot) = state.queues.slot(topic, queue_id) else { return Ok(None) };
            state.queues.min(slot)
        };
        self.store_time(topic, queue_id, first).await
    }
}
