//! `groupRetryPolicy` and `subscriptionDataSet` of a group's settings in JSON, as fastjson reads and writes the original's
//! beans: what is missing has the bean's default, what is null is nothing, and nothing is left out of the answer.

use ringmq_shards::group::{
    CustomizedRetry, ExponentialRetry, GroupPolicy, GroupRetryPolicy, RetryPolicyType, SimpleSubscription,
};
use serde_json::Value;

use super::BadRequest;
use crate::remoting::json::{Object, Writer};

const RETRIES: &str = "groupRetryPolicy";
const SUBSCRIPTIONS: &str = "subscriptionDataSet";
/// They are compared with each other; what is kept of a group has a bound of its own.
const SUBSCRIPTIONS_MAX: usize = 1000;
/// The names of the original's enumeration, in the order of its numbers.
const TYPES: [(&str, RetryPolicyType); 2] =
    [("EXPONENTIAL", RetryPolicyType::Exponential), ("CUSTOMIZED", RetryPolicyType::Customized)];

/// From within a group's settings.
pub fn read(group: &Object<'_>) -> Result<GroupPolicy, BadRequest> {
    let retries = match inner(group, RETRIES, "groupRetryPolicy is not an object")? {
        Said::Missing => Some(GroupRetryPolicy::default()),
        Said::Null => None,
        Said::Object(policy) => Some(read_retries(&policy)?),
    };
    let subscriptions = match group.get(SUBSCRIPTIONS) {
        None => None,
        Some(Value::Array(items)) if items.len() > SUBSCRIPTIONS_MAX => {
            return Err(bad("subscriptionDataSet has more than 1000 items"));
        }
        Some(Value::Array(items)) => Some(read_subscriptions(items)),
        Some(_) => return Err(bad("subscriptionDataSet is not an array")),
    };
    Ok(GroupPolicy { retries, subscriptions })
}

fn read_retries(policy: &Object<'_>) -> Result<GroupRetryPolicy, BadRequest> {
    let policy_type = match policy.get("type") {
        None if policy.is_null("type") => None,
        None => GroupRetryPolicy::default().policy_type,
        Some(_) => {
            let (name, number) = (policy.text("type").unwrap_or_default(), policy.int("type"));
            let mut known = (0..).zip(TYPES);
            known.find(|(at, (known, _))| name.eq_ignore_ascii_case(known) || number == Some(*at)).map(|(_, found)| found.1)
        }
    };
    let exponential = match inner(policy, "exponentialRetryPolicy", "exponentialRetryPolicy is not an object")? {
        Said::Missing | Said::Null => None,
        Said::Object(said) => {
            let default = ExponentialRetry::default();
            let long = |name, default| said.long(name).unwrap_or(default);
            Some(ExponentialRetry {
                initial: long("initial", default.initial),
                max: long("max", default.max),
                multiplier: long("multiplier", default.multiplier),
            })
        }
    };
    let customized = match inner(policy, "customizedRetryPolicy", "customizedRetryPolicy is not an object")? {
        Said::Missing | Said::Null => None,
        Said::Object(said) if said.is_null("next") => Some(CustomizedRetry { next: None }),
        Said::Object(said) => match said.get("next") {
            None => Some(CustomizedRetry::default()),
            Some(Value::Array(times)) => {
                let times: Option<Vec<i64>> = times.iter().map(Value::as_i64).collect();
                let next = times.ok_or_else(|| bad("a time of customizedRetryPolicy.next is not a whole number"))?;
                Some(CustomizedRetry { next: Some(next) })
            }
            Some(_) => return Err(bad("customizedRetryPolicy.next is not an array")),
        },
    };
    Ok(GroupRetryPolicy { policy_type, exponential, customized })
}

/// Each once: of two that differ in their versions alone the first is kept.
fn read_subscriptions(items: &[Value]) -> Vec<SimpleSubscription> {
    let mut subscriptions: Vec<SimpleSubscription> = Vec::new();
    for object in items.iter().filter_map(Object::of) {
        let one = SimpleSubscription {
            topic: object.text("topic"),
            expression_type: object.text("expressionType"),
            expression: object.text("expression"),
            version: object.long("version").unwrap_or_default(),
        };
        if !subscriptions.iter().any(|known| known.is_of(&one)) {
            subscriptions.push(one);
        }
    }
    subscriptions
}

enum Said<'v> {
    Missing,
    Null,
    Object(Object<'v>),
}

fn inner<'v>(object: &Object<'v>, name: &str, why: &'static str) -> Result<Said<'v>, BadRequest> {
    match object.get(name) {
        None if object.is_null(name) => Ok(Said::Null),
        None => Ok(Said::Missing),
        Some(value) => Object::of(value).map(Said::Object).ok_or_else(|| bad(why)),
    }
}

fn bad(why: &'static str) -> BadRequest {
    BadRequest::Body { what: super::group::WHAT, why }
}

/// Within a group's settings, whose keys are in order: this one comes before `groupSysFlag`.
pub fn write_retries(policy: &GroupPolicy, json: &mut Writer<'_>) {
    let Some(retries) = &policy.retries else { return };
    json.key(RETRIES).object(|json| {
        if let Some(customized) = &retries.customized {
            json.key("customizedRetryPolicy").object(|json| {
                if let Some(next) = &customized.next {
                    json.key("next").array(|json| next.iter().for_each(|time| json.number(time)));
                }
            });
        }
        if let Some(exponential) = &retries.exponential {
            json.key("exponentialRetryPolicy").object(|json| {
                json.key("initial").number(exponential.initial);
                json.key("max").number(exponential.max);
                json.key("multiplier").number(exponential.multiplier);
            });
        }
        if let Some(policy_type) = retries.policy_type {
            let name = TYPES.into_iter().find(|(_, known)| *known == policy_type).map_or("", |(name, _)| name);
            json.key("type").string(name);
        }
    });
}

