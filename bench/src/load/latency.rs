//! Latencies in nanoseconds: the histogram they are kept in, and its numbers in milliseconds.

use hdrhistogram::Histogram;
use serde::Serialize;

/// Three digits of anything up to a minute; what takes longer counts as a minute.
const HIGHEST: u64 = 60_000_000_000;

/// With bounds: one that grows does not do so for saturating records.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, HIGHEST, 3).expect("3 digits are allowed")
}

pub fn millis(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

/// What a latency's whole distribution is reduced to; milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    pub count: u64,
    pub mean: f64,
    pub min: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p99_9: f64,
    pub p99_99: f64,
    pub max: f64,
}

impl Percentiles {
    pub fn of(histogram: &Histogram<u64>) -> Percentiles {
        let at = |quantile| millis(histogram.value_at_quantile(quantile));
        if histogram.is_empty() {
            return Percentiles::default();
        }
        Percentiles {
            count: histogram.len(),
            mean: histogram.mean() / 1e6,
            min: millis(histogram.min()),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            p99_99: at(0.9999),
            max: millis(histogram.max()),
        }
    }
}

/// One point of the whole curve: so many values are at most so long.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CurvePoint {
    pub percentile: f64,
    pub ms: f64,
    pub count: u64,
}

/// Denser towards 100 %: five points for each halving of what is left.
pub fn curve(histogram: &Histogram<u64>) -> Vec<CurvePoint> {
    if histogram.is_empty() {
        return Vec::new();
    }
    let mut below = 0;
    let points = histogram.iter_quantiles(5).map(|step| {
        below += step.count_since_last_iteration();
        CurvePoint { percentile: step.quantile_iterated_to() * 100.0, ms: millis(step.value_iterated_to()), count: below }
    });
    points.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_a_known_series() {
        let mut histogram = histogram();
        for micros in 1..=10_000u64 {
            histogram.saturating_record(micros * 1000);
        }
        let found = Percentiles::of(&histogram);
        assert_eq!(found.count, 10_000);
        for (is, should) in [
            (found.min, 0.001),
            (found.p50, 5.0),
            (found.p90, 9.0),
            (found.p99, 9.9),
            (found.p99_9, 9.99),
            (found.p99_99, 9.999),
            (found.max, 10.0),
        ] {
            assert!((is - should).abs() <= should / 500.0, "{is} should be {should}");
        }
        let curve = curve(&histogram);
        assert!(curve.windows(2).all(|pair| pair[0].percentile <= pair[1].percentile && pair[0].ms <= pair[1].ms), "{curve:?}");
        assert_eq!(curve.last().map(|last| (last.percentile, last.count)), Some((100.0, 10_000)));
        assert!(curve.len() > 30, "{}", curve.len());
    }

    #[test]
    fn nothing_has_no_percentiles() {
        assert_eq!(Percentiles::of(&histogram()), Percentiles::default());
        assert_eq!(curve(&histogram()), []);
    }

    #[test]
    fn too_long_counts_as_the_longest() {
        let mut histogram = histogram();
        histogram.saturating_record(u64::MAX);
        assert!(Percentiles::of(&histogram).max >= 60_000.0);
    }
}
