//! The members of an object, converted as fastjson converts them into a bean: what is missing, null or no such thing is
//! as good as not there, a number may be quoted and a text may be a number.

use serde_json::{Map, Value};

#[derive(Clone, Copy, Debug)]
pub struct Object<'v>(&'v Map<String, Value>);

impl<'v> Object<'v> {
    pub fn of(value: &'v Value) -> Option<Object<'v>> {
        value.as_object().map(Object)
    }

    pub fn get(&self, name: &str) -> Option<&'v Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// It was said to be nothing, which is more than not being said.
    pub fn is_null(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(Value::is_null)
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).and_then(text_of)
    }

    pub fn long(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(long_of)
    }

    /// Only what fits.
    pub fn int(&self, name: &str) -> Option<i32> {
        self.long(name).and_then(|long| i32::try_from(long).ok())
    }

    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.get(name)? {
            Value::Bool(flag) => Some(*flag),
            Value::Number(number) => Some(number.as_i64() == Some(1)),
            Value::String(text) if text.is_empty() => None,
            Value::String(text) => Some(text.eq_ignore_ascii_case("true") || text == "1"),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    pub fn object(&self, name: &str) -> Option<Object<'v>> {
        self.get(name).and_then(Object::of)
    }

    /// The items of an array; none if it is not there.
    pub fn items(&self, name: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
        self.get(name).and_then(Value::as_array).into_iter().flatten()
    }

    /// The objects of an array.
    pub fn objects(&self, name: &str) -> impl Iterator<Item = Object<'v>> + use<'v> {
        self.items(name).filter_map(Object::of)
    }

    /// The texts of an array.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = String> + use<'v> {
        self.items(name).filter_map(text_of)
    }

    /// All members, by key.
    pub fn members(&self) -> impl Iterator<Item = (&'v str, &'v Value)> + use<'v> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The members of an inner object whose values are texts.
    pub fn text_members(&self, name: &str) -> Vec<(String, String)> {
        let members = self.object(name).into_iter().flat_map(|object| object.members());
        members.filter_map(|(key, value)| Some((key.to_owned(), text_of(value)?))).collect()
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Some(value.to_string()),
    }
}

fn long_of(value: &Value) -> Option<i64> {
    match value {
        // A fraction is cut off, as by Java.
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|double| double as i64)),
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(flag) => Some(i64::from(*flag)),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn members_are_converted() {
        let value = json!({
            "text": "a", "number": 5, "quoted": "6", "flag": true, "quotedFlag": "TRUE", "null": null, "big": 1i64 << 40,
            "double": 2.9, "list": ["a", 1, null], "map": {"k": "v", "n": 1},
        });
        let object = Object::of(&value).unwrap();
        assert_eq!(object.text("text").as_deref(), Some("a"));
        assert_eq!(object.text("number").as_deref(), Some("5"));
        assert_eq!((object.int("number"), object.int("quoted"), object.int("double")), (Some(5), Some(6), Some(2)));
        assert_eq!((object.int("big"), object.long("big")), (None, Some(1 << 40)));
        assert_eq!((object.int("text"), object.int("null"), object.int("missing")), (None, None, None));
        assert_eq!((object.flag("flag"), object.flag("quotedFlag"), object.flag("text")), (Some(true), Some(true), Some(false)));
        assert_eq!(object.texts("list").collect::<Vec<_>>(), ["a", "1"]);
        assert_eq!(object.text_members("map"), [("k".to_owned(), "v".to_owned()), ("n".to_owned(), "1".to_owned())]);
        assert!(!object.has("null"));
        assert!(object.is_null("null") && !object.is_null("missing") && !object.is_null("number"));
        assert!(Object::of(&json!([])).is_none());
    }
}
