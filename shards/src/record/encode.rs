//! Writing a record: a message from the wire becomes bytes in a commit block, its body copied once.
//!
//! The size is known before a place is reserved, and the offsets after: so `encoded_len` first, `encode` then. What can
//! be wrong with a client's message (lengths) was checked when it was admitted; here it is asserted.

use std::net::{IpAddr, SocketAddr};

use super::{MAGIC_V1, MAGIC_V2, SYS_FLAG_BORN_HOST_V6, SYS_FLAG_STORE_HOST_V6, body_crc, tags_code};
use crate::types::{Millis, QueueOffset};

/// What V2's length word could hold is more; what RocketMQ admits at all is less.
pub const TOPIC_BYTES_MAX: usize = 255;

/// A signed 16-bit length word.
pub const PROPERTIES_BYTES_MAX: usize = i16::MAX as usize;

/// Longer topics do not fit the signed length byte of V1.
const TOPIC_V1_BYTES_MAX: usize = i8::MAX as usize;

/// All but hosts, body, topic and properties, with the length words; V1.
const FIXED_BYTES: usize = 75;

/// A message on its way into the log. Borrowed from the frame it came in.
#[derive(Clone, Copy, Debug)]
pub struct NewMessage<'a> {
    pub topic: &'a str,
    pub queue_id: u32,
    pub flag: i32,
    /// The two bits that tell the hosts' families follow from the hosts, whatever they are here.
    pub sys_flag: i32,
    pub born_timestamp: i64,
    pub born_host: SocketAddr,
    pub store_host: SocketAddr,
    pub reconsume_times: i32,
    /// 0 unless this is the committed copy of a half message.
    pub prepared_transaction_offset: i64,
    pub body: &'a [u8],
    /// As stored: name 01 value 02 ...
    pub properties: &'a [u8],
}

impl NewMessage<'_> {
    pub fn encoded_len(&self) -> usize {
        self.encoded_len_with(self.body.len(), self.properties.len())
    }

    /// The length if body and properties had these lengths; for the messages of a batch, which share the rest.
    pub(super) fn encoded_len_with(&self, body: usize, properties: usize) -> usize {
        let topic_word = if self.topic.len() > TOPIC_V1_BYTES_MAX { 2 } else { 1 };
        let hosts = host_len(self.born_host) + host_len(self.store_host);
        FIXED_BYTES - 1 + topic_word + hosts + body + self.topic.len() + properties
    }

    /// Fills `out`, which must have exactly `encoded_len` bytes.
    pub fn encode(&self, queue_offset: QueueOffset, physical_offset: i64, store_timestamp: Millis, out: &mut [u8]) {
        assert!(self.topic.len() <= TOPIC_BYTES_MAX, "topics are checked when messages are admitted");
        assert!(self.properties.len() <= PROPERTIES_BYTES_MAX, "properties are checked when messages are admitted");
        assert_eq!(out.len(), self.encoded_len());
        let size = u32::try_from(out.len()).expect("records are bounded far below 4 GiB");
        let long_topic = self.topic.len() > TOPIC_V1_BYTES_MAX;
        let mut out = Cursor { left: out };
        out.put(size.to_be_bytes());
        out.put(if long_topic { MAGIC_V2 } else { MAGIC_V1 }.to_be_bytes());
        out.put(body_crc(self.body).to_be_bytes());
        out.put(self.queue_id.to_be_bytes());
        out.put(self.flag.to_be_bytes());
        out.put(queue_offset.0.to_be_bytes());
        out.put(physical_offset.to_be_bytes());
        out.put(self.stored_sys_flag().to_be_bytes());
        out.put(self.born_timestamp.to_be_bytes());
        out.host(self.born_host);
        out.put(store_timestamp.0.to_be_bytes());
        out.host(self.store_host);
        out.put(self.reconsume_times.to_be_bytes());
        out.put(self.prepared_transaction_offset.to_be_bytes());
        out.put((self.body.len() as u32).to_be_bytes());
        out.bytes(self.body);
        if long_topic {
            out.put((self.topic.len() as u16).to_be_bytes());
        } else {
            out.put([self.topic.len() as u8]);
        }
        out.bytes(self.topic.as_bytes());
        out.put((self.properties.len() as u16).to_be_bytes());
        out.bytes(self.properties);
        assert!(out.left.is_empty());
    }

    /// What the consume queue keeps of the tags.
    pub fn tags_code(&self) -> i64 {
        tags_code(self.properties)
    }

    fn stored_sys_flag(&self) -> i32 {
        let family = |host: SocketAddr, bit: i32| if is_v6(host) { bit } else { 0 };
        self.sys_flag & !(SYS_FLAG_BORN_HOST_V6 | SYS_FLAG_STORE_HOST_V6)
            | family(self.born_host, SYS_FLAG_BORN_HOST_V6)
            | family(self.store_host, SYS_FLAG_STORE_HOST_V6)
    }
}

