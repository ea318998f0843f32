//! Chance from one seed.

use std::{ops::Range, time::Duration};

/// One step of SplitMix64: the next state and the number. Small, fast, and good enough for everything but secrets.
pub(crate) fn split_mix(state: u64) -> (u64, u64) {
    let next = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut number = next;
    number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (next, number ^ (number >> 31))
}

/// A sequence of numbers that its seed decides.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        // So that neighbouring seeds are not neighbouring sequences.
        Random(split_mix(seed ^ 0x5851_F42D_4C95_7F2D).1)
    }

    pub fn number(&mut self) -> u64 {
        let (next, number) = split_mix(self.0);
        self.0 = next;
        number
    }

    /// From 0 up to, not including, `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        assert!(end > 0, "nothing is below 0");
        ((u128::from(self.number()) * u128::from(end)) >> 64) as u64
    }

    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// True this many times in a million.
    pub fn chance(&mut self, in_a_million: u32) -> bool {
        in_a_million > 0 && self.below(1_000_000) < u64::from(in_a_million)
    }

    pub fn coin(&mut self) -> bool {
        self.number() & 1 == 1
    }

    pub fn duration(&mut self, range: &Range<Duration>) -> Duration {
        let width = range.end.saturating_sub(range.start).as_nanos() as u64;
        range.start + Duration::from_nanos(if width == 0 { 0 } else { self.below(width) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_below_their_end_and_reach_all_of_it() {
        let mut random = Random::new(1);
        let mut seen = [false; 10];
        for _ in 0..1000 {
            seen[random.index(10)] = true;
        }
        assert_eq!(seen, [true; 10]);
    }

    #[test]
    fn a_seed_decides_the_sequence() {
        let sequence = |seed| {
            let mut random = Random::new(seed);
            [random.number(), random.number(), random.number()]
        };
        assert_eq!(sequence(7), sequence(7));
        assert_ne!(sequence(7), sequence(8));
    }
}
