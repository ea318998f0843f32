//! What a commit block's payload is made of: message records and control entries, one after the other, no padding.
//!
//! Every entry begins with its size and a magic. A control entry carries what is not a message: settings, consumer
//! offsets. They come back in the order of the log, and applying them again changes nothing.
//!
//! | at | bytes | of a control entry |
//! |---|---|---|
//! | 0 | 4 | size of the whole entry |
//! | 4 | 4 | magic `524D5143` ("RMQC") |
//! | 8 | 4 | CRC-32 of all that follows |
//! | 12 | 2 | kind |
//! | 14 | 2 | version of that kind's payload |
//! | 16 | | payload |
//!
//! A kind that this program does not know is skipped when its version is 1 (it adds something that can be ignored); a
//! higher version than known is an error: it changes the meaning of something.
//!
//! Before: `log` (recovery hands out payloads), `record`; after: `topic`, `group`, `offsets`, `queue` (replay).

mod control;

use std::fmt;

pub use control::{Control, OffsetRows, encode_offsets, offsets_len};

use crate::record::{BadRecord, MAGIC_V1, MAGIC_V2, Record};
use crate::wire::BadBytes;

pub const CONTROL_MAGIC: u32 = 0x524D_5143;

/// Size, magic, CRC, kind, version.
pub const CONTROL_HEAD_BYTES: usize = 16;

#[derive(Clone, Debug)]
pub enum Entry<'a> {
    Message(Record<'a>),
    Control(Control<'a>),
}

/// Why a payload cannot be read on. What comes behind it cannot be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadEntry {
    /// The entry's first byte in the payload.
    pub at: usize,
    pub why: BadEntryWhy,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadEntryWhy {
    /// The payload ends within the entry.
    Short,
    Magic(u32),
    Record(BadRecord),
    Crc {
        stored: u32,
        computed: u32,
    },
    Control(BadBytes),
}

impl fmt::Display for BadEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the entry at byte {} of its payload: ", self.at)?;
        match &self.why {
            BadEntryWhy::Short => f.write_str("the payload ends within it"),
            BadEntryWhy::Magic(magic) => write!(f, "{magic:#010x} is no entry's magic"),
            BadEntryWhy::Record(bad) => bad.fmt(f),
            BadEntryWhy::Crc { stored, computed } => write!(f, "its CRC is {computed:#010x}, it says {stored:#010x}"),
            BadEntryWhy::Control(bad) => bad.fmt(f),
        }
    }
}

impl std::error::Error for BadEntry {}

/// The entries of one block's payload with the index of each one's first byte. Ends after an error. Bodies' CRCs are
/// not compared: the block's own covers them.
pub fn entries(payload: &[u8]) -> impl Iterator<Item = Result<(usize, Entry<'_>), BadEntry>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let left = payload.get(at..).filter(|left| !left.is_empty())?;
        match take_entry(left) {
            Ok((entry, size)) => {
                let found = (at, entry);
                at += size;
                Some(Ok(found))
            }
            Err(why) => {
                let bad = BadEntry { at, why };
                at = payload.len();
                Some(Err(bad))
            }
        }
    })
}

fn take_entry(bytes: &[u8]) -> Result<(Entry<'_>, usize), BadEntryWhy> {
    let (size, left) = bytes.split_first_chunk::<4>().ok_or(BadEntryWhy::Short)?;
    let size = u32::from_be_bytes(*size) as usize;
    let magic = u32::from_be_bytes(*left.first_chunk().ok_or(BadEntryWhy::Short)?);
    let entry = match magic {
        MAGIC_V1 | MAGIC_V2 => Entry::Message(Record::parse(bytes).map_err(BadEntryWhy::Record)?),
        CONTROL_MAGIC => {
            let whole = bytes.get(..size).filter(|whole| whole.len() >= CONTROL_HEAD_BYTES).ok_or(BadEntryWhy::Short)?;
            Entry::Control(control::decode(whole)?)
        }
        other => return Err(BadEntryWhy::Magic(other)),
    };
    Ok((entry, size))
}

#[cfg(test)]
mod tests;
