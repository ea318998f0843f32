//! The requests of a producer: single or batch, answered or one-way, in either encoding of the header.

use clap::ValueEnum;
use ringmq::remoting::message::batch::InnerMessage;
use ringmq::remoting::request::send::SendMessage;
use ringmq::remoting::sysflag::message as flag;
use ringmq::remoting::{Encoding, RequestWriter};
use serde::Serialize;

use super::target::Target;
use crate::load::bodies::{Bodies, BodyLength};
use crate::setup;

const SEND_MESSAGE_V2: i32 = 310;
const SEND_BATCH_MESSAGE: i32 = 320;
/// What RocketMQ allows all properties of a message together.
const PROPERTIES_BYTES_MAX: usize = 32_767;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HeaderEncoding {
    Json,
    Binary,
}

impl HeaderEncoding {
    pub fn encoding(self) -> Encoding {
        match self {
            HeaderEncoding::Json => Encoding::Json,
            HeaderEncoding::Binary => Encoding::Binary,
        }
    }
}

#[derive(clap::Args, Clone, Debug, Serialize)]
pub struct MessageOptions {
    /// Bytes of a body: 500, 100-4000 (uniform) or exp:500 (exponential, by its mean)
    #[arg(long, default_value = "500")]
    #[serde(serialize_with = "as_text")]
    pub body: BodyLength,
    /// Messages in a request; from 2 on it is a SEND_BATCH_MESSAGE
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub batch: u32,
    /// Nobody answers; a send is done when the socket has taken it
    #[arg(long)]
    pub one_way: bool,
    /// Messages get these tags in turn: A or A,B,C
    #[arg(long, value_delimiter = ',')]
    pub tags: Vec<String>,
    /// Each message gets a key of its own
    #[arg(long)]
    pub keys: bool,
    /// Each message waits as long as this level of messageDelayLevel says
    #[arg(long, conflicts_with = "transactions", value_parser = clap::value_parser!(u8).range(1..=18))]
    pub delay_level: Option<u8>,
    /// Each message is a half message first; a send is done when its commit is answered
    #[arg(long, conflicts_with_all = ["one_way", "batch"])]
    pub transactions: bool,
    /// NxBYTES: more properties for each message, as 4x100
    #[arg(long, value_parser = parse_properties)]
    pub properties: Option<(usize, usize)>,
    /// How headers are written
    #[arg(long, value_enum, default_value = "binary")]
    pub header: HeaderEncoding,
}

fn as_text<S: serde::Serializer>(length: &BodyLength, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(length)
}

fn parse_properties(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once(['x', '×']).and_then(|(count, bytes)| Some((count.parse().ok()?, bytes.parse().ok()?)));
    match parts {
        Some((count, bytes)) if count * (bytes + 8) < PROPERTIES_BYTES_MAX - 200 => Ok((count, bytes)),
        Some(_) => Err(format!("'{text}' is more than the {PROPERTIES_BYTES_MAX} bytes that a message's properties may have")),
        None => Err(format!("'{text}' is no number and length of properties; write 4x100")),
    }
}

/// Where a message's body comes from.
pub trait Payload {
    /// Appends the next body for this connection. What it returns comes back with the answer.
    fn write(&mut self, connection: usize, due: u64, out: &mut Vec<u8>) -> u64;

    /// The broker has the message. `offset` is what its answer says, of a batch the first message's.
    fn acknowledged(&mut self, _connection: usize, _ticket: u64) {}
}

/// Bytes that mean nothing.
impl Payload for Bodies {
    fn write(&mut self, _connection: usize, _due: u64, out: &mut Vec<u8>) -> u64 {
        out.extend_from_slice(self.next());
        0
    }
}

/// Where the next request goes, and what is in it; one for each thread.
pub struct Messages {
    target: Target,
    encoding: Encoding,
    batch: u32,
    one_way: bool,
    tags: Vec<String>,
    keys: bool,
    transactions: bool,
    /// The same for all messages.
    more: String,
    /// Makes UNIQ_KEYs of different threads and runs differ.
    unique: u64,
    number: u64,
    properties: String,
    bodies: Vec<u8>,
    batch_body: Vec<u8>,
}

/// A request as it was written.
pub struct Written {
    pub messages: u32,
    /// Of the bodies.
    pub bytes: u64,
    /// The first message's.
    pub ticket: u64,
}

