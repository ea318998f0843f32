//! A message as it lies in the log and as it is sent to consumers: RocketMQ's record, byte for byte.
//!
//! Stored bytes are sent bytes, so nothing here may differ from what a stock client decodes. All integers are
//! big-endian. V1 and V2 differ in the width of the topic's length; V2 is written only for topics too long for V1,
//! because old clients decode nothing else than V1.
//!
//! | at | bytes | field |
//! |---|---|---|
//! | 0 | 4 | size of the whole record |
//! | 4 | 4 | magic: V1 `DAA320A7`, V2 `DAA320AB` |
//! | 8 | 4 | CRC-32 of the body, without its highest bit |
//! | 12 | 4 | queue id |
//! | 16 | 4 | flag, the user's |
//! | 20 | 8 | queue offset |
//! | 28 | 8 | physical offset |
//! | 36 | 4 | system flag; 0x10: the born host is IPv6, 0x20: the store host is |
//! | 40 | 8 | born timestamp |
//! | 48 | 8 or 20 | born host: address, u32 port |
//! | | 8 | store timestamp |
//! | | 8 or 20 | store host |
//! | | 4 | reconsume times |
//! | | 8 | prepared transaction offset |
//! | | 4 + n | body |
//! | | 1 or 2, + n | topic |
//! | | 2 + n | properties: name 01 value 02 name 01 value 02 ... |
//!
//! Before: `broker::send`; after: `log` (encode), `queue` (tags and keys), `broker::pull` (verify).

mod batch;
mod encode;
mod properties;
mod view;

pub use batch::{BadBatch, Batch, InnerMessage, StoredMessage};
pub use encode::{NewMessage, PROPERTIES_BYTES_MAX, TOPIC_BYTES_MAX};
pub use properties::{IndexedProperties, NAME_END, REAL_QUEUE_ID, REAL_TOPIC, VALUE_END, entries, property, tags_code};
pub use view::{BadRecord, Record};

pub const MAGIC_V1: u32 = 0xDAA3_20A7;
pub const MAGIC_V2: u32 = 0xDAA3_20AB;

/// The body is compressed.
pub const SYS_FLAG_COMPRESSED: i32 = 0x1;
/// Two bits: 0 none, 4 prepared, 8 commit, 12 rollback.
pub const SYS_FLAG_TRANSACTION: i32 = 0xC;
pub const SYS_FLAG_PREPARED: i32 = 0x4;
pub const SYS_FLAG_COMMIT: i32 = 0x8;
pub const SYS_FLAG_ROLLBACK: i32 = 0xC;
pub const SYS_FLAG_BORN_HOST_V6: i32 = 0x10;
pub const SYS_FLAG_STORE_HOST_V6: i32 = 0x20;

/// The checksum that a record carries of its body.
pub fn body_crc(body: &[u8]) -> u32 {
    crc32fast::hash(body) & 0x7FFF_FFFF
}
