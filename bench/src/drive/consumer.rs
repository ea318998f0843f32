//! One thread that reads: each of its queues has one pull under way, held by the broker until there is something, or
//! asked again a little later.
//!
//! Must always be true: a queue is read in order, from where it began; each record is looked at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use ringmq::remoting::message;
use ringmq::remoting::request::pull::PullMessage;
use ringmq::remoting::{Encoding, Header, RequestWriter, sysflag};
use ringmq_shards::record::Record;

use super::lines::Lines;
use crate::load::clock::{Clock, SECOND, Span};
use crate::load::failures::{Kind, NO_ANSWER};
use crate::load::recorder::Recorder;
use crate::load::results::Role;
use crate::setup::FOUND;

const PULL_MESSAGE: i32 = 11;
const PULL_NOT_FOUND: i32 = 19;
const PULL_RETRY_IMMEDIATELY: i32 = 20;
const PULL_OFFSET_MOVED: i32 = 21;
/// As RocketMQ's push consumer asks.
const SUSPEND_MILLIS: i64 = 15_000;
const WAIT_MAX: u64 = SECOND / 20;
const NOT_FOUND_AGAIN_AFTER: u64 = SECOND / 200;
const REFUSED_AGAIN_AFTER: u64 = SECOND;

/// What is done with each record.
pub trait Sink {
    /// `now`: when its pull was answered. Whether it counts.
    fn record(&mut self, queue: usize, record: &Record<'_>, now: u64, recorder: &mut Recorder) -> bool;

    /// A pull took so long, and found something.
    fn pulled(&mut self, _asked: u64, _now: u64, _recorder: &mut Recorder) {}
}

/// One queue of one topic on one broker, and how far it was read.
#[derive(Clone, Debug)]
pub struct Cursor {
    pub topic: String,
    pub queue: u32,
    /// The index of the thread's connection to its broker.
    pub line: usize,
    pub next: i64,
    /// Stops before this one.
    pub end: Option<i64>,
    /// When its pull went; None: none is under way.
    asked: Option<u64>,
    ask_at: u64,
}

impl Cursor {
    pub fn new(topic: String, queue: u32, line: usize, next: i64, end: Option<i64>) -> Cursor {
        Cursor { topic, queue, line, next, end, asked: None, ask_at: 0 }
    }

    fn is_done(&self) -> bool {
        self.end.is_some_and(|end| self.next >= end)
    }
}

/// How a crew of consumers reads; the same for all of them.
#[derive(Clone)]
pub struct Reading {
    pub role: Role,
    pub group: String,
    pub pull: i32,
    /// The broker holds a pull that finds nothing.
    pub long_polling: bool,
    /// Tells the broker with each pull how far it has read.
    pub commit: bool,
    /// Bodies are checked against their CRC.
    pub check: bool,
    pub encoding: Encoding,
    /// How many messages all threads together have still to read.
    pub left: Arc<AtomicU64>,
    pub stop: Arc<AtomicBool>,
}

impl Reading {
    pub fn stop(&self) {
        self.stop.store(true, Relaxed);
    }
}

pub struct Consumer<S> {
    pub clock: Clock,
    pub span: Span,
    pub lines: Lines,
    pub cursors: Vec<Cursor>,
    pub reading: Reading,
    pub sink: S,
    pub recorder: Recorder,
}

impl<S: Sink> Consumer<S> {
    pub fn run(mut self) -> Result<S, String> {
        let mut ready = Vec::new();
        loop {
            let now = self.clock.now();
            self.recorder.tick(now);
            let all_read = self.cursors.iter().all(Cursor::is_done);
            if now >= self.span.end || self.reading.stop.load(Relaxed) || self.reading.left.load(Relaxed) == 0 || all_read {
                self.recorder.finish(now, 0);
                return Ok(self.sink);
            }
            while self.lines.reopen(now).is_some() {}
            let next = self.ask_all(now);
            self.lines.wait(next.saturating_sub(self.clock.now()), &mut ready)?;
            for &index in &ready {
                self.read(index)?;
            }
        }
    }

