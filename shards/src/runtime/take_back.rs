//! Taking back a timer that waits, as TIMER_DEL_UNIQKEY and RECALL_MESSAGE ask for.
//!
//! Before: `broker::recall`; after: `timer` (finds and drops), `runtime::waiting_reads`.

use super::live::LiveShard;
use super::reader::ReadError;
use super::timers::add_one;
use super::waiting_reads::{Unread, read_waiting};
use crate::record::{REAL_TOPIC, Record};
use crate::shard::AppendError;
use crate::timer::key_of;
use crate::types::Millis;

#[derive(Clone, Debug)]
pub enum TakeBackError {
    Read(ReadError),
    Append(AppendError),
}

impl LiveShard {
    /// Takes back what waits for a topic under a unique key and is due in the second of `deliver_at`; returns how many,
    /// when that is durable.
    pub async fn take_back_timers(&self, deliver_at: Millis, topic: &str, unique_key: &str) -> Result<usize, TakeBackError> {
        let key = key_of(topic.as_bytes(), unique_key.as_bytes());
        let found = self.state.borrow().timers.with_key(deliver_at, key);
        let mut taken = 0;
        for pending in found {
            let bytes = match read_waiting(self, &pending).await {
                Ok(bytes) => bytes,
                // Whose it was nobody knows; it is dropped when it is due.
                Err(Unread::Damaged(_)) => continue,
                Err(Unread::Disk(error)) => return Err(TakeBackError::Read(error)),
            };
            let Ok(record) = Record::parse(&bytes) else { continue };
            let is = |name: &str, value: &str| record.property(name) == Some(value.as_bytes());
            if !is(REAL_TOPIC, topic) || !is("UNIQ_KEY", unique_key) {
                continue;
            }
            let dropped = self.when_there_is_room(|shard| shard.drop_timer(&pending)).await;
            let Some(end) = dropped.map_err(TakeBackError::Append)? else { continue };
            self.log.wake();
            self.durable(end).await.map_err(TakeBackError::Append)?;
            add_one(&self.timers.taken_back);
            taken += 1;
        }
        Ok(taken)
    }
}
