//! 200 UPDATE_AND_CREATE_SUBSCRIPTIONGROUP and 225 (a list of them), 201 GET_ALL_SUBSCRIPTIONGROUP_CONFIG,
//! 207 DELETE_SUBSCRIPTIONGROUP, 352 GET_SUBSCRIPTIONGROUP_CONFIG; and `SubscriptionGroupConfig` in JSON.

use ringmq_shards::data_version::DataVersion;
use ringmq_shards::group::SubscriptionGroupConfig;

use super::topic_config::{read_version, write_version};
use super::{BadRequest, group_policy, queue};
use crate::remoting::json::{Dialect, Object, Writer};

pub(super) const WHAT: &str = "a group's settings";

fields! {
    /// 207
    pub struct DeleteSubscriptionGroup<'a> {
        group_name: &'a str = required "groupName",
        /// 4.9 calls it `removeOffset`.
        clean_offset: bool = default(false) "cleanOffset" | "removeOffset",
    }
}

fields! {
    /// 352
    pub struct GetSubscriptionGroupConfig<'a> {
        group: &'a str = required "group",
    }
}

fields! {
    /// 201. Any field present asks for a page; clients up to 5.3.2 send none and get everything.
    pub struct GetAllSubscriptionGroup<'a> {
        group_seq: Option<i32> = optional "groupSeq",
        data_version: Option<&'a str> = optional "dataVersion",
        max_group_num: Option<i32> = optional "maxGroupNum",
    }
}

fields! {
    /// Answers 201.
    pub struct GetAllSubscriptionGroupResponse {
        total_group_num: i32 = required "totalGroupNum",
    }
}

/// A group's settings as they are said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSettings {
    /// Without its attributes.
    pub config: SubscriptionGroupConfig,
    /// With a sign before each key where they are to be changed.
    pub attributes: Vec<(String, String)>,
}

impl GroupSettings {
    /// What is missing is as in a fresh Java `SubscriptionGroupConfig`. The name may be missing too: that is an illegal
    /// name, which is for the broker to say.
    pub fn read(object: &Object<'_>) -> Result<GroupSettings, BadRequest> {
        let default = SubscriptionGroupConfig::new(&object.text("groupName").unwrap_or_default());
        let flag = |name, default| object.flag(name).unwrap_or(default);
        let int = |name, default| object.int(name).unwrap_or(default);
        let long = |name, default| object.long(name).unwrap_or(default);
        let config = SubscriptionGroupConfig {
            consume_enable: flag("consumeEnable", default.consume_enable),
            consume_from_min_enable: flag("consumeFromMinEnable", default.consume_from_min_enable),
            consume_broadcast_enable: flag("consumeBroadcastEnable", default.consume_broadcast_enable),
            consume_message_orderly: flag("consumeMessageOrderly", default.consume_message_orderly),
            retry_queue_nums: int("retryQueueNums", default.retry_queue_nums),
            retry_max_times: int("retryMaxTimes", default.retry_max_times),
            broker_id: long("brokerId", default.broker_id),
            which_broker_when_consume_slowly: long("whichBrokerWhenConsumeSlowly", default.which_broker_when_consume_slowly),
            notify_consumer_ids_changed_enable: flag(
                "notifyConsumerIdsChangedEnable",
                default.notify_consumer_ids_changed_enable,
            ),
            group_sys_flag: int("groupSysFlag", default.group_sys_flag),
            consume_timeout_minute: int("consumeTimeoutMinute", default.consume_timeout_minute),
            policy: group_policy::read(object)?,
            ..default
        };
        Ok(GroupSettings { config, attributes: object.text_members("attributes") })
    }

    /// The body of 200, and the answer to 352.
    pub fn decode(body: &[u8]) -> Result<GroupSettings, BadRequest> {
        let value = queue::parse(body, WHAT)?;
        let object = Object::of(&value).ok_or(BadRequest::Body { what: WHAT, why: "it is not an object" })?;
        GroupSettings::read(&object)
    }
}

/// The body of 225.
pub fn group_list(body: &[u8]) -> Result<Vec<GroupSettings>, BadRequest> {
    let value = queue::parse(body, "a list of groups")?;
    let list = Object::of(&value).into_iter().flat_map(|body| body.objects("groupConfigList"));
    list.map(|object| GroupSettings::read(&object)).collect()
}

pub fn write(group: &SubscriptionGroupConfig, json: &mut Writer<'_>) {
    json.object(|json| {
        json.key("attributes").object(|json| group.attributes.iter().for_each(|(key, value)| json.key(key).string(value)));
        json.key("brokerId").number(group.broker_id);
        json.key("consumeBroadcastEnable").bool(group.consume_broadcast_enable);
        json.key("consumeEnable").bool(group.consume_enable);
        json.key("consumeFromMinEnable").bool(group.consume_from_min_enable);
        json.key("consumeMessageOrderly").bool(group.consume_message_orderly);
        json.key("consumeTimeoutMinute").number(group.consume_timeout_minute);
        json.key("groupName").string(&group.name);
        group_policy::write_retries(&group.policy, json);
        json.key("groupSysFlag").number(group.group_sys_flag);
        json.key("notifyConsumerIdsChangedEnable").bool(group.notify_consumer_ids_changed_enable);
        json.key("retryMaxTimes").number(group.retry_max_times);
        json.key("retryQueueNums").number(group.retry_queue_nums);
        group_policy::write_subscriptions(&group.policy, json);
        json.key("whichBrokerWhenConsumeSlowly").number(group.which_broker_when_consume_slowly);
    });
}

/// The body that answers 352, and that of 200.
pub fn write_one(group: &SubscriptionGroupConfig, body: &mut Vec<u8>) {
    write(group, &mut Writer::new(body, Dialect::Fastjson));
}

/// `SubscriptionGroupWrapper`: the body that answers 201.
pub fn write_table<'g>(groups: impl IntoIterator<Item = &'g SubscriptionGroupConfig>, version: DataVersion, body: &mut Vec<u8>) {
    Writer::new(body, Dialect::Fastjson).object(|json| {
        json.key("dataVersion");
        write_version(version, json);
        // Nobody can forbid a group a topic here yet (353); 4.9 readers pass over the key.
        json.key("forbiddenTable").object(|_| ());
        json.key("subscriptionGroupTable").object(|json| {
            for group in groups {
                json.key(&group.name);
                write(group, json);
            }
        });
    });
}

/// The body that answers 201, read.
pub fn table(body: &[u8]) -> Result<(DataVersion, Vec<GroupSettings>), BadRequest> {
    let value = queue::parse(body, "a group table")?;
    let Some(object) = Object::of(&value) else { return Ok(Default::default()) };
    let groups = object.object("subscriptionGroupTable").into_iter().flat_map(|table| table.members());
    let version = object.object("dataVersion").map(|version| read_version(&version)).unwrap_or_default();
    let groups = groups.filter_map(|(_, group)| Object::of(group)).map(|group| GroupSettings::read(&group));
    Ok((version, groups.collect::<Result<_, _>>()?))
}