impl Messages {
    pub fn new(options: &MessageOptions, target: Target, thread: usize) -> Messages {
        let (count, bytes) = options.properties.unwrap_or((0, 0));
        let mut more: String = (0..count).map(|number| format!("p{number}\u{1}{}\u{2}", "v".repeat(bytes))).collect();
        if let Some(level) = options.delay_level {
            more.push_str(&format!("DELAY\u{1}{level}\u{2}"));
        }
        if options.transactions {
            more.push_str(&format!("TRAN_MSG\u{1}true\u{2}PGROUP\u{1}{}\u{2}", setup::GROUP));
        }
        Messages {
            target,
            encoding: options.header.encoding(),
            batch: options.batch,
            one_way: options.one_way,
            tags: options.tags.clone(),
            keys: options.keys,
            transactions: options.transactions,
            more,
            unique: fastrand::u64(..),
            // Threads begin at different queues.
            number: thread as u64,
            properties: String::new(),
            bodies: Vec::new(),
            batch_body: Vec::new(),
        }
    }

    /// Appends the next request for this connection to `out`.
    pub fn write(
        &mut self,
        payload: &mut impl Payload,
        (connection, slot): (usize, usize),
        due: u64,
        born: i64,
        out: &mut Vec<u8>,
    ) -> Written {
        let number = self.number;
        self.number += 1;
        let topics = self.target.topics.len() as u64;
        let topic = (number % topics) as usize;
        let queue = (number / topics % u64::from(self.target.queues)) as u32;
        let mut written = Written { messages: self.batch, bytes: 0, ticket: 0 };
        self.batch_body.clear();
        for inner in 0..self.batch {
            self.set_properties(number * u64::from(self.batch) + u64::from(inner));
            self.bodies.clear();
            let ticket = payload.write(connection, due, &mut self.bodies);
            if inner == 0 {
                written.ticket = ticket;
            }
            written.bytes += self.bodies.len() as u64;
            if self.batch > 1 {
                let message = InnerMessage { flag: 0, body: &self.bodies, properties: self.properties.as_bytes() };
                message.encode(&mut self.batch_body);
            }
        }
        let is_batch = self.batch > 1;
        let sys_flag = if self.transactions { flag::TRANSACTION_PREPARED } else { 0 };
        let properties = if is_batch { "" } else { &self.properties };
        let plain = setup::send_message(&self.target.topics[topic], queue, properties, sys_flag, born);
        let send = SendMessage { batch: is_batch, ..plain };
        let code = if is_batch { SEND_BATCH_MESSAGE } else { SEND_MESSAGE_V2 };
        let writer = RequestWriter::new(out, self.encoding, slot as i32, code);
        let writer = if self.one_way { writer.oneway() } else { writer };
        let body = if is_batch { &self.batch_body } else { &self.bodies };
        send.encode_v2(writer).body(body).finish().expect("lengths are checked when options are read");
        written
    }

    /// Appends the commit of a half message that the broker has: `stored` is its physical and its queue offset.
    pub fn commit(&self, slot: usize, stored: (i64, i64), out: &mut Vec<u8>) {
        let writer = RequestWriter::new(out, self.encoding, slot as i32, setup::END_TRANSACTION);
        let end = setup::end_transaction(stored, flag::TRANSACTION_COMMIT, None);
        end.encode(writer).finish().expect("it fits a frame");
    }

    fn set_properties(&mut self, number: u64) {
        let properties = &mut self.properties;
        properties.clear();
        properties.push_str("UNIQ_KEY\u{1}");
        push_hex(properties, self.unique);
        push_hex(properties, number);
        properties.push('\u{2}');
        if self.keys {
            properties.push_str("KEYS\u{1}k");
            push_hex(properties, self.unique ^ number.rotate_left(32));
            properties.push('\u{2}');
        }
        if !self.tags.is_empty() {
            properties.push_str("TAGS\u{1}");
            properties.push_str(&self.tags[(number % self.tags.len() as u64) as usize]);
            properties.push('\u{2}');
        }
        properties.push_str(&self.more);
        properties.push_str("WAIT\u{1}true\u{2}");
    }
}

fn push_hex(out: &mut String, number: u64) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for shift in (0..16).rev() {
        out.push(char::from(DIGITS[(number >> (4 * shift) & 15) as usize]));
    }
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
