//! The key-value settings of a name server, namespace by namespace. Operators use one namespace: `ORDER_TOPIC_CONFIG`,
//! which says how many queues an ordered topic has on each broker.
//!
//! The only state that a name server keeps: every change yields the whole file, in the original's format
//! (`{"configTable":{"namespace":{"key":"value"}}}`), to be written before the change is answered.
//!
//! Before: `handle`, and the file at start; after: `bodies`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::bodies;
use crate::remoting::json;

pub const ORDER_TOPIC_CONFIG: &str = "ORDER_TOPIC_CONFIG";

/// Names, keys and values together. One namespace must fit a frame, and the file is written whole with every change.
pub const KV_BYTES_MAX: usize = 4 << 20;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KvConfig {
    namespaces: BTreeMap<String, BTreeMap<String, String>>,
    bytes: usize,
}

/// The change would pass `KV_BYTES_MAX`.
#[derive(Debug, PartialEq, Eq)]
pub struct KvFull;

impl KvConfig {
    /// From the file's bytes. The caller says which file it was.
    pub fn decode(file: &[u8]) -> Result<KvConfig, String> {
        let value = json::parse(file).map_err(|error| error.to_string())?;
        let table = value.get("configTable").and_then(Value::as_object).ok_or("there is no object configTable")?;
        let mut config = KvConfig::default();
        for (namespace, keys) in table {
            let keys = keys.as_object().ok_or_else(|| format!("the namespace {namespace} is not an object"))?;
            config.namespaces.entry(namespace.clone()).or_default();
            for (key, value) in keys {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_string);
                config.put(namespace, key, Some(&value)).map_err(|KvFull| format!("it has more than {KV_BYTES_MAX} bytes"))?;
            }
        }
        Ok(config)
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes + 64);
        bodies::kv_file(&self.namespaces, &mut out);
        out
    }

    /// Without a value the key goes, as a null does in the original's file.
    pub fn put(&mut self, namespace: &str, key: &str, value: Option<&str>) -> Result<(), KvFull> {
        let known = self.namespaces.get(namespace);
        let before = known.and_then(|keys| keys.get(key)).map_or(0, |value| key.len() + value.len());
        let name = if known.is_some() { 0 } else { namespace.len() + 1 };
        let bytes = self.bytes - before + name + value.map_or(0, |value| key.len() + value.len());
        if bytes > KV_BYTES_MAX {
            return Err(KvFull);
        }
        self.bytes = bytes;
        let keys = self.namespaces.entry(namespace.to_string()).or_default();
        match value {
            Some(value) => keys.insert(key.to_string(), value.to_string()),
            None => keys.remove(key),
        };
        Ok(())
    }

    pub fn get(&self, namespace: &str, key: &str) -> Option<&str> {
        self.namespaces.get(namespace)?.get(key).map(String::as_str)
    }

    /// A namespace stays when its last key goes.
    pub fn delete(&mut self, namespace: &str, key: &str) {
        let removed = self.namespaces.get_mut(namespace).and_then(|keys| keys.remove(key));
        if let Some(value) = removed {
            self.bytes -= key.len() + value.len();
        }
    }

    pub fn namespace(&self, namespace: &str) -> Option<&BTreeMap<String, String>> {
        self.namespaces.get(namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_comes_back() {
        let mut config = KvConfig::default();
        config.put("N", "k", Some("v \"quoted\" ü\n")).unwrap();
        config.put("ORDER_TOPIC_CONFIG", "T", Some("broker-a:4")).unwrap();
        config.put("empty", "x", Some("y")).unwrap();
        config.delete("empty", "x");
        let file = config.encode();
        assert_eq!(
            std::str::from_utf8(&file).unwrap(),
            "{\"configTable\":{\"N\":{\"k\":\"v \\\"quoted\\\" ü\\n\"},\"ORDER_TOPIC_CONFIG\":{\"T\":\"broker-a:4\"},\"empty\":{}}}"
        );
        let back = KvConfig::decode(&file).unwrap();
        assert_eq!(back.namespaces, config.namespaces);
    }

    #[test]
    fn a_file_that_is_not_one_says_why() {
        assert!(KvConfig::decode(b"{").is_err());
        assert_eq!(KvConfig::decode(b"{}").unwrap_err(), "there is no object configTable");
        assert_eq!(KvConfig::decode(b"{\"configTable\":{\"N\":1}}").unwrap_err(), "the namespace N is not an object");
    }

    #[test]
    fn it_is_bounded_and_counts_what_goes() {
        let mut config = KvConfig::default();
        let half = "x".repeat(KV_BYTES_MAX / 2);
        config.put("N", "a", Some(&half)).unwrap();
        assert_eq!(config.put("N", "b", Some(&half)), Err(KvFull));
        assert_eq!(config.get("N", "b"), None);
        config.put("N", "a", Some(&half)).unwrap();
        config.delete("N", "a");
        config.put("N", "b", Some(&half)).unwrap();
        config.put("N", "b", None).unwrap();
        config.put("N", "c", Some(&half)).unwrap();
    }
}
