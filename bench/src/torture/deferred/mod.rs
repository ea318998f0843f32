//! Delayed messages, transactions and messages that are sent back, while the node is killed again and again.
//!
//! They go over a connection of their own, a few at a time. The answer to a first request may ask for a second (a commit, a
//! sending back), and that for a contrary third one, which must change nothing. Half messages whose end was cut off by a kill are
//! ended after the restart.
//!
//! - `item`: one promise, and what must be read of it
//! - `requests`: what is sent
//! - `audit`: reads everything at the end, and judges

mod audit;
mod item;
mod requests;

use std::collections::HashMap;

use ringmq::remoting::Header;

use super::ledger::Random;
use crate::connection::Connection;
use crate::setup;
use item::{Decision, Item, Kind, Stage};

pub const TOPIC: &str = "TortureLater";
const QUEUES: u32 = 4;
const IN_FLIGHT: usize = 8;
/// Every so many messages one gets its second request only after the next restart.
const LEFT_EVERY: usize = 16;
const HEAD_BYTES: usize = 16;
const LEVEL_MILLIS: [i64; 2] = [1_000, 5_000];
const TIMER_MILLIS: std::ops::Range<u64> = 20..3_000;

/// The messages of a run, by number.
pub struct Deferred {
    seed: u64,
    items: Vec<Item>,
    /// Whose request is under way.
    asked: HashMap<i32, usize>,
    next_opaque: i32,
    /// Stored half messages whose end a kill has prevented.
    left_over: Vec<usize>,
    refused: u64,
    violations: Vec<String>,
    scratch: Vec<u8>,
}

impl Deferred {
    pub fn new(seed: u64) -> Deferred {
        Deferred {
            seed,
            items: Vec::new(),
            asked: HashMap::new(),
            next_opaque: 0,
            left_over: Vec::new(),
            refused: 0,
            violations: Vec::new(),
            scratch: Vec::new(),
        }
    }

    pub fn create_topic(connection: &mut Connection) -> Result<(), String> {
        setup::create_topic(connection, TOPIC, QUEUES)
    }

    /// Puts requests into the connection's buffer, up to what may be under way.
    pub fn fill(&mut self, random: &mut Random, out: &mut Vec<u8>) {
        while self.asked.len() < IN_FLIGHT {
            match self.left_over.pop() {
                Some(number) => self.ask_second(number, out),
                None => self.send(random, out),
            }
        }
    }

    fn send(&mut self, random: &mut Random, out: &mut Vec<u8>) {
        let kind = match random.below(10) {
            0 | 1 => {
                let level = random.below(LEVEL_MILLIS.len() as u64) as usize;
                Kind::Level { level: level as u8 + 1, delay_millis: LEVEL_MILLIS[level] }
            }
            2..=4 => Kind::Timer { delay_millis: random.range(TIMER_MILLIS) as i64 },
            5 => Kind::Transaction(Decision::Rollback),
            6 => Kind::Transaction(Decision::Commit),
            7 => Kind::Transaction([Decision::CommitThenRollback, Decision::RollbackThenCommit][random.below(2) as usize]),
            8 if random.below(4) == 0 => Kind::Transaction(Decision::Nothing),
            _ => Kind::SentBack,
        };
        let number = self.items.len();
        let item = Item::new(kind, setup::millis());
        let place = requests::Place { topic: TOPIC, queue: random.below(u64::from(QUEUES)) as u32 };
        self.scratch.clear();
        self.scratch.extend_from_slice(&self.seed.to_be_bytes());
        self.scratch.extend_from_slice(&(number as u64).to_be_bytes());
        self.scratch.resize(HEAD_BYTES + random.below(600) as usize, number as u8);
        let opaque = self.opaque(number);
        requests::send(&item, number, &place, &self.scratch, opaque, out);
        self.items.push(item);
    }

    fn opaque(&mut self, number: usize) -> i32 {
        self.next_opaque = (self.next_opaque + 1) & i32::MAX;
        self.asked.insert(self.next_opaque, number);
        self.next_opaque
    }

    fn ask_second(&mut self, number: usize, out: &mut Vec<u8>) {
        let opaque = self.opaque(number);
        if requests::second(&self.items[number], number, TOPIC, opaque, out) {
            self.items[number].stage = Stage::Ending;
        } else {
            self.asked.remove(&opaque);
        }
    }

    /// An answer; what it asks for next goes into `out`. Without one the node is dead.
    pub fn answered(&mut self, header: &Header<'_>, out: Option<&mut Vec<u8>>) {
        let Some(number) = self.asked.remove(&header.opaque) else {
            return self.violations.push(format!("an answer to {}, never asked", header.opaque));
        };
        let stage = self.items[number].stage;
        if header.code != 0 {
            return self.refused(number, stage, header);
        }
        match stage {
            Stage::Sending => match setup::stored_at(header) {
                None => self.violations.push(format!("message {number}: an answer that cannot be")),
                Some((physical_offset, queue_offset)) => {
                    let item = &mut self.items[number];
                    (item.physical_offset, item.queue_offset, item.stage) = (physical_offset, queue_offset, Stage::Stored);
                    // Some wait for the next start of the node.
                    if let Some(out) = out.filter(|_| !number.is_multiple_of(LEFT_EVERY)) {
                        self.ask_second(number, out);
                    }
                }
            },
            Stage::Ending => {
                self.items[number].stage = Stage::Ended;
                if let Some(out) = out {
                    self.contradict(number, out);
                }
            }
            // Whether a contrary end is refused or ignored, it must change nothing.
            Stage::Contradicting => {}
            Stage::Stored | Stage::Ended | Stage::Refused => {
                self.violations.push(format!("message {number}: an answer at stage {stage:?}"));
            }
        }
    }

    fn contradict(&mut self, number: usize, out: &mut Vec<u8>) {
        let opaque = self.opaque(number);
        if requests::third(&self.items[number], number, opaque, out) {
            self.items[number].stage = Stage::Contradicting;
        } else {
            self.asked.remove(&opaque);
        }
    }

    fn refused(&mut self, number: usize, stage: Stage, header: &Header<'_>) {
        let kind = self.items[number].kind;
        match stage {
            Stage::Sending => {
                self.items[number].stage = Stage::Refused;
                self.refused += 1;
                if self.refused <= 3 {
                    let remark = header.remark.as_deref().unwrap_or_default();
                    println!("\n   refused: {kind:?}: code {}, {remark}", header.code);
                }
            }
            Stage::Contradicting => {}
            Stage::Ending | Stage::Stored | Stage::Ended | Stage::Refused => {
                let remark = header.remark.as_deref().unwrap_or_default();
                self.violations.push(format!("message {number}, {kind:?}: refused at {stage:?}: code {}, {remark}", header.code));
            }
        }
    }

    /// The node was killed: nothing more is answered.
    pub fn killed(&mut self) {
        self.asked.clear();
        let has_second = |kind| match kind {
            Kind::Level { .. } | Kind::Timer { .. } | Kind::Transaction(Decision::Nothing) => false,
            Kind::Transaction(_) | Kind::SentBack => true,
        };
        let stored = self.items.iter().enumerate().filter(|(_, item)| item.stage == Stage::Stored && has_second(item.kind));
        self.left_over = stored.map(|(number, _)| number).collect();
    }
}
