//! Resets of consumer offsets on a shard at work.
//!
//! A reset is reported when it is durable. Pulls that are held in a queue that is reset are woken, so that their consumers
//! hear of it at once.
//!
//! Before: `broker::reset`, `broker::pull`; after: `shard::Shard::reset_offsets`, `resets`.

use crate::group::ConnectionId;
use crate::offsets::OffsetCommit;
use crate::resets::Pulling;
use crate::shard::{AppendError, ResetError};
use crate::types::QueueOffset;

use super::live::LiveShard;

impl LiveShard {
    /// Has groups read on from these offsets; returns when that is durable.
    pub async fn reset_offsets(&self, rows: &[OffsetCommit<'_>]) -> Result<(), ResetError> {
        let end = loop {
            let logged = self.state.borrow_mut().reset_offsets(rows);
            match logged {
                Err(ResetError::Append(AppendError::NoRoom)) => self.room().await,
                Err(error) => return Err(error),
                Ok(end) => break end,
            }
        };
        self.log.wake();
        self.resets_made.set(self.resets_made.get() + 1);
        for row in rows {
            let slot = self.state.borrow().queues.slot(row.topic, row.queue_id);
            if let Some(slot) = slot {
                self.pulls.borrow_mut().close(slot, |setter| setter.set(()));
            }
        }
        self.durable(end).await.map_err(ResetError::Append)
    }

    /// Whether a pull of this queue would be answered with a reset.
    pub fn is_reset(&self, topic: &str, group: &str, queue_id: u32) -> bool {
        self.state.borrow().offsets.resets().has(topic, group, queue_id)
    }

    /// A client pulls: where it is to read on, if the queue was reset and it has not been told yet.
    pub async fn pull_reset(
        &self,
        topic: &str,
        group: &str,
        queue_id: u32,
        client: ConnectionId,
    ) -> Result<Option<QueueOffset>, AppendError> {
        // Asked again after each wait: the queue may have been reset once more, which this client has not heard of.
        let pulling = self.when_there_is_room(|shard| {
            let pulling = shard.offsets.resets_mut().pulled(topic, group, queue_id, client);
            if let Pulling::Follows = pulling {
                shard.reset_followed(topic, group, queue_id)?;
            }
            Ok(pulling)
        });
        match pulling.await? {
            Pulling::Free => Ok(None),
            Pulling::Tell { offset, logged } => {
                self.durable(logged).await?;
                Ok(Some(offset))
            }
            Pulling::Follows => {
                self.log.wake();
                Ok(None)
            }
        }
    }

    /// A reset of the queue, if there is one, counts as followed from now on. For those who begin at the consumer offset
    /// whenever somebody else has moved it, as POP does.
    pub async fn take_reset(&self, topic: &str, group: &str, queue_id: u32) -> Result<(), AppendError> {
        if !self.is_reset(topic, group, queue_id) {
            return Ok(());
        }
        let end = self.when_there_is_room(|shard| shard.reset_followed(topic, group, queue_id)).await?;
        self.log.wake();
        self.durable(end).await
    }
}
