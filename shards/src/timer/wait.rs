//! Which records wait, until when, and what becomes of them.
//!
//! Delay levels wait in SCHEDULE_TOPIC_XXXX, one queue for each level and shard, with the property `__DELIVER_MS`; timers
//! in rmq_sys_wheel_timer with TIMER_OUT_MS, which is a millisecond before their time, as the original has it with a
//! precision of one millisecond. A record of these topics without such a property is an ordinary one.
//!
//! What a consumer sees is what the original leaves (broker-semantics §2, §3): of a delayed message all properties,
//! REAL_TOPIC and REAL_QID too; of a timer TIMER_ENQUEUE_MS and TIMER_DEQUEUE_MS in addition.

use std::io::Write;

use super::lanes::LEVEL_LANE_MAX;
use super::packed::KEY_BITS;
use crate::record::{PROPERTIES_BYTES_MAX, REAL_TOPIC, Record, TOPIC_BYTES_MAX, entries, property};
use crate::types::Millis;

pub const SCHEDULE_TOPIC: &str = "SCHEDULE_TOPIC_XXXX";
pub const TIMER_TOPIC: &str = "rmq_sys_wheel_timer";
/// Until when a message of a delay level waits. It is not restored.
pub const DELIVER_MS: &str = "__DELIVER_MS";
const TIMER_OUT_MS: &str = "TIMER_OUT_MS";
/// Of a record that only says that another was taken back; it has been done before it was stored.
const TIMER_DEL_UNIQKEY: &str = "TIMER_DEL_UNIQKEY";
const UNIQ_KEY: &str = "UNIQ_KEY";

const TOPIC_BYTES: usize = 19;
const _: () = assert!(SCHEDULE_TOPIC.len() == TOPIC_BYTES);
const _: () = assert!(TIMER_TOPIC.len() == TOPIC_BYTES);

/// Whether records of this topic may wait. Asked for every message: for nearly all the length says no.
pub fn is_waiting_topic(topic: &str) -> bool {
    topic.len() == TOPIC_BYTES && (topic == SCHEDULE_TOPIC || topic == TIMER_TOPIC)
}

/// How a record waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait<'a> {
    pub deliver_at: Millis,
    pub(super) waits_for: WaitsFor<'a>,
    pub(super) key: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitsFor<'a> {
    /// The lane of a delay level.
    Level(u16),
    /// A timer's real topic.
    Topic(&'a str),
}

impl<'a> Wait<'a> {
    /// `parts`: queues for each level, see `Placement::parts`.
    pub fn of(topic: &str, queue_id: u32, parts: u32, properties: &'a [u8]) -> Option<Wait<'a>> {
        if !is_waiting_topic(topic) {
            return None;
        }
        if topic == SCHEDULE_TOPIC {
            let deliver_at = Millis(number(properties, DELIVER_MS)?);
            let level = queue_id / parts + 1;
            return Some(Wait { deliver_at, waits_for: WaitsFor::Level(level.min(LEVEL_LANE_MAX) as u16), key: 0 });
        }
        let deliver_at = Millis(number(properties, TIMER_OUT_MS)?).plus(1);
        if property(properties, TIMER_DEL_UNIQKEY).is_some() {
            return None;
        }
        let real_topic = property(properties, REAL_TOPIC).unwrap_or_default();
        let key = key_of(real_topic, property(properties, UNIQ_KEY).unwrap_or_default());
        let real_topic = std::str::from_utf8(real_topic).unwrap_or_default();
        // Longer ones are no topics; they wait to be dropped.
        let real_topic = if real_topic.len() > TOPIC_BYTES_MAX { "" } else { real_topic };
        Some(Wait { deliver_at, waits_for: WaitsFor::Topic(real_topic), key })
    }
}

/// A timer's key for `Timers::with_key`; different timers may share one.
pub fn key_of(real_topic: &[u8], unique_key: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(real_topic);
    hasher.update(&[0]);
    hasher.update(unique_key);
    hasher.finalize() >> (u32::BITS - KEY_BITS)
}

/// Where a message goes when its time has come. Its properties are put into the buffer that was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored<'a> {
    pub topic: &'a str,
    pub queue_id: u32,
}

/// `None`: the record does not say where it wants to go.
pub fn restore<'a>(record: &Record<'a>, now: Millis, properties: &mut Vec<u8>) -> Option<Restored<'a>> {
    let (topic, queue_id) = record.real_queue()?;
    properties.clear();
    let is_timer = record.topic() == TIMER_TOPIC;
    for (name, value) in entries(record.properties()) {
        if name != DELIVER_MS.as_bytes() {
            for part in [name, &[1], value, &[2]] {
                properties.extend_from_slice(part);
            }
        }
    }
    if is_timer {
        let kept = properties.len();
        let Millis(enqueued) = record.store_timestamp();
        write!(properties, "TIMER_ENQUEUE_MS\u{1}{enqueued}\u{2}TIMER_DEQUEUE_MS\u{1}{}\u{2}", now.0).expect("a Vec takes all");
        if properties.len() > PROPERTIES_BYTES_MAX {
            // They are for the curious; the message is what matters.
            properties.truncate(kept);
        }
    }
    (properties.len() <= PROPERTIES_BYTES_MAX).then_some(Restored { topic, queue_id })
}

fn number(properties: &[u8], name: &str) -> Option<i64> {
    std::str::from_utf8(property(properties, name)?).ok()?.parse().ok()
}