/// And this one before `whichBrokerWhenConsumeSlowly`.
pub fn write_subscriptions(policy: &GroupPolicy, json: &mut Writer<'_>) {
    let Some(subscriptions) = &policy.subscriptions else { return };
    json.key(SUBSCRIPTIONS).array(|json| {
        for one in subscriptions {
            json.object(|json| {
                let texts = [("expression", &one.expression), ("expressionType", &one.expression_type), ("topic", &one.topic)];
                for (name, text) in texts {
                    if let Some(text) = text {
                        json.key(name).string(text);
                    }
                }
                json.key("version").number(one.version);
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remoting::json::{Dialect, parse};

    fn answered(said: &str) -> Result<String, BadRequest> {
        let value = parse(said.as_bytes()).expect("JSON");
        let policy = read(&Object::of(&value).expect("an object"))?;
        let mut out = Vec::new();
        Writer::new(&mut out, Dialect::Fastjson).object(|json| {
            write_retries(&policy, json);
            write_subscriptions(&policy, json);
        });
        Ok(String::from_utf8(out).expect("text"))
    }

    /// Each answer is what Apache RocketMQ 5.3.3 gives back of a group that was made so.
    #[test]
    fn answers_are_the_originals() {
        const CUSTOMIZED: &str = r#"{"groupRetryPolicy":{"type":"CUSTOMIZED"}"#;
        for (said, expected) in [
            ("{}", r#"{"groupRetryPolicy":{"type":"CUSTOMIZED"}}"#),
            (r#"{"groupRetryPolicy":null}"#, "{}"),
            (r#"{"groupRetryPolicy":{}}"#, r#"{"groupRetryPolicy":{"type":"CUSTOMIZED"}}"#),
            (r#"{"groupRetryPolicy":{"type":"exponential"}}"#, r#"{"groupRetryPolicy":{"type":"EXPONENTIAL"}}"#),
            (r#"{"groupRetryPolicy":{"type":1}}"#, r#"{"groupRetryPolicy":{"type":"CUSTOMIZED"}}"#),
            (r#"{"groupRetryPolicy":{"type":"BOGUS"}}"#, r#"{"groupRetryPolicy":{}}"#),
            (
                r#"{"groupRetryPolicy":{"type":"EXPONENTIAL","exponentialRetryPolicy":{"multiplier":"2"}}}"#,
                r#"{"groupRetryPolicy":{"exponentialRetryPolicy":{"initial":5000,"max":7200000,"multiplier":2},"type":"EXPONENTIAL"}}"#,
            ),
            (
                r#"{"groupRetryPolicy":{"exponentialRetryPolicy":{"initial":7},"customizedRetryPolicy":{"next":[3]}}}"#,
                r#"{"groupRetryPolicy":{"customizedRetryPolicy":{"next":[3]},"exponentialRetryPolicy":{"initial":7,"max":7200000,"multiplier":2},"type":"CUSTOMIZED"}}"#,
            ),
            (
                r#"{"groupRetryPolicy":{"type":"CUSTOMIZED","customizedRetryPolicy":{}}}"#,
                r#"{"groupRetryPolicy":{"customizedRetryPolicy":{"next":[1000,5000,10000,30000,60000,120000,180000,240000,300000,360000,420000,480000,540000,600000,1200000,1800000,3600000,7200000]},"type":"CUSTOMIZED"}}"#,
            ),
            (
                r#"{"groupRetryPolicy":{"customizedRetryPolicy":{"next":null}}}"#,
                r#"{"groupRetryPolicy":{"customizedRetryPolicy":{},"type":"CUSTOMIZED"}}"#,
            ),
        ] {
            assert_eq!(answered(said).as_deref(), Ok(expected), "{said}");
        }
        for (said, expected) in [
            ("null", ""),
            ("[]", r#","subscriptionDataSet":[]"#),
            (r#"[{"topic":"T"}]"#, r#","subscriptionDataSet":[{"topic":"T","version":0}]"#),
            (
                r#"[{"topic":"T","expression":"a"},{"topic":"T","expression":"a","version":9}]"#,
                r#","subscriptionDataSet":[{"expression":"a","topic":"T","version":0}]"#,
            ),
            (
                r#"[{"topic":"T","expressionType":"TAG","expression":"a||b","version":5}]"#,
                r#","subscriptionDataSet":[{"expression":"a||b","expressionType":"TAG","topic":"T","version":5}]"#,
            ),
        ] {
            let answer = answered(&format!(r#"{{"subscriptionDataSet":{said}}}"#));
            assert_eq!(answer, Ok(format!("{CUSTOMIZED}{expected}}}")), "{said}");
        }
    }

    #[test]
    fn what_the_original_cannot_read_is_refused() {
        let many = |count| format!(r#"{{"subscriptionDataSet":[{}]}}"#, vec![r#"{"topic":"T"}"#; count].join(","));
        assert!(answered(&many(SUBSCRIPTIONS_MAX)).is_ok() && answered(&many(SUBSCRIPTIONS_MAX + 1)).is_err());
        for said in [
            r#"{"groupRetryPolicy":"x"}"#,
            r#"{"groupRetryPolicy":{"customizedRetryPolicy":{"next":[1,"x"]}}}"#,
            r#"{"groupRetryPolicy":{"customizedRetryPolicy":{"next":5}}}"#,
            r#"{"groupRetryPolicy":{"exponentialRetryPolicy":[]}}"#,
            r#"{"subscriptionDataSet":"x"}"#,
        ] {
            assert!(answered(said).is_err(), "{said}");
        }
    }
}
