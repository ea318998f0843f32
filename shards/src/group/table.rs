//! The settings of all consumer groups of a broker.
//!
//! As with topics, deciding and applying are two steps: `find`, `update` and `delete` say which change is to be made,
//! the home logs it, `apply` makes it everywhere. The version changes with every change applied.
//!
//! Predefined groups are there from the start and are stored only once somebody changed them.
//!
//! Before: `broker::heartbeat`, `broker::pull`, `broker::group`; after: `entry` in the log of the home.

use std::fmt;

use hashbrown::HashMap;

use super::change::GroupChange;
use super::config::{FORMAT, SubscriptionGroupConfig};
use super::policy::POLICY_BYTES_MAX;
use crate::data_version::DataVersion;
use crate::topic::{Attribute, BadAttributes, BadName, GroupName, alter};
use crate::types::Millis;
use crate::wire::{BadBytes, Reader, Writer};

/// Groups of the broker itself may always come into being.
const SYSTEM_PREFIX: &str = "CID_RMQ_SYS_";

const PREDEFINED: [&str; 8] = [
    "TOOLS_CONSUMER",
    "FILTERSRV_CONSUMER",
    "SELF_TEST_C_GROUP",
    "CID_ONS-HTTP-PROXY",
    "CID_ONSAPI_PULL",
    "CID_ONSAPI_PERMISSION",
    "CID_ONSAPI_OWNER",
    "CID_RMQ_SYS_TRANS",
];

/// 5.3 knows none for groups yet.
const ATTRIBUTES: &[Attribute] = &[];

/// The broker's properties that decide about groups.
#[derive(Clone, Debug)]
pub struct GroupRules {
    /// autoCreateSubscriptionGroup
    pub auto_create: bool,
    /// Groups a broker holds at most, predefined ones included.
    pub groups_max: usize,
}

impl Default for GroupRules {
    fn default() -> GroupRules {
        GroupRules { auto_create: true, groups_max: 1_000_000 }
    }
}

/// One core's copy of the table.
#[derive(Clone, Debug)]
pub struct Groups {
    rules: GroupRules,
    table: HashMap<String, SubscriptionGroupConfig>,
    version: DataVersion,
}

/// What there is of a group that somebody wants to consume with.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupLookup<'a> {
    Known(&'a SubscriptionGroupConfig),
    /// It may come into being by this change, which must be durable before the group is used.
    Create(GroupChange),
    /// Response code 26 SUBSCRIPTION_GROUP_NOT_EXIST; a heartbeat skips the group silently.
    Missing,
}

impl Groups {
    /// The table of a broker that nobody has used yet.
    pub fn new(rules: GroupRules, now: Millis) -> Groups {
        let table = PREDEFINED.iter().map(|name| ((*name).to_owned(), SubscriptionGroupConfig::new(name))).collect();
        Groups { rules, table, version: DataVersion::first(now) }
    }

    pub fn get(&self, group: &str) -> Option<&SubscriptionGroupConfig> {
        self.table.get(group)
    }

