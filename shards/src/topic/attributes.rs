//! Attributes of topics and groups: `+key=value` adds or alters, `-key` removes.
//!
//! Which keys there are, which values they take and whether they can change later is a table that the owner gives.
//! The error texts are RocketMQ's (AttributeParser, AttributeUtil of 5.3.3): response code 1, the text its remark.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::wire::{BadBytes, Reader, Writer};

/// Keys without their sign, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(BTreeMap<String, String>);

impl Attributes {
    pub fn new() -> Attributes {
        Attributes::default()
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn encode(&self, out: &mut Writer<'_>) {
        out.count(self.0.len());
        for (key, value) in &self.0 {
            out.text(key);
            out.text(value);
        }
    }

    pub(crate) fn decode(read: &mut Reader<'_>) -> Result<Attributes, BadBytes> {
        let mut attributes = BTreeMap::new();
        for _ in 0..read.count(4, "attributes")? {
            let key = read.text("attribute key")?.to_owned();
            attributes.insert(key, read.text("attribute value")?.to_owned());
        }
        Ok(Attributes(attributes))
    }
}

/// A key that may be set.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    pub key: &'static str,
    /// False: only when the topic or group is created.
    pub changeable: bool,
    /// The values it takes.
    pub values: &'static [&'static str],
}

/// Why attributes cannot be altered so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadAttributes {
    AddFormat(String),
    DeleteFormat(String),
    KeyTwice(String),
    /// The same key with and without its value, or with two signs.
    AlteredTwice(String),
    Format,
    WrongSign(String),
    OnlyAddOnCreate(String),
    DeleteMissing(String),
    Unsupported(String),
    Unchangeable(String),
    Value(&'static [&'static str]),
    /// `reserve.time` needs a store that keeps messages by topic.
    ReserveTime,
}

impl fmt::Display for BadAttributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadAttributes::AddFormat(key) => write!(f, "add/alter attribute format is wrong: {key}"),
            BadAttributes::DeleteFormat(key) => write!(f, "delete attribute format is wrong: {key}"),
            BadAttributes::KeyTwice(key) => write!(f, "key duplication: {key}"),
            BadAttributes::AlteredTwice(key) => write!(f, "alter duplication key. key: {key}"),
            BadAttributes::Format => f.write_str("kv string format wrong."),
            BadAttributes::WrongSign(key) => write!(f, "wrong format key: {key}"),
            BadAttributes::OnlyAddOnCreate(key) => {
                write!(f, "only add attribute is supported while creating topic. key: {key}")
            }
            BadAttributes::DeleteMissing(key) => write!(f, "attempt to delete a nonexistent key: {key}"),
            BadAttributes::Unsupported(key) => write!(f, "unsupported key: {key}"),
            BadAttributes::Unchangeable(key) => write!(f, "attempt to update an unchangeable attribute. key: {key}"),
            BadAttributes::Value(values) => write!(f, "value is not in set: [{}]", values.join(", ")),
            BadAttributes::ReserveTime => f.write_str("Update topic reserveTime not supported"),
        }
    }
}

impl std::error::Error for BadAttributes {}

/// The text of a topic update as signed keys with values: `+a=b,-c` → (`+a`, `b`), (`-c`, ``).
pub fn parse(text: &str) -> Result<Vec<(&str, &str)>, BadAttributes> {
    let mut altered: Vec<(&str, &str)> = Vec::new();
    let mut keys = BTreeSet::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (key, value) = match part.split_once('=') {
            // Java takes what stands between the first and the second `=`.
            Some((key, rest)) => (key, rest.split('=').next().unwrap_or_default()),
            None => (part, ""),
        };
        let (sign, bad): (char, fn(String) -> BadAttributes) =
            if part.contains('=') { ('+', BadAttributes::AddFormat) } else { ('-', BadAttributes::DeleteFormat) };
        if !key.contains(sign) {
            return Err(bad(shortened(key)));
        }
        if !keys.insert(key) {
            return Err(BadAttributes::KeyTwice(shortened(key)));
        }
        altered.push((key, value));
    }
    Ok(altered)
}

