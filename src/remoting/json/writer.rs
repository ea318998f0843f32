//! Objects and arrays appended to a buffer. The caller says what comes next; the commas are minded here.
//!
//! Key order is the caller's: fastjson sorts the properties of a bean by name, and absent ones are left out.
//!
//! ```ignore
//! let mut json = Writer::new(&mut body, Dialect::Fastjson);
//! json.object(|json| {
//!     json.key("brokerAddrs").object(|json| json.numeric_key(0).string("10.0.0.1:10911"));
//!     json.key("brokerName").string("broker-a");
//! });
//! ```

use std::fmt::Display;
use std::io::Write;

use super::dialect::Dialect;

pub struct Writer<'o> {
    out: &'o mut Vec<u8>,
    dialect: Dialect,
    /// The next key or item is not the first one.
    comma: bool,
}

impl<'o> Writer<'o> {
    pub fn new(out: &'o mut Vec<u8>, dialect: Dialect) -> Writer<'o> {
        Writer { out, dialect, comma: false }
    }

    pub fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.nested(b'{', b'}', members);
    }

    pub fn array(&mut self, items: impl FnOnce(&mut Self)) {
        self.nested(b'[', b']', items);
    }

    /// An array of strings.
    pub fn strings<'s>(&mut self, items: impl IntoIterator<Item = &'s str>) {
        self.array(|json| items.into_iter().for_each(|item| json.string(item)));
    }

    /// The key of the value that is written next.
    pub fn key(&mut self, key: &str) -> &mut Self {
        self.separate();
        self.dialect.write_string(key, self.out);
        self.colon()
    }

    pub fn numeric_key(&mut self, key: i64) -> &mut Self {
        self.separate();
        self.dialect.write_numeric_key(key, self.out);
        self.colon()
    }

    /// fastjson's keys of maps by MessageQueue: a whole object.
    pub fn object_key(&mut self, members: impl FnOnce(&mut Self)) -> &mut Self {
        self.object(members);
        self.colon()
    }

    pub fn string(&mut self, text: &str) {
        self.separate();
        self.dialect.write_string(text, self.out);
    }

    /// An integer, or anything else whose text is JSON already.
    pub fn number(&mut self, number: impl Display) {
        self.separate();
        write!(self.out, "{number}").expect("a Vec takes all");
    }

    /// A Java double: with a point, and from ten million on or below a thousandth with an exponent.
    pub fn double(&mut self, number: f64) {
        let size = number.abs();
        if !number.is_finite() {
            self.null();
        } else if size == 0.0 || (1e-3..1e7).contains(&size) {
            self.number(format_args!("{number:?}"));
        } else {
            let text = format!("{number:E}");
            match text.split_once('E') {
                Some((digits, exponent)) if !digits.contains('.') => self.number(format_args!("{digits}.0E{exponent}")),
                _ => self.number(text),
            }
        }
    }

    pub fn bool(&mut self, value: bool) {
        self.number(value);
    }

    pub fn null(&mut self) {
        self.number("null");
    }

    fn nested(&mut self, open: u8, close: u8, inner: impl FnOnce(&mut Self)) {
        self.separate();
        self.out.push(open);
        self.comma = false;
        inner(self);
        self.out.push(close);
        self.comma = true;
    }

    fn separate(&mut self) {
        if self.comma {
            self.out.push(b',');
        }
        self.comma = true;
    }

    fn colon(&mut self) -> &mut Self {
        self.out.push(b':');
        self.comma = false;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(dialect: Dialect, write: impl FnOnce(&mut Writer<'_>)) -> String {
        let mut out = Vec::new();
        write(&mut Writer::new(&mut out, dialect));
        String::from_utf8(out).unwrap()
    }

    fn route(json: &mut Writer<'_>) {
        json.object(|json| {
            json.key("brokerAddrs").object(|json| {
                json.numeric_key(0).string("10.0.0.1:10911");
                json.numeric_key(1).string("a/b");
            });
            json.key("enableActingMaster").bool(false);
            json.key("list").strings(["a", "b"]);
            json.key("none").null();
            json.key("objects").array(|json| {
                json.object(|_| ());
                json.object(|json| json.key("n").number(-7));
            });
        });
    }

    #[test]
    fn both_dialects() {
        assert_eq!(
            written(Dialect::Fastjson, route),
            r#"{"brokerAddrs":{0:"10.0.0.1:10911",1:"a/b"},"enableActingMaster":false,"list":["a","b"],"none":null,"objects":[{},{"n":-7}]}"#
        );
        assert_eq!(
            written(Dialect::Standard, route),
            r#"{"brokerAddrs":{"0":"10.0.0.1:10911","1":"a\/b"},"enableActingMaster":false,"list":["a","b"],"none":null,"objects":[{},{"n":-7}]}"#
        );
    }

    #[test]
    fn objects_are_keys() {
        let table = written(Dialect::Fastjson, |json| {
            json.object(|json| {
                for queue in 0..2 {
                    json.object_key(|json| json.key("queueId").number(queue)).number(9);
                }
            });
        });
        assert_eq!(table, r#"{{"queueId":0}:9,{"queueId":1}:9}"#);
    }

    /// As `Double.toString`, printed by fastjson 1.2.83.
    #[test]
    fn doubles_are_javas() {
        let doubles = [0.0, 1.5, 1e10, 100.0, 12345678.9, 1e-5, 0.001, 1e7, -2.5];
        let text = written(Dialect::Fastjson, |json| json.array(|json| doubles.iter().for_each(|double| json.double(*double))));
        assert_eq!(text, "[0.0,1.5,1.0E10,100.0,1.23456789E7,1.0E-5,0.001,1.0E7,-2.5]");
        assert_eq!(written(Dialect::Fastjson, |json| json.double(f64::NAN)), "null");
    }
}