    /// The group, or what creates it: so every consumer's group comes into being.
    pub fn find(&self, group: &str, now: Millis) -> GroupLookup<'_> {
        if let Some(known) = self.table.get(group) {
            return GroupLookup::Known(known);
        }
        let allowed = self.rules.auto_create || group.starts_with(SYSTEM_PREFIX);
        if !allowed || self.table.len() >= self.rules.groups_max || GroupName::parse(group).is_err() {
            return GroupLookup::Missing;
        }
        GroupLookup::Create(self.put(SubscriptionGroupConfig::new(group), now))
    }

    pub fn version(&self) -> DataVersion {
        self.version
    }

    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// In name order. For administration: it sorts.
    pub fn sorted(&self) -> Vec<&SubscriptionGroupConfig> {
        let mut groups: Vec<&SubscriptionGroupConfig> = self.table.values().collect();
        groups.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        groups
    }

    pub fn rules(&self) -> &GroupRules {
        &self.rules
    }

    pub fn set_rules(&mut self, rules: GroupRules) {
        self.rules = rules;
    }

    /// What UPDATE_AND_CREATE_SUBSCRIPTIONGROUP changes. `wanted.attributes` is not looked at: attributes come signed,
    /// as `attributes`. `None`: everything is so already.
    pub fn update(
        &self,
        mut wanted: SubscriptionGroupConfig,
        attributes: &[(&str, &str)],
        now: Millis,
    ) -> Result<Option<GroupChange>, BadGroupUpdate> {
        if let Err(bad) = GroupName::parse(&wanted.name) {
            return Err(BadGroupUpdate::name(bad));
        }
        let bytes = wanted.policy.stored_bytes();
        if bytes > POLICY_BYTES_MAX {
            return Err(BadGroupUpdate::PolicyTooLarge { bytes });
        }
        let old = self.table.get(&wanted.name);
        if old.is_none() && self.table.len() >= self.rules.groups_max {
            return Err(BadGroupUpdate::Full { max: self.rules.groups_max });
        }
        let current = old.map(|old| old.attributes.clone()).unwrap_or_default();
        wanted.attributes = alter(old.is_none(), ATTRIBUTES, &current, attributes).map_err(BadGroupUpdate::Attributes)?;
        Ok((old != Some(&wanted)).then(|| self.put(wanted, now)))
    }

    /// What deletes the group. `None`: there is none of that name.
    pub fn delete(&self, group: &str, clean_offsets: bool, now: Millis) -> Option<GroupChange> {
        let old = self.table.get(group)?;
        Some(GroupChange::Deleted { name: old.name.clone(), clean_offsets, version: self.version.next(now) })
    }

    fn put(&self, group: SubscriptionGroupConfig, now: Millis) -> GroupChange {
        GroupChange::Put { group, version: self.version.next(now) }
    }

    /// Makes a change that was decided at the home, and returns the group as it was.
    pub fn apply(&mut self, change: GroupChange) -> Option<SubscriptionGroupConfig> {
        self.version = change.version();
        match change {
            GroupChange::Put { group, .. } => self.table.insert(group.name.clone(), group),
            GroupChange::Deleted { name, .. } => self.table.remove(&name),
        }
    }

    /// Appends the whole table.
    ///
    /// | bytes | formats 1 and 2, which differ in the groups |
    /// |---|---|
    /// | u16 | format |
    /// | 3 × i64 | data version |
    /// | list | groups in name order, see `config`; predefined ones only if changed |
    /// | list | names of predefined groups that were deleted |
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut out = Writer::new(out);
        out.u16(FORMAT);
        self.version.encode(&mut out);
        let stored: Vec<&SubscriptionGroupConfig> = self
            .sorted()
            .into_iter()
            .filter(|group| !PREDEFINED.contains(&group.name.as_str()) || **group != SubscriptionGroupConfig::new(&group.name))
            .collect();
        out.count(stored.len());
        for group in stored {
            group.encode(&mut out);
        }
        let deleted: Vec<&str> = PREDEFINED.into_iter().filter(|name| !self.table.contains_key(*name)).collect();
        out.count(deleted.len());
        for name in deleted {
            out.text(name);
        }
    }

    /// The table that `encode` wrote.
    pub fn decode(rules: GroupRules, bytes: &[u8]) -> Result<Groups, BadBytes> {
        let mut read = Reader::new(bytes);
        let format = read.version(FORMAT, "the group table")?;
        let mut groups = Groups::new(rules, Millis::default());
        groups.version = DataVersion::decode(&mut read)?;
        for _ in 0..read.count(SubscriptionGroupConfig::BYTES_MIN, "groups")? {
            let group = SubscriptionGroupConfig::decode(&mut read, format)?;
            groups.table.insert(group.name.clone(), group);
        }
        for _ in 0..read.count(2, "deleted groups")? {
            groups.table.remove(read.text("group name")?);
        }
        read.finish()?;
        Ok(groups)
    }
}

/// Why a group cannot be changed so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadGroupUpdate {
    /// Code 29, with the text of `BadName`.
    Name(String),
    /// Code 1.
    Attributes(BadAttributes),
    /// Code 1.
    Full { max: usize },
    /// Code 1.
    PolicyTooLarge { bytes: usize },
}

impl BadGroupUpdate {
    fn name(bad: BadName<'_>) -> BadGroupUpdate {
        BadGroupUpdate::Name(bad.to_string())
    }
}

impl fmt::Display for BadGroupUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadGroupUpdate::Name(text) => f.write_str(text),
            BadGroupUpdate::Attributes(bad) => bad.fmt(f),
            BadGroupUpdate::Full { max } => write!(f, "the broker holds {max} consumer groups, the most it may"),
            BadGroupUpdate::PolicyTooLarge { bytes } => {
                write!(f, "the group's retry policy and subscriptions take {bytes} bytes; send at most {POLICY_BYTES_MAX}")
            }
        }
    }
}

impl std::error::Error for BadGroupUpdate {}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
