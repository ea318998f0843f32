//! How a shard's half messages end: each change is an entry of the log, together with what follows from it.
//!
//! Invariant: a half message ends at most once. Whoever comes later finds it no longer waiting and changes nothing. The end
//! and its effect are one block: after a crash there are both or neither.
//!
//! Before: `runtime::halves`; after: `shard::append_after`.

use super::HALF_TOPIC;
use crate::entry::Control;
use crate::record::NewMessage;
use crate::shard::{AppendError, Appended, Shard};
use crate::types::{LogPosition, Millis};

impl Shard {
    /// Ends a half message with what becomes of it: the message in its real queue, or the copy of what was given up.
    /// `None`: it is not waiting.
    pub fn end_half_with(
        &mut self,
        now: Millis,
        position: LogPosition,
        effect: &NewMessage<'_>,
    ) -> Result<Option<Appended>, AppendError> {
        if self.halves.get(position).is_none() {
            return Ok(None);
        }
        let appended = self.append_after(now, &Control::HalfEnded { position }, effect)?;
        self.halves.end(position);
        Ok(Some(appended))
    }

    /// Ends a half message, and nothing follows: a rollback. `None`: it is not waiting.
    pub fn end_half(&mut self, position: LogPosition) -> Result<Option<LogPosition>, AppendError> {
        if self.halves.get(position).is_none() {
            return Ok(None);
        }
        let end = self.append_control(&Control::HalfEnded { position })?;
        self.halves.end(position);
        Ok(Some(end))
    }

    /// Its producer is asked now. Returns how often it has been; `None`: it is not waiting.
    pub fn check_half(&mut self, position: LogPosition) -> Result<Option<u32>, AppendError> {
        let Some(half) = self.halves.get(position) else { return Ok(None) };
        let checks = half.checks.saturating_add(1);
        self.append_control(&Control::HalfChecked { position, checks })?;
        self.halves.checked(position, checks);
        Ok(Some(checks))
    }

    /// The same half message once more, at the log's end: the segment of its first place goes. It goes because the disk is
    /// full, so a full disk is no reason against it.
    pub fn move_half(
        &mut self,
        now: Millis,
        position: LogPosition,
        again: &NewMessage<'_>,
    ) -> Result<Option<Appended>, AppendError> {
        assert_eq!(again.topic, HALF_TOPIC);
        let refusing = self.refusing.take();
        let moved = self.end_half_with(now, position, again);
        self.refusing = refusing;
        moved
    }
}
