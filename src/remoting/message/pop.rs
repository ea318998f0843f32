//! The names of popped messages: handles (POP_CK), the offset tables of a pop's answer, and retry topics.
//!
//! A handle is what a consumer acks with, eight parts with a space between them:
//! `start popTime invisibleTime reviveQid retry broker queueId offset`. Older ones lack the last part. The client makes handles itself, out of an answer's
//! `startOffsetInfo` (`retry queueId start;...`) and `msgOffsetInfo` (`retry queueId o1,o2;...`).
//!
//! As `ExtraInfoUtil` and `KeyBuilder` of 5.3.3.

use std::fmt::{self, Display, Write};

/// The revive queue in the handles of what is consumed in order.
pub const ORDER_REVIVE_QUEUE: i32 = 999;

const RETRY_PREFIX: &str = "%RETRY%";

/// Which topic a message lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryKind {
    Normal,
    /// `%RETRY%group_topic`
    V1,
    /// `%RETRY%group+topic`
    V2,
}

impl RetryKind {
    pub fn number(self) -> u8 {
        match self {
            RetryKind::Normal => 0,
            RetryKind::V1 => 1,
            RetryKind::V2 => 2,
        }
    }

    pub fn from_text(text: &str) -> RetryKind {
        match text {
            "1" => RetryKind::V1,
            "2" => RetryKind::V2,
            _ => RetryKind::Normal,
        }
    }

    /// The topic in which messages of `topic` come back to `group`; for `Normal` the topic itself.
    pub fn topic(self, topic: &str, group: &str) -> String {
        match self {
            RetryKind::Normal => topic.to_owned(),
            RetryKind::V1 => format!("{RETRY_PREFIX}{group}_{topic}"),
            RetryKind::V2 => format!("{RETRY_PREFIX}{group}+{topic}"),
        }
    }
}

/// What of a handle the broker reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle<'a> {
    pub start: i64,
    pub pop_time: i64,
    pub invisible_time: i64,
    pub revive_queue: i32,
    pub retry: RetryKind,
    pub broker: &'a str,
    pub queue_id: i32,
    pub offset: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadHandle {
    what: &'static str,
}

impl Display for BadHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the handle's {} is missing or no number; send the handle of the popped message as it came", self.what)
    }
}

impl std::error::Error for BadHandle {}

impl<'a> Handle<'a> {
    pub fn parse(text: &'a str) -> Result<Handle<'a>, BadHandle> {
        let mut parts = text.split(' ');
        let mut number = |what| parts.next().and_then(|part| part.parse::<i64>().ok()).ok_or(BadHandle { what });
        let start = number("start offset")?;
        let pop_time = number("pop time")?;
        let invisible_time = number("invisible time")?;
        let revive_queue = i32::try_from(number("revive queue")?).map_err(|_| BadHandle { what: "revive queue" })?;
        let retry = parts.next().map(RetryKind::from_text).ok_or(BadHandle { what: "retry flag" })?;
        let broker = parts.next().ok_or(BadHandle { what: "broker name" })?;
        let queue_id = parts.next().and_then(|part| part.parse().ok()).ok_or(BadHandle { what: "queue" })?;
        let offset = parts.next().and_then(|part| part.parse().ok());
        Ok(Handle { start, pop_time, invisible_time, revive_queue, retry, broker, queue_id, offset })
    }
}

impl Display for Handle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Handle { start, pop_time, invisible_time, revive_queue, retry, broker, queue_id, offset } = self;
        write!(f, "{start} {pop_time} {invisible_time} {revive_queue} {} {broker} {queue_id}", retry.number())?;
        offset.map_or(Ok(()), |offset| write!(f, " {offset}"))
    }
}

/// The three tables of a pop's answer, one row for each queue that gave something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetTables {
    pub start_offsets: String,
    pub offsets: String,
    pub order_counts: String,
}

impl OffsetTables {
    pub fn add(&mut self, retry: RetryKind, queue_id: u32, start: i64, offsets: &[i64]) {
        let retry = retry.number();
        row(&mut self.start_offsets, format_args!("{retry} {queue_id} {start}"));
        row(&mut self.offsets, format_args!("{retry} {queue_id} "));
        for (index, offset) in offsets.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(self.offsets, "{comma}{offset}").expect("a String takes all");
        }
    }

    /// How often each was handed out before. Only what was has a row of its own; the queue's row has the least, for old clients.
    pub fn add_counts(&mut self, retry: RetryKind, queue_id: u32, counts: impl Iterator<Item = (i64, i32)>) {
        let retry = retry.number();
        let mut least = i32::MAX;
        for (offset, count) in counts {
            least = least.min(count);
            if count > 0 {
                row(&mut self.order_counts, format_args!("{retry} qo{queue_id}%{offset} {count}"));
            }
        }
        let least = if least == i32::MAX { 0 } else { least };
        row(&mut self.order_counts, format_args!("{retry} {queue_id} {least}"));
    }
}

fn row(table: &mut String, row: fmt::Arguments<'_>) {
    if !table.is_empty() {
        table.push(';');
    }
    table.write_fmt(row).expect("a String takes all");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_are_read_as_they_are_written() {
        let text = "17 1700000000000 60000 3 1 broker-a 2 19";
        let handle = Handle::parse(text).unwrap();
        assert_eq!((handle.start, handle.pop_time, handle.revive_queue), (17, 1_700_000_000_000, 3));
        assert_eq!((handle.retry, handle.broker, handle.queue_id, handle.offset), (RetryKind::V1, "broker-a", 2, Some(19)));
        assert_eq!(handle.to_string(), text);
        let old = "17 1700000000000 60000 3 0 broker-a 2";
        assert_eq!(Handle::parse(old).unwrap().offset, None);
        assert_eq!(Handle::parse(old).unwrap().to_string(), old);
    }

    #[test]
    fn what_is_no_handle_is_told() {
        for text in ["", "a", "1 2 3", "1 2 3 99999999999 0 b 0 0", "1 x 3 4 0 b 0 0", "1 2 3 4 0 b"] {
            assert!(Handle::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn tables_have_a_row_for_each_queue() {
        let mut tables = OffsetTables::default();
        tables.add(RetryKind::Normal, 3, 10, &[10, 12]);
        tables.add(RetryKind::V1, 0, 4, &[4]);
        assert_eq!(tables.start_offsets, "0 3 10;1 0 4");
        assert_eq!(tables.offsets, "0 3 10,12;1 0 4");
        tables.add_counts(RetryKind::Normal, 3, [(10, 2), (12, 0)].into_iter());
        assert_eq!(tables.order_counts, "0 qo3%10 2;0 3 0");
        assert_eq!(RetryKind::V1.topic("T", "g"), "%RETRY%g_T");
        assert_eq!(RetryKind::V2.topic("T", "g"), "%RETRY%g+T");
    }
}
