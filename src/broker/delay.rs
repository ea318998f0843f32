//! Messages that are to be delivered later: where they wait instead of in their queue.
//!
//! A message with a delay level (DELAY) waits in SCHEDULE_TOPIC_XXXX, one with a time (TIMER_DELAY_SEC, TIMER_DELAY_MS,
//! TIMER_DELIVER_MS) in rmq_sys_wheel_timer; in the part of that queue which lies in the log of its real queue's shard, so that
//! delivering it is one block there. The level wins over a time (broker-semantics §2, §3).
//!
//! Before: `broker::send`, and handlers that store messages of their own (`Core::store`); after: `shards::timer`.

use std::rc::Rc;

use ringmq_shards::placement::Placement;
use ringmq_shards::record::{SYS_FLAG_PREPARED, SYS_FLAG_ROLLBACK, SYS_FLAG_TRANSACTION};
use ringmq_shards::runtime;
use ringmq_shards::shard::Appended;
use ringmq_shards::timer::{DELIVER_MS, SCHEDULE_TOPIC, TIMER_TOPIC};
use ringmq_shards::types::{Millis, ShardId};

use super::core::Core;
use super::put::OwnedMessage;
use super::recall;
use super::response::Refusal;
use crate::config::Settings;
use crate::remoting::code::ResponseCode;
use crate::remoting::message::properties::{self, PROPERTIES_BYTES_MAX, name};

/// What the broker adds when a timer is delivered has room in its properties from the start.
const DELIVERY_BYTES: usize = 80;

/// Where a message waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diverted {
    pub topic: &'static str,
    pub queue_id: u32,
    /// Of a timer: when it is delivered, which its recall handle names.
    pub deliver_at: Option<Millis>,
    /// It is no message but takes one back.
    pub takes_back: Option<Target>,
}

/// A waiting message, as TIMER_DEL_UNIQKEY names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub topic: String,
    pub unique_key: String,
    pub deliver_at: Millis,
}

/// What decides where messages wait, the same for all of a broker's messages.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    pub settings: &'a Settings,
    pub placement: Placement,
    pub here: ShardId,
}

/// Whether a name among a message's properties asks for a later delivery. The value of DELAY may still say that it does not.
pub fn asks_for_later(name: &str) -> bool {
    matches!(name, name::DELAY | name::TIMER_DELAY_SEC | name::TIMER_DELAY_MS | name::TIMER_DELIVER_MS)
}

/// Where a message for this queue waits; `None`: it does not, and is stored as it is. What it waits with is added to its
/// properties.
pub fn divert(
    rules: Rules<'_>,
    now: Millis,
    topic: &str,
    queue_id: u32,
    properties: &mut Vec<u8>,
) -> Result<Option<Diverted>, Refusal> {
    let level = match text(properties, name::DELAY) {
        None => 0,
        Some(level) => level.trim().parse::<i32>().map_err(|_| bad_level(level))?,
    };
    let owner = rules.placement.queue(topic, queue_id, rules.here);
    let diverted = if level > 0 {
        for time in [name::TIMER_DELIVER_MS, name::TIMER_DELAY_SEC, name::TIMER_DELAY_MS] {
            properties::remove(properties, time);
        }
        let levels = &rules.settings.delay_levels;
        let index = (level as usize).min(levels.len()) - 1;
        properties::put(properties, DELIVER_MS, now.plus(levels[index]).0);
        let queue_id = rules.placement.part(SCHEDULE_TOPIC, index as u32, owner);
        Diverted { topic: SCHEDULE_TOPIC, queue_id, deliver_at: None, takes_back: None }
    } else {
        // Delivered once, a timer is never one again.
        if topic == TIMER_TOPIC || properties::get(properties, name::TIMER_OUT_MS).is_some() {
            return Ok(None);
        }
        let Some(deliver_at) = time_asked_for(now, properties) else { return Ok(None) };
        let settings = rules.settings;
        if !settings.timer_wheel {
            let remark = "accurate timer message is not enabled, timerWheelEnable is false";
            return Err(Refusal::new(ResponseCode::SystemError, remark.into()));
        }
        let deliver_at = deliver_at.map_err(|()| illegal(settings))?;
        let takes_back = target(topic, deliver_at, properties);
        if deliver_at <= now {
            return if takes_back.is_some() { Err(illegal(settings)) } else { Ok(None) };
        }
        if deliver_at.since(now) > settings.timer_delay_millis_max {
            return Err(illegal(settings));
        }
        // As the original with a precision of one millisecond.
        properties::put(properties, name::TIMER_OUT_MS, deliver_at.0 - 1);
        let queue_id = rules.placement.part(TIMER_TOPIC, 0, owner);
        Diverted { topic: TIMER_TOPIC, queue_id, deliver_at: Some(deliver_at), takes_back }
    };
    properties::put(properties, name::REAL_TOPIC, topic);
    properties::put(properties, name::REAL_QID, queue_id);
    if properties.len() + DELIVERY_BYTES > PROPERTIES_BYTES_MAX {
        return Err(too_long());
    }
    Ok(Some(diverted))
}

