//! One thread that pops: each connection has so many pops under way; what a pop brings is acked, and when those acks are answered the next one goes.
//!
//! Must always be true: a place has one pop under way, or the acks of its last one; so what is unanswered is bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use clap::ValueEnum;
use ringmq::remoting::Header;

use super::handed::{self, Handed, Whose};
use super::lines::Lines;
use super::seen::{Coming, Seen};
use crate::load::clock::{Clock, DRAIN_LIMIT, SECOND, Span};
use crate::load::failures::{Kind, NO_ANSWER};
use crate::load::recorder::Recorder;
use crate::load::results::{Role, Style};
use crate::setup::FOUND;

pub const ROLE: Role = Role { name: "pop", metrics: &["pop", "ack"], style: Style::Popper };
const POP: usize = 0;
const ACK: usize = 1;

const POLLING_FULL: i32 = 209;
const POLLING_TIMEOUT: i32 = 210;
/// Numbers of requests on a connection that belong to one place: its pop, and an ack for each of a pop's 32 messages.
const NUMBERS: usize = 64;
const WAIT_MAX: u64 = SECOND / 200;
const FULL_AGAIN_AFTER: u64 = SECOND / 200;
const REFUSED_AGAIN_AFTER: u64 = SECOND;
/// A run to the end gives up when nothing has come for so long.
const QUIET_MAX: u64 = 20 * SECOND;

/// How what a pop brought is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Acks {
    /// An ACK_MESSAGE for each message, as stock remoting clients do
    Each,
    /// A BATCH_ACK_MESSAGE for all of a pop
    Batch,
}

/// How a crew pops; the same for all of its threads.
#[derive(Clone)]
pub struct Popping {
    /// The names of the brokers, as handles say them.
    pub brokers: Vec<String>,
    pub topics: Vec<String>,
    pub queues: u32,
    pub group: String,
    pub batch: i32,
    pub invisible_millis: i64,
    pub acks: Acks,
    /// Bodies are checked against their CRC.
    pub check: bool,
    /// Messages that all threads together have still to get and to hear of their acks.
    pub left: Arc<AtomicU64>,
}

impl Popping {
    /// The place of a queue among all of the run's.
    pub fn queue(&self, broker: usize, topic: usize, queue: u32) -> usize {
        (broker * self.topics.len() + topic) * self.queues as usize + queue as usize
    }
}

pub struct Popper {
    pub clock: Clock,
    pub span: Span,
    pub lines: Lines,
    /// Of each line, which of the brokers it leads to.
    pub brokers: Vec<usize>,
    pub popping: Popping,
    pub in_flight: usize,
    pub seen: Seen,
    pub recorder: Recorder,
}

