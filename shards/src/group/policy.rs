//! What a group's settings keep for others than the broker: how its retries are spaced, and what it is to subscribe to.
//!
//! The original's broker acts by neither (5.3.3: its proxy spaces retries, its metrics may read the subscriptions); both are
//! kept and given back as they were said. What was left out, and what was said to be nothing, are different things there.
//!
//! | bytes | of a group from format 2 on, behind `config` |
//! |---|---|
//! | u8 | retry policy: 0 none, 1 there |
//! | u8 | of one: its type: 0 none, 1 EXPONENTIAL, 2 CUSTOMIZED |
//! | u8, 3 × i64 | of one: 0 or 1 exponential: initial, max, multiplier |
//! | u8, list of i64 | of one: 0 none, 1 customized without times, 2 customized with times: ms |
//! | u8, list | 0 or 1 subscriptions: three times u8 0 or 1 and a text (topic, type, expression), i64 version |

use crate::wire::{BadBytes, Reader, Writer};

/// What of it a group may have, in bytes as they are kept.
pub const POLICY_BYTES_MAX: usize = 32 << 10;

const EXPONENTIAL: u8 = 1;
const CUSTOMIZED: u8 = 2;

/// RocketMQ's `GroupRetryPolicyType`, in the order of its ordinals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryPolicyType {
    Exponential,
    Customized,
}

/// RocketMQ's `ExponentialRetryPolicy`, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExponentialRetry {
    pub initial: i64,
    pub max: i64,
    pub multiplier: i64,
}

impl Default for ExponentialRetry {
    fn default() -> ExponentialRetry {
        ExponentialRetry { initial: 5_000, max: 7_200_000, multiplier: 2 }
    }
}

/// RocketMQ's `CustomizedRetryPolicy`: how long each next retry waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomizedRetry {
    pub next: Option<Vec<i64>>,
}

impl Default for CustomizedRetry {
    /// The waits of the delay levels.
    fn default() -> CustomizedRetry {
        let seconds = [1, 5, 10, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1200, 1800, 3600, 7200];
        CustomizedRetry { next: Some(seconds.map(|seconds| seconds * 1000).to_vec()) }
    }
}

/// RocketMQ's `GroupRetryPolicy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRetryPolicy {
    pub policy_type: Option<RetryPolicyType>,
    pub exponential: Option<ExponentialRetry>,
    pub customized: Option<CustomizedRetry>,
}

impl Default for GroupRetryPolicy {
    fn default() -> GroupRetryPolicy {
        GroupRetryPolicy { policy_type: Some(RetryPolicyType::Customized), exponential: None, customized: None }
    }
}

/// RocketMQ's `SimpleSubscriptionData`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimpleSubscription {
    pub topic: Option<String>,
    pub expression_type: Option<String>,
    pub expression: Option<String>,
    pub version: i64,
}

impl SimpleSubscription {
    /// As there, the version does not make it another one.
    pub fn is_of(&self, other: &SimpleSubscription) -> bool {
        self.topic == other.topic && self.expression_type == other.expression_type && self.expression == other.expression
    }
}

/// Both, as one part of a group's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPolicy {
    pub retries: Option<GroupRetryPolicy>,
    /// A set: each once, in the order in which they were said.
    pub subscriptions: Option<Vec<SimpleSubscription>>,
}

impl Default for GroupPolicy {
    fn default() -> GroupPolicy {
        GroupPolicy { retries: Some(GroupRetryPolicy::default()), subscriptions: None }
    }
}

