//! One change of the topic table: what the log keeps and what the home tells the other shards.
//!
//! | bytes | format 1 |
//! |---|---|
//! | u16 | format |
//! | u8 | 1 put, 2 deleted |
//! | 3 × i64 | the table's data version after the change |
//! | | put: the topic (see `config`); deleted: u64 incarnation, text name |

use super::config::{Incarnation, TopicConfig};
use crate::data_version::DataVersion;
use crate::wire::{BadBytes, Reader, Writer};

const FORMAT: u16 = 1;
const PUT: u8 = 1;
const DELETED: u8 = 2;

/// Decided once, at the home of settings; applying it is the same everywhere and can be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicChange {
    /// Created or changed: the whole topic as it is now.
    Put {
        topic: TopicConfig,
        version: DataVersion,
    },
    Deleted {
        name: String,
        incarnation: Incarnation,
        version: DataVersion,
    },
}

impl TopicChange {
    pub fn name(&self) -> &str {
        match self {
            TopicChange::Put { topic, .. } => &topic.name,
            TopicChange::Deleted { name, .. } => name,
        }
    }

    pub fn version(&self) -> DataVersion {
        match self {
            TopicChange::Put { version, .. } | TopicChange::Deleted { version, .. } => *version,
        }
    }

    /// Appends the change's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut out = Writer::new(out);
        out.u16(FORMAT);
        match self {
            TopicChange::Put { topic, version } => {
                out.u8(PUT);
                version.encode(&mut out);
                topic.encode(&mut out);
            }
            TopicChange::Deleted { name, incarnation, version } => {
                out.u8(DELETED);
                version.encode(&mut out);
                out.u64(incarnation.0);
                out.text(name);
            }
        }
    }

    pub fn decode(bytes: &[u8]) -> Result<TopicChange, BadBytes> {
        let mut read = Reader::new(bytes);
        read.version(FORMAT, "a topic change")?;
        let kind = read.u8("topic change")?;
        let version = DataVersion::decode(&mut read)?;
        let change = match kind {
            PUT => TopicChange::Put { topic: TopicConfig::decode(&mut read)?, version },
            DELETED => {
                let incarnation = Incarnation(read.u64("topic incarnation")?);
                TopicChange::Deleted { name: read.text("topic name")?.to_owned(), incarnation, version }
            }
            other => return Err(BadBytes::Value { what: "topic change", found: u64::from(other) }),
        };
        read.finish()?;
        Ok(change)
    }
}