/// One of a connection's pops, and then its acks.
#[derive(Default)]
struct Place {
    topic: usize,
    asked: u64,
    /// Idle places only.
    again_at: u64,
    doing: Doing,
    /// Answered or not; the first has number 1.
    acks: Vec<Acking>,
    unanswered: usize,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Doing {
    #[default]
    Nothing,
    Popping,
    Acking,
}

/// What one ack is for.
#[derive(Clone, Copy, Default)]
struct Acking {
    messages: u64,
    /// Those of them that nobody had before.
    first: u64,
    bytes: u64,
    is_answered: bool,
}

/// An answer, read.
enum Answer {
    Handed(Vec<Handed>),
    Nothing { again_after: u64 },
    Acked(bool),
}

/// What a thread found out.
pub struct Found {
    pub seen: Seen,
    /// Messages whose acks were refused or not answered.
    pub unacked: u64,
}

impl Popper {
    pub fn run(mut self) -> Result<Found, String> {
        let mut places: Vec<Vec<Place>> = (0..self.lines.len()).map(|line| self.places(line)).collect();
        let (mut ready, mut answers) = (Vec::new(), Vec::new());
        let mut unacked = 0;
        // When the last message was acked; what is still under way then only shows whether more comes than there is.
        let mut complete_at = None;
        let mut last_answer = self.clock.now();
        loop {
            let now = self.clock.now();
            if complete_at.is_none() {
                self.recorder.tick(now);
                complete_at = (self.popping.left.load(Relaxed) == 0).then_some(now);
            }
            let is_over = complete_at.is_some() || now >= self.span.end || now - last_answer > QUIET_MAX;
            let limit = complete_at.map_or(self.span.drained(), |at| at + DRAIN_LIMIT.as_nanos() as u64);
            let under_way = places.iter().flatten().filter(|place| place.doing != Doing::Nothing).count();
            if is_over && (under_way == 0 || now > limit || now - last_answer > QUIET_MAX) {
                unacked += places.iter_mut().flatten().map(|place| place.give_up().1).sum::<u64>();
                self.recorder.finish(complete_at.unwrap_or(now), 0);
                return Ok(Found { seen: self.seen, unacked });
            }
            while self.lines.reopen(now).is_some() {}
            if !is_over {
                self.pop_all(&mut places, now);
            }
            for (line, places) in places.iter_mut().enumerate() {
                if self.lines.waiting(line) > 0
                    && let Err(error) = self.lines.flush(line)
                {
                    unacked += self.broke(line, places, &error);
                }
            }
            self.lines.wait(WAIT_MAX, &mut ready)?;
            for &line in &ready {
                let read = self.read(line, &mut answers)?;
                for (number, answer) in answers.drain(..) {
                    let place = &mut places[line][number / NUMBERS];
                    match answer {
                        Answer::Handed(handed) => {
                            last_answer = self.clock.now();
                            self.ack(line, number / NUMBERS, place, &handed);
                        }
                        Answer::Nothing { again_after } => {
                            place.doing = Doing::Nothing;
                            place.again_at = self.clock.now() + again_after;
                        }
                        Answer::Acked(good) => unacked += self.acked(place, number % NUMBERS, good),
                    }
                }
                if let Err(error) = read {
                    unacked += self.broke(line, &mut places[line], &error);
                }
            }
        }
    }

    fn places(&self, line: usize) -> Vec<Place> {
        let topics = self.popping.topics.len();
        (0..self.in_flight).map(|place| Place { topic: (place + line) % topics, ..Place::default() }).collect()
    }

    fn pop_all(&mut self, places: &mut [Vec<Place>], now: u64) {
        for (line, places) in places.iter_mut().enumerate() {
            let Some(connection) = self.lines.get(line) else { continue };
            for (number, place) in places.iter_mut().enumerate() {
                if place.doing != Doing::Nothing || place.again_at > now {
                    continue;
                }
                let whose = whose(&self.popping, self.brokers[line], place.topic);
                let (batch, invisible, born) = (self.popping.batch, self.popping.invisible_millis, self.clock.wall(now));
                handed::write_pop(whose, batch, invisible, true, born, (number * NUMBERS) as i32, &mut connection.out);
                place.doing = Doing::Popping;
                place.asked = now;
            }
        }
    }

    /// Once; an error of the connection comes after what it has brought.
    fn read(&mut self, line: usize, answers: &mut Vec<(usize, Answer)>) -> Result<std::io::Result<()>, String> {
        let Some(connection) = self.lines.get(line) else { return Ok(Ok(())) };
        let (check, recorder) = (self.popping.check, &mut self.recorder);
        let mut wrong = None;
        let read = connection.read(|header, body| {
            let number = header.opaque as usize;
            let is_pop = number.is_multiple_of(NUMBERS);
            let answer = match header.code {
                FOUND if is_pop => match handed::messages(header, body, check) {
                    Ok(handed) => Answer::Handed(handed),
                    Err(why) => return wrong = Some(why),
                },
                FOUND => Answer::Acked(true),
                POLLING_TIMEOUT if is_pop => Answer::Nothing { again_after: 0 },
                POLLING_FULL if is_pop => Answer::Nothing { again_after: FULL_AGAIN_AFTER },
                code => {
                    recorder.failure(Kind::Response, code, remark(header), 1);
                    if is_pop { Answer::Nothing { again_after: REFUSED_AGAIN_AFTER } } else { Answer::Acked(false) }
                }
            };
            answers.push((number, answer));
        });
        wrong.map_or(Ok(read), Err)
    }

