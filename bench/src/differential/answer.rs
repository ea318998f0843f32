//! What a step brought, taken apart into paths and values: `code`, `ext.queueOffset`, `body.topicList[0]`,
//! `body[0].properties.KEYS`. Two answers are compared path by path, and normalised path by path.
//!
//! A body is decoded by what it is: stored messages field by field, JSON value by value (the order of keys does not
//! matter), properties text line by line, other text whole, anything else in hex. A field that has a message's properties
//! is taken apart into them.

use std::collections::BTreeMap;

use ringmq::remoting::json;
use ringmq::remoting::message::{properties, records};
use ringmq_shards::record::Record;
use serde_json::Value;

use super::wire::Message;

/// Paths and their values.
pub type Answer = BTreeMap<String, String>;

/// Of a stored message, in its second word.
const RECORD_MAGIC: [u8; 4] = [0xda, 0xa3, 0x20, 0xa7];

/// Between a property's name and value: a field that has it is a message's properties, whose order says nothing.
const SEPARATOR: char = '\u{1}';

pub enum Outcome {
    Came(Message),
    /// And the connection is open.
    Nothing,
    Closed,
}

/// `sorted` says which arrays are sets, whose order says nothing; `text` is applied to each text before that, so that
/// addresses do not decide the order.
pub fn take_apart(outcome: &Outcome, sorted: &dyn Fn(&str) -> bool, text: &dyn Fn(&str) -> String) -> Answer {
    let mut answer = Answer::new();
    let message = match outcome {
        Outcome::Nothing => return Answer::from([("answer".into(), "none".into())]),
        Outcome::Closed => return Answer::from([("answer".into(), "connection closed".into())]),
        Outcome::Came(message) => message,
    };
    answer.insert("code".into(), message.code.to_string());
    if let Some(remark) = &message.remark {
        answer.insert("remark".into(), text(remark));
    }
    for (name, value) in &message.fields {
        match value.contains(SEPARATOR) {
            true => {
                for (property, value) in properties::iter(value.as_bytes()) {
                    let (property, value) = (String::from_utf8_lossy(property), String::from_utf8_lossy(value));
                    answer.insert(format!("ext.{name}.{property}"), text(&value));
                }
            }
            false => drop(answer.insert(format!("ext.{name}"), text(value))),
        }
    }
    body(&message.body, sorted, text, &mut answer);
    answer
}

fn body(bytes: &[u8], sorted: &dyn Fn(&str) -> bool, text: &dyn Fn(&str) -> String, answer: &mut Answer) {
    if bytes.is_empty() {
        return;
    }
    if bytes.get(4..8) == Some(&RECORD_MAGIC) {
        for (index, found) in records(bytes).enumerate() {
            match found {
                Ok(found) => record(&found, &format!("body[{index}]"), text, answer),
                Err(error) => drop(answer.insert(format!("body[{index}]"), format!("no record: {error:?}"))),
            }
        }
        return;
    }
    if matches!(bytes[0], b'{' | b'[')
        && let Ok(value) = json::parse(bytes)
    {
        return json_value(&value, "body", sorted, text, answer);
    }
    match std::str::from_utf8(bytes) {
        Ok(lines) if lines.contains('=') && lines.contains('\n') => {
            for (name, value) in lines.lines().filter_map(|line| line.split_once('=')) {
                answer.insert(format!("body.{name}"), text(value));
            }
        }
        Ok(plain) if !plain.contains(|char: char| char.is_control()) => drop(answer.insert("body".into(), text(plain))),
        _ => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            answer.insert("body".into(), format!("hex {hex}"));
        }
    }
}

fn json_value(value: &Value, path: &str, sorted: &dyn Fn(&str) -> bool, text: &dyn Fn(&str) -> String, answer: &mut Answer) {
    match value {
        Value::Object(members) => {
            if members.is_empty() {
                answer.insert(path.into(), "{}".into());
            }
            for (name, value) in members {
                json_value(value, &format!("{path}.{}", key(name, text)), sorted, text, answer);
            }
        }
        Value::Array(items) => {
            if items.is_empty() {
                answer.insert(path.into(), "[]".into());
            }
            let mut items: Vec<Answer> = items
                .iter()
                .map(|item| {
                    let mut inner = Answer::new();
                    json_value(item, "", sorted, text, &mut inner);
                    inner
                })
                .collect();
            if sorted(path) {
                items.sort();
            }
            for (index, item) in items.into_iter().enumerate() {
                answer.extend(item.into_iter().map(|(inner, value)| (format!("{path}[{index}]{inner}"), value)));
            }
        }
        Value::String(found) => drop(answer.insert(path.into(), text(found))),
        Value::Null | Value::Bool(_) | Value::Number(_) => drop(answer.insert(path.into(), value.to_string())),
    }
}

