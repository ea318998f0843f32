//! 11 PULL_MESSAGE and 361 LITE_PULL_MESSAGE.
//!
//! The body of a successful answer is the stored records, one after the other (`message::records`).

use crate::remoting::sysflag;

fields! {
    pub struct PullMessage<'a> {
        consumer_group: &'a str = required "consumerGroup",
        topic: &'a str = required "topic",
        queue_id: i32 = required "queueId",
        /// The first offset wanted.
        queue_offset: i64 = required "queueOffset",
        max_msg_nums: i32 = required "maxMsgNums",
        /// `sysflag::pull`
        sys_flag: i32 = required "sysFlag",
        /// Counts only with `sysflag::pull::COMMIT_OFFSET`.
        commit_offset: Option<i64> = optional "commitOffset",
        /// How long to hold the request; counts only with `sysflag::pull::SUSPEND`.
        suspend_timeout_millis: i64 = default(0) "suspendTimeoutMillis",
        /// Counts only with `sysflag::pull::SUBSCRIPTION`.
        subscription: Option<&'a str> = optional "subscription",
        sub_version: i64 = default(0) "subVersion",
        /// TAG if absent.
        expression_type: Option<&'a str> = optional "expressionType",
        max_msg_bytes: Option<i32> = optional "maxMsgBytes",
        request_source: Option<i32> = optional "requestSource",
        /// Misspelled on the wire.
        proxy_forward_client_id: Option<&'a str> = optional "proxyFrowardClientId",
    }
}

impl<'a> PullMessage<'a> {
    /// Whatever its tag; neither held nor committing.
    pub fn of_all_tags(
        consumer_group: &'a str,
        topic: &'a str,
        queue_id: i32,
        queue_offset: i64,
        max_msg_nums: i32,
    ) -> PullMessage<'a> {
        PullMessage {
            consumer_group,
            topic,
            queue_id,
            queue_offset,
            max_msg_nums,
            sys_flag: sysflag::pull::SUBSCRIPTION,
            commit_offset: None,
            suspend_timeout_millis: 0,
            subscription: Some("*"),
            sub_version: 0,
            expression_type: Some("TAG"),
            max_msg_bytes: None,
            request_source: None,
            proxy_forward_client_id: None,
        }
    }
}

fields! {
    /// Also of the answers that found nothing: 19, 20 and 21. Clients read the first four whatever the code.
    pub struct PullResponse {
        suggest_which_broker_id: i64 = required "suggestWhichBrokerId",
        next_begin_offset: i64 = required "nextBeginOffset",
        min_offset: i64 = required "minOffset",
        max_offset: i64 = required "maxOffset",
        offset_delta: Option<i64> = optional "offsetDelta",
        topic_sys_flag: Option<i32> = optional "topicSysFlag",
        group_sys_flag: Option<i32> = optional "groupSysFlag",
        /// `forbidden`; with 16 NO_PERMISSION.
        forbidden_type: Option<i32> = optional "forbiddenType",
    }
}

/// Who forbade a pull.
pub mod forbidden {
    pub const BROKER: i32 = 1;
    pub const GROUP: i32 = 2;
    pub const TOPIC: i32 = 3;
    pub const BROADCASTING_DISABLED: i32 = 4;
    pub const SUBSCRIPTION: i32 = 5;
}
