//! The kinds of control entries and their payloads.
//!
//! | kind | payload, version 1 |
//! |---|---|
//! | 1 topic | `topic::TopicChange`: put (whole config, incarnation, data version) or deleted |
//! | 2 group | `group::GroupChange`: put or deleted |
//! | 3 settings version | u64: settings up to this version are known to this shard |
//! | 4 consumer offsets | list of: u32 queue id, i64 offset, text topic, text group |
//! | 5 offsets removed | text topic, text group; an empty one stands for all |
//! | 6 timer gone | i64 ms until when it waited, u64 position of its record |
//! | 7 half ended | u64 position of the half message: it was committed, rolled back, given up or moved on |
//! | 8 half checked | u64 position, u32 how often its producer has been asked by now |
//! | 9 popped, 10 settled, 11 extended | `pop::PopEvent` |
//! | 12 request mode | `pop::ModeChange` |
//! | 13 resets | u8: 1 reset, 2 followed; then as 4 |
//!
//! Offsets are written for every pull that commits, so writing and reading them allocates nothing.

use super::{BadEntryWhy, CONTROL_HEAD_BYTES, CONTROL_MAGIC};
use crate::group::GroupChange;
use crate::offsets::OffsetCommit;
use crate::pop::{ModeChange, PopEvent, REQUEST_MODE};
use crate::topic::TopicChange;
use crate::types::{LogPosition, Millis, QueueOffset};
use crate::wire::{BadBytes, Reader, Writer};

const VERSION: u16 = 1;

const TOPIC: u16 = 1;
const GROUP: u16 = 2;
const SETTINGS_VERSION: u16 = 3;
const CONSUMER_OFFSETS: u16 = 4;
const OFFSETS_REMOVED: u16 = 5;
const TIMER_GONE: u16 = 6;
const HALF_ENDED: u16 = 7;
const HALF_CHECKED: u16 = 8;
const RESETS: u16 = 13;

/// What kind 13 tells of.
const RESET: u8 = 1;
const FOLLOWED: u8 = 2;

