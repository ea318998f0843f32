//! No room: the one place where the words for it are made.
//!
//! A client that is refused for lack of room can act on the remark's head, which programs read:
//!
//! ```text
//! [reason=disk queue_age_ms=1240 retry_after_ms=1000]broker busy, start flow control for a while: …
//! ```
//!
//! - `reason`: `disk` (it is too slow, or full), `memory`, or `quota` (a bound on how many there may be);
//! - `queue_age_ms`: how long the oldest work has waited for the same room; 0 where nothing queues;
//! - `retry_after_ms`: when it is worth to ask again.
//!
//! A send is not refused as soon as the log is full for a moment: its connection waits, which slows the client down to what
//! the disk takes. Only when nothing at all has been taken for `PATIENCE` it is told, well before its own time is up.
//!
//! Before: whoever has no room; after: `broker::response`.

use std::cell::Cell;
use std::fmt::{self, Display};
use std::time::Duration;

use ringmq_shards::runtime::uptime;
use ringmq_shards::types::ShardId;

use super::response::Refusal;
use crate::remoting::code::ResponseCode;

/// The log takes nothing for so long: those who wait are told. Clients give up after three seconds.
pub const PATIENCE: Duration = Duration::from_secs(1);
/// A disk that has stood still comes back at any moment.
const RETRY_STALLED: Duration = Duration::from_secs(1);
/// Room on a disk comes with a person or with the next look at what has expired (cleanResourceInterval).
const RETRY_DISK_FULL: Duration = Duration::from_secs(10);
/// Whom a quota counts leaves, or falls silent and is forgotten.
const RETRY_QUOTA: Duration = Duration::from_secs(30);

/// What there is no room in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Disk,
    Memory,
    Quota,
}

impl Reason {
    fn name(self) -> &'static str {
        match self {
            Reason::Disk => "disk",
            Reason::Memory => "memory",
            Reason::Quota => "quota",
        }
    }
}

/// The head of a remark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy {
    pub reason: Reason,
    pub queue_age: Duration,
    pub retry_after: Duration,
}

impl Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (age, after) = (self.queue_age.as_millis(), self.retry_after.as_millis());
        write!(f, "[reason={} queue_age_ms={age} retry_after_ms={after}]", self.reason.name())
    }
}

impl Busy {
    /// The log has taken nothing for this long.
    pub fn stalled(queue_age: Duration) -> Busy {
        Busy { reason: Reason::Disk, queue_age, retry_after: RETRY_STALLED }
    }

    pub fn disk_full() -> Busy {
        Busy { reason: Reason::Disk, queue_age: Duration::ZERO, retry_after: RETRY_DISK_FULL }
    }

    /// As many as there may be.
    pub fn quota() -> Busy {
        Busy { reason: Reason::Quota, queue_age: Duration::ZERO, retry_after: RETRY_QUOTA }
    }

    /// SYSTEM_BUSY, on which clients try another broker.
    pub fn refusal(self, why: impl Display) -> Refusal {
        Refusal::new(ResponseCode::SystemBusy, format!("{self}broker busy, start flow control for a while: {why}"))
    }

    /// Where the original has a code of its own for what there is no room for.
    pub fn refusal_with(self, code: ResponseCode, why: impl Display) -> Refusal {
        Refusal::new(code, format!("{self}{why}"))
    }
}

/// Since when a core cannot bring messages to each of the shards.
pub struct Stalls(Box<[Cell<Option<Duration>>]>);

impl Stalls {
    pub fn new(shards: u16) -> Stalls {
        Stalls((0..shards).map(|_| Cell::new(None)).collect())
    }

    /// A message was taken.
    pub fn taken(&self, shard: ShardId) {
        self.0[shard.index()].set(None);
    }

    /// A message was not. How long that has been so, if it is long enough to be told.
    pub fn refused(&self, shard: ShardId) -> Option<Duration> {
        self.refused_at(shard, uptime())
    }

    fn refused_at(&self, shard: ShardId, now: Duration) -> Option<Duration> {
        let since = &self.0[shard.index()];
        let age = now.saturating_sub(since.get().unwrap_or(now));
        since.set(Some(now - age));
        (age >= PATIENCE).then_some(age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_read_the_head_and_people_the_rest() {
        let stalled = Busy::stalled(Duration::from_millis(1240)).refusal("the log is full");
        assert_eq!(stalled.code, ResponseCode::SystemBusy);
        assert_eq!(
            stalled.remark,
            "[reason=disk queue_age_ms=1240 retry_after_ms=1000]broker busy, start flow control for a while: the log is full"
        );
        let quota = Busy::quota().refusal_with(ResponseCode::SystemError, "enough");
        assert_eq!(quota.remark, "[reason=quota queue_age_ms=0 retry_after_ms=30000]enough");
        let memory = Busy { reason: Reason::Memory, queue_age: Duration::ZERO, retry_after: Duration::ZERO };
        assert_eq!(memory.to_string(), "[reason=memory queue_age_ms=0 retry_after_ms=0]");
    }

    #[test]
    fn only_a_shard_that_takes_nothing_is_told_of() {
        let stalls = Stalls::new(2);
        let at = |shard, millis| stalls.refused_at(ShardId(shard), Duration::from_millis(millis));
        assert_eq!([at(0, 500), at(0, 1000), at(0, 1499)], [None; 3]);
        assert_eq!(at(0, 1500), Some(PATIENCE));
        assert_eq!(at(0, 9500), Some(Duration::from_secs(9)));
        assert_eq!(at(1, 9500), None, "another shard is another matter");
        stalls.taken(ShardId(0));
        assert_eq!(at(0, 9600), None, "one message was taken");
    }
}
