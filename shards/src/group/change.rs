//! One change of the group table: what the log keeps and what the home tells the other shards.
//!
//! | bytes | formats 1 and 2, which differ in the group |
//! |---|---|
//! | u16 | format |
//! | u8 | 1 put, 2 deleted, 3 deleted with its consumer offsets |
//! | 3 × i64 | the table's data version after the change |
//! | | put: the group (see `config`); deleted: text name |

use super::config::{FORMAT, SubscriptionGroupConfig};
use crate::data_version::DataVersion;
use crate::wire::{BadBytes, Reader, Writer};

const PUT: u8 = 1;
const DELETED: u8 = 2;
const DELETED_WITH_OFFSETS: u8 = 3;

/// Decided once, at the home of settings; applying it is the same everywhere and can be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupChange {
    /// Created or changed: the whole group as it is now.
    Put { group: SubscriptionGroupConfig, version: DataVersion },
    /// `clean_offsets`: every shard forgets what the group has consumed.
    Deleted { name: String, clean_offsets: bool, version: DataVersion },
}

impl GroupChange {
    pub fn name(&self) -> &str {
        match self {
            GroupChange::Put { group, .. } => &group.name,
            GroupChange::Deleted { name, .. } => name,
        }
    }

    pub fn version(&self) -> DataVersion {
        match self {
            GroupChange::Put { version, .. } | GroupChange::Deleted { version, .. } => *version,
        }
    }

    /// Appends the change's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut out = Writer::new(out);
        out.u16(FORMAT);
        match self {
            GroupChange::Put { group, version } => {
                out.u8(PUT);
                version.encode(&mut out);
                group.encode(&mut out);
            }
            GroupChange::Deleted { name, clean_offsets, version } => {
                out.u8(if *clean_offsets { DELETED_WITH_OFFSETS } else { DELETED });
                version.encode(&mut out);
                out.text(name);
            }
        }
    }

    pub fn decode(bytes: &[u8]) -> Result<GroupChange, BadBytes> {
        let mut read = Reader::new(bytes);
        let format = read.version(FORMAT, "a group change")?;
        let kind = read.u8("group change")?;
        let version = DataVersion::decode(&mut read)?;
        let change = match kind {
            PUT => GroupChange::Put { group: SubscriptionGroupConfig::decode(&mut read, format)?, version },
            DELETED | DELETED_WITH_OFFSETS => {
                let name = read.text("group name")?.to_owned();
                GroupChange::Deleted { name, clean_offsets: kind == DELETED_WITH_OFFSETS, version }
            }
            other => return Err(BadBytes::Value { what: "group change", found: u64::from(other) }),
        };
        read.finish()?;
        Ok(change)
    }
}