    /// Sends the pulls whose time has come; when the next one's comes.
    fn ask_all(&mut self, now: u64) -> u64 {
        let mut next = now + WAIT_MAX;
        for number in 0..self.cursors.len() {
            let cursor = &mut self.cursors[number];
            if cursor.asked.is_some() || cursor.is_done() {
                continue;
            }
            if cursor.ask_at > now {
                next = next.min(cursor.ask_at);
                continue;
            }
            let Some(connection) = self.lines.get(cursor.line) else { continue };
            let mut sys_flag = sysflag::pull::SUBSCRIPTION;
            if self.reading.long_polling {
                sys_flag |= sysflag::pull::SUSPEND;
            }
            if self.reading.commit {
                sys_flag |= sysflag::pull::COMMIT_OFFSET;
            }
            let pull = PullMessage {
                sys_flag,
                commit_offset: Some(if self.reading.commit { cursor.next } else { 0 }),
                suspend_timeout_millis: if self.reading.long_polling { SUSPEND_MILLIS } else { 0 },
                ..PullMessage::of_all_tags(
                    &self.reading.group,
                    &cursor.topic,
                    cursor.queue as i32,
                    cursor.next,
                    self.reading.pull,
                )
            };
            let writer = RequestWriter::new(&mut connection.out, self.reading.encoding, number as i32, PULL_MESSAGE);
            pull.encode(writer).finish().expect("it fits a frame");
            cursor.asked = Some(now);
        }
        for index in 0..self.lines.len() {
            if self.lines.waiting(index) > 0
                && let Err(error) = self.lines.flush(index)
            {
                self.broke(index, &error);
            }
        }
        next
    }

    fn read(&mut self, index: usize) -> Result<(), String> {
        let Some(connection) = self.lines.get(index) else { return Ok(()) };
        let (clock, cursors, sink, recorder) = (&self.clock, &mut self.cursors, &mut self.sink, &mut self.recorder);
        let (check, left) = (self.reading.check, &self.reading.left);
        let mut wrong = Ok(());
        let read = connection.read(|header, body| {
            let Some(cursor) = cursors.get_mut(header.opaque as usize) else { return };
            let Some(asked) = cursor.asked.take() else { return };
            let now = clock.now();
            if header.code != FOUND {
                return not_found(cursor, header, now, recorder);
            }
            match take(cursor, header.opaque as usize, body, now, check, sink, recorder) {
                Err(why) => wrong = Err(format!("{} queue {}: {why}", cursor.topic, cursor.queue)),
                Ok((messages, bytes)) => {
                    // A pull may have been held since before the warm-up ended; what it brought came now.
                    recorder.success(now, now, messages, bytes);
                    sink.pulled(asked, now, recorder);
                    // A found pull whose records were all filtered out still moves on.
                    cursor.next = next_begin(header).map_or(cursor.next, |next| next.max(cursor.next));
                    let _ = left.fetch_update(Relaxed, Relaxed, |left| Some(left.saturating_sub(messages)));
                }
            }
        });
        if let Err(error) = read {
            self.broke(index, &error);
        }
        wrong
    }

    fn broke(&mut self, index: usize, error: &std::io::Error) {
        let remark = self.lines.broke(index, error, self.clock.now());
        let mut lost = 0;
        for cursor in self.cursors.iter_mut().filter(|cursor| cursor.line == index) {
            lost += u64::from(cursor.asked.take().is_some());
        }
        self.recorder.failure(Kind::Send, NO_ANSWER, &remark, lost);
    }
}

/// Each record of an answer; how many count, and the bytes of their bodies.
fn take<S: Sink>(
    cursor: &mut Cursor,
    number: usize,
    body: &[u8],
    now: u64,
    check: bool,
    sink: &mut S,
    recorder: &mut Recorder,
) -> Result<(u64, u64), String> {
    let (mut messages, mut bytes) = (0, 0);
    for record in message::records(body) {
        let record = record.map_err(|error| format!("after offset {}: {error}", cursor.next))?;
        let offset = record.queue_offset().0;
        if offset < cursor.next {
            return Err(format!("offset {offset} came where {} was the next", cursor.next));
        }
        if cursor.end.is_some_and(|end| offset >= end) {
            break;
        }
        if check {
            record.verify_crc().map_err(|error| format!("offset {offset}: {error}"))?;
        }
        cursor.next = offset + 1;
        if sink.record(number, &record, now, recorder) {
            messages += 1;
            bytes += record.body().len() as u64;
        }
    }
    Ok((messages, bytes))
}

fn not_found(cursor: &mut Cursor, header: &Header<'_>, now: u64, recorder: &mut Recorder) {
    match header.code {
        PULL_NOT_FOUND | PULL_RETRY_IMMEDIATELY | PULL_OFFSET_MOVED => {
            let next = next_begin(header).unwrap_or(cursor.next);
            let moved = next > cursor.next || header.code == PULL_OFFSET_MOVED;
            cursor.next = if moved { next } else { cursor.next };
            cursor.ask_at = if moved { now } else { now + NOT_FOUND_AGAIN_AFTER };
        }
        code => {
            recorder.failure(Kind::Response, code, header.remark.as_deref().unwrap_or_default(), 1);
            cursor.ask_at = now + REFUSED_AGAIN_AFTER;
        }
    }
}

fn next_begin(header: &Header<'_>) -> Option<i64> {
    header.field("nextBeginOffset").and_then(|text| text.parse().ok())
}
