//! `SubscriptionData` in JSON: in heartbeats, in 46, and in what tools are told about a group.
//!
//! Taken as it is sent: the codes are the client's own hashes of its tags.

use ringmq_shards::filter::{ExpressionType, SubscriptionData};

use crate::remoting::json::{Object, Writer};

pub fn read(object: &Object<'_>) -> SubscriptionData {
    SubscriptionData {
        topic: object.text("topic").unwrap_or_default(),
        sub_string: object.text("subString").unwrap_or_default(),
        tags_set: object.texts("tagsSet").collect(),
        code_set: object.items("codeSet").filter_map(code).collect(),
        sub_version: object.long("subVersion").unwrap_or_default(),
        expression_type: ExpressionType::from_name(&object.text("expressionType").unwrap_or_default()),
        class_filter_mode: object.flag("classFilterMode").unwrap_or_default(),
    }
}

pub fn write(subscription: &SubscriptionData, json: &mut Writer<'_>) {
    json.object(|json| {
        json.key("classFilterMode").bool(subscription.class_filter_mode);
        json.key("codeSet").array(|json| subscription.code_set.iter().for_each(|code| json.number(code)));
        json.key("expressionType").string(subscription.expression_type.name());
        json.key("subString").string(&subscription.sub_string);
        json.key("subVersion").number(subscription.sub_version);
        json.key("tagsSet").strings(subscription.tags_set.iter().map(String::as_str));
        json.key("topic").string(&subscription.topic);
    });
}

/// Go sends the codes as texts; fastjson takes both.
fn code(value: &serde_json::Value) -> Option<i32> {
    match value {
        serde_json::Value::String(text) => text.parse().ok(),
        number => i32::try_from(number.as_i64()?).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::code;
    use serde_json::json;

    #[test]
    fn codes_come_as_numbers_and_as_texts() {
        assert_eq!([json!(2112), json!("2112"), json!("-5")].iter().filter_map(code).collect::<Vec<_>>(), [2112, 2112, -5]);
        assert_eq!([json!("a"), json!(1u64 << 40), json!(null)].iter().find_map(code), None);
    }
}