/// A message queue as a key is an object; it is written in one word.
fn key(name: &str, text: &dyn Fn(&str) -> String) -> String {
    match name.starts_with('{').then(|| json::parse(name.as_bytes())) {
        Some(Ok(queue)) => format!(
            "{}@{}@{}",
            text(queue["topic"].as_str().unwrap_or_default()),
            queue["brokerName"].as_str().unwrap_or_default(),
            queue["queueId"]
        ),
        _ => text(name),
    }
}

fn record(record: &Record<'_>, path: &str, text: &dyn Fn(&str) -> String, answer: &mut Answer) {
    let body = match std::str::from_utf8(record.body()) {
        Ok(plain) if !plain.contains(|char: char| char.is_control()) => text(plain),
        _ => format!("hex {}", record.body().iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    };
    let mut put = |name: &str, value: String| drop(answer.insert(format!("{path}.{name}"), value));
    put("topic", text(record.topic()));
    put("queueId", record.queue_id().to_string());
    put("queueOffset", record.queue_offset().0.to_string());
    put("physicalOffset", record.physical_offset().to_string());
    put("flag", record.flag().to_string());
    put("sysFlag", record.sys_flag().to_string());
    put("bornTimestamp", record.born_timestamp().to_string());
    put("bornHost", text(&record.born_host().to_string()));
    put("storeTimestamp", record.store_timestamp().0.to_string());
    put("storeHost", text(&record.store_host().to_string()));
    put("reconsumeTimes", record.reconsume_times().to_string());
    put("preparedTransactionOffset", record.prepared_transaction_offset().to_string());
    put("bodyCrcIsRight", record.verify_crc().is_ok().to_string());
    put("body", body);
    for (name, value) in properties::iter(record.properties()) {
        put(&format!("properties.{}", String::from_utf8_lossy(name)), text(&String::from_utf8_lossy(value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apart(body: &str) -> Vec<String> {
        let message = Message { body: body.as_bytes().to_vec(), ..Message::default() };
        let answer = take_apart(&Outcome::Came(message), &|path| path == "body.set", &|text| text.replace("r1", "<run>"));
        answer.into_iter().filter(|(path, _)| path != "code").map(|(path, value)| format!("{path}: {value}")).collect()
    }

    #[test]
    fn json_is_paths_and_the_order_of_keys_and_sets_does_not_matter() {
        assert_eq!(apart(r#"{"set":["b","a"],"list":["b","a"],"e":{}}"#), apart(r#"{"e":{},"list":["b","a"],"set":["a","b"]}"#));
        assert_eq!(apart(r#"{"list":[{"x":1}],"n":null}"#), ["body.list[0].x: 1", "body.n: null"]);
    }

    #[test]
    fn properties_in_a_field_are_paths() {
        let fields = [("properties".to_string(), "b\u{1}2\u{2}a\u{1}r1\u{2}".to_string())].into();
        let answer =
            take_apart(&Outcome::Came(Message { fields, ..Message::default() }), &|_| false, &|text| text.replace("r1", "<run>"));
        assert_eq!((answer["ext.properties.a"].as_str(), answer["ext.properties.b"].as_str()), ("<run>", "2"));
    }

    #[test]
    fn message_queues_as_keys_are_one_word() {
        let body = r#"{"offsetTable":{{"brokerName":"b","queueId":0,"topic":"T-r1"}:{"maxOffset":5}}}"#;
        assert_eq!(apart(body), ["body.offsetTable.T-<run>@b@0.maxOffset: 5"]);
    }

    #[test]
    fn text_is_lines_of_properties_or_one_value() {
        assert_eq!(apart("a=1\nb=2\n"), ["body.a: 1", "body.b: 2"]);
        assert_eq!(apart("plain"), ["body: plain"]);
        assert_eq!(apart("\u{1}"), ["body: hex 01"]);
    }
}
