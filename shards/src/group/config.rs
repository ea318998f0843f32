//! One consumer group's settings, and the bytes they are kept in.
//!
//! | bytes | of a group, format 2; format 1 ends before the policy |
//! |---|---|
//! | u8 | flags: 1 consume, 2 from min, 4 broadcast, 8 orderly, 16 notify of changed ids |
//! | i32, i32 | retry queues, retries at most |
//! | i64, i64 | broker id to pull from, and the one when consuming is slow |
//! | i32 | group sys flag |
//! | i32 | minutes after which consuming a message has failed |
//! | text | name |
//! | list | attributes: text key, text value |
//! | | policy: see `policy` |

use super::policy::GroupPolicy;
use crate::topic::Attributes;
use crate::wire::{BadBytes, Reader, Writer};

/// Of the group table and its changes, which hold groups.
pub(super) const FORMAT: u16 = 2;

const CONSUME: u8 = 1;
const FROM_MIN: u8 = 2;
const BROADCAST: u8 = 4;
const ORDERLY: u8 = 8;
const NOTIFY: u8 = 16;

/// RocketMQ's `SubscriptionGroupConfig`. Plain data, the same on every core that has seen the same changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionGroupConfig {
    pub name: String,
    pub consume_enable: bool,
    pub consume_from_min_enable: bool,
    pub consume_broadcast_enable: bool,
    pub consume_message_orderly: bool,
    pub retry_queue_nums: i32,
    pub retry_max_times: i32,
    pub broker_id: i64,
    pub which_broker_when_consume_slowly: i64,
    pub notify_consumer_ids_changed_enable: bool,
    pub group_sys_flag: i32,
    pub consume_timeout_minute: i32,
    pub attributes: Attributes,
    pub policy: GroupPolicy,
}

impl SubscriptionGroupConfig {
    /// RocketMQ's defaults.
    pub fn new(name: &str) -> SubscriptionGroupConfig {
        SubscriptionGroupConfig {
            name: name.to_owned(),
            consume_enable: true,
            consume_from_min_enable: true,
            consume_broadcast_enable: true,
            consume_message_orderly: false,
            retry_queue_nums: 1,
            retry_max_times: 16,
            broker_id: 0,
            which_broker_when_consume_slowly: 1,
            notify_consumer_ids_changed_enable: true,
            group_sys_flag: 0,
            consume_timeout_minute: 15,
            attributes: Attributes::new(),
            policy: GroupPolicy::default(),
        }
    }

    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        out.u8(flag(self.consume_enable, CONSUME)
            | flag(self.consume_from_min_enable, FROM_MIN)
            | flag(self.consume_broadcast_enable, BROADCAST)
            | flag(self.consume_message_orderly, ORDERLY)
            | flag(self.notify_consumer_ids_changed_enable, NOTIFY));
        out.i32(self.retry_queue_nums);
        out.i32(self.retry_max_times);
        out.i64(self.broker_id);
        out.i64(self.which_broker_when_consume_slowly);
        out.i32(self.group_sys_flag);
        out.i32(self.consume_timeout_minute);
        out.text(&self.name);
        self.attributes.encode(out);
        self.policy.encode(out);
    }

    /// The bytes of the shortest group: what a list's count is compared with.
    pub(super) const BYTES_MIN: usize = 1 + 4 + 4 + 8 + 8 + 4 + 4 + 2 + 4;

    pub(super) fn decode(read: &mut Reader<'_>, format: u16) -> Result<SubscriptionGroupConfig, BadBytes> {
        let flags = read.u8("group flags")?;
        if flags & !(CONSUME | FROM_MIN | BROADCAST | ORDERLY | NOTIFY) != 0 {
            return Err(BadBytes::Value { what: "set of group flags", found: u64::from(flags) });
        }
        Ok(SubscriptionGroupConfig {
            consume_enable: flags & CONSUME != 0,
            consume_from_min_enable: flags & FROM_MIN != 0,
            consume_broadcast_enable: flags & BROADCAST != 0,
            consume_message_orderly: flags & ORDERLY != 0,
            notify_consumer_ids_changed_enable: flags & NOTIFY != 0,
            retry_queue_nums: read.i32("retry queues")?,
            retry_max_times: read.i32("retries")?,
            broker_id: read.i64("broker id")?,
            which_broker_when_consume_slowly: read.i64("broker id")?,
            group_sys_flag: read.i32("group sys flag")?,
            consume_timeout_minute: read.i32("consume timeout")?,
            name: read.text("group name")?.to_owned(),
            attributes: Attributes::decode(read)?,
            policy: if format < 2 { GroupPolicy::default() } else { GroupPolicy::decode(read)? },
        })
    }
}
