//! When sends are due in an open loop: fixed before the first one goes, whatever the answers do.
//!
//! Must always be true: a due time is taken once and in order, and none is left out, so a server that stalls is charged
//! for every message that real users would have sent meanwhile. (A closed loop stops asking while it waits, and so leaves
//! out just the worst times: coordinated omission.)

use super::clock::SECOND;

/// One thread's share of the rate: its due times stand between those of the other threads.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Nanoseconds between two due times of this thread.
    period: f64,
    /// Of the first.
    phase: f64,
    /// How many were taken.
    taken: u64,
}

impl Schedule {
    pub fn new(per_second: f64, share: usize, shares: usize) -> Schedule {
        assert!(per_second > 0.0, "a rate is checked when it is read");
        assert!(share < shares);
        let period = SECOND as f64 / per_second;
        Schedule { period: period * shares as f64, phase: period * share as f64, taken: 0 }
    }

    pub fn next_due(&self) -> u64 {
        (self.phase + self.period * self.taken as f64) as u64
    }

    pub fn take(&mut self) -> u64 {
        let due = self.next_due();
        self.taken += 1;
        due
    }

    /// How many due times lie before `end`, taken or not.
    pub fn planned(&self, end: u64) -> u64 {
        let left = end as f64 - self.phase;
        if left <= 0.0 { 0 } else { (left / self.period).ceil() as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_interleave_and_keep_the_rate() {
        let mut shares: Vec<Schedule> = (0..4).map(|share| Schedule::new(1000.0, share, 4)).collect();
        let mut due: Vec<u64> = shares.iter_mut().flat_map(|share| (0..3).map(|_| share.take()).collect::<Vec<_>>()).collect();
        due.sort_unstable();
        assert_eq!(due, (0..12).map(|number| number * 1_000_000).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_planned_is_what_can_be_taken() {
        for (rate, shares) in [(7.0, 1), (7.0, 3), (1000.0, 4), (0.4, 2), (123_456.7, 5)] {
            for share in 0..shares {
                let mut schedule = Schedule::new(rate, share, shares);
                let planned = schedule.planned(3 * SECOND);
                let mut taken = 0;
                while schedule.next_due() < 3 * SECOND {
                    schedule.take();
                    taken += 1;
                }
                assert_eq!(planned, taken, "{rate} by share {share} of {shares}");
            }
        }
    }

    #[test]
    fn an_hour_does_not_drift() {
        let mut schedule = Schedule::new(30_000.0, 0, 1);
        schedule.taken = 30_000 * 3600;
        assert_eq!(schedule.take(), 3600 * SECOND);
    }
}
