//! What is known of each delayed message: what it asked for, when, what was answered, and where it was seen.
//!
//! When one may come depends on the broker's clock, which jumps: between a send and its answer it showed no less than the least and
//! no more than the most that `Clock` knows of that time.
//!
//! Before: `delay`, which sends and looks.

use std::collections::BTreeMap;
use std::time::Duration;

use ringmq_shards::runtime::{now, uptime};

/// The broker's levels in these worlds.
pub const LEVELS_MILLIS: [i64; 4] = [20, 150, 700, 4_000];

/// How far the broker's clock is ahead of the clients', since when.
#[derive(Default)]
pub struct Clock {
    jumps: Vec<(Duration, i64)>,
}

impl Clock {
    pub fn jump(&mut self, by: i64) {
        let ahead = self.jumps.last().map_or(0, |(_, ahead)| *ahead) + by;
        self.jumps.push((uptime(), ahead));
    }

    /// The least and the most that it was ahead in this time.
    pub fn ahead(&self, from: Duration, to: Duration) -> (i64, i64) {
        let at_first = self.jumps.iter().rev().find(|(when, _)| *when < from).map_or(0, |(_, ahead)| *ahead);
        let within = self.jumps.iter().filter(|(when, _)| (from..=to).contains(when)).map(|(_, ahead)| *ahead);
        within.fold((at_first, at_first), |(least, most), ahead| (least.min(ahead), most.max(ahead)))
    }
}

/// What a message asks for.
#[derive(Clone, Copy, Debug)]
pub enum Wish {
    /// 1 for the first.
    Level(usize),
    In(i64),
    At(i64),
}

/// A moment of the clients' clocks.
#[derive(Clone, Copy)]
pub struct Moment {
    pub up: Duration,
    pub wall: i64,
}

pub fn moment() -> Moment {
    Moment { up: uptime(), wall: now().0 }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    Unsure,
    Acknowledged,
    Refused,
}

pub struct Letter {
    pub queue: u32,
    pub wish: Wish,
    pub sent: Moment,
    pub answered: Option<Moment>,
    pub known: Known,
    pub seen: Option<i64>,
}

impl Letter {
    /// Between these the broker's clock was to show when it delivers, as far as is known now.
    pub fn due(&self, clock: &Clock) -> (i64, i64) {
        let delay = match self.wish {
            Wish::At(when) => return (when, when),
            Wish::In(delay) => delay,
            Wish::Level(level) => LEVELS_MILLIS[level - 1],
        };
        let until = self.answered.unwrap_or_else(moment);
        let (least, most) = clock.ahead(self.sent.up, until.up);
        (self.sent.wall + least + delay, until.wall + most + delay)
    }
}

#[derive(Default)]
pub struct Letters {
    pub letters: Vec<Letter>,
    pub seen: BTreeMap<(u32, i64), usize>,
    pub clock: Clock,
    /// A mistake that is planted: some messages ask for less than they are said to, as if the broker delivered them early.
    pub hasty: bool,
}

impl Letters {
    pub fn delivered(&self) -> u64 {
        self.seen.len() as u64
    }
}
