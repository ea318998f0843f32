//! The body of a batch request: many messages that share all but flag, body and properties.
//!
//! Each becomes an ordinary record; together they take consecutive queue offsets and lie in the log as one unbreakable
//! run, so a batch is stored whole or not at all.
//!
//! | bytes | of one message in the body |
//! |---|---|
//! | 4 | size of this entry |
//! | 4 | magic, ignored |
//! | 4 | CRC, ignored: the broker computes its own |
//! | 4 | flag |
//! | 4 + n | body |
//! | 2 + n | properties |

use std::fmt;

use super::NewMessage;
use crate::types::{Millis, QueueOffset};
use crate::wire::{BadBytes, Reader};

/// Size, magic, CRC, flag, body length, properties length.
const INNER_BYTES_MIN: usize = 22;

/// A batch whose every message was checked.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// What all messages share. Its body is the whole batch, its properties are not stored.
    envelope: NewMessage<'a>,
    len: u32,
    encoded_len: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InnerMessage<'a> {
    pub flag: i32,
    pub body: &'a [u8],
    pub properties: &'a [u8],
}

/// Why a batch's body cannot be taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadBatch {
    Empty,
    /// At this byte of the body.
    Inner {
        at: usize,
        why: BadBytes,
    },
}

impl fmt::Display for BadBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadBatch::Empty => f.write_str("the batch has no message"),
            BadBatch::Inner { at, why } => write!(f, "the batch's message at byte {at}: {why}"),
        }
    }
}

impl std::error::Error for BadBatch {}

impl<'a> Batch<'a> {
    /// Checks every message in `envelope.body`.
    pub fn parse(envelope: NewMessage<'a>) -> Result<Batch<'a>, BadBatch> {
        let (mut len, mut encoded_len) = (0, 0);
        for inner in inner_messages(envelope.body) {
            let inner = inner?;
            len += 1;
            encoded_len += envelope.encoded_len_with(inner.body.len(), inner.properties.len());
        }
        if len == 0 { Err(BadBatch::Empty) } else { Ok(Batch { envelope, len, encoded_len }) }
    }

    /// Messages in it; at least one.
    #[expect(clippy::len_without_is_empty, reason = "an empty batch is an error")]
    pub fn len(&self) -> u32 {
        self.len
    }

    /// The bytes of all records together.
    pub fn encoded_len(&self) -> usize {
        self.encoded_len
    }

    pub fn messages(&self) -> impl Iterator<Item = InnerMessage<'a>> + use<'a> {
        inner_messages(self.envelope.body).map(|inner| inner.expect("checked by parse"))
    }

    /// Fills `out`, which must have exactly `encoded_len` bytes, with one record after the other, the first one at queue
    /// offset `first`. `physical_offset` knows what the byte of `out` at an index is called by clients. `stored` is
    /// told of each record: its index in `out`, its size, its queue offset and its physical offset.
    pub fn encode(
        &self,
        first: QueueOffset,
        store_timestamp: Millis,
        out: &mut [u8],
        physical_offset: impl Fn(usize) -> i64,
        mut stored: impl FnMut(StoredMessage<'a>),
    ) {
        assert_eq!(out.len(), self.encoded_len);
        let mut at = 0;
        for (number, inner) in (0..).zip(self.messages()) {
            let message = NewMessage {
                flag: inner.flag,
                body: inner.body,
                properties: inner.properties,
                prepared_transaction_offset: 0,
                ..self.envelope
            };
            let size = message.encoded_len();
            let queue_offset = first.advance(number);
            message.encode(queue_offset, physical_offset(at), store_timestamp, &mut out[at..at + size]);
            stored(StoredMessage { at, size, queue_offset, physical_offset: physical_offset(at), properties: inner.properties });
            at += size;
        }
        assert_eq!(at, out.len());
    }
}

/// Where a message of a batch went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredMessage<'a> {
    /// Its first byte, counted from the run's.
    pub at: usize,
    pub size: usize,
    pub queue_offset: QueueOffset,
    pub physical_offset: i64,
    pub properties: &'a [u8],
}

fn inner_messages(body: &[u8]) -> impl Iterator<Item = Result<InnerMessage<'_>, BadBatch>> {
    let mut left = body;
    std::iter::from_fn(move || {
        if left.is_empty() {
            return None;
        }
        let at = body.len() - left.len();
        let taken = take_inner(left).map_err(|why| BadBatch::Inner { at, why });
        left = taken.as_ref().map_or(&[], |(_, size)| &left[*size..]);
        Some(taken.map(|(inner, _)| inner))
    })
}

