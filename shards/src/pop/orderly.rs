//! The batch that one group holds of one queue in order: nothing else of the queue is handed out before all of it is acked,
//! or its time is over.
//!
//! As `ConsumerOrderInfoManager.OrderInfo` of the Java broker, except that what is acked of a batch is not handed out again
//! with the rest of it.

use super::event::Handed;
use crate::types::{Millis, QueueOffset};
use crate::wire::{BadBytes, Reader, Writer};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orderly {
    pub(super) attempt: Box<str>,
    pub(super) pop_time: Millis,
    pub(super) messages: Vec<Ordered>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ordered {
    pub offset: QueueOffset,
    pub visible_at: Millis,
    /// How often it was handed out before.
    pub count: i32,
    pub is_acked: bool,
}

impl Orderly {
    pub fn new(attempt: &str, pop_time: Millis, visible_at: Millis, messages: &[(QueueOffset, i32)]) -> Orderly {
        let ordered =
            |(offset, count): &(QueueOffset, i32)| Ordered { offset: *offset, visible_at, count: *count, is_acked: false };
        Orderly { attempt: attempt.into(), pop_time, messages: messages.iter().map(ordered).collect() }
    }

    /// A later pop had no room for all that is left of the batch before: the rest is in nobody's hands, and comes next.
    pub(super) fn leave_behind(&mut self, before: &Orderly) {
        let Some(last) = self.messages.last().map(|message| message.offset) else { return };
        let visible_at = self.pop_time;
        let rest = before.messages.iter().filter(|message| message.offset > last && !message.is_acked);
        self.messages.extend(rest.map(|message| Ordered { visible_at: message.visible_at.min(visible_at), ..*message }));
    }

    /// The first message that is not acked; `None`: all are.
    pub fn first(&self) -> Option<QueueOffset> {
        self.messages.iter().find(|message| !message.is_acked).map(|message| message.offset)
    }

    /// Until when nobody gets anything of the queue; `None`: it is free. The same attempt may ask again at any time: its
    /// answer was perhaps lost.
    pub fn blocked_until(&self, now: Millis, attempt: &str) -> Option<Millis> {
        if !attempt.is_empty() && *self.attempt == *attempt {
            return None;
        }
        let waiting = self.messages.iter().filter(|message| !message.is_acked).map(|message| message.visible_at);
        waiting.filter(|visible_at| *visible_at > now).max()
    }

    pub fn is_acked(&self, offset: QueueOffset) -> bool {
        self.find(offset).is_some_and(|message| message.is_acked)
    }

    /// How often a message has been handed out, when `attempt` gets it now.
    pub fn count(&self, offset: QueueOffset, attempt: &str) -> i32 {
        let again = i32::from(attempt.is_empty() || *self.attempt != *attempt);
        self.find(offset).map_or(0, |message| message.count.saturating_add(again))
    }

    pub(super) fn find(&self, offset: QueueOffset) -> Option<&Ordered> {
        self.messages.iter().find(|message| message.offset == offset)
    }

    /// The message of this very pop.
    pub(super) fn held(&mut self, message: Handed) -> Option<&mut Ordered> {
        if self.pop_time != message.pop_time {
            return None;
        }
        self.messages.iter_mut().find(|held| held.offset == message.offset)
    }

    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        out.text(&self.attempt);
        out.i64(self.pop_time.0);
        out.count(self.messages.len());
        for message in &self.messages {
            out.i64(message.offset.0);
            out.i64(message.visible_at.0);
            out.i32(message.count);
            out.bool(message.is_acked);
        }
    }

    pub(super) fn decode(read: &mut Reader<'_>) -> Result<Orderly, BadBytes> {
        let attempt = read.text("attempt")?.into();
        let pop_time = Millis(read.i64("pop time")?);
        let count = read.count(21, "ordered messages")?;
        let ordered = |read: &mut Reader<'_>| {
            Ok(Ordered {
                offset: QueueOffset(read.i64("offset")?),
                visible_at: Millis(read.i64("visible at")?),
                count: read.i32("count")?,
                is_acked: read.bool("acked")?,
            })
        };
        let messages = (0..count).map(|_| ordered(read)).collect::<Result<_, _>>()?;
        Ok(Orderly { attempt, pop_time, messages })
    }
}
