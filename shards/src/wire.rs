//! Reading and writing of small binary sections: what snapshots and settings entries are made of.
//!
//! Big-endian integers; a text is `u16 bytes, UTF-8`; a list is `u32 count` and its items. A reader never believes
//! a length: it is compared with the bytes that are there before anything is taken or allocated, so that garbage
//! ends in an error and not in a panic or a huge allocation.
//!
//! Used by: `topic`, `group`, `offsets`, which put a format version in front of what they write.

use std::fmt;

/// The bytes are not what the writer below would have written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadBytes {
    /// They end before this was complete.
    Short(&'static str),
    /// A number that means nothing in its place.
    Value { what: &'static str, found: u64 },
    /// A text that is not UTF-8.
    Text(&'static str),
    /// Written by a newer version than this program knows.
    Version { what: &'static str, found: u16, known: u16 },
    /// More bytes than the section has meaning for.
    Trailing(usize),
}

impl fmt::Display for BadBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadBytes::Short(what) => write!(f, "the bytes end within {what}"),
            BadBytes::Value { what, found } => write!(f, "{found} is no {what}"),
            BadBytes::Text(what) => write!(f, "{what} is not UTF-8"),
            BadBytes::Version { what, found, known } => {
                write!(f, "{what} has format version {found}; this program knows versions up to {known}")
            }
            BadBytes::Trailing(bytes) => write!(f, "{bytes} bytes too many"),
        }
    }
}

impl std::error::Error for BadBytes {}

/// What is left to read of a borrowed section.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { left: bytes }
    }

    pub fn left(&self) -> usize {
        self.left.len()
    }

    pub fn bytes(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], BadBytes> {
        let (taken, left) = self.left.split_at_checked(len).ok_or(BadBytes::Short(what))?;
        self.left = left;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], BadBytes> {
        let (taken, left) = self.left.split_first_chunk::<N>().ok_or(BadBytes::Short(what))?;
        self.left = left;
        Ok(*taken)
    }

    pub fn u8(&mut self, what: &'static str) -> Result<u8, BadBytes> {
        Ok(u8::from_be_bytes(self.array(what)?))
    }

    pub fn u16(&mut self, what: &'static str) -> Result<u16, BadBytes> {
        Ok(u16::from_be_bytes(self.array(what)?))
    }

    pub fn u32(&mut self, what: &'static str) -> Result<u32, BadBytes> {
        Ok(u32::from_be_bytes(self.array(what)?))
    }

    pub fn u64(&mut self, what: &'static str) -> Result<u64, BadBytes> {
        Ok(u64::from_be_bytes(self.array(what)?))
    }

    pub fn i32(&mut self, what: &'static str) -> Result<i32, BadBytes> {
        Ok(i32::from_be_bytes(self.array(what)?))
    }

    pub fn i64(&mut self, what: &'static str) -> Result<i64, BadBytes> {
        Ok(i64::from_be_bytes(self.array(what)?))
    }

    pub fn bool(&mut self, what: &'static str) -> Result<bool, BadBytes> {
        match self.u8(what)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(BadBytes::Value { what, found: u64::from(other) }),
        }
    }

    pub fn text(&mut self, what: &'static str) -> Result<&'a str, BadBytes> {
        let len = self.u16(what)?;
        let bytes = self.bytes(usize::from(len), what)?;
        std::str::from_utf8(bytes).map_err(|_| BadBytes::Text(what))
    }

    /// The count of a list whose items take at least `item_bytes_min` each: more than fit in what is left is a lie,
    /// and would have the caller reserve room for it.
    pub fn count(&mut self, item_bytes_min: usize, what: &'static str) -> Result<usize, BadBytes> {
        assert!(item_bytes_min > 0, "items of no bytes make any count possible");
        let count = self.u32(what)? as usize;
        if count > self.left.len() / item_bytes_min {
            return Err(BadBytes::Short(what));
        }
        Ok(count)
    }

    /// A format version, which must be one of 1 up to `known`.
    pub fn version(&mut self, known: u16, what: &'static str) -> Result<u16, BadBytes> {
        match self.u16(what)? {
            0 => Err(BadBytes::Value { what, found: 0 }),
            found if found > known => Err(BadBytes::Version { what, found, known }),
            found => Ok(found),
        }
    }

    /// Everything must have been read: what is left over was written by someone else.
    pub fn finish(self) -> Result<(), BadBytes> {
        match self.left.len() {
            0 => Ok(()),
            bytes => Err(BadBytes::Trailing(bytes)),
        }
    }
}