impl GroupPolicy {
    /// The bytes that it is kept in.
    pub fn stored_bytes(&self) -> usize {
        let text = |text: &Option<String>| 1 + text.as_ref().map_or(0, |text| 2 + text.len());
        let retries = self.retries.as_ref().map_or(0, |retries| {
            let times = retries.customized.as_ref().and_then(|customized| customized.next.as_ref());
            1 + 25 + 5 + times.map_or(0, |times| 8 * times.len())
        });
        let subscriptions = self.subscriptions.iter().flatten();
        let texts = subscriptions.map(|one| text(&one.topic) + text(&one.expression_type) + text(&one.expression) + 8);
        1 + retries + 5 + texts.sum::<usize>()
    }

    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        out.bool(self.retries.is_some());
        if let Some(retries) = &self.retries {
            out.u8(match retries.policy_type {
                None => 0,
                Some(RetryPolicyType::Exponential) => EXPONENTIAL,
                Some(RetryPolicyType::Customized) => CUSTOMIZED,
            });
            out.bool(retries.exponential.is_some());
            if let Some(exponential) = retries.exponential {
                out.i64(exponential.initial);
                out.i64(exponential.max);
                out.i64(exponential.multiplier);
            }
            match &retries.customized {
                None => out.u8(0),
                Some(CustomizedRetry { next: None }) => out.u8(1),
                Some(CustomizedRetry { next: Some(times) }) => {
                    out.u8(2);
                    out.count(times.len());
                    times.iter().for_each(|time| out.i64(*time));
                }
            }
        }
        out.bool(self.subscriptions.is_some());
        if let Some(subscriptions) = &self.subscriptions {
            out.count(subscriptions.len());
            for one in subscriptions {
                for text in [&one.topic, &one.expression_type, &one.expression] {
                    out.bool(text.is_some());
                    if let Some(text) = text {
                        out.text(text);
                    }
                }
                out.i64(one.version);
            }
        }
    }

    pub(super) fn decode(read: &mut Reader<'_>) -> Result<GroupPolicy, BadBytes> {
        let retries = if read.bool("retry policy")? { Some(decode_retries(read)?) } else { None };
        if !read.bool("subscriptions")? {
            return Ok(GroupPolicy { retries, subscriptions: None });
        }
        let mut subscriptions = Vec::new();
        for _ in 0..read.count(3 + 8, "subscriptions")? {
            let mut text = || -> Result<Option<String>, BadBytes> {
                let there = read.bool("text of a subscription")?;
                if there { Ok(Some(read.text("subscription")?.to_owned())) } else { Ok(None) }
            };
            let (topic, expression_type, expression) = (text()?, text()?, text()?);
            let version = read.i64("version of a subscription")?;
            subscriptions.push(SimpleSubscription { topic, expression_type, expression, version });
        }
        Ok(GroupPolicy { retries, subscriptions: Some(subscriptions) })
    }
}

fn decode_retries(read: &mut Reader<'_>) -> Result<GroupRetryPolicy, BadBytes> {
    let policy_type = match read.u8("type of a retry policy")? {
        0 => None,
        EXPONENTIAL => Some(RetryPolicyType::Exponential),
        CUSTOMIZED => Some(RetryPolicyType::Customized),
        found => return Err(BadBytes::Value { what: "type of a retry policy", found: u64::from(found) }),
    };
    let exponential = if read.bool("exponential retries")? {
        let mut time = || read.i64("exponential retries");
        Some(ExponentialRetry { initial: time()?, max: time()?, multiplier: time()? })
    } else {
        None
    };
    let customized = match read.u8("customized retries")? {
        0 => None,
        1 => Some(CustomizedRetry { next: None }),
        2 => {
            let count = read.count(8, "customized retries")?;
            let times = (0..count).map(|_| read.i64("customized retries")).collect::<Result<_, _>>()?;
            Some(CustomizedRetry { next: Some(times) })
        }
        found => return Err(BadBytes::Value { what: "customized retries", found: u64::from(found) }),
    };
    Ok(GroupRetryPolicy { policy_type, exponential, customized })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(policy: &GroupPolicy) -> GroupPolicy {
        let mut bytes = Vec::new();
        policy.encode(&mut Writer::new(&mut bytes));
        assert!(bytes.len() <= policy.stored_bytes(), "the bound is of no less than what is kept");
        let mut read = Reader::new(&bytes);
        let again = GroupPolicy::decode(&mut read).expect("as written");
        read.finish().expect("all of it");
        crate::wire::garble(&bytes, |garbage| _ = GroupPolicy::decode(&mut Reader::new(garbage)));
        again
    }

    #[test]
    fn what_was_said_survives_its_bytes() {
        let customized = |next| GroupRetryPolicy { customized: Some(CustomizedRetry { next }), ..GroupRetryPolicy::default() };
        let exponential = ExponentialRetry { initial: 7, max: i64::MAX, multiplier: -1 };
        for retries in [
            None,
            Some(GroupRetryPolicy::default()),
            Some(GroupRetryPolicy { policy_type: None, ..GroupRetryPolicy::default() }),
            Some(GroupRetryPolicy { policy_type: Some(RetryPolicyType::Exponential), ..customized(None) }),
            Some(GroupRetryPolicy { exponential: Some(exponential), ..customized(Some(vec![1, 2, -3])) }),
        ] {
            let full = SimpleSubscription {
                topic: Some("T".into()),
                expression_type: Some("TAG".into()),
                expression: Some("a || b".into()),
                version: 9,
            };
            for subscriptions in [None, Some(vec![]), Some(vec![full, SimpleSubscription::default()])] {
                let policy = GroupPolicy { retries: retries.clone(), subscriptions };
                assert_eq!(kept(&policy), policy);
            }
        }
    }
}