    /// A pop has brought these: each is looked at, and their acks go.
    fn ack(&mut self, line: usize, number: usize, place: &mut Place, handed: &[Handed]) {
        let now = self.clock.now();
        self.recorder.latency(POP, place.asked, now - place.asked);
        place.asked = now;
        place.acks.clear();
        let broker = self.brokers[line];
        for one in handed {
            let coming = match one.retry {
                ringmq::remoting::message::pop::RetryKind::Normal => {
                    self.seen.came(self.popping.queue(broker, place.topic, one.queue), one.offset)
                }
                _ => self.seen.came_back(),
            };
            let ack = Acking { messages: 1, first: u64::from(coming == Coming::First), bytes: one.bytes, is_answered: false };
            match place.acks.last_mut().filter(|_| self.popping.acks == Acks::Batch) {
                None => place.acks.push(ack),
                Some(batch) => {
                    batch.messages += 1;
                    batch.first += ack.first;
                    batch.bytes += ack.bytes;
                }
            }
        }
        place.unanswered = place.acks.len();
        place.doing = if handed.is_empty() { Doing::Nothing } else { Doing::Acking };
        let whose = whose(&self.popping, broker, place.topic);
        // One that broke meanwhile is told as such by whoever reads.
        let Some(connection) = self.lines.get(line) else { return };
        match self.popping.acks {
            Acks::Batch if handed.is_empty() => {}
            Acks::Batch => handed::write_batch_ack(handed, whose, (number * NUMBERS + 1) as i32, &mut connection.out),
            Acks::Each => {
                for (index, one) in handed.iter().enumerate() {
                    one.write_ack(whose, (number * NUMBERS + 1 + index) as i32, &mut connection.out);
                }
            }
        }
    }

    /// Messages that this answer leaves unacked.
    fn acked(&mut self, place: &mut Place, ack: usize, good: bool) -> u64 {
        let now = self.clock.now();
        let Some(acking) = place.acks.get_mut(ack - 1).filter(|acking| !acking.is_answered) else { return 0 };
        acking.is_answered = true;
        let acking = *acking;
        place.unanswered -= 1;
        if place.unanswered == 0 {
            place.doing = Doing::Nothing;
            place.again_at = now;
        }
        // Also of a refused one nothing more is to come in this run.
        let _ = self.popping.left.fetch_update(Relaxed, Relaxed, |left| Some(left.saturating_sub(acking.first)));
        if !good {
            return acking.messages;
        }
        self.recorder.success(now, now, acking.messages, acking.bytes);
        self.recorder.latency(ACK, place.asked, now - place.asked);
        0
    }

    /// Messages that stay unacked by it.
    fn broke(&mut self, line: usize, places: &mut [Place], error: &std::io::Error) -> u64 {
        let remark = self.lines.broke(line, error, self.clock.now());
        let (requests, unacked) = places.iter_mut().map(Place::give_up).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        self.recorder.failure(Kind::Send, NO_ANSWER, &remark, requests);
        unacked
    }
}

impl Place {
    /// Nothing under way will be answered: how many requests, and messages that are not acked.
    fn give_up(&mut self) -> (u64, u64) {
        let unanswered = self.acks.iter().filter(|ack| !ack.is_answered);
        let lost = match self.doing {
            Doing::Nothing => (0, 0),
            Doing::Popping => (1, 0),
            Doing::Acking => (self.unanswered as u64, unanswered.map(|ack| ack.messages).sum()),
        };
        self.doing = Doing::Nothing;
        lost
    }
}

fn whose(popping: &Popping, broker: usize, topic: usize) -> Whose<'_> {
    Whose { broker: &popping.brokers[broker], topic: &popping.topics[topic], group: &popping.group }
}

fn remark<'a>(header: &'a Header<'_>) -> &'a str {
    header.remark.as_deref().unwrap_or_default()
}
