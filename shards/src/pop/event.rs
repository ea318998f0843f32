//! The control entries of POP, kinds 9 to 11.
//!
//! Each begins with text topic, text group, u32 queue id; then:
//!
//! | kind | | |
//! |---|---|---|
//! | 9 popped | i64 next, i64 pop time, i64 invisible ms, bool moved + i64 floor, list of i64 offsets, bool orderly + text attempt + list of i32 counts | handed out |
//! | 10 settled | u8 0 acked or 1 revived, list of i64 offset, i64 pop time | gone for good |
//! | 11 extended | i64 offset, i64 pop time, i64 new pop time, i64 visible at | invisible for longer, or shorter |
//!
//! A message in flight is named by its offset and the time of its pop: an entry about an earlier pop of it changes nothing.

use crate::types::{Millis, QueueOffset};
use crate::wire::{BadBytes, Reader, Writer};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PopEvent<'a> {
    pub topic: &'a str,
    pub group: &'a str,
    pub queue_id: u32,
    pub step: PopStep<'a>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PopStep<'a> {
    Popped {
        /// The next offset to hand out.
        next: QueueOffset,
        pop_time: Millis,
        invisible_millis: i64,
        /// The consumer offset was moved by somebody else: what is in flight below it is forgotten.
        moved: Option<QueueOffset>,
        /// Ascending.
        offsets: Vec<QueueOffset>,
        /// An orderly pop's attempt, and how often each of `offsets` was handed out before.
        orderly: Option<(&'a str, Vec<i32>)>,
    },
    Settled {
        how: Settled,
        messages: Vec<Handed>,
    },
    Extended {
        message: Handed,
        pop_time: Millis,
        visible_at: Millis,
    },
}

/// One message in one consumer's hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handed {
    pub offset: QueueOffset,
    pub pop_time: Millis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    Acked,
    /// Stored in the retry topic, or gone with its segment.
    Revived,
}

pub(crate) const POPPED: u16 = 9;
pub(crate) const SETTLED: u16 = 10;
pub(crate) const EXTENDED: u16 = 11;

impl PopEvent<'_> {
    /// Appends the payload; returns the kind.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> u16 {
        let mut out = Writer::new(out);
        out.text(self.topic);
        out.text(self.group);
        out.u32(self.queue_id);
        match &self.step {
            PopStep::Popped { next, pop_time, invisible_millis, moved, offsets, orderly } => {
                out.i64(next.0);
                out.i64(pop_time.0);
                out.i64(*invisible_millis);
                out.bool(moved.is_some());
                out.i64(moved.unwrap_or_default().0);
                out.count(offsets.len());
                offsets.iter().for_each(|offset| out.i64(offset.0));
                out.bool(orderly.is_some());
                if let Some((attempt, counts)) = orderly {
                    out.text(attempt);
                    out.count(counts.len());
                    counts.iter().for_each(|count| out.i32(*count));
                }
                POPPED
            }
            PopStep::Settled { how, messages } => {
                out.u8(match how {
                    Settled::Acked => 0,
                    Settled::Revived => 1,
                });
                out.count(messages.len());
                for message in messages {
                    out.i64(message.offset.0);
                    out.i64(message.pop_time.0);
                }
                SETTLED
            }
            PopStep::Extended { message, pop_time, visible_at } => {
                out.i64(message.offset.0);
                out.i64(message.pop_time.0);
                out.i64(pop_time.0);
                out.i64(visible_at.0);
                EXTENDED
            }
        }
    }
}

impl<'a> PopEvent<'a> {
    /// `None`: the kind is not one of these.
    pub(crate) fn decode(kind: u16, read: &mut Reader<'a>) -> Result<Option<PopEvent<'a>>, BadBytes> {
        if ![POPPED, SETTLED, EXTENDED].contains(&kind) {
            return Ok(None);
        }
        let topic = read.text("topic name")?;
        let group = read.text("group name")?;
        let queue_id = read.u32("queue id")?;
        let step = match kind {
            POPPED => popped(read)?,
            SETTLED => {
                let how = match read.u8("how it was settled")? {
                    0 => Settled::Acked,
                    1 => Settled::Revived,
                    other => return Err(BadBytes::Value { what: "way to be settled", found: u64::from(other) }),
                };
                let count = read.count(16, "messages")?;
                let messages = (0..count).map(|_| handed(read)).collect::<Result<_, _>>()?;
                PopStep::Settled { how, messages }
            }
            _ => PopStep::Extended {
                message: handed(read)?,
                pop_time: Millis(read.i64("pop time")?),
                visible_at: Millis(read.i64("visible at")?),
            },
        };
        Ok(Some(PopEvent { topic, group, queue_id, step }))
    }
}

fn popped<'a>(read: &mut Reader<'a>) -> Result<PopStep<'a>, BadBytes> {
    let next = QueueOffset(read.i64("next offset")?);
    let pop_time = Millis(read.i64("pop time")?);
    let invisible_millis = read.i64("invisible time")?;
    let is_moved = read.bool("moved")?;
    let floor = QueueOffset(read.i64("floor")?);
    let count = read.count(8, "offsets")?;
    let offsets = (0..count).map(|_| read.i64("offset").map(QueueOffset)).collect::<Result<Vec<_>, _>>()?;
    let orderly = if read.bool("orderly")? {
        let attempt = read.text("attempt")?;
        let count = read.count(4, "counts")?;
        if count != offsets.len() {
            return Err(BadBytes::Value { what: "number of counts", found: count as u64 });
        }
        Some((attempt, (0..count).map(|_| read.i32("count")).collect::<Result<_, _>>()?))
    } else {
        None
    };
    Ok(PopStep::Popped { next, pop_time, invisible_millis, moved: is_moved.then_some(floor), offsets, orderly })
}

fn handed(read: &mut Reader<'_>) -> Result<Handed, BadBytes> {
    Ok(Handed { offset: QueueOffset(read.i64("offset")?), pop_time: Millis(read.i64("pop time")?) })
}
