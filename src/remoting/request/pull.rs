//! The header of PULL_MESSAGE (11) and LITE_PULL_MESSAGE (361).

use super::{BadRequest, number, optional, text};
use crate::remoting::Header;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullMessage<'a> {
    pub consumer_group: &'a str,
    pub topic: &'a str,
    pub queue_id: i32,
    pub queue_offset: i64,
    pub max_msg_nums: i32,
    pub sys_flag: i32,
    /// Valid when the flag says so.
    pub commit_offset: i64,
    pub suspend_timeout_millis: i64,
    pub subscription: Option<&'a str>,
    pub sub_version: i64,
    pub expression_type: Option<&'a str>,
    pub max_msg_bytes: Option<i32>,
}

impl<'a> PullMessage<'a> {
    pub fn decode(header: &'a Header<'_>) -> Result<PullMessage<'a>, BadRequest> {
        Ok(PullMessage {
            consumer_group: text(header, "consumerGroup")?,
            topic: text(header, "topic")?,
            queue_id: number(header, "queueId")?,
            queue_offset: number(header, "queueOffset")?,
            max_msg_nums: number(header, "maxMsgNums")?,
            sys_flag: number(header, "sysFlag")?,
            commit_offset: optional(header, "commitOffset")?.unwrap_or(0),
            suspend_timeout_millis: optional(header, "suspendTimeoutMillis")?.unwrap_or(0),
            subscription: header.field("subscription"),
            sub_version: optional(header, "subVersion")?.unwrap_or(0),
            expression_type: header.field("expressionType"),
            max_msg_bytes: optional(header, "maxMsgBytes")?,
        })
    }
}
