//! One line a second for each kind of complaint, with the number of those left out: a hostile client cannot fill the log.

use std::cell::Cell;
use std::time::Duration;

use ringmq_shards::runtime;

const INTERVAL: Duration = Duration::from_secs(1);

/// One kind of complaint on one core.
#[derive(Default)]
pub struct LogLimit {
    last: Cell<Option<Duration>>,
    left_out: Cell<u64>,
}

impl LogLimit {
    /// `Some(left out since the last line)` when a line may be written now.
    pub fn pass(&self) -> Option<u64> {
        self.pass_at(runtime::uptime())
    }

    fn pass_at(&self, now: Duration) -> Option<u64> {
        if self.last.get().is_some_and(|last| now.saturating_sub(last) < INTERVAL) {
            self.left_out.set(self.left_out.get() + 1);
            return None;
        }
        self.last.set(Some(now));
        Some(self.left_out.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_says_how_many_were_left_out() {
        let limit = LogLimit::default();
        let at = |millis| limit.pass_at(Duration::from_millis(millis));
        assert_eq!([at(0), at(1), at(999), at(1000), at(1001), at(2500)], [Some(0), None, None, Some(2), None, Some(1)]);
    }
}
