//! Counts over the last minute, hour and day, sampled as the original does: 7 samples ten seconds apart, 7 samples ten
//! minutes apart, 25 samples an hour apart.
//!
//! Plain state with the time passed in. A thing that is counted for the first time had nothing one interval before its first
//! sample: so what it did meanwhile is part of the first figure.
//!
//! Before: `traffic`.

use std::collections::VecDeque;

use ringmq_shards::types::Millis;

/// Which ring a sample goes into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    Minute,
    Hour,
    Day,
}

impl Span {
    pub const ALL: [Span; 3] = [Span::Minute, Span::Hour, Span::Day];

    /// Between two samples.
    pub const fn interval_millis(self) -> i64 {
        match self {
            Span::Minute => 10_000,
            Span::Hour => 600_000,
            Span::Day => 3_600_000,
        }
    }

    const fn samples_max(self) -> usize {
        match self {
            Span::Minute | Span::Hour => 7,
            Span::Day => 25,
        }
    }
}

/// What has been counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Sends or pulls.
    pub times: u64,
    pub messages: u64,
    pub bytes: u64,
    /// How long they took together.
    pub millis: u64,
}

impl Count {
    fn since(self, earlier: Count) -> Count {
        Count {
            times: self.times.saturating_sub(earlier.times),
            messages: self.messages.saturating_sub(earlier.messages),
            bytes: self.bytes.saturating_sub(earlier.bytes),
            millis: self.millis.saturating_sub(earlier.millis),
        }
    }

    fn plus(self, other: Count) -> Count {
        Count {
            times: self.times + other.times,
            messages: self.messages + other.messages,
            bytes: self.bytes + other.bytes,
            millis: self.millis + other.millis,
        }
    }
}

/// How much a span had, and in what time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figure {
    pub count: Count,
    pub millis: i64,
}

impl Figure {
    /// Of another core, over about the same time.
    pub fn plus(self, other: Figure) -> Figure {
        Figure { count: self.count.plus(other.count), millis: self.millis.max(other.millis) }
    }

    pub fn per_second(self, of: fn(Count) -> u64) -> f64 {
        if self.millis <= 0 { 0.0 } else { of(self.count) as f64 * 1000.0 / self.millis as f64 }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Windows {
    /// Oldest first, in the order of `Span::ALL`.
    rings: [VecDeque<(Millis, Count)>; 3],
}

impl Windows {
    pub fn sample(&mut self, span: Span, now: Millis, count: Count) {
        let ring = &mut self.rings[span as usize];
        if ring.is_empty() {
            ring.push_back((now.plus(-span.interval_millis()), Count::default()));
        }
        if ring.len() == span.samples_max() {
            ring.pop_front();
        }
        ring.push_back((now, count));
    }

    pub fn figure(&self, span: Span) -> Figure {
        let ring = &self.rings[span as usize];
        let (Some((begin, first)), Some((end, last))) = (ring.front(), ring.back()) else { return Figure::default() };
        Figure { count: last.since(*first), millis: end.since(*begin) }
    }

    /// Nothing was counted within the longest span.
    pub fn is_idle(&self) -> bool {
        let ring = &self.rings[Span::Day as usize];
        ring.len() == Span::Day.samples_max() && ring.front().map(|(_, count)| count) == ring.back().map(|(_, count)| count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(messages: u64) -> Count {
        Count { times: messages, messages, bytes: 100 * messages, millis: 2 * messages }
    }

    #[test]
    fn figures_are_of_their_span() {
        let mut windows = Windows::default();
        assert_eq!(windows.figure(Span::Minute), Figure::default());
        windows.sample(Span::Minute, Millis(50_000), count(20));
        let first = windows.figure(Span::Minute);
        assert_eq!((first.count.messages, first.per_second(|count| count.messages)), (20, 2.0), "as the original's first sample");
        assert_eq!(windows.figure(Span::Hour), Figure::default(), "not sampled yet");
        for ten_seconds in 1..=20 {
            windows.sample(Span::Minute, Millis(50_000 + ten_seconds * 10_000), count(20 + 6 * ten_seconds as u64));
        }
        let minute = windows.figure(Span::Minute);
        assert_eq!((minute.millis, minute.count.messages, minute.count.bytes), (60_000, 36, 3600));
        assert_eq!(minute.per_second(|count| count.bytes), 60.0);
    }

    #[test]
    fn a_day_without_anything_is_idle() {
        let mut windows = Windows::default();
        for hour in 0..25 {
            assert!(!windows.is_idle());
            windows.sample(Span::Day, Millis(hour * 3_600_000), count(5));
        }
        assert!(windows.is_idle());
        windows.sample(Span::Day, Millis(25 * 3_600_000), count(6));
        assert!(!windows.is_idle());
    }

    #[test]
    fn cores_are_summed() {
        let one = Figure { count: count(3), millis: 10_000 };
        let sum = one.plus(Figure { count: count(5), millis: 60_000 });
        assert_eq!((sum.count.messages, sum.count.millis, sum.millis), (8, 16, 60_000));
        assert_eq!(Figure::default().per_second(|count| count.messages), 0.0);
    }
}
