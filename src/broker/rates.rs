//! How much was done per second lately: over 10 s, 60 s and 600 s, and since which morning.
//!
//! Plain state: a sample of the counters every second, with the time passed in. Bounded by `SAMPLES_MAX`.
//!
//! Before: `broker::stats`, which samples and asks; after: nobody.

use std::collections::VecDeque;
use std::time::Duration;

use ringmq_shards::types::Millis;

pub const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);
pub const WINDOWS: [Duration; 3] = [Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(600)];
/// One more than the longest window has intervals.
const SAMPLES_MAX: usize = 601;
const DAY_MILLIS: i64 = 86_400_000;

/// Counters as they stand, or their growth per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    pub messages_in: f64,
    pub messages_out: f64,
    pub pulls_found: f64,
    pub pulls_missed: f64,
}

impl Totals {
    fn combine(self, other: Totals, combine: impl Fn(f64, f64) -> f64) -> Totals {
        Totals {
            messages_in: combine(self.messages_in, other.messages_in),
            messages_out: combine(self.messages_out, other.messages_out),
            pulls_found: combine(self.pulls_found, other.pulls_found),
            pulls_missed: combine(self.pulls_missed, other.pulls_missed),
        }
    }

    pub fn plus(self, other: Totals) -> Totals {
        self.combine(other, |a, b| a + b)
    }
}

/// Lives on one core.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    /// Oldest first.
    samples: VecDeque<(Duration, Totals)>,
    day: i64,
    pub yesterday_morning: Totals,
    pub today_morning: Totals,
}

impl Rates {
    pub fn sample(&mut self, uptime: Duration, now: Millis, totals: Totals) {
        let day = now.0.div_euclid(DAY_MILLIS);
        // The day of the start has no morning: all of its messages are today's.
        if self.day != 0 && day > self.day {
            self.yesterday_morning = self.today_morning;
            self.today_morning = totals;
        }
        self.day = day;
        if self.samples.len() == SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back((uptime, totals));
    }

    /// Per second over the last `window`, or as much of it as there is.
    pub fn per_second(&self, window: Duration) -> Totals {
        let Some((last_time, last)) = self.samples.back() else { return Totals::default() };
        let begin = self.samples.iter().find(|(time, _)| last_time.saturating_sub(*time) <= window);
        let Some((first_time, first)) = begin else { return Totals::default() };
        let seconds = last_time.saturating_sub(*first_time).as_secs_f64();
        if seconds == 0.0 {
            return Totals::default();
        }
        last.combine(*first, |last, first| (last - first) / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(messages_in: f64) -> Totals {
        Totals { messages_in, ..Totals::default() }
    }

    #[test]
    fn rates_are_of_their_window() {
        let mut rates = Rates::default();
        assert_eq!(rates.per_second(WINDOWS[0]), Totals::default());
        for second in 0..1000u32 {
            let messages = if second <= 900 { 0.0 } else { f64::from(second - 900) * 6.0 };
            rates.sample(Duration::from_secs(second.into()), Millis(1), sent(messages));
        }
        assert_eq!(rates.per_second(WINDOWS[0]), sent(6.0));
        assert_eq!(rates.per_second(WINDOWS[1]), sent(6.0));
        assert_eq!(rates.per_second(WINDOWS[2]), sent(0.99));
        assert_eq!(rates.samples.len(), SAMPLES_MAX);
    }

    #[test]
    fn mornings_are_remembered() {
        let mut rates = Rates::default();
        for (day, messages) in [(7, 5.0), (7, 6.0), (8, 10.0), (8, 11.0), (9, 20.0)] {
            rates.sample(Duration::ZERO, Millis(day * DAY_MILLIS), sent(messages));
        }
        assert_eq!((rates.yesterday_morning, rates.today_morning), (sent(10.0), sent(20.0)));
    }
}
