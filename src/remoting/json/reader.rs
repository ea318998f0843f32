//! A whole body as a `serde_json::Value`, read as leniently as fastjson does.
//!
//! Keys may be bare, numbers, or objects, which are kept as their text: parse that again to see its members. Of equal
//! keys the last one wins. Depth and the number of values have limits, because a value in memory is many times its text.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

use super::scanner::{BadJson, Scanner};

/// Nothing that RocketMQ sends is deeper than seven.
pub const DEPTH_MAX: usize = 64;

/// A value takes 32 bytes or more in memory and may be two in the text: without a limit a frame would become
/// half a gigabyte. A table of 100,000 topics, which is about what a frame holds, has 900,000.
pub const VALUES_MAX: usize = 1 << 20;

/// Bytes that are not UTF-8 are read with replacement characters, as in Java.
pub fn parse(bytes: &[u8]) -> Result<Value, BadJson> {
    parse_within(bytes, VALUES_MAX)
}

/// With another limit of values.
pub fn parse_within(bytes: &[u8], values_max: usize) -> Result<Value, BadJson> {
    let text = String::from_utf8_lossy(bytes);
    let mut reader = Reader { scanner: Scanner::new(&text), values_left: values_max, depth: 0 };
    let value = reader.value()?;
    reader.scanner.end()?;
    Ok(value)
}

struct Reader<'a> {
    scanner: Scanner<'a>,
    values_left: usize,
    depth: usize,
}

impl Reader<'_> {
    fn value(&mut self) -> Result<Value, BadJson> {
        self.values_left = self.values_left.checked_sub(1).ok_or(self.scanner.bad("too many values"))?;
        match self.scanner.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"' | b'\'') => self.scanner.string().map(Cow::into_owned).map(Value::String),
            _ => self.word(),
        }
    }

    /// This recurses, as deep as `DEPTH_MAX`.
    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, BadJson>) -> Result<Value, BadJson> {
        if self.depth == DEPTH_MAX {
            return Err(self.scanner.bad("too deep"));
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Result<Value, BadJson> {
        self.scanner.expect(b'{', "an object was expected")?;
        let mut members = Map::new();
        loop {
            self.scanner.commas();
            if self.scanner.take(b'}') {
                return Ok(Value::Object(members));
            }
            let key = self.scanner.key()?.into_owned();
            self.scanner.expect(b':', "a colon was expected")?;
            let value = self.value()?;
            members.insert(key, value);
        }
    }

    fn array(&mut self) -> Result<Value, BadJson> {
        self.scanner.expect(b'[', "an array was expected")?;
        let mut items = Vec::new();
        loop {
            self.scanner.commas();
            if self.scanner.take(b']') {
                return Ok(Value::Array(items));
            }
            items.push(self.value()?);
        }
    }

    fn word(&mut self) -> Result<Value, BadJson> {
        let bad = self.scanner.bad("no JSON value");
        match self.scanner.word()? {
            "null" | "undefined" | "NaN" => Ok(Value::Null),
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            word => number(word).map(Value::Number).ok_or(bad),
        }
    }
}

/// Java's suffixes of numeric types may follow.
fn number(word: &str) -> Option<Number> {
    if !word.starts_with(|first: char| first.is_ascii_digit() || first == '-' || first == '+' || first == '.') {
        return None;
    }
    let digits = word.trim_end_matches(['L', 'S', 'B', 'F', 'D']);
    let digits = if digits.len() + 1 < word.len() { word } else { digits };
    if let Ok(number) = digits.parse::<i64>() {
        return Some(number.into());
    }
    match digits.parse::<u64>() {
        Ok(number) => Some(number.into()),
        Err(_) => Number::from_f64(digits.parse().ok()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> Value {
        parse(text.as_bytes()).unwrap_or_else(|bad| panic!("{text}: {bad}"))
    }

    #[test]
    fn what_fastjson_reads_is_read() {
        assert_eq!(read(r#"{"a":[1,-2.5,true,null,"x"]}"#), json!({"a": [1, -2.5, true, null, "x"]}));
        assert_eq!(read("{0:\"a\",1:'b',name:3}"), json!({"0": "a", "1": "b", "name": 3}));
        assert_eq!(read(" [ 1,,2, ] "), json!([1, 2]));
        assert_eq!(read("{\"a\":1,\"a\":2,}"), json!({"a": 2}));
        assert_eq!(read("[5L,1.5D,undefined,1e3,18446744073709551615]"), json!([5, 1.5, null, 1000.0, u64::MAX]));
        assert_eq!(read("7"), json!(7));
        assert_eq!(read(r#""\u4e2d""#), json!("中"));
        assert_eq!(parse(b"\"\xff\"").unwrap(), json!("\u{FFFD}"));
    }

    #[test]
    fn objects_as_keys_keep_their_text() {
        let key = r#"{"brokerName":"b","queueId":0,"topic":"T"}"#;
        let value = read(&format!(r#"{{"offsetTable":{{{key}:{{"brokerOffset":1}}}}}}"#));
        assert_eq!(value, json!({"offsetTable": {key: {"brokerOffset": 1}}}));
        assert_eq!(read(key)["topic"], "T");
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in
            ["", "{", "[1", "{\"a\"}", "{\"a\":}", "}", "[}", "{]", "1 2", "nul", "-", "[1e999]", "\"a", "{:1}", "LL", "1LL"]
        {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse(nested(DEPTH_MAX).as_bytes()).is_ok());
        assert_eq!(parse(nested(DEPTH_MAX + 1).as_bytes()).unwrap_err().what, "too deep");
        assert!(parse("{\"a\":".repeat(1 << 20).as_bytes()).is_err());
        assert!(parse_within(b"[1,2,3]", 4).is_ok());
        assert_eq!(parse_within(b"[1,2,3]", 3).unwrap_err().what, "too many values");
    }
}
