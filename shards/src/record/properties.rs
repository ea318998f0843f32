//! Properties in their stored form, read without building a map.
//!
//! As Java's `string2messageProperties` reads them: an entry ends at 02 or at the end; it counts only if it has at
//! least three bytes, a name and a value; the first 01 ends the name; of two entries with one name the last one wins.

use crate::filter::java_hash;
use memchr::memchr;

pub const NAME_END: u8 = 1;
pub const VALUE_END: u8 = 2;

/// The topic and the queue that a record is meant for while it waits in one of the broker's own.
pub const REAL_TOPIC: &str = "REAL_TOPIC";
pub const REAL_QUEUE_ID: &str = "REAL_QID";

const TAGS: &[u8] = b"TAGS";
const KEYS: &[u8] = b"KEYS";
const UNIQ_KEY: &[u8] = b"UNIQ_KEY";

/// The value of one property.
pub fn property<'a>(properties: &'a [u8], name: &str) -> Option<&'a [u8]> {
    entries(properties).filter(|(found, _)| *found == name.as_bytes()).last().map(|(_, value)| value)
}

/// What the consume queue keeps of the TAGS property: Java's hash of the whole text, 0 without one.
pub fn tags_code(properties: &[u8]) -> i64 {
    property(properties, "TAGS").map_or(0, hash_of)
}

/// What the indexes want of a message, found in one pass.
#[derive(Clone, Copy, Debug, Default)]
pub struct IndexedProperties<'a> {
    tags: Option<&'a [u8]>,
    keys: Option<&'a [u8]>,
    unique_key: Option<&'a [u8]>,
}

impl<'a> IndexedProperties<'a> {
    pub fn of(properties: &'a [u8]) -> IndexedProperties<'a> {
        let mut found = IndexedProperties::default();
        for (name, value) in entries(properties) {
            match name {
                TAGS => found.tags = Some(value),
                KEYS => found.keys = Some(value),
                UNIQ_KEY => found.unique_key = Some(value),
                _ => {}
            }
        }
        found
    }

    pub fn tags_code(&self) -> i64 {
        self.tags.map_or(0, hash_of)
    }

    pub fn unique_key(&self) -> Option<&'a [u8]> {
        self.unique_key
    }

    /// What a message can be found by: its unique key, then each word of KEYS.
    pub fn keys(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let words = self.keys.unwrap_or(&[]).split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        self.unique_key.into_iter().chain(words)
    }
}

/// Entries that count, in their order.
pub fn entries(properties: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = properties;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let end = memchr(VALUE_END, rest).unwrap_or(rest.len());
            let entry = &rest[..end];
            rest = rest.get(end + 1..).unwrap_or_default();
            let Some(end) = memchr(NAME_END, entry) else { continue };
            let (name, value) = (&entry[..end], &entry[end + 1..]);
            if !name.is_empty() && !value.is_empty() {
                return Some((name, value));
            }
        }
        None
    })
}

/// Java hashes UTF-16 units. Bytes that are not UTF-8 become what Java's decoder makes of them, near enough.
fn hash_of(value: &[u8]) -> i64 {
    i64::from(java_hash(&String::from_utf8_lossy(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_as_java_reads_them() {
        type Case = (&'static [u8], &'static str, Option<&'static [u8]>);
        let table: &[Case] = &[
            (b"a\x01b\x02", "a", Some(b"b")),
            (b"a\x01b", "a", Some(b"b")),
            (b"a\x01b\x02a\x01c\x02", "a", Some(b"c")),
            (b"a\x01\x02a2\x01c\x02", "a", None),
            (b"a\x01b\x02a\x01\x02", "a", Some(b"b")),
            (b"\x01b\x02", "", None),
            (b"ab\x02a\x01x\x01y\x02", "a", Some(b"x\x01y")),
            (b"\x02\x02a\x01b\x02", "a", Some(b"b")),
            (b"", "a", None),
        ];
        for (properties, name, expected) in table {
            assert_eq!(property(properties, name), *expected, "{properties:?}");
        }
    }

    #[test]
    fn tags_become_javas_hash() {
        for (properties, code) in [
            ("TAGS\x01TagA\x02", 2598919),
            ("TAGS\x01标签\x02", 857175),
            ("TAGS\x01\u{1F642}\x02", 1772965),
            ("TAGS\x01polygenelubricants\x02", i64::from(i32::MIN)),
            ("KEYS\x01a\x02", 0),
        ] {
            assert_eq!(tags_code(properties.as_bytes()), code, "{properties}");
            assert_eq!(IndexedProperties::of(properties.as_bytes()).tags_code(), code);
        }
        tags_code(b"TAGS\x01\xff\xfe\x02");
    }

    #[test]
    fn keys_are_the_unique_key_and_each_word() {
        let found = IndexedProperties::of(b"KEYS\x01order-1  order-2\x02UNIQ_KEY\x010A\x02");
        assert_eq!(found.keys().collect::<Vec<_>>(), [&b"0A"[..], b"order-1", b"order-2"]);
        assert_eq!(IndexedProperties::of(b"A\x01b\x02").keys().count(), 0);
    }
}