fn take_inner(bytes: &[u8]) -> Result<(InnerMessage<'_>, usize), BadBytes> {
    let size = Reader::new(bytes).u32("message size")? as usize;
    if size < INNER_BYTES_MIN {
        return Err(BadBytes::Value { what: "message size", found: size as u64 });
    }
    let mut read = Reader::new(bytes.get(..size).ok_or(BadBytes::Short("message"))?);
    read.bytes(12, "message head")?;
    let flag = read.i32("flag")?;
    let body_len = read.u32("body length")?;
    let body = read.bytes(body_len as usize, "body")?;
    let properties_len = read.u16("properties length")?;
    if i16::try_from(properties_len).is_err() {
        return Err(BadBytes::Value { what: "properties length", found: u64::from(properties_len) });
    }
    let properties = read.bytes(usize::from(properties_len), "properties")?;
    read.finish()?;
    Ok((InnerMessage { flag, body, properties }, size))
}

#[cfg(test)]
mod tests {
    use super::super::Record;
    use super::*;

    fn envelope(body: &[u8]) -> NewMessage<'_> {
        NewMessage {
            topic: "orders",
            queue_id: 2,
            flag: 99,
            sys_flag: 0,
            born_timestamp: 10,
            born_host: "10.0.0.1:80".parse().unwrap(),
            store_host: "10.0.0.2:81".parse().unwrap(),
            reconsume_times: 0,
            prepared_transaction_offset: 5,
            body,
            properties: b"ENVELOPE\x01x\x02",
        }
    }

    fn inner(flag: i32, body: &[u8], properties: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(((INNER_BYTES_MIN + body.len() + properties.len()) as u32).to_be_bytes());
        out.extend([0; 8]);
        out.extend(flag.to_be_bytes());
        out.extend((body.len() as u32).to_be_bytes());
        out.extend(body);
        out.extend((properties.len() as u16).to_be_bytes());
        out.extend(properties);
        out
    }

    #[test]
    fn a_batch_becomes_records_with_consecutive_offsets() {
        let body = [inner(1, b"one", b"KEYS\x01a\x02"), inner(2, b"", b""), inner(3, b"three", b"TAGS\x01b\x02")].concat();
        let batch = Batch::parse(envelope(&body)).unwrap();
        assert_eq!(batch.len(), 3);
        let mut out = vec![0; batch.encoded_len()];
        let mut stored = Vec::new();
        batch.encode(QueueOffset(40), Millis(9), &mut out, |at| (1_000 + at as i64) << 1, |message| stored.push(message));
        assert_eq!(stored.len(), 3);
        for (message, (offset, body)) in stored.iter().zip([(40, &b"one"[..]), (41, b""), (42, b"three")]) {
            let record = Record::parse(&out[message.at..]).unwrap();
            assert_eq!(record.bytes().len(), message.size);
            assert_eq!(record.verify((1_000 + message.at as i64) << 1, Some(QueueOffset(offset))), Ok(()));
            assert_eq!(record.physical_offset(), message.physical_offset);
            assert_eq!((record.body(), record.properties(), record.queue_id()), (body, message.properties, 2));
            assert_eq!(record.prepared_transaction_offset(), 0);
        }
        assert_eq!(stored[2].at + stored[2].size, out.len());
    }

    #[test]
    fn bad_batches_are_refused_whole() {
        assert_eq!(Batch::parse(envelope(b"")).unwrap_err(), BadBatch::Empty);
        let good = [inner(1, b"one", b"KEYS\x01a\x02"), inner(2, b"two", b"")].concat();
        assert_eq!(
            Batch::parse(envelope(&good[..good.len() - 1])).unwrap_err(),
            BadBatch::Inner { at: 32, why: BadBytes::Short("message") }
        );
        let mut zero = good.clone();
        zero[..4].fill(0);
        assert!(Batch::parse(envelope(&zero)).is_err(), "size 0 would never end");
        crate::wire::garble(&good, |bytes| {
            if let Ok(batch) = Batch::parse(envelope(bytes)) {
                let mut out = vec![0; batch.encoded_len()];
                batch.encode(QueueOffset(0), Millis(0), &mut out, |at| at as i64, |_| ());
            }
        });
    }
}
