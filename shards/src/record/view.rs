//! Reading a record in place: every field borrowed from the bytes, which are checked once, in `parse`.
//!
//! `parse` makes sure that all lengths add up, so that the getters cannot fail; it does not read the body.
//! `verify` is for bytes that were read to answer a client: they must be the very record that was asked for.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{
    MAGIC_V1, MAGIC_V2, NewMessage, REAL_QUEUE_ID, REAL_TOPIC, SYS_FLAG_BORN_HOST_V6, SYS_FLAG_STORE_HOST_V6,
    SYS_FLAG_TRANSACTION, body_crc,
};
use crate::types::{Millis, QueueOffset};

const AT_CRC: usize = 8;
const AT_QUEUE_ID: usize = 12;
const AT_FLAG: usize = 16;
const AT_QUEUE_OFFSET: usize = 20;
const AT_PHYSICAL_OFFSET: usize = 28;
const AT_SYS_FLAG: usize = 36;
const AT_BORN_TIMESTAMP: usize = 40;
const AT_BORN_HOST: usize = 48;

/// One whole record. Plain view, on whichever core holds the bytes.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    bytes: &'a [u8],
    /// Where the fields behind the born host begin.
    at_store_timestamp: usize,
    at_reconsume_times: usize,
    body: &'a [u8],
    topic: &'a str,
    properties: &'a [u8],
}

/// Why bytes are no record, or not the one that was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRecord {
    /// Fewer bytes than the record says, or than any record has.
    Short {
        needed: usize,
        found: usize,
    },
    Magic(u32),
    /// The parts do not add up to the size.
    Lengths {
        size: usize,
    },
    TopicText,
    BodyCrc {
        stored: u32,
        computed: u32,
    },
    /// A good record, but of another place.
    PhysicalOffset {
        expected: i64,
        found: i64,
    },
    QueueOffset {
        expected: QueueOffset,
        found: QueueOffset,
    },
}

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadRecord::Short { needed, found } => write!(f, "a record of {needed} bytes has only {found}"),
            BadRecord::Magic(magic) => write!(f, "{magic:#010x} is no record's magic"),
            BadRecord::Lengths { size } => write!(f, "the parts of a record do not add up to its {size} bytes"),
            BadRecord::TopicText => f.write_str("the topic of a record is not UTF-8"),
            BadRecord::BodyCrc { stored, computed } => {
                write!(f, "the body has CRC {computed:#010x}, its record says {stored:#010x}")
            }
            BadRecord::PhysicalOffset { expected, found } => {
                write!(f, "the record names physical offset {found}, not {expected}")
            }
            BadRecord::QueueOffset { expected, found } => write!(f, "the record names queue offset {found}, not {expected}"),
        }
    }
}

impl std::error::Error for BadRecord {}

