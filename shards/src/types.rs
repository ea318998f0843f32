//! The numbers that must not be mixed, as types.
//!
//! Every one of them is plain data, `Copy`, and the same on every core.

use std::fmt;

/// Which shard of this store: 0 up to the store's number of shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

impl ShardId {
    /// The home of topic and group settings when shards form one broker.
    pub const HOME: ShardId = ShardId(0);

    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A byte's place in one shard's commit log, counted from the log's first byte ever; never reused.
///
/// What clients see as the physical offset also names the shard: see `placement`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPosition(pub u64);

impl LogPosition {
    pub const ZERO: LogPosition = LogPosition(0);

    pub fn advance(self, bytes: u64) -> LogPosition {
        LogPosition(self.0 + bytes)
    }

    /// Bytes from `earlier` up to here.
    pub fn since(self, earlier: LogPosition) -> u64 {
        assert!(earlier <= self, "positions run forward: {earlier} is after {self}");
        self.0 - earlier.0
    }
}

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A message's place in its queue, as consumers count: 0, 1, 2, ... without gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueOffset(pub i64);

impl QueueOffset {
    pub const ZERO: QueueOffset = QueueOffset(0);

    pub fn advance(self, messages: u32) -> QueueOffset {
        QueueOffset(self.0 + i64::from(messages))
    }
}

impl fmt::Display for QueueOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Wall-clock time in milliseconds since 1970, as RocketMQ stores and sends it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub i64);

impl Millis {
    pub fn plus(self, millis: i64) -> Millis {
        Millis(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to here; 0 when the clock went back.
    pub fn since(self, earlier: Millis) -> i64 {
        self.0.saturating_sub(earlier.0).max(0)
    }
}
