//! What may be the name of a topic or a consumer group: `^[%|a-zA-Z0-9_-]+$`, and not too long.
//!
//! A parsed name is the proof that a client's text passed; names that the broker makes up itself (its own, its
//! cluster's) do not come through here. Names never become paths.
//!
//! The texts are RocketMQ's, word for word: clients and people search for them.

use std::fmt;

/// Topic of a consumer group's retries: the prefix and the group's name.
pub const RETRY_PREFIX: &str = "%RETRY%";
/// Topic of what a consumer group gave up on.
pub const DLQ_PREFIX: &str = "%DLQ%";

const TOPIC_BYTES_MAX: usize = 127;
/// `%RETRY%` and `%DLQ%` topics carry a group's name behind their prefix.
const GROUP_TOPIC_BYTES_MAX: usize = 255;
const GROUP_BYTES_MAX: usize = 120;

const _: () = assert!(RETRY_PREFIX.len() + GROUP_BYTES_MAX <= GROUP_TOPIC_BYTES_MAX, "every group can have a retry topic");

/// A client's text that may be a topic's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicName<'a>(&'a str);

impl<'a> TopicName<'a> {
    pub fn parse(text: &'a str) -> Result<TopicName<'a>, BadName<'a>> {
        if is_blank(text) {
            return Err(BadName::TopicBlank);
        }
        if !is_legal(text) {
            return Err(BadName::TopicCharacters);
        }
        let of_group = text.starts_with(RETRY_PREFIX) || text.starts_with(DLQ_PREFIX);
        let bytes_max = if of_group { GROUP_TOPIC_BYTES_MAX } else { TOPIC_BYTES_MAX };
        if text.len() > bytes_max {
            return Err(BadName::TopicTooLong);
        }
        Ok(TopicName(text))
    }

    pub fn as_str(self) -> &'a str {
        self.0
    }

    pub fn is_retry(self) -> bool {
        self.0.starts_with(RETRY_PREFIX)
    }
}

/// A client's text that may be a consumer group's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupName<'a>(&'a str);

impl<'a> GroupName<'a> {
    pub fn parse(text: &'a str) -> Result<GroupName<'a>, BadName<'a>> {
        if is_blank(text) {
            return Err(BadName::GroupBlank);
        }
        if !is_legal(text) {
            return Err(BadName::GroupCharacters(text));
        }
        if text.len() > GROUP_BYTES_MAX {
            return Err(BadName::GroupTooLong(text));
        }
        Ok(GroupName(text))
    }

    pub fn as_str(self) -> &'a str {
        self.0
    }
}

/// Why a text is no name: response code 29 INVALID_PARAMETER, the text its remark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadName<'a> {
    TopicBlank,
    TopicCharacters,
    TopicTooLong,
    GroupBlank,
    GroupCharacters(&'a str),
    GroupTooLong(&'a str),
}

impl fmt::Display for BadName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ALLOWED: &str = "allowing only ^[%|a-zA-Z0-9_-]+$";
        match self {
            BadName::TopicBlank => f.write_str("The specified topic is blank."),
            BadName::TopicCharacters => write!(f, "The specified topic contains illegal characters, {ALLOWED}"),
            BadName::TopicTooLong => f.write_str("The specified topic is longer than topic max length."),
            BadName::GroupBlank => f.write_str("The specified group is blank."),
            BadName::GroupCharacters(group) => {
                write!(f, "The specified group: {}, contains illegal characters, {ALLOWED}", Shortened(group))
            }
            BadName::GroupTooLong(group) => {
                write!(f, "The specified group: {}, is longer than group max length: {GROUP_BYTES_MAX}", Shortened(group))
            }
        }
    }
}

impl std::error::Error for BadName<'_> {}

/// Topics that the broker writes itself and clients may not send to: response code 16,
/// `Sending message to topic[X] is forbidden.`
pub fn send_is_forbidden(topic: &str) -> bool {
    matches!(
        topic,
        "SCHEDULE_TOPIC_XXXX"
            | "RMQ_SYS_TRANS_HALF_TOPIC"
            | "RMQ_SYS_TRANS_OP_HALF_TOPIC"
            | "TRANS_CHECK_MAX_TIME_TOPIC"
            | "SELF_TEST_TOPIC"
            | "OFFSET_MOVED_EVENT"
    )
}

/// A client's name in a remark: a megabyte of it would not make the remark better.
struct Shortened<'a>(&'a str);

impl fmt::Display for Shortened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(GROUP_TOPIC_BYTES_MAX) {
            None => f.write_str(self.0),
            Some((end, _)) => write!(f, "{}...", &self.0[..end]),
        }
    }
}

fn is_blank(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}

fn is_legal(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'%' | b'|' | b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(text: &str) -> String {
        TopicName::parse(text).map_or_else(|bad| bad.to_string(), |_| "fine".to_owned())
    }

    #[test]
    fn topic_names() {
        const ILLEGAL: &str = "The specified topic contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$";
        const LONG: &str = "The specified topic is longer than topic max length.";
        let retry = format!("{RETRY_PREFIX}{}", "g".repeat(248));
        let table = [
            ("TopicTest", "fine"),
            ("a|b%c-d_E9", "fine"),
            ("", "The specified topic is blank."),
            (" \t", "The specified topic is blank."),
            ("a b", ILLEGAL),
            ("a.b", ILLEGAL),
            ("../../x", ILLEGAL),
            ("标签", ILLEGAL),
            (&"a".repeat(127), "fine"),
            (&"a".repeat(128), LONG),
            (&retry, "fine"),
            (&format!("{retry}g"), LONG),
        ];
        for (text, expected) in table {
            assert_eq!(topic(text), expected, "{text:?}");
        }
    }

    #[test]
    fn group_names() {
        let group = |text: &str| GroupName::parse(text).map_or_else(|bad| bad.to_string(), |_| "fine".to_owned());
        assert_eq!(group("CID_ONS-HTTP-PROXY"), "fine");
        assert_eq!(group(&"g".repeat(120)), "fine");
        let long = "g".repeat(121);
        assert_eq!(group(&long), format!("The specified group: {long}, is longer than group max length: 120"));
        assert_eq!(group("  "), "The specified group is blank.");
        assert_eq!(group("a/b"), "The specified group: a/b, contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$");
        assert!(group(&"é".repeat(1_000_000)).len() < 1_000, "a remark stays short");
    }
}