/// `None`: no time is asked for. Of several the first of these is meant.
fn time_asked_for(now: Millis, properties: &[u8]) -> Option<Result<Millis, ()>> {
    let asked = [(name::TIMER_DELAY_SEC, 1_000), (name::TIMER_DELAY_MS, 1), (name::TIMER_DELIVER_MS, 0)];
    let (value, unit) = asked.into_iter().find_map(|(name, unit)| Some((properties::get(properties, name)?, unit)))?;
    let Some(number) = std::str::from_utf8(value).ok().and_then(|value| value.parse::<i64>().ok()) else { return Some(Err(())) };
    Some(Ok(if unit == 0 { Millis(number) } else { now.plus(number.saturating_mul(unit)) }))
}

/// `topic+key`; clients of 5.0 name the key alone.
fn target(topic: &str, deliver_at: Millis, properties: &[u8]) -> Option<Target> {
    let named = text(properties, name::TIMER_DEL_UNIQKEY)?;
    let (topic, unique_key) = named.split_once('+').unwrap_or((topic, named));
    Some(Target { topic: topic.to_owned(), unique_key: unique_key.to_owned(), deliver_at })
}

fn text<'p>(properties: &'p [u8], name: &str) -> Option<&'p str> {
    std::str::from_utf8(properties::get(properties, name)?).ok()
}

fn bad_level(level: &str) -> Refusal {
    Refusal::new(ResponseCode::SystemError, format!("DELAY={level} is no delay level; send a whole number, 0 for no delay"))
}

fn illegal(settings: &Settings) -> Refusal {
    Refusal::new(
        ResponseCode::MessageIllegal,
        format!(
            "timer message illegal, the delay time should not be bigger than the max delay {}ms; or if set del msg, the delay \
             time should be bigger than the current time",
            settings.timer_delay_millis_max
        ),
    )
}

fn too_long() -> Refusal {
    let remark = format!(
        "the message is illegal: with what a delayed delivery adds, its properties have more than {PROPERTIES_BYTES_MAX} bytes"
    );
    Refusal::new(ResponseCode::MessageIllegal, remark)
}

impl Core {
    /// Stores a message of the broker's own, or lets it wait when it says so; returns when that is durable.
    pub async fn store(self: &Rc<Self>, mut message: OwnedMessage) -> Result<Appended, Refusal> {
        if let Some(diverted) = self.divert(&mut message)?
            && let Some(target) = diverted.takes_back
        {
            recall::take_back(self, target).await?;
        }
        self.put(message).await
    }

    /// Gives a message the place where it waits, if it does. A half message waits for its end first.
    pub fn divert(&self, message: &mut OwnedMessage) -> Result<Option<Diverted>, Refusal> {
        if [SYS_FLAG_PREPARED, SYS_FLAG_ROLLBACK].contains(&(message.sys_flag & SYS_FLAG_TRANSACTION)) {
            return Ok(None);
        }
        let settings = self.settings.borrow().clone();
        let rules = Rules { settings: &settings, placement: self.placement, here: self.id };
        let diverted = divert(rules, runtime::now(), &message.topic, message.queue_id, &mut message.properties)?;
        if let Some(diverted) = &diverted {
            message.topic = diverted.topic.to_owned();
            message.queue_id = diverted.queue_id;
        }
        Ok(diverted)
    }
}

#[cfg(test)]
#[path = "delay_tests.rs"]
mod tests;
