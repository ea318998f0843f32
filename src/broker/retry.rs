//! CONSUMER_SEND_MSG_BACK (36): a message that a consumer could not handle comes back to its group later, or is given up.
//!
//! What is stored is a new record in `%RETRY%group` with a delay that grows with each attempt, or in `%DLQ%group` when
//! there were enough (broker-semantics §4.1). It keeps the body, the keys and the tags, and says where it came from:
//! RETRY_TOPIC is the topic that the consumer subscribed to, ORIGIN_MESSAGE_ID the record that was tried first.
//!
//! Before: `broker::dispatch`; after: `broker::view` (the record sent back), `broker::put`, `broker::dead_letter`,
//! `broker::traffic`.

use std::borrow::Cow;
use std::rc::Rc;

use ringmq_shards::group::{GroupLookup, SubscriptionGroupConfig};
use ringmq_shards::record::Record;
use ringmq_shards::runtime;
use ringmq_shards::topic::RETRY_PREFIX;

use super::changes::Wanted;
use super::core::Core;
use super::dead_letter;
use super::dispatch::Call;
use super::put::OwnedMessage;
use super::response::{Refusal, Response};
use super::view::record_at;
use crate::remoting::code::{FAQ, ResponseCode};
use crate::remoting::message::id::OffsetMessageId;
use crate::remoting::message::properties::{self, name};
use crate::remoting::request::retry::SendMessageBack;
use crate::remoting::version;

/// The delay level of the first attempt after the first failure: 10 s by default.
const FIRST_LEVEL: i32 = 3;

pub async fn send_back(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let header = call.header();
    let request = SendMessageBack::decode(&header)?;
    let group = known_group(core, request.group).await?;
    core.accepts_messages()?;
    if !core.permission().is_writable() {
        let remark = format!("the broker[{}] sending message is forbidden", core.identity.address.ip());
        return Err(Refusal::new(ResponseCode::NoPermission, remark));
    }
    if group.retry_queue_nums <= 0 {
        return Ok(Response::success());
    }
    let (retry_topic, queues) = retry_topic(core, &group, request.unit_mode).await?;
    let bytes = record_at(core, request.offset).await?.ok_or_else(|| not_found(request.offset))?;
    let record = Record::parse(&bytes).map_err(|_| not_found(request.offset))?;

    // A client older than the field leaves the decision to the group's settings, whatever it sends there.
    let asked = request.max_reconsume_times.filter(|_| header.version >= version::V3_4_9);
    let retries_max = asked.unwrap_or(group.retry_max_times);
    let sent_back = match fate(record.reconsume_times(), retries_max, request.delay_level) {
        Fate::Again { level } => {
            let queue_id = (runtime::random() % u64::from(queues)) as u32;
            let message = again(core, &record, retry_topic, queue_id, level)?;
            core.store(message).await
        }
        Fate::GivenUp => {
            let dead_letters = dead_letter::topic(core, request.group).await?;
            let message = again(core, &record, dead_letters, dead_letter::QUEUE, 0)?;
            dead_letter::store(core, request.group, message).await
        }
    };
    sent_back?;
    core.traffic.sent_back(&first_topic(&record), request.group);
    Ok(Response::success())
}

/// The topic that the consumer subscribed to, however often the message was tried.
fn first_topic<'r>(record: &Record<'r>) -> Cow<'r, str> {
    match properties::get(record.properties(), name::RETRY_TOPIC) {
        Some(topic) => String::from_utf8_lossy(topic),
        None => Cow::Borrowed(record.topic()),
    }
}

/// What becomes of a message that has failed once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Again { level: i32 },
    GivenUp,
}

fn fate(reconsume_times: i32, retries_max: i32, asked_level: i32) -> Fate {
    if reconsume_times >= retries_max || asked_level < 0 {
        return Fate::GivenUp;
    }
    let level = if asked_level == 0 { FIRST_LEVEL.saturating_add(reconsume_times) } else { asked_level };
    Fate::Again { level }
}

/// The settings of a consumer's group, which comes into being if it may.
pub async fn known_group(core: &Rc<Core>, name: &str) -> Result<SubscriptionGroupConfig, Refusal> {
    let find = || match core.live.state.borrow().groups.find(name, runtime::now()) {
        GroupLookup::Known(group) => Some(Some(group.clone())),
        GroupLookup::Create(_) => Some(None),
        GroupLookup::Missing => None,
    };
    let missing = || {
        let remark = format!("subscription group not exist, {name} {FAQ}");
        Refusal::new(ResponseCode::SubscriptionGroupNotExist, remark)
    };
    match find().ok_or_else(missing)? {
        Some(group) => Ok(group),
        None => {
            Wanted::GroupUsed { group: name.to_owned() }.make(core).await?;
            find().flatten().ok_or_else(missing)
        }
    }
}