/// A dual-stack listener sees IPv4 clients as `::ffff:a.b.c.d`; in a record they are IPv4.
fn is_v6(host: SocketAddr) -> bool {
    host.ip().to_canonical().is_ipv6()
}

fn host_len(host: SocketAddr) -> usize {
    if is_v6(host) { 20 } else { 8 }
}

struct Cursor<'o> {
    left: &'o mut [u8],
}

impl Cursor<'_> {
    fn put<const N: usize>(&mut self, value: [u8; N]) {
        self.bytes(&value);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let (taken, left) = std::mem::take(&mut self.left).split_at_mut(bytes.len());
        taken.copy_from_slice(bytes);
        self.left = left;
    }

    fn host(&mut self, host: SocketAddr) {
        match host.ip().to_canonical() {
            IpAddr::V4(ip) => self.put(ip.octets()),
            IpAddr::V6(ip) => self.put(ip.octets()),
        }
        self.put(u32::from(host.port()).to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::super::Record;
    use super::*;

    pub(crate) fn hosts(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn message<'a>() -> NewMessage<'a> {
        NewMessage {
            topic: "T",
            queue_id: 3,
            flag: 7,
            sys_flag: 0x30,
            born_timestamp: 1_000,
            born_host: hosts("10.0.0.1:258"),
            store_host: hosts("127.0.0.1:10911"),
            reconsume_times: 2,
            prepared_transaction_offset: 9,
            body: b"hello",
            properties: b"TAGS\x01a\x02",
        }
    }

    fn encode(message: &NewMessage<'_>) -> Vec<u8> {
        let mut out = vec![0; message.encoded_len()];
        message.encode(QueueOffset(5), 4096, Millis(2_000), &mut out);
        out
    }

    /// The bytes that a stock client must find, field by field.
    #[test]
    fn a_v1_record_is_rocketmqs() {
        let out = encode(&message());
        let expected: Vec<u8> = [
            &[0, 0, 0, 104][..],
            &[0xDA, 0xA3, 0x20, 0xA7],
            &0x3610_A686u32.to_be_bytes(),
            &[0, 0, 0, 3],
            &[0, 0, 0, 7],
            &[0, 0, 0, 0, 0, 0, 0, 5],
            &[0, 0, 0, 0, 0, 0, 16, 0],
            &[0, 0, 0, 0],
            &[0, 0, 0, 0, 0, 0, 3, 0xE8],
            &[10, 0, 0, 1, 0, 0, 1, 2],
            &[0, 0, 0, 0, 0, 0, 7, 0xD0],
            &[127, 0, 0, 1, 0, 0, 0x2A, 0x9F],
            &[0, 0, 0, 2],
            &[0, 0, 0, 0, 0, 0, 0, 9],
            &[0, 0, 0, 5],
            b"hello",
            &[1],
            b"T",
            &[0, 7],
            b"TAGS\x01a\x02",
        ]
        .concat();
        assert_eq!(out, expected);
        assert_eq!(out.len(), 91 + 5 + 1 + 7, "91 bytes of fixed part with IPv4 hosts");
    }

    #[test]
    fn hosts_tell_their_family() {
        let mut message = message();
        message.born_host = hosts("[2001:db8::1]:80");
        let out = encode(&message);
        let record = Record::parse(&out).unwrap();
        assert_eq!(record.sys_flag(), SYS_FLAG_BORN_HOST_V6);
        assert_eq!(record.born_host(), message.born_host);
        assert_eq!(record.store_host(), message.store_host);
        message.store_host = hosts("[::1]:81");
        message.born_host = hosts("[::ffff:10.0.0.1]:80");
        let out = encode(&message);
        let record = Record::parse(&out).unwrap();
        assert_eq!(record.sys_flag(), SYS_FLAG_STORE_HOST_V6);
        assert_eq!((record.born_host(), record.store_host()), (hosts("10.0.0.1:80"), message.store_host));
        assert_eq!((record.store_timestamp(), record.body()), (Millis(2_000), &b"hello"[..]));
    }

    #[test]
    fn only_long_topics_are_v2() {
        for (len, magic) in [(1, MAGIC_V1), (127, MAGIC_V1), (128, MAGIC_V2), (255, MAGIC_V2)] {
            let topic = "t".repeat(len);
            let out = encode(&NewMessage { topic: &topic, ..message() });
            assert_eq!(out[4..8], magic.to_be_bytes(), "{len}");
            let record = Record::parse(&out).unwrap();
            assert_eq!((record.topic(), record.queue_id(), record.queue_offset()), (topic.as_str(), 3, QueueOffset(5)));
        }
    }
}