/// u32 queue id, i64 offset and two empty texts.
const OFFSET_ROW_BYTES_MIN: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control<'a> {
    /// At the home of settings, where it is decided; on other shards before a topic's incarnation is first used, so
    /// that a replay of one shard's log alone knows whose its records are.
    Topic(TopicChange),
    Group(GroupChange),
    /// This shard has received the settings up to that version.
    SettingsVersion(u64),
    ConsumerOffsets(OffsetRows<'a>),
    /// The offsets of a topic, of a group or of a group in a topic are forgotten.
    OffsetsRemoved {
        topic: Option<&'a str>,
        group: Option<&'a str>,
    },
    /// A half message waits no longer. What follows from it stands right behind, in the same block.
    HalfEnded {
        position: LogPosition,
    },
    HalfChecked {
        position: LogPosition,
        checks: u32,
    },
    /// Messages were handed out, acked, revived or held for longer.
    Pop(PopEvent<'a>),
    RequestMode(ModeChange),
    /// What waited there until then waits no longer: it is in the block behind this entry, delivered or waiting on, or
    /// it was taken back.
    TimerGone {
        deliver_at: Millis,
        position: LogPosition,
    },
    /// Groups are to read on from these offsets; what they commit counts again once they have followed.
    Reset(OffsetRows<'a>),
    /// These resets were followed.
    ResetFollowed(OffsetRows<'a>),
    /// From a newer program that let older ones ignore it.
    Unknown {
        kind: u16,
    },
}

impl Control<'_> {
    /// Appends the whole entry. For settings, which are rare: what rides in every block is written in place by
    /// `encode_offsets`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let begin = out.len();
        out.resize(begin + CONTROL_HEAD_BYTES, 0);
        let kind = match self {
            Control::Topic(change) => {
                change.encode(out);
                TOPIC
            }
            Control::Group(change) => {
                change.encode(out);
                GROUP
            }
            Control::SettingsVersion(version) => {
                Writer::new(out).u64(*version);
                SETTINGS_VERSION
            }
            Control::ConsumerOffsets(rows) => {
                Writer::new(out).count(rows.len as usize);
                out.extend_from_slice(rows.bytes);
                CONSUMER_OFFSETS
            }
            Control::OffsetsRemoved { topic, group } => {
                let mut out = Writer::new(out);
                out.text(topic.unwrap_or_default());
                out.text(group.unwrap_or_default());
                OFFSETS_REMOVED
            }
            Control::HalfEnded { position } => {
                Writer::new(out).u64(position.0);
                HALF_ENDED
            }
            Control::HalfChecked { position, checks } => {
                let mut out = Writer::new(out);
                out.u64(position.0);
                out.u32(*checks);
                HALF_CHECKED
            }
            Control::Pop(event) => event.encode(out),
            Control::RequestMode(change) => {
                change.encode(out);
                REQUEST_MODE
            }
            Control::TimerGone { deliver_at, position } => {
                let mut out = Writer::new(out);
                out.i64(deliver_at.0);
                out.u64(position.0);
                TIMER_GONE
            }
            Control::Reset(rows) => {
                rows.encode(RESET, out);
                RESETS
            }
            Control::ResetFollowed(rows) => {
                rows.encode(FOLLOWED, out);
                RESETS
            }
            Control::Unknown { kind } => panic!("kind {kind} is not ours to write"),
        };
        seal(&mut out[begin..], kind);
    }
}

/// The length of an entry with these offsets.
pub fn offsets_len(rows: &[OffsetCommit<'_>]) -> usize {
    let row = |row: &OffsetCommit<'_>| OFFSET_ROW_BYTES_MIN + row.topic.len() + row.group.len();
    CONTROL_HEAD_BYTES + 4 + rows.iter().map(row).sum::<usize>()
}

/// Fills `out`, which must have exactly `offsets_len` bytes.
pub fn encode_offsets(rows: &[OffsetCommit<'_>], out: &mut [u8]) {
    assert_eq!(out.len(), offsets_len(rows));
    let mut at = CONTROL_HEAD_BYTES;
    let mut put = |bytes: &[u8]| {
        out[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    put(&(rows.len() as u32).to_be_bytes());
    for row in rows {
        put(&row.queue_id.to_be_bytes());
        put(&row.offset.0.to_be_bytes());
        for text in [row.topic, row.group] {
            put(&u16::try_from(text.len()).expect("names are bounded where they are admitted").to_be_bytes());
            put(text.as_bytes());
        }
    }
    seal(out, CONSUMER_OFFSETS);
}

/// Writes the head in front of a payload that is in its place.
fn seal(entry: &mut [u8], kind: u16) {
    let size = u32::try_from(entry.len()).expect("entries are bounded far below 4 GiB");
    entry[0..4].copy_from_slice(&size.to_be_bytes());
    entry[4..8].copy_from_slice(&CONTROL_MAGIC.to_be_bytes());
    entry[12..14].copy_from_slice(&kind.to_be_bytes());
    entry[14..16].copy_from_slice(&VERSION.to_be_bytes());
    let crc = crc32fast::hash(&entry[12..]);
    entry[8..12].copy_from_slice(&crc.to_be_bytes());
}

/// Reads a whole entry, whose size and magic the caller has looked at.
pub(super) fn decode(entry: &[u8]) -> Result<Control<'_>, BadEntryWhy> {
    assert!(entry.len() >= CONTROL_HEAD_BYTES);
    let stored = u32::from_be_bytes(*entry[8..].first_chunk().expect("the head is there"));
    let computed = crc32fast::hash(&entry[12..]);
    if stored != computed {
        return Err(BadEntryWhy::Crc { stored, computed });
    }
    decode_payload(&entry[12..]).map_err(BadEntryWhy::Control)
}

fn decode_payload(bytes: &[u8]) -> Result<Control<'_>, BadBytes> {
    let mut read = Reader::new(bytes);
    let kind = read.u16("kind")?;
    read.version(VERSION, "a control entry")?;
    let left = read.left();
    let control = match kind {
        TOPIC => Control::Topic(TopicChange::decode(read.bytes(left, "topic change")?)?),
        GROUP => Control::Group(GroupChange::decode(read.bytes(left, "group change")?)?),
        SETTINGS_VERSION => Control::SettingsVersion(read.u64("settings version")?),
        CONSUMER_OFFSETS => Control::ConsumerOffsets(OffsetRows::decode(read.bytes(left, "consumer offsets")?)?),
        OFFSETS_REMOVED => {
            let topic = read.text("topic name")?;
            let group = read.text("group name")?;
            let given = |text: &'static str| move |name: &&str| name != &text;
            Control::OffsetsRemoved { topic: Some(topic).filter(given("")), group: Some(group).filter(given("")) }
        }
        HALF_ENDED => Control::HalfEnded { position: LogPosition(read.u64("position")?) },
        HALF_CHECKED => Control::HalfChecked { position: LogPosition(read.u64("position")?), checks: read.u32("checks")? },
        TIMER_GONE => {
            let deliver_at = Millis(read.i64("time of a timer")?);
            Control::TimerGone { deliver_at, position: LogPosition(read.u64("position of a timer")?) }
        }
        RESETS => {
            let what = read.u8("what became of resets")?;
            let rows = OffsetRows::decode(read.bytes(left.saturating_sub(1), "resets")?)?;
            match what {
                RESET => Control::Reset(rows),
                FOLLOWED => Control::ResetFollowed(rows),
                found => return Err(BadBytes::Value { what: "what became of resets", found: u64::from(found) }),
            }
        }
        REQUEST_MODE => Control::RequestMode(ModeChange::decode(&mut read)?),
        kind => match PopEvent::decode(kind, &mut read)? {
            Some(event) => Control::Pop(event),
            None => {
                read.bytes(left, "unknown")?;
                Control::Unknown { kind }
            }
        },
    };
    read.finish()?;
    Ok(control)
}

/// Committed offsets in their stored form, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetRows<'a> {
    len: u32,
    bytes: &'a [u8],
}

impl<'a> OffsetRows<'a> {
    /// The stored form of these rows, written to `bytes`.
    pub fn of(rows: &[OffsetCommit<'_>], bytes: &'a mut Vec<u8>) -> OffsetRows<'a> {
        let mut out = Writer::new(bytes);
        for row in rows {
            out.u32(row.queue_id);
            out.i64(row.offset.0);
            out.text(row.topic);
            out.text(row.group);
        }
        OffsetRows { len: u32::try_from(rows.len()).expect("rows are bounded by those who write them"), bytes }
    }

    fn encode(&self, what: u8, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.u8(what);
        writer.count(self.len as usize);
        writer.bytes(self.bytes);
    }

    fn decode(bytes: &'a [u8]) -> Result<OffsetRows<'a>, BadBytes> {
        let mut read = Reader::new(bytes);
        let len = read.count(OFFSET_ROW_BYTES_MIN, "consumer offsets")? as u32;
        let rows = OffsetRows { len, bytes: &bytes[4..] };
        for _ in 0..len {
            take_row(&mut read)?;
        }
        read.finish()?;
        Ok(rows)
    }

    pub fn iter(&self) -> impl Iterator<Item = OffsetCommit<'a>> + use<'a> {
        let mut read = Reader::new(self.bytes);
        (0..self.len).map(move |_| take_row(&mut read).expect("checked by decode"))
    }
}

fn take_row<'a>(read: &mut Reader<'a>) -> Result<OffsetCommit<'a>, BadBytes> {
    let queue_id = read.u32("queue id")?;
    let offset = QueueOffset(read.i64("consumer offset")?);
    let topic = read.text("topic name")?;
    Ok(OffsetCommit { topic, group: read.text("group name")?, queue_id, offset })
}
