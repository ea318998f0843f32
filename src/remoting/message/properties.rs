//! A message's properties in their stored form: `name 01 value 02 name 01 value 02 ...`, never as a map.
//!
//! As Java reads them: an entry needs a name and a value to count, of equal names the last one wins, and the final 02 may
//! be missing. Names and values that hold 01 or 02 cannot be told from others; nothing escapes them.

use std::fmt::{self, Display, Write};

pub use ringmq_shards::record::{entries as iter, property as get};

/// What a record's length word holds, and Java's limit.
pub const PROPERTIES_BYTES_MAX: usize = i16::MAX as usize;

const NAME_END: u8 = 1;
const VALUE_END: u8 = 2;

/// Names with a meaning to the broker or to clients.
pub mod name {
    pub const BORN_HOST: &str = "__BORNHOST";
    pub const BORN_TIMESTAMP: &str = "BORN_TIMESTAMP";
    pub const CLUSTER: &str = "CLUSTER";
    pub const CONSUME_START_TIME: &str = "CONSUME_START_TIME";
    pub const CORRELATION_ID: &str = "CORRELATION_ID";
    pub const DELAY: &str = "DELAY";
    pub const DLQ_ORIGIN_MESSAGE_ID: &str = "DLQ_ORIGIN_MESSAGE_ID";
    pub const DLQ_ORIGIN_TOPIC: &str = "DLQ_ORIGIN_TOPIC";
    pub const FIRST_POP_TIME: &str = "1ST_POP_TIME";
    pub const INNER_BASE: &str = "INNER_BASE";
    pub const INNER_NUM: &str = "INNER_NUM";
    pub const KEYS: &str = "KEYS";
    pub const MAX_OFFSET: &str = "MAX_OFFSET";
    pub const MAX_RECONSUME_TIMES: &str = "MAX_RECONSUME_TIMES";
    pub const MIN_OFFSET: &str = "MIN_OFFSET";
    pub const MSG_REGION: &str = "MSG_REGION";
    pub const ORIGIN_MESSAGE_ID: &str = "ORIGIN_MESSAGE_ID";
    pub const PGROUP: &str = "PGROUP";
    pub const POP_CK: &str = "POP_CK";
    pub const PUSH_REPLY_TIME: &str = "PUSH_REPLY_TIME";
    pub const REAL_QID: &str = ringmq_shards::record::REAL_QUEUE_ID;
    pub const REAL_TOPIC: &str = ringmq_shards::record::REAL_TOPIC;
    pub const RECONSUME_TIME: &str = "RECONSUME_TIME";
    pub const REPLY_TO_CLIENT: &str = "REPLY_TO_CLIENT";
    pub const RETRY_TOPIC: &str = "RETRY_TOPIC";
    pub const SHARDING_KEY: &str = "__SHARDINGKEY";
    pub const TAGS: &str = "TAGS";
    pub const TIMER_DELAY_MS: &str = "TIMER_DELAY_MS";
    pub const TIMER_DELAY_SEC: &str = "TIMER_DELAY_SEC";
    pub const TIMER_DELIVER_MS: &str = "TIMER_DELIVER_MS";
    pub const TIMER_DEL_UNIQKEY: &str = "TIMER_DEL_UNIQKEY";
    pub const TIMER_OUT_MS: &str = "TIMER_OUT_MS";
    pub const TRACE_ON: &str = "TRACE_ON";
    pub const TRAN_MSG: &str = "TRAN_MSG";
    pub const UNIQ_KEY: &str = "UNIQ_KEY";
    pub const WAIT: &str = "WAIT";
}

/// Too many bytes for a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PropertiesTooLong {
    pub bytes: usize,
}

impl Display for PropertiesTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the properties have {} bytes, a message takes {PROPERTIES_BYTES_MAX}", self.bytes)
    }
}

impl std::error::Error for PropertiesTooLong {}

/// Behind all others. For a name that is not there yet: an earlier entry stays, unread.
pub fn append(properties: &mut Vec<u8>, name: &str, value: impl Display) {
    if properties.last().is_some_and(|last| *last != VALUE_END) {
        properties.push(VALUE_END);
    }
    properties.extend_from_slice(name.as_bytes());
    properties.push(NAME_END);
    write!(Text(properties), "{value}").expect("a Vec takes all, and Display of ours never fails");
    properties.push(VALUE_END);
}

/// Instead of any entry of that name.
pub fn put(properties: &mut Vec<u8>, name: &str, value: impl Display) {
    remove(properties, name);
    append(properties, name, value);
}

/// Takes all entries of that name away; true if there were any. In place, without an allocation.
pub fn remove(properties: &mut Vec<u8>, name: &str) -> bool {
    let before = properties.len();
    let (mut read, mut kept) = (0, 0);
    while read < properties.len() {
        let rest = &properties[read..];
        let len = rest.iter().position(|byte| *byte == VALUE_END).map_or(rest.len(), |end| end + 1);
        if split(&rest[..len]).is_none_or(|(found, _)| found != name.as_bytes()) {
            properties.copy_within(read..read + len, kept);
            kept += len;
        }
        read += len;
    }
    properties.truncate(kept);
    kept < before
}

/// Whether a record can hold them.
pub fn validate(properties: &[u8]) -> Result<(), PropertiesTooLong> {
    let bytes = properties.len();
    if bytes <= PROPERTIES_BYTES_MAX { Ok(()) } else { Err(PropertiesTooLong { bytes }) }
}

fn split(entry: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = entry.iter().position(|byte| *byte == NAME_END)?;
    Some((&entry[..end], &entry[end + 1..]))
}

struct Text<'a>(&'a mut Vec<u8>);

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `=` for 01 and `;` for 02.
    fn stored(text: &str) -> Vec<u8> {
        text.replace('=', "\u{1}").replace(';', "\u{2}").into_bytes()
    }

    fn shown(properties: &[u8]) -> String {
        String::from_utf8_lossy(properties).replace('\u{1}', "=").replace('\u{2}', ";")
    }

    #[test]
    fn entries_that_count() {
        let properties = stored("a=1;b=;=x;;c;d=e=f;a=2");
        let found: Vec<String> = iter(&properties).map(|(name, value)| format!("{}:{}", shown(name), shown(value))).collect();
        assert_eq!(found, ["a:1", "d:e=f", "a:2"]);
        assert_eq!(get(&properties, "a"), Some(&b"2"[..]));
        assert_eq!(get(&properties, "b"), None);
    }

    #[test]
    fn entries_are_put_and_removed() {
        for (before, put_a, removed_a) in [
            ("", "a=7;", ""),
            ("b=1;", "b=1;a=7;", "b=1;"),
            ("b=1", "b=1;a=7;", "b=1"),
            ("a=1;b=2;a=3;", "b=2;a=7;", "b=2;"),
            ("a=1", "a=7;", ""),
            ("aa=1;a=;b=a=1;", "aa=1;b=a=1;a=7;", "aa=1;b=a=1;"),
            (";x;", ";x;a=7;", ";x;"),
        ] {
            let mut properties = stored(before);
            put(&mut properties, "a", 7);
            assert_eq!(shown(&properties), put_a, "{before}");
            let mut properties = stored(before);
            assert_eq!(remove(&mut properties, "a"), before != removed_a);
            assert_eq!(shown(&properties), removed_a, "{before}");
        }
    }

    #[test]
    fn length_is_limited() {
        assert_eq!(validate(&[b'x'; PROPERTIES_BYTES_MAX]), Ok(()));
        assert_eq!(validate(&[b'x'; 32_768]), Err(PropertiesTooLong { bytes: 32_768 }));
    }
}
