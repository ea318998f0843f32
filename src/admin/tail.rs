//! `ringmq tail`: every queue of a topic is pulled with long polling, and messages are printed as they come.
//!
//! One thread per broker keeps one pull in flight per queue; the caller's thread prints, counts and commits. An offset is
//! committed after its message has been printed, so a tail that is killed prints again rather than skips.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::mpsc::{SyncSender, sync_channel};

use super::client::{ClientError, Connection};
use super::frame::Answer;
use super::message;
use super::route::{self, Share};
use super::when;

const PULL_MESSAGE: i32 = 11;
const QUERY_CONSUMER_OFFSET: i32 = 14;
const UPDATE_CONSUMER_OFFSET: i32 = 15;
const SEARCH_OFFSET: i32 = 29;
const GET_MAX_OFFSET: i32 = 30;
const GET_MIN_OFFSET: i32 = 31;

const SUCCESS: i32 = 0;
const PULL_NOT_FOUND: i32 = 19;
const PULL_RETRY_IMMEDIATELY: i32 = 20;
const PULL_OFFSET_MOVED: i32 = 21;
const QUERY_NOT_FOUND: i32 = 22;

const GROUP_NOT_EXIST: i32 = 26;

/// Pull flags: wait for something to come; the subscription is in the request, so that no heartbeat is needed.
const HOLD: i32 = 2;
const SUBSCRIPTION: i32 = 4;
const HOLD_MS: i64 = 15_000;
const PULL_MESSAGES_MAX: i32 = 32;
/// A group that every broker has from the start; without --group nothing is remembered in it.
const NO_GROUP: &str = "TOOLS_CONSUMER";

/// Where to begin in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    First,
    Last,
    /// The first message stored at or after this time.
    At(i64),
    /// Where the group stopped; at the end if it has not been here.
    Group,
}

pub struct Tail<'a> {
    pub topic: &'a str,
    pub group: Option<&'a str>,
    pub start: Start,
    pub count: Option<u64>,
    pub namesrv: &'a str,
}

/// What a broker's thread hands to the printer: one pull's answer.
struct Batch {
    broker: usize,
    queue: u32,
    body: Vec<u8>,
}

/// Ends after `count` messages, or when the reader of `out` has gone away.
pub fn tail(tail: &Tail<'_>, out: &mut dyn Write) -> Result<(), ClientError> {
    let mut namesrv = Connection::open_first(tail.namesrv)?;
    let no_route = || ClientError::NoRoute { topic: tail.topic.to_string(), namesrv: tail.namesrv.to_string() };
    let shares = route::route(&mut namesrv, tail.topic)?.ok_or_else(no_route)?;
    let shares: Vec<Share> = shares.into_iter().filter(|share| share.readable > 0).collect();
    if shares.is_empty() {
        return Err(ClientError::NoQueue { topic: tail.topic.to_string(), wanted: "read" });
    }
    let (sender, receiver) = sync_channel::<Result<Batch, ClientError>>(shares.len() * 2);
    // Offsets are asked for and committed on connections of their own, for pulls are held on the others.
    let mut commits = Vec::new();
    for (broker, share) in shares.iter().enumerate() {
        let mut connection = Connection::open(&share.address)?;
        let mut offsets = BTreeMap::new();
        for queue in 0..share.readable {
            let offset = start_offset(&mut connection, tail, queue)?;
            if let Some(group) = tail.group {
                // Queues without a message in this run must not begin at their end the next time.
                begin(&mut connection, tail.topic, group, queue, offset)?;
            }
            offsets.insert(queue, offset);
        }
        commits.push(connection);
        let puller = Puller {
            connection: Connection::open(&share.address)?,
            broker,
            topic: tail.topic.to_string(),
            group: tail.group.unwrap_or(NO_GROUP).to_string(),
            offsets,
        };
        let sender = sender.clone();
        std::thread::spawn(move || puller.run(&sender));
    }
    drop(sender);

    let mut left = tail.count.unwrap_or(u64::MAX);
    while left > 0 {
        let Ok(batch) = receiver.recv() else { break };
        let Batch { broker, queue, body } = batch?;
        let share = &shares[broker];
        let bad = || ClientError::BadAnswer { what: "a pull", address: share.address.clone() };
        let mut printed = None;
        for message in message::messages(&body).ok_or_else(bad)? {
            if left == 0 {
                break;
            }
            if writeln!(out, "{}", line(&share.broker, queue, &message)).is_err() {
                left = 0;
                break;
            }
            left -= 1;
            printed = Some(message.queue_offset);
        }
        // A terminal shows whole lines by itself; a pipe would hold them back.
        _ = out.flush();
        if let (Some(group), Some(offset)) = (tail.group, printed) {
            let done = commit(&mut commits[broker], tail.topic, group, queue, offset + 1);
            // A broker closes a connection that was quiet for two minutes, as this one is on a quiet topic.
            if let Err(ClientError::Broken { .. }) = done {
                commits[broker] = Connection::open(&share.address)?;
                commit(&mut commits[broker], tail.topic, group, queue, offset + 1)?;
            } else {
                done?;
            }
        }
    }
    Ok(())
}

fn line(broker: &str, queue: u32, message: &message::Message<'_>) -> String {
    let mut line = format!("{}  {broker}/{queue}@{}", when::utc(message.store_timestamp), message.queue_offset);
    for (property, name) in [("TAGS", "tag"), ("KEYS", "key")] {
        if let Some(value) = message.property(property) {
            line.push_str(&format!("  {name}={value}"));
        }
    }
    line.push_str("  ");
    line.push_str(&message.text());
    line
}

