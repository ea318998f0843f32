//! How long messages waited from their place in the log to their acknowledgement, in whole milliseconds, as the original tells
//! it: the longest since the start; of the last whole minute the 99th and 99.9th percentile, and how many took how long.
//!
//! Counting is one addition in a table by the millisecond. Both times are there already: the one a message is stored with, and
//! one reading of the clock for each part of the log that becomes durable.
//!
//! Before: `broker::ack` (counts), `broker::stats` (turns and asks).

use std::cell::{Cell, RefCell};

/// What takes longer is counted as one more than this.
const MILLIS_MAX: usize = 10_000;

/// Step and number of the original's buckets for percentiles, from 0 on; behind the last one there is another for all above.
const STEPS: [(i64, usize); 7] = [(1, 20), (2, 15), (5, 10), (10, 10), (50, 6), (100, 5), (1000, 9)];
const BUCKETS: usize = 20 + 15 + 10 + 10 + 6 + 5 + 9 + 1;

/// Its spans, by the first millisecond that is not in one.
const SPANS: [(&str, usize); 13] = [
    ("<=0ms", 1),
    ("0~10ms", 10),
    ("10~50ms", 50),
    ("50~100ms", 100),
    ("100~200ms", 200),
    ("200~500ms", 500),
    ("500ms~1s", 1_000),
    ("1~2s", 2_000),
    ("2~3s", 3_000),
    ("3~4s", 4_000),
    ("4~5s", 5_000),
    ("5~10s", 10_000),
    ("10s~", usize::MAX),
];

/// Lives on one core.
pub struct PutTimes {
    /// Of this minute, by the millisecond.
    counts: Box<[Cell<u32>]>,
    last_minute: RefCell<Times>,
    longest: Cell<i64>,
}

impl Default for PutTimes {
    fn default() -> PutTimes {
        let counts = vec![Cell::new(0); MILLIS_MAX + 2].into_boxed_slice();
        PutTimes { counts, last_minute: RefCell::default(), longest: Cell::new(0) }
    }
}

impl PutTimes {
    /// One more was acknowledged after so long; less than nothing when the clock was set back.
    pub fn count(&self, millis: i64) {
        let place = millis.clamp(0, MILLIS_MAX as i64 + 1);
        let count = &self.counts[place as usize];
        count.set(count.get().saturating_add(1));
        if millis > self.longest.get() {
            self.longest.set(millis);
        }
    }

    /// A minute is over.
    pub fn turn(&self) {
        let mut times = Times::default();
        for (millis, count) in self.counts.iter().enumerate() {
            let count = u64::from(count.replace(0));
            if count > 0 {
                times.buckets[bucket_of(millis as i64)] += count;
                times.spans[SPANS.iter().position(|(_, end)| millis < *end).expect("the last one is for all")] += count;
            }
        }
        self.last_minute.replace(times);
    }

    /// With the last whole minute's figures.
    pub fn figures(&self) -> Times {
        Times { longest: self.longest.get(), ..self.last_minute.borrow().clone() }
    }
}

fn bucket_of(millis: i64) -> usize {
    upper_bounds().position(|upper| millis <= upper).unwrap_or(BUCKETS - 1)
}

fn upper_bounds() -> impl Iterator<Item = i64> {
    let mut upper = 0;
    STEPS.into_iter().flat_map(|(step, count)| std::iter::repeat_n(step, count)).map(move |step| {
        upper += step;
        upper
    })
}

/// One core's times, or those of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Times {
    /// Since the start.
    pub longest: i64,
    buckets: [u64; BUCKETS],
    spans: [u64; SPANS.len()],
}

impl Default for Times {
    fn default() -> Times {
        Times { longest: 0, buckets: [0; BUCKETS], spans: [0; SPANS.len()] }
    }
}

impl Times {
    pub fn plus(&self, other: &Times) -> Times {
        Times {
            longest: self.longest.max(other.longest),
            buckets: std::array::from_fn(|place| self.buckets[place] + other.buckets[place]),
            spans: std::array::from_fn(|place| self.spans[place] + other.spans[place]),
        }
    }

    /// In how many milliseconds this part of the messages was acknowledged, within a bucket in proportion.
    pub fn percentile(&self, part: f64) -> f64 {
        let wanted = (self.buckets.iter().sum::<u64>() as f64 * part) as u64;
        let (mut passed, mut lower) = (0, 0);
        for (count, upper) in self.buckets.into_iter().zip(upper_bounds()) {
            if wanted <= passed + count {
                let share = if count == 0 { 0.0 } else { (wanted - passed) as f64 / count as f64 };
                return lower as f64 + (upper - lower) as f64 * share;
            }
            (passed, lower) = (passed + count, upper);
        }
        lower as f64
    }

    /// `[<=0ms]:12 [0~10ms]:3 …`
    pub fn spans_text(&self) -> String {
        SPANS.iter().zip(self.spans).map(|((name, _), count)| format!("[{name}]:{count} ")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute_of(times: &[(i64, usize)]) -> PutTimes {
        let put = PutTimes::default();
        for (millis, count) in times {
            (0..*count).for_each(|_| put.count(*millis));
        }
        put.turn();
        put
    }

    #[test]
    fn buckets_are_the_originals() {
        let bounds: Vec<i64> = upper_bounds().collect();
        assert_eq!(bounds.len(), BUCKETS - 1);
        assert_eq!((bounds[19], bounds[20], bounds[34], bounds[74]), (20, 22, 50, 10_000));
        assert_eq!((bucket_of(0), bucket_of(1), bucket_of(2), bucket_of(21), bucket_of(10_001)), (0, 0, 1, 20, BUCKETS - 1));
    }

    #[test]
    fn a_percentile_lies_in_its_bucket_in_proportion() {
        let put = minute_of(&[(1, 90), (8, 10)]);
        assert_eq!(put.figures().percentile(0.99), 7.9);
        assert_eq!(put.figures().percentile(0.45), 0.5);
        assert_eq!(minute_of(&[]).figures().percentile(0.99), 0.0);
        assert_eq!(minute_of(&[(60_000, 5)]).figures().percentile(0.99), 10_000.0);
    }

    #[test]
    fn spans_are_of_the_last_whole_minute_and_the_longest_of_all() {
        let put = minute_of(&[(-5, 1), (0, 2), (9, 3), (10, 4), (9_999, 5), (10_000, 6), (70_000, 7)]);
        let text = "[<=0ms]:3 [0~10ms]:3 [10~50ms]:4 [50~100ms]:0 [100~200ms]:0 [200~500ms]:0 [500ms~1s]:0 [1~2s]:0 [2~3s]:0 \
                    [3~4s]:0 [4~5s]:0 [5~10s]:5 [10s~]:13 ";
        assert_eq!(put.figures().spans_text(), text);
        put.count(3);
        assert_eq!(put.figures().spans_text(), text, "this minute is not over");
        put.turn();
        assert_eq!(put.figures().spans[1], 1);
        assert_eq!(put.figures().longest, 70_000);
    }

    #[test]
    fn cores_are_summed() {
        let sum = minute_of(&[(2, 1)]).figures().plus(&minute_of(&[(700, 3)]).figures());
        assert_eq!((sum.longest, sum.spans[1], sum.spans[6]), (700, 1, 3));
    }
}
