//! How what waits leaves: in one block with the entry that says so, or by that entry alone.
//!
//! Each is decided and done under one borrow of the shard, with nothing awaited in between: what was read from the disk
//! meanwhile may have been taken back, and then nothing happens.
//!
//! Before: `runtime::timers`, `runtime::pending`; after: `shard`.

use super::packed::Pending;
use crate::entry::Control;
use crate::record::{NewMessage, Record};
use crate::shard::{AppendError, Appended, Shard};
use crate::types::{LogPosition, Millis};

impl Shard {
    /// A message's time has come: it gets its place in the queue that it is for. `None`: it does not wait any more.
    pub fn release_timer(
        &mut self,
        now: Millis,
        due: &Pending,
        message: &NewMessage<'_>,
    ) -> Result<Option<Appended>, AppendError> {
        if !self.timers.contains(due.deliver_at, due.position) {
            return Ok(None);
        }
        assert!(due.deliver_at <= now, "nothing goes before its time");
        let appended = self.append_after(now, &gone(due), message)?;
        self.timers.remove(due.deliver_at, due.position);
        Ok(Some(appended))
    }

    /// It will not be delivered: taken back, or without a place to go. Returns where the log must be durable before
    /// anybody is told; `None`: it does not wait any more.
    pub fn drop_timer(&mut self, pending: &Pending) -> Result<Option<LogPosition>, AppendError> {
        if !self.timers.contains(pending.deliver_at, pending.position) {
            return Ok(None);
        }
        let end = self.append_control(&gone(pending))?;
        self.timers.remove(pending.deliver_at, pending.position);
        Ok(Some(end))
    }

    /// It waits on in a new record at the log's end, because the segment of the old one is to be deleted.
    pub fn move_timer(&mut self, now: Millis, pending: &Pending, record: &Record<'_>) -> Result<(), AppendError> {
        if self.timers.contains(pending.deliver_at, pending.position) {
            self.append_again(now, &gone(pending), record)?;
            self.timers.remove(pending.deliver_at, pending.position);
        }
        Ok(())
    }
}

fn gone(pending: &Pending) -> Control<'static> {
    Control::TimerGone { deliver_at: pending.deliver_at, position: pending.position }
}