impl<'a> Record<'a> {
    /// The record that `bytes` begin with; more may follow.
    pub fn parse(bytes: &'a [u8]) -> Result<Record<'a>, BadRecord> {
        let short = |needed: usize| BadRecord::Short { needed, found: bytes.len() };
        let head = bytes.get(..AT_BORN_HOST).ok_or(short(AT_BORN_HOST))?;
        let size = u32_at(head, 0) as usize;
        let long_topic = match u32_at(head, 4) {
            MAGIC_V1 => false,
            MAGIC_V2 => true,
            other => return Err(BadRecord::Magic(other)),
        };
        let bytes = bytes.get(..size).ok_or(short(size))?;
        let sys_flag = u32_at(head, AT_SYS_FLAG) as i32;
        let at_store_timestamp = AT_BORN_HOST + host_len(sys_flag, SYS_FLAG_BORN_HOST_V6);
        let at_reconsume_times = at_store_timestamp + 8 + host_len(sys_flag, SYS_FLAG_STORE_HOST_V6);
        let mut tail = Tail { bytes, at: at_reconsume_times + 4 + 8 };
        let lengths = BadRecord::Lengths { size };
        let body_len = tail.word(4).ok_or(lengths)?;
        let body = tail.take(body_len).ok_or(lengths)?;
        let topic_len = tail.word(if long_topic { 2 } else { 1 }).ok_or(lengths)?;
        let topic = tail.take(topic_len).ok_or(lengths)?;
        let properties_len = tail.word(2).ok_or(lengths)?;
        let properties = tail.take(properties_len).ok_or(lengths)?;
        if tail.at != size {
            return Err(lengths);
        }
        let topic = std::str::from_utf8(topic).map_err(|_| BadRecord::TopicText)?;
        Ok(Record { bytes, at_store_timestamp, at_reconsume_times, body, topic, properties })
    }

    /// Whether this is the record of that place, whole. `None`: the queue offset is not known.
    pub fn verify(&self, physical_offset: i64, queue_offset: Option<QueueOffset>) -> Result<(), BadRecord> {
        if self.physical_offset() != physical_offset {
            return Err(BadRecord::PhysicalOffset { expected: physical_offset, found: self.physical_offset() });
        }
        match queue_offset {
            Some(expected) if expected != self.queue_offset() => {
                return Err(BadRecord::QueueOffset { expected, found: self.queue_offset() });
            }
            Some(_) | None => {}
        }
        self.verify_crc()
    }

    pub fn verify_crc(&self) -> Result<(), BadRecord> {
        let (stored, computed) = (self.body_crc(), body_crc(self.body));
        if stored == computed { Ok(()) } else { Err(BadRecord::BodyCrc { stored, computed }) }
    }

    /// All of it, as it is sent.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub fn topic(&self) -> &'a str {
        self.topic
    }

    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    pub fn properties(&self) -> &'a [u8] {
        self.properties
    }

    /// The value of a property, as Java reads it.
    pub fn property(&self, name: &str) -> Option<&'a [u8]> {
        super::property(self.properties, name)
    }

    pub fn tags_code(&self) -> i64 {
        super::tags_code(self.properties)
    }

    pub fn body_crc(&self) -> u32 {
        u32_at(self.bytes, AT_CRC)
    }

    pub fn queue_id(&self) -> u32 {
        u32_at(self.bytes, AT_QUEUE_ID)
    }

    pub fn flag(&self) -> i32 {
        u32_at(self.bytes, AT_FLAG) as i32
    }

    pub fn queue_offset(&self) -> QueueOffset {
        QueueOffset(i64_at(self.bytes, AT_QUEUE_OFFSET))
    }

    pub fn physical_offset(&self) -> i64 {
        i64_at(self.bytes, AT_PHYSICAL_OFFSET)
    }

    pub fn sys_flag(&self) -> i32 {
        u32_at(self.bytes, AT_SYS_FLAG) as i32
    }

    /// The two transaction bits of the system flag.
    pub fn transaction(&self) -> i32 {
        self.sys_flag() & SYS_FLAG_TRANSACTION
    }

    pub fn born_timestamp(&self) -> i64 {
        i64_at(self.bytes, AT_BORN_TIMESTAMP)
    }

    pub fn born_host(&self) -> SocketAddr {
        host(&self.bytes[AT_BORN_HOST..self.at_store_timestamp])
    }

    pub fn store_timestamp(&self) -> Millis {
        Millis(i64_at(self.bytes, self.at_store_timestamp))
    }

    pub fn store_host(&self) -> SocketAddr {
        host(&self.bytes[self.at_store_timestamp + 8..self.at_reconsume_times])
    }

    pub fn reconsume_times(&self) -> i32 {
        u32_at(self.bytes, self.at_reconsume_times) as i32
    }

    pub fn prepared_transaction_offset(&self) -> i64 {
        i64_at(self.bytes, self.at_reconsume_times + 4)
    }

    /// The topic and the queue that a waiting record is meant for. `None`: it does not say.
    pub fn real_queue(&self) -> Option<(&'a str, u32)> {
        let text = |name| std::str::from_utf8(self.property(name)?).ok();
        Some((text(REAL_TOPIC)?, text(REAL_QUEUE_ID)?.parse().ok()?))
    }

    /// The same message, to be stored once more.
    pub fn as_new_message(&self) -> NewMessage<'a> {
        NewMessage {
            topic: self.topic,
            queue_id: self.queue_id(),
            flag: self.flag(),
            sys_flag: self.sys_flag(),
            born_timestamp: self.born_timestamp(),
            born_host: self.born_host(),
            store_host: self.store_host(),
            reconsume_times: self.reconsume_times(),
            prepared_transaction_offset: self.prepared_transaction_offset(),
            body: self.body,
            properties: self.properties,
        }
    }
}

impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("topic", &self.topic)
            .field("queue_id", &self.queue_id())
            .field("queue_offset", &self.queue_offset())
            .field("physical_offset", &self.physical_offset())
            .field("size", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// The parts of variable length, none of which is believed to be there.
struct Tail<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Tail<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(len)?)?;
        self.at += len;
        Some(taken)
    }

    fn word(&mut self, bytes: usize) -> Option<usize> {
        Some(self.take(bytes)?.iter().fold(0, |word, byte| word << 8 | usize::from(*byte)))
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(*bytes[at..].first_chunk().expect("checked by parse"))
}

fn i64_at(bytes: &[u8], at: usize) -> i64 {
    i64::from_be_bytes(*bytes[at..].first_chunk().expect("checked by parse"))
}

fn host_len(sys_flag: i32, v6_bit: i32) -> usize {
    if sys_flag & v6_bit != 0 { 20 } else { 8 }
}

fn host(bytes: &[u8]) -> SocketAddr {
    let (ip, port) = bytes.split_last_chunk::<4>().expect("an address and a port");
    let ip = match ip.first_chunk::<16>() {
        Some(octets) => IpAddr::V6(Ipv6Addr::from(*octets)),
        None => IpAddr::V4(Ipv4Addr::from(*ip.first_chunk::<4>().expect("an address of four bytes"))),
    };
    SocketAddr::new(ip, u32::from_be_bytes(*port) as u16)
}

#[cfg(test)]
mod tests {
    use super::super::NewMessage;
    use super::*;

    fn good() -> Vec<u8> {
        let message = NewMessage {
            topic: "orders",
            queue_id: 1,
            flag: -1,
            sys_flag: 0x8,
            born_timestamp: 10,
            born_host: "10.0.0.1:80".parse().unwrap(),
            store_host: "[::2]:10911".parse().unwrap(),
            reconsume_times: 4,
            prepared_transaction_offset: 77,
            body: b"body",
            properties: b"KEYS\x01a b\x02",
        };
        let mut out = vec![0; message.encoded_len()];
        message.encode(QueueOffset(6), 512, Millis(11), &mut out);
        out
    }

    #[test]
    fn every_field_is_found_again() {
        let bytes = [good(), vec![9; 10]].concat();
        let record = Record::parse(&bytes).unwrap();
        assert_eq!(record.bytes().len(), bytes.len() - 10);
        assert_eq!((record.topic(), record.queue_id(), record.flag()), ("orders", 1, -1));
        assert_eq!((record.sys_flag(), record.transaction()), (0x28, 0x8));
        assert_eq!((record.born_timestamp(), record.store_timestamp()), (10, Millis(11)));
        assert_eq!((record.reconsume_times(), record.prepared_transaction_offset()), (4, 77));
        assert_eq!((record.body(), record.property("KEYS")), (&b"body"[..], Some(&b"a b"[..])));
        assert_eq!(record.verify(512, Some(QueueOffset(6))), Ok(()));
        assert_eq!(record.verify(512, None), Ok(()));
    }

    #[test]
    fn another_record_is_not_taken_for_it() {
        let mut bytes = good();
        let record = Record::parse(&bytes).unwrap();
        assert_eq!(record.verify(513, None), Err(BadRecord::PhysicalOffset { expected: 513, found: 512 }));
        let wrong = BadRecord::QueueOffset { expected: QueueOffset(7), found: QueueOffset(6) };
        assert_eq!(record.verify(512, Some(QueueOffset(7))), Err(wrong));
        let body = bytes.windows(4).position(|window| window == b"body").unwrap();
        bytes[body] = b'B';
        assert!(matches!(Record::parse(&bytes).unwrap().verify(512, None), Err(BadRecord::BodyCrc { .. })));
    }

    #[test]
    fn bad_bytes_are_errors() {
        let good = good();
        for cut in 0..good.len() {
            assert!(matches!(Record::parse(&good[..cut]), Err(BadRecord::Short { .. })), "{cut}");
        }
        let mut bytes = good.clone();
        bytes[7] ^= 1;
        assert_eq!(Record::parse(&bytes).unwrap_err(), BadRecord::Magic(0xDAA3_20A6));
        let mut bytes = good.clone();
        bytes[3] -= 1;
        assert!(matches!(Record::parse(&bytes), Err(BadRecord::Lengths { .. })));
        crate::wire::garble(&good, |bytes| {
            if let Ok(record) = Record::parse(bytes) {
                let _ = (record.verify(512, Some(QueueOffset(6))), record.tags_code(), record.born_host(), record.store_host());
            }
        });
    }
}