/// `current` after the signed changes, or why not. `create`: there is nothing yet to be altered.
pub fn alter(
    create: bool,
    known: &'static [Attribute],
    current: &Attributes,
    changes: &[(&str, &str)],
) -> Result<Attributes, BadAttributes> {
    let mut seen = BTreeSet::new();
    let mut altered = current.0.clone();
    for &(signed, value) in changes {
        // The sign is one byte wide or the key is wrong.
        let (sign, key) = signed.split_at_checked(1).ok_or(BadAttributes::Format)?;
        if key.is_empty() || key.contains(['+', '-']) {
            return Err(BadAttributes::Format);
        }
        if !seen.insert(key) {
            return Err(BadAttributes::AlteredTwice(shortened(key)));
        }
        match sign {
            "+" => {}
            _ if create => return Err(BadAttributes::OnlyAddOnCreate(shortened(key))),
            "-" if current.get(key).is_none() => return Err(BadAttributes::DeleteMissing(shortened(key))),
            "-" => {}
            _ => return Err(BadAttributes::WrongSign(shortened(key))),
        }
        if key == "reserve.time" {
            return Err(BadAttributes::ReserveTime);
        }
        let Some(attribute) = known.iter().find(|attribute| attribute.key == key) else {
            return Err(BadAttributes::Unsupported(shortened(key)));
        };
        if !create && !attribute.changeable {
            return Err(BadAttributes::Unchangeable(shortened(key)));
        }
        if sign == "-" {
            altered.remove(key);
        } else if attribute.values.contains(&value) {
            altered.insert(key.to_owned(), value.to_owned());
        } else {
            return Err(BadAttributes::Value(attribute.values));
        }
    }
    Ok(Attributes(altered))
}

/// A client's key in a remark: the beginning will do.
fn shortened(key: &str) -> String {
    key.chars().take(128).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Attribute] = &[
        Attribute { key: "queue.type", changeable: false, values: &["BatchCQ", "SimpleCQ"] },
        Attribute { key: "message.type", changeable: true, values: &["NORMAL", "FIFO"] },
    ];

    /// One line of what happens to a topic that has `message.type=NORMAL`.
    fn altered(create: bool, text: &str) -> String {
        let current = Attributes(BTreeMap::from([("message.type".to_owned(), "NORMAL".to_owned())]));
        match parse(text).and_then(|changes| alter(create, KNOWN, &current, &changes)) {
            Ok(attributes) => attributes.iter().map(|(key, value)| format!("{key}={value} ")).collect(),
            Err(bad) => bad.to_string(),
        }
    }

    /// Each line as AttributeParser and AttributeUtil of 5.3.3 answer it.
    #[test]
    fn alterations_are_javas() {
        let table = [
            (false, "", "message.type=NORMAL "),
            (false, ",", "message.type=NORMAL "),
            (false, "+message.type=FIFO", "message.type=FIFO "),
            (true, "+queue.type=BatchCQ", "message.type=NORMAL queue.type=BatchCQ "),
            (false, "+queue.type=BatchCQ", "attempt to update an unchangeable attribute. key: queue.type"),
            (false, "message.type=FIFO", "add/alter attribute format is wrong: message.type"),
            (false, "-message.type", ""),
            (true, "-message.type", "only add attribute is supported while creating topic. key: message.type"),
            (false, "message.type", "delete attribute format is wrong: message.type"),
            (false, "+message.type", "delete attribute format is wrong: +message.type"),
            (false, "-queue.type", "attempt to delete a nonexistent key: queue.type"),
            (false, "+a=b", "unsupported key: a"),
            (false, "+message.type=X", "value is not in set: [NORMAL, FIFO]"),
            (false, "+message.type=FIFO=B", "message.type=FIFO "),
            (false, "+message.type=FIFO,-message.type", "alter duplication key. key: message.type"),
            (false, "+message.type=FIFO,+message.type=NORMAL", "key duplication: +message.type"),
            (false, "+a+b=c", "kv string format wrong."),
            (false, "+=x", "kv string format wrong."),
            (false, " +message.type=FIFO", "kv string format wrong."),
            (false, "+reserve.time=5", "Update topic reserveTime not supported"),
            (false, "=", "add/alter attribute format is wrong: "),
            (false, "é+=x", "kv string format wrong."),
        ];
        for (create, text, expected) in table {
            assert_eq!(altered(create, text), expected, "{text:?} create={create}");
        }
    }
}
