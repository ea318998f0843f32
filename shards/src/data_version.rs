//! The version of a settings table, as name servers and slaves compare it.
//!
//! Equality decides whether a name server reads a broker's topic table again, so it must change with every change of
//! the table, and only then. Order means nothing to them; replicas within this node see versions in the order of the log.

use crate::types::Millis;
use crate::wire::{BadBytes, Reader, Writer};

/// Plain data, alike on every core that has seen the same changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DataVersion {
    /// 0 unless a controller counts epochs.
    pub state_version: i64,
    /// When the last change was made.
    pub timestamp: Millis,
    /// How many changes there were: two in one millisecond still differ.
    pub counter: i64,
}

impl DataVersion {
    /// The version of a table that nobody has changed yet.
    pub fn first(now: Millis) -> DataVersion {
        DataVersion { state_version: 0, timestamp: now, counter: 0 }
    }

    /// The version after one more change.
    pub fn next(self, now: Millis) -> DataVersion {
        DataVersion { state_version: self.state_version, timestamp: now, counter: self.counter.wrapping_add(1) }
    }

    pub(crate) fn encode(&self, out: &mut Writer<'_>) {
        out.i64(self.state_version);
        out.i64(self.timestamp.0);
        out.i64(self.counter);
    }

    pub(crate) fn decode(read: &mut Reader<'_>) -> Result<DataVersion, BadBytes> {
        let state_version = read.i64("state version")?;
        let timestamp = Millis(read.i64("version time")?);
        Ok(DataVersion { state_version, timestamp, counter: read.i64("version counter")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_changes_in_one_millisecond_differ() {
        let first = DataVersion::first(Millis(5));
        assert_ne!(first, first.next(Millis(5)));
        assert_ne!(first.next(Millis(5)), first.next(Millis(5)).next(Millis(5)));
    }
}
