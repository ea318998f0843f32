//! What waits, counted by what it waits for: a delay level, or a timer's real topic.
//!
//! Lanes 1 to 62 are the delay levels, 63 is all above. Lane 0 is for timers whose topic has no lane of its own, because there
//! are too many. A lane keeps its topic until the restart, so that the slices of one snapshot agree.

use std::collections::HashMap;

use crate::wire::{BadBytes, Reader, Writer};

/// All levels from 63 on.
pub const LEVEL_LANE_MAX: u32 = 63;
const OTHER: u16 = 0;
const FIRST_TOPIC: usize = LEVEL_LANE_MAX as usize + 1;
/// What the bits of a lane hold.
pub const LANES_MAX: usize = 1 << 16;

#[derive(Debug)]
pub(super) struct Lanes {
    counts: Vec<u64>,
    /// Of the lanes behind the levels'.
    topics: Vec<Box<str>>,
    by_topic: HashMap<Box<str>, u16>,
}

impl Lanes {
    pub fn new() -> Lanes {
        Lanes { counts: vec![0; FIRST_TOPIC], topics: Vec::new(), by_topic: HashMap::new() }
    }

    pub fn of_topic(&mut self, topic: &str) -> u16 {
        if let Some(lane) = self.by_topic.get(topic) {
            return *lane;
        }
        if FIRST_TOPIC + self.topics.len() == LANES_MAX {
            return OTHER;
        }
        let lane = (FIRST_TOPIC + self.topics.len()) as u16;
        self.topics.push(topic.into());
        self.by_topic.insert(topic.into(), lane);
        lane
    }

    pub fn add(&mut self, lane: u16) {
        let lane = usize::from(lane);
        if lane >= self.counts.len() {
            self.counts.resize(lane + 1, 0);
        }
        self.counts[lane] += 1;
    }

    pub fn remove(&mut self, lane: u16) {
        self.counts[usize::from(lane)] -= 1;
    }

    pub fn waiting(&self, lane: u16) -> u64 {
        self.counts.get(usize::from(lane)).copied().unwrap_or(0)
    }

    pub fn levels(&self) -> impl Iterator<Item = u64> {
        self.counts[1..FIRST_TOPIC].iter().copied()
    }

    /// Topics for which timers wait, and how many.
    pub fn topics(&self) -> impl Iterator<Item = (&str, u64)> {
        let counts = self.counts[FIRST_TOPIC..].iter().copied();
        self.topics.iter().map(|topic| &**topic).zip(counts).filter(|(_, count)| *count > 0)
    }

    /// | bytes | |
    /// |---|---|
    /// | list | texts: the topics of lanes 64, 65, ... |
    pub fn encode_topics(&self, out: &mut Vec<u8>) {
        let mut out = Writer::new(out);
        out.count(self.topics.len());
        for topic in &self.topics {
            out.text(topic);
        }
    }

    pub fn load_topics(&mut self, read: &mut Reader<'_>) -> Result<(), BadBytes> {
        for _ in 0..read.count(2, "topics of timers")? {
            let topic = read.text("topic of timers")?;
            let lane = FIRST_TOPIC + self.topics.len();
            if lane >= LANES_MAX || self.by_topic.contains_key(topic) {
                return Err(BadBytes::Value { what: "topic told once", found: lane as u64 });
            }
            self.topics.push(topic.into());
            self.by_topic.insert(topic.into(), lane as u16);
        }
        Ok(())
    }
}
