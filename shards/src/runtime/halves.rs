//! Half messages of a shard at work: their ends, and their way out of a segment that is to be deleted.
//!
//! Whoever changes something here waits for room in the log; what is returned is durable when the log is durable up to it.
//!
//! Before: `broker::transaction`, `runtime::housekeeping`; after: `transaction::ends`.

use super::live::LiveShard;
use super::{now, yield_now};
use crate::record::{NewMessage, Record};
use crate::shard::{AppendError, Appended, Shard};
use crate::transaction::with_check_times;
use crate::types::LogPosition;

impl LiveShard {
    /// Commits a half message, or gives it up: `effect` is stored. `None`: it is not waiting.
    pub async fn end_half_with(&self, position: LogPosition, effect: &NewMessage<'_>) -> Result<Option<Appended>, AppendError> {
        self.when_there_is_room(|shard| shard.end_half_with(now(), position, effect)).await
    }

    /// Rolls a half message back. `None`: it is not waiting.
    pub async fn end_half(&self, position: LogPosition) -> Result<Option<LogPosition>, AppendError> {
        self.when_there_is_room(|shard| shard.end_half(position)).await
    }

    /// Counts a check of a half message. `None`: it is not waiting.
    pub async fn check_half(&self, position: LogPosition) -> Result<Option<u32>, AppendError> {
        self.when_there_is_room(|shard| shard.check_half(position)).await
    }

    async fn when_there_is_room<T>(
        &self,
        mut change: impl FnMut(&mut Shard) -> Result<T, AppendError>,
    ) -> Result<T, AppendError> {
        loop {
            let changed = change(&mut self.state.borrow_mut());
            match changed {
                Err(AppendError::NoRoom) => self.room().await,
                changed => {
                    self.appended();
                    return changed;
                }
            }
        }
    }

    /// Appends those half messages again that lie before `end` and have not ended: what is there is to be deleted. Their
    /// producers learn the new place with the next check, as they do of RocketMQ with every check.
    pub(super) async fn move_halves_before(&self, end: LogPosition) -> Result<(), std::io::Error> {
        loop {
            let first = self.state.borrow().halves.first_before(end);
            let Some(position) = first else { return Ok(()) };
            if self.is_stopping() {
                return Err(std::io::Error::other("the broker is stopping"));
            }
            self.move_half(position).await?;
            yield_now().await;
        }
    }

    async fn move_half(&self, position: LogPosition) -> Result<(), std::io::Error> {
        let bytes = self.record(position).await.map_err(std::io::Error::other)?;
        let Some(record) = bytes.as_deref().and_then(|bytes| Record::parse(bytes).ok()) else {
            // Only a damaged disk leads here; the half message cannot be saved, and need not keep the disk full.
            tracing::error!(%position, "a half message cannot be read and goes with its segment; check the disk");
            self.end_half(position).await.map_err(std::io::Error::other)?;
            return Ok(());
        };
        let checks = self.state.borrow().halves.get(position).map_or(0, |half| half.checks);
        let properties = with_check_times(record.properties(), checks);
        let again = NewMessage { properties: &properties, ..record.as_new_message() };
        let moved = self.when_there_is_room(|shard| shard.move_half(now(), position, &again)).await;
        moved.map(|_| ()).map_err(std::io::Error::other)
    }
}