struct Puller {
    connection: Connection,
    broker: usize,
    topic: String,
    group: String,
    /// The next offset of each queue.
    offsets: BTreeMap<u32, i64>,
}

impl Puller {
    /// Runs until the printer has gone, or reports the error that ended it.
    fn run(mut self, sender: &SyncSender<Result<Batch, ClientError>>) {
        if let Err(error) = self.pull(sender) {
            _ = sender.send(Err(error));
        }
    }

    fn pull(&mut self, sender: &SyncSender<Result<Batch, ClientError>>) -> Result<(), ClientError> {
        let mut asked: BTreeMap<i32, u32> = BTreeMap::new();
        for queue in self.offsets.keys().copied().collect::<Vec<_>>() {
            asked.insert(self.ask(queue)?, queue);
        }
        loop {
            let answer = self.connection.answer()?;
            let Some(queue) = asked.remove(&answer.opaque) else { continue };
            self.offsets.insert(queue, self.next_offset(&answer)?);
            if answer.code == SUCCESS && sender.send(Ok(Batch { broker: self.broker, queue, body: answer.body })).is_err() {
                return Ok(());
            }
            asked.insert(self.ask(queue)?, queue);
        }
    }

    fn ask(&mut self, queue: u32) -> Result<i32, ClientError> {
        let fields = pull_fields(&self.topic, &self.group, queue, self.offsets[&queue], HOLD | SUBSCRIPTION);
        self.connection.ask(PULL_MESSAGE, &fields, b"")
    }

    fn next_offset(&self, answer: &Answer) -> Result<i64, ClientError> {
        match answer.code {
            SUCCESS | PULL_NOT_FOUND | PULL_RETRY_IMMEDIATELY | PULL_OFFSET_MOVED => {
                let bad = || ClientError::BadAnswer { what: "a pull", address: self.connection.address().to_string() };
                answer.number("nextBeginOffset").ok_or_else(bad)
            }
            _ => Err(self.connection.refused("hand out messages", answer)),
        }
    }
}

fn start_offset(connection: &mut Connection, tail: &Tail<'_>, queue: u32) -> Result<i64, ClientError> {
    let fields = |more: &[(&'static str, String)]| {
        let base = [("topic", tail.topic.to_string()), ("queueId", queue.to_string())];
        base.into_iter().chain(more.iter().cloned()).collect::<Vec<_>>()
    };
    let answer = match (tail.start, tail.group) {
        (Start::First, _) => connection.call(GET_MIN_OFFSET, &fields(&[]), b"")?,
        (Start::At(time), _) => connection.call(SEARCH_OFFSET, &fields(&[("timestamp", time.to_string())]), b"")?,
        (Start::Group, Some(group)) => {
            let group = [("consumerGroup", group.to_string()), ("setZeroIfNotFound", "false".to_string())];
            match connection.call(QUERY_CONSUMER_OFFSET, &fields(&group), b"")? {
                answer if answer.code == QUERY_NOT_FOUND => connection.call(GET_MAX_OFFSET, &fields(&[]), b"")?,
                answer => answer,
            }
        }
        (Start::Last, _) | (Start::Group, None) => connection.call(GET_MAX_OFFSET, &fields(&[]), b"")?,
    };
    match (answer.code, answer.number("offset")) {
        (SUCCESS, Some(offset)) => Ok(offset),
        (SUCCESS, None) => {
            Err(ClientError::BadAnswer { what: "a question for an offset", address: connection.address().to_string() })
        }
        _ => Err(connection.refused("tell an offset", &answer)),
    }
}

fn pull_fields(topic: &str, group: &str, queue: u32, offset: i64, flags: i32) -> [(&'static str, String); 11] {
    [
        ("consumerGroup", group.to_string()),
        ("topic", topic.to_string()),
        ("queueId", queue.to_string()),
        ("queueOffset", offset.to_string()),
        ("maxMsgNums", PULL_MESSAGES_MAX.to_string()),
        ("sysFlag", flags.to_string()),
        ("commitOffset", "0".to_string()),
        ("suspendTimeoutMillis", HOLD_MS.to_string()),
        ("subscription", "*".to_string()),
        ("subVersion", "0".to_string()),
        ("expressionType", "TAG".to_string()),
    ]
}

/// Notes where a group begins. A group that the broker does not know is made by a pull, if the broker makes groups at all.
fn begin(connection: &mut Connection, topic: &str, group: &str, queue: u32, offset: i64) -> Result<(), ClientError> {
    match commit(connection, topic, group, queue, offset) {
        Err(ClientError::Refused { code: GROUP_NOT_EXIST, .. }) => {
            connection.call(PULL_MESSAGE, &pull_fields(topic, group, queue, offset, SUBSCRIPTION), b"")?;
            commit(connection, topic, group, queue, offset)
        }
        done => done,
    }
}

fn commit(connection: &mut Connection, topic: &str, group: &str, queue: u32, offset: i64) -> Result<(), ClientError> {
    let fields = [
        ("consumerGroup", group.to_string()),
        ("topic", topic.to_string()),
        ("queueId", queue.to_string()),
        ("commitOffset", offset.to_string()),
    ];
    let answer = connection.call(UPDATE_CONSUMER_OFFSET, &fields, b"")?;
    if answer.code == SUCCESS { Ok(()) } else { Err(connection.refused("remember the group's offset", &answer)) }
}
