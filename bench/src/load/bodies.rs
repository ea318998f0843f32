//! How long bodies are, and their bytes: `500`, `100-4000` (each length equally often) or `exp:500` (many short, few long).

use std::fmt;
use std::str::FromStr;

use fastrand::Rng;

/// RocketMQ's default `maxMessageSize`; a longer body is refused anyway.
pub const BYTES_MAX: usize = 4 << 20;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BodyLength {
    Fixed(usize),
    Uniform(usize, usize),
    /// By its mean.
    Exponential(f64),
}

impl BodyLength {
    /// At least 1: a message without body is refused.
    pub fn draw(&self, random: &mut Rng) -> usize {
        match *self {
            BodyLength::Fixed(bytes) => bytes,
            BodyLength::Uniform(least, most) => random.usize(least..=most),
            // 1 - f64() is above 0, whose logarithm there is.
            BodyLength::Exponential(mean) => (-mean * (1.0 - random.f64()).ln()).round().clamp(1.0, BYTES_MAX as f64) as usize,
        }
    }

    /// The longest that is ever drawn.
    pub fn longest(&self) -> usize {
        match *self {
            BodyLength::Fixed(bytes) | BodyLength::Uniform(_, bytes) => bytes,
            BodyLength::Exponential(_) => BYTES_MAX,
        }
    }
}

impl FromStr for BodyLength {
    type Err = String;

    fn from_str(text: &str) -> Result<BodyLength, String> {
        let what = || format!("'{text}' is no body length; write 500, 100-4000 or exp:500, each from 1 to {BYTES_MAX} bytes");
        let bytes = |text: &str| text.parse().ok().filter(|bytes| (1..=BYTES_MAX).contains(bytes)).ok_or_else(what);
        if let Some(mean) = text.strip_prefix("exp:") {
            return Ok(BodyLength::Exponential(bytes(mean)? as f64));
        }
        match text.split_once('-') {
            None => Ok(BodyLength::Fixed(bytes(text)?)),
            Some((least, most)) => {
                let (least, most) = (bytes(least)?, bytes(most)?);
                if least <= most { Ok(BodyLength::Uniform(least, most)) } else { Err(what()) }
            }
        }
    }
}

impl fmt::Display for BodyLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyLength::Fixed(bytes) => write!(f, "{bytes}"),
            BodyLength::Uniform(least, most) => write!(f, "{least}-{most}"),
            BodyLength::Exponential(mean) => write!(f, "exp:{mean}"),
        }
    }
}

/// Bytes that no disk or file system makes smaller, cut to length: a body costs no more than its copy.
pub struct Bodies {
    length: BodyLength,
    random: Rng,
    bytes: Vec<u8>,
}

/// Bodies begin at different places of the bytes, so that they differ.
const STARTS: usize = 4096;

impl Bodies {
    pub fn new(length: BodyLength, seed: u64) -> Bodies {
        let mut random = Rng::with_seed(seed);
        let mut bytes = vec![0; length.longest() + STARTS];
        random.fill(&mut bytes);
        Bodies { length, random, bytes }
    }

    pub fn next(&mut self) -> &[u8] {
        let length = self.length.draw(&mut self.random);
        let start = self.random.usize(0..STARTS);
        &self.bytes[start..start + length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_and_range(text: &str) -> (f64, usize, usize) {
        let length: BodyLength = text.parse().expect(text);
        assert_eq!(length.to_string(), text);
        let mut random = Rng::with_seed(7);
        let drawn: Vec<usize> = (0..50_000).map(|_| length.draw(&mut random)).collect();
        let mean = drawn.iter().sum::<usize>() as f64 / drawn.len() as f64;
        (mean, *drawn.iter().min().expect("some"), *drawn.iter().max().expect("some"))
    }

    #[test]
    fn each_distribution_has_its_mean_and_range() {
        assert_eq!(mean_and_range("500"), (500.0, 500, 500));
        let (mean, least, most) = mean_and_range("100-4000");
        assert!((mean - 2050.0).abs() < 20.0, "{mean}");
        assert_eq!((least, most), (100, 4000));
        let (mean, least, most) = mean_and_range("exp:500");
        assert!((mean - 500.0).abs() < 10.0, "{mean}");
        assert!(least < 5, "{least}");
        assert!((3500..BYTES_MAX).contains(&most), "{most}");
    }

    #[test]
    fn what_is_no_length_is_refused_with_an_example() {
        for text in ["", "0", "x", "-", "10-", "20-10", "exp:", "exp:0", "4194305", "1e3", "0-5"] {
            let error = text.parse::<BodyLength>().unwrap_err();
            assert!(error.contains("write 500, 100-4000 or exp:500"), "{error}");
        }
    }

    #[test]
    fn bodies_have_their_length_and_differ() {
        let mut bodies = Bodies::new(BodyLength::Fixed(100), 1);
        let first = bodies.next().to_vec();
        assert_eq!(first.len(), 100);
        assert!((0..10).any(|_| bodies.next() != first));
    }
}