/// Appends to a vector.
#[derive(Debug)]
pub struct Writer<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> Writer<'o> {
    pub fn new(out: &'o mut Vec<u8>) -> Writer<'o> {
        Writer { out }
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    pub fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    pub fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    pub fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    pub fn i32(&mut self, value: i32) {
        self.bytes(&value.to_be_bytes());
    }

    pub fn i64(&mut self, value: i64) {
        self.bytes(&value.to_be_bytes());
    }

    pub fn bool(&mut self, value: bool) {
        self.u8(u8::from(value));
    }

    /// Names and attribute values are bounded where they are admitted, far below 64 KiB.
    pub fn text(&mut self, text: &str) {
        self.u16(u16::try_from(text.len()).expect("texts are bounded where they are admitted"));
        self.bytes(text.as_bytes());
    }

    pub fn count(&mut self, count: usize) {
        self.u32(u32::try_from(count).expect("tables are bounded far below 2^32 items"));
    }
}

/// Writes a slice of a table's rows for a snapshot: `u16 format`, then a list of rows, beginning at `from` and ending behind
/// `bytes_max` bytes or little more. `write` says whether a row is to be kept. Returns where the next slice begins.
pub fn encode_slice<T>(
    table: &[Option<T>],
    (from, bytes_max): (usize, usize),
    format: u16,
    out: &mut Vec<u8>,
    mut write: impl FnMut(&T, &mut Writer<'_>) -> bool,
) -> Option<usize> {
    let begin = out.len();
    let mut writer = Writer::new(out);
    writer.u16(format);
    writer.count(0);
    let (mut count, mut next) = (0u32, from);
    while next < table.len() && out.len() - begin < bytes_max {
        if let Some(row) = &table[next] {
            count += u32::from(write(row, &mut Writer::new(out)));
        }
        next += 1;
    }
    out[begin + 2..begin + 6].copy_from_slice(&count.to_be_bytes());
    (next < table.len()).then_some(next)
}

/// Hands out a few thousand variants of good bytes: cut, changed, random. Whoever decodes them must not panic.
#[cfg(test)]
pub(crate) fn garble(good: &[u8], mut decode: impl FnMut(&[u8])) {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    for cut in 0..=good.len() {
        decode(&good[..cut]);
    }
    for _ in 0..2_000 {
        let mut bytes = good.to_vec();
        for _ in 0..1 + random() % 4 {
            if !bytes.is_empty() {
                let place = random() % bytes.len();
                bytes[place] = [0, 1, 0x7f, 0x80, 0xff, random() as u8][random() % 6];
            }
        }
        decode(&bytes);
    }
    for _ in 0..500 {
        let len = random() % 200;
        let mut bytes: Vec<u8> = (0..len).map(|_| random() as u8).collect();
        // Past the format version, or nearly all of them would end there.
        for (byte, version) in bytes.iter_mut().zip([0, 1]) {
            *byte = version;
        }
        decode(&bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        let mut out = Writer::new(&mut bytes);
        out.u8(1);
        out.u16(2);
        out.u32(3);
        out.u64(4);
        out.i32(-5);
        out.i64(-6);
        out.bool(true);
        out.text("héllo");
        out.count(1);
        out.u8(9);
        assert_eq!(&bytes[..7], [1, 0, 2, 0, 0, 0, 3]);
        let mut read = Reader::new(&bytes);
        assert_eq!((read.u8("a"), read.u16("b"), read.u32("c"), read.u64("d")), (Ok(1), Ok(2), Ok(3), Ok(4)));
        assert_eq!((read.i32("e"), read.i64("f"), read.bool("g")), (Ok(-5), Ok(-6), Ok(true)));
        assert_eq!((read.text("h"), read.count(1, "i"), read.u8("j")), (Ok("héllo"), Ok(1), Ok(9)));
        assert_eq!(read.finish(), Ok(()));
    }

    #[test]
    fn lengths_are_not_believed() {
        assert_eq!(Reader::new(&[0, 5, b'a']).text("name"), Err(BadBytes::Short("name")));
        assert_eq!(Reader::new(&[0, 1, 0xff]).text("name"), Err(BadBytes::Text("name")));
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0]).count(1, "list"), Err(BadBytes::Short("list")));
        assert_eq!(Reader::new(&[2]).bool("flag"), Err(BadBytes::Value { what: "flag", found: 2 }));
        assert_eq!(Reader::new(&[1]).finish(), Err(BadBytes::Trailing(1)));
    }

    #[test]
    fn a_newer_version_is_named() {
        let error = Reader::new(&[0, 7]).version(2, "the topic table").unwrap_err();
        assert_eq!(error.to_string(), "the topic table has format version 7; this program knows versions up to 2");
        assert!(Reader::new(&[0, 0]).version(2, "it").is_err());
    }
}
