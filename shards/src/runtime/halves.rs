//! Half messages of a shard at work: how they end. Their way out of a segment that is to be deleted is `runtime::pending`'s.
//!
//! Whoever changes something here waits for room in the log; what is returned is durable when the log is durable up to it.
//!
//! Before: `broker::transaction`; after: `transaction::ends`.

use super::live::LiveShard;
use super::now;
use crate::record::NewMessage;
use crate::shard::{AppendError, Appended, Shard};
use crate::types::LogPosition;

impl LiveShard {
    /// Commits a half message, or gives it up: `effect` is stored. `None`: it is not waiting.
    pub async fn end_half_with(&self, position: LogPosition, effect: &NewMessage<'_>) -> Result<Option<Appended>, AppendError> {
        self.changed(|shard| shard.end_half_with(now(), position, effect)).await
    }

    /// Rolls a half message back. `None`: it is not waiting.
    pub async fn end_half(&self, position: LogPosition) -> Result<Option<LogPosition>, AppendError> {
        self.changed(|shard| shard.end_half(position)).await
    }

    /// Either at once: `effect` is stored, if there is one. Does not wait for room in the log, which an error says.
    pub fn end_half_at_once(
        &self,
        position: LogPosition,
        effect: Option<&NewMessage<'_>>,
    ) -> Result<Option<LogPosition>, AppendError> {
        let ended = match effect {
            None => self.state.borrow_mut().end_half(position)?,
            Some(effect) => self.state.borrow_mut().end_half_with(now(), position, effect)?.map(|appended| appended.end),
        };
        self.appended();
        Ok(ended)
    }

    /// Counts a check of a half message. `None`: it is not waiting.
    pub async fn check_half(&self, position: LogPosition) -> Result<Option<u32>, AppendError> {
        self.changed(|shard| shard.check_half(position)).await
    }

    async fn changed<T>(&self, change: impl FnMut(&mut Shard) -> Result<T, AppendError>) -> Result<T, AppendError> {
        let changed = self.when_there_is_room(change).await;
        self.appended();
        changed
    }
}
