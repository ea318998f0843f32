//! Frames with JSON headers, as this client needs them: requests out, answers in.

use std::collections::BTreeMap;

/// The version that makes a name server answer in standard JSON (5.3.3).
const VERSION: i32 = 479;
/// A longer answer is not one of RocketMQ's.
pub(super) const BYTES_MAX: usize = 64 << 20;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub code: i32,
    pub opaque: i32,
    pub remark: String,
    pub fields: BTreeMap<String, String>,
    pub body: Vec<u8>,
    /// False: the broker asks or tells something, such as that a group's members have changed.
    pub is_response: bool,
}

impl Answer {
    pub fn number(&self, field: &str) -> Option<i64> {
        self.fields.get(field)?.parse().ok()
    }
}

pub(super) fn request(code: i32, opaque: i32, fields: &[(&str, String)], body: &[u8]) -> Vec<u8> {
    let fields: serde_json::Map<String, serde_json::Value> =
        fields.iter().map(|(name, value)| (name.to_string(), serde_json::Value::from(value.as_str()))).collect();
    let header = serde_json::json!({
        "code": code, "extFields": fields, "flag": 0, "language": "RUST", "opaque": opaque,
        "serializeTypeCurrentRPC": "JSON", "version": VERSION,
    });
    let header = header.to_string();
    let mut out = Vec::with_capacity(8 + header.len() + body.len());
    out.extend_from_slice(&((4 + header.len() + body.len()) as u32).to_be_bytes());
    out.extend_from_slice(&(header.len() as u32).to_be_bytes()); // encoding 0, JSON, in the top byte
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(body);
    out
}

/// One frame without its length word. None: not a frame of RocketMQ with a JSON header.
pub(super) fn answer(frame: &[u8]) -> Option<Answer> {
    const JSON: u32 = 0;
    const RESPONSE: i64 = 1;
    let (word, rest) = frame.split_first_chunk::<4>()?;
    let word = u32::from_be_bytes(*word);
    if word >> 24 != JSON {
        return None;
    }
    let (header, body) = rest.split_at_checked((word & 0x00ff_ffff) as usize)?;
    let header: serde_json::Value = serde_json::from_slice(header).ok()?;
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
    let fields = header["extFields"].as_object().into_iter().flatten().map(|(name, value)| (name.clone(), text(value)));
    Some(Answer {
        code: header["code"].as_i64()? as i32,
        opaque: header["opaque"].as_i64()? as i32,
        remark: header["remark"].as_str().unwrap_or_default().to_string(),
        fields: fields.collect(),
        body: body.to_vec(),
        is_response: header["flag"].as_i64().unwrap_or(0) & RESPONSE != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_frame_that_can_be_read_back() {
        let bytes = request(105, 7, &[("topic", "T".to_string())], b"body");
        assert_eq!(u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize, bytes.len() - 4);
        let read = answer(&bytes[4..]).expect("readable");
        assert_eq!((read.code, read.opaque, read.is_response, read.body.as_slice()), (105, 7, false, b"body".as_slice()));
        assert_eq!(read.fields["topic"], "T");
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        assert_eq!(answer(b""), None);
        assert_eq!(answer(b"\0\0\0\x09{}"), None, "header longer than the frame");
        assert_eq!(answer(b"HTTP/1.1 400"), None);
        let header = br#"{"code":0,"flag":1,"opaque":3,"extFields":{"a":5}}"#;
        let numbers = [&(header.len() as u32).to_be_bytes(), header.as_slice()].concat();
        assert_eq!(answer(&numbers).map(|read| (read.number("a"), read.is_response)), Some((Some(5), true)));
    }
}
