//! The broker as a whole: 25 UPDATE_BROKER_CONFIG and 26 GET_BROKER_CONFIG, whose bodies are properties text (`config`
//! reads and writes that), 28 GET_BROKER_RUNTIME_INFO.

use super::{BadRequest, queue};
use crate::remoting::json::{Dialect, Object, Writer};

fields! {
    /// Answers 26; the body is `key=value` lines.
    pub struct GetBrokerConfigResponse<'a> {
        /// A data version in JSON.
        version: &'a str = required "version",
    }
}

/// `KVTable`: the body that answers 28, 219, and a registration.
pub fn write_kv_table<K: AsRef<str>, V: AsRef<str>>(table: impl IntoIterator<Item = (K, V)>, body: &mut Vec<u8>) {
    Writer::new(body, Dialect::Fastjson).object(|json| {
        json.key("table").object(|json| {
            for (key, value) in table {
                json.key(key.as_ref()).string(value.as_ref());
            }
        });
    });
}

pub fn kv_table(body: &[u8]) -> Result<Vec<(String, String)>, BadRequest> {
    let value = queue::parse(body, "a table")?;
    Ok(Object::of(&value).map(|body| body.text_members("table")).unwrap_or_default())
}