/// The group's retry topic, which exists when this returns, and how many of its queues are read and wanted.
async fn retry_topic(core: &Rc<Core>, group: &SubscriptionGroupConfig, unit_mode: bool) -> Result<(String, u32), Refusal> {
    let name = format!("{RETRY_PREFIX}{}", group.name);
    let found = || {
        let shard = core.live.state.borrow();
        core.topic_to_send(&shard, &name).map(|topic| (topic.perm, topic.read_queue_nums))
    };
    if found().is_none() {
        let (group, queue_nums) = (group.name.clone(), group.retry_queue_nums);
        Wanted::RetryTopic { group, queue_nums, unit_mode }.make(core).await?;
    }
    let missing = || Refusal::new(ResponseCode::SystemError, format!("topic[{name}] not exist"));
    let (perm, read_queue_nums) = found().ok_or_else(missing)?;
    if !perm.is_writable() {
        let remark = format!("the topic[{name}] sending message is forbidden");
        return Err(Refusal::new(ResponseCode::NoPermission, remark));
    }
    // More queues than the topic has would be written and never read.
    let queues = u32::try_from(group.retry_queue_nums).unwrap_or(1).min(read_queue_nums).max(1);
    Ok((name, queues))
}

fn not_found(offset: i64) -> Refusal {
    Refusal::new(ResponseCode::SystemError, format!("look message by offset failed, {offset}"))
}

/// The record once more, as one of another topic.
fn again(core: &Core, record: &Record<'_>, topic: String, queue_id: u32, level: i32) -> Result<OwnedMessage, Refusal> {
    let origin = OffsetMessageId { broker: record.store_host(), physical_offset: record.physical_offset() };
    let properties = retried(record.properties(), record.topic(), origin, level);
    // What the broker adds may be too much; the words are the original's.
    properties::validate(&properties)
        .map_err(|_| Refusal::new(ResponseCode::SystemError, "PROPERTIES_SIZE_EXCEEDED".to_owned()))?;
    Ok(OwnedMessage::retried(core, record, topic, queue_id, properties))
}

/// Its properties, and what they say now of where it came from and when it comes back.
fn retried(before: &[u8], topic: &str, this: OffsetMessageId, level: i32) -> Vec<u8> {
    let mut after = before.to_vec();
    if properties::get(before, name::RETRY_TOPIC).is_none() {
        properties::append(&mut after, name::RETRY_TOPIC, topic);
    }
    if properties::get(before, name::ORIGIN_MESSAGE_ID).is_none_or(|id| id.trim_ascii().is_empty()) {
        properties::put(&mut after, name::ORIGIN_MESSAGE_ID, this);
    }
    properties::put(&mut after, name::WAIT, false);
    properties::put(&mut after, name::DELAY, level);
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_grows_with_each_attempt_until_the_message_is_given_up() {
        let again = |level| Fate::Again { level };
        for (tried, retries_max, asked_level, expected) in [
            (0, 16, 0, again(3)),
            (1, 16, 0, again(4)),
            (15, 16, 0, again(18)),
            (16, 16, 0, Fate::GivenUp),
            (17, 16, 5, Fate::GivenUp),
            (0, 16, 1, again(1)),
            (0, 16, 99, again(99)),
            (0, 16, -1, Fate::GivenUp),
            (0, 0, 0, Fate::GivenUp),
            (0, -1, 0, Fate::GivenUp),
            (i32::MAX - 1, i32::MAX, 0, again(i32::MAX)),
        ] {
            assert_eq!(fate(tried, retries_max, asked_level), expected, "{tried} of {retries_max}, level {asked_level}");
        }
    }

    #[test]
    fn a_retry_says_where_it_came_from_first() {
        let stored = |text: &str| text.replace('=', "\u{1}").replace(';', "\u{2}").into_bytes();
        let this = OffsetMessageId { broker: "1.2.3.4:5".parse().unwrap(), physical_offset: 6 };
        for (before, level, after) in [
            (
                "KEYS=k;WAIT=true;TAGS=t",
                3,
                "KEYS=k;TAGS=t;RETRY_TOPIC=orders;ORIGIN_MESSAGE_ID=01020304000000050000000000000006;WAIT=false;DELAY=3;",
            ),
            (
                "RETRY_TOPIC=first;ORIGIN_MESSAGE_ID=A;DELAY=3;WAIT=false;",
                4,
                "RETRY_TOPIC=first;ORIGIN_MESSAGE_ID=A;WAIT=false;DELAY=4;",
            ),
            (
                "ORIGIN_MESSAGE_ID= ;DELAY=18;",
                0,
                "RETRY_TOPIC=orders;ORIGIN_MESSAGE_ID=01020304000000050000000000000006;WAIT=false;DELAY=0;",
            ),
        ] {
            let retried = retried(&stored(before), "orders", this, level);
            assert_eq!(String::from_utf8_lossy(&retried), String::from_utf8_lossy(&stored(after)), "{before}");
        }
    }
}
