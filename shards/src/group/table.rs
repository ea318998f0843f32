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
mod tests {
    use super::super::policy::{CustomizedRetry, GroupPolicy, GroupRetryPolicy};
    use super::*;

    const NOW: Millis = Millis(1000);

    fn fresh() -> Groups {
        Groups::new(GroupRules::default(), NOW)
    }

    fn created(groups: &mut Groups, name: &str) {
        let GroupLookup::Create(change) = groups.find(name, NOW) else { panic!("{name} should be created") };
        groups.apply(change);
    }

    #[test]
    fn a_group_comes_into_being_when_it_is_used() {
        let mut groups = fresh();
        assert!(matches!(groups.find("TOOLS_CONSUMER", NOW), GroupLookup::Known(_)));
        let before = groups.version();
        created(&mut groups, "g");
        assert_ne!(groups.version(), before);
        let GroupLookup::Known(group) = groups.find("g", NOW) else { panic!() };
        assert_eq!((group.retry_queue_nums, group.retry_max_times, group.consume_timeout_minute), (1, 16, 15));
        assert_eq!(groups.find("bad name", NOW), GroupLookup::Missing);
        assert_eq!(groups.find(&"g".repeat(121), NOW), GroupLookup::Missing);
        groups.set_rules(GroupRules { auto_create: false, ..GroupRules::default() });
        assert_eq!(groups.find("h", NOW), GroupLookup::Missing);
        assert!(matches!(groups.find("CID_RMQ_SYS_X", NOW), GroupLookup::Create(_)));
        groups.set_rules(GroupRules { auto_create: true, groups_max: groups.len() });
        assert_eq!(groups.find("h", NOW), GroupLookup::Missing);
    }

    #[test]
    fn updates_are_checked() {
        let mut groups = fresh();
        let wanted = SubscriptionGroupConfig { retry_max_times: 3, ..SubscriptionGroupConfig::new("g") };
        let change = groups.update(wanted.clone(), &[], NOW).unwrap().unwrap();
        groups.apply(change);
        assert_eq!(groups.update(wanted.clone(), &[], NOW), Ok(None));
        let bad = groups.update(SubscriptionGroupConfig::new("a.b"), &[], NOW).unwrap_err();
        assert!(bad.to_string().starts_with("The specified group: a.b, contains illegal characters"), "{bad}");
        let bad = groups.update(wanted, &[("+colour", "red")], NOW).unwrap_err();
        assert_eq!(bad.to_string(), "unsupported key: colour");
        groups.set_rules(GroupRules { groups_max: 9, ..GroupRules::default() });
        let bad = groups.update(SubscriptionGroupConfig::new("h"), &[], NOW).unwrap_err();
        assert_eq!(bad.to_string(), "the broker holds 9 consumer groups, the most it may");
    }

    #[test]
    fn a_table_survives_its_bytes() {
        let mut groups = fresh();
        created(&mut groups, "a");
        let wanted = SubscriptionGroupConfig { consume_enable: false, ..SubscriptionGroupConfig::new("CID_ONSAPI_PULL") };
        let change = groups.update(wanted, &[], NOW).unwrap().unwrap();
        groups.apply(change);
        let change = groups.delete("FILTERSRV_CONSUMER", false, NOW).unwrap();
        groups.apply(change);
        assert_eq!(groups.delete("FILTERSRV_CONSUMER", false, NOW), None);
        let mut bytes = Vec::new();
        groups.encode(&mut bytes);
        let again = Groups::decode(GroupRules::default(), &bytes).unwrap();
        assert_eq!(again.sorted(), groups.sorted());
        assert_eq!(again.version(), groups.version());
    }

    const FORMAT_1: &[u8] = b"\x00\x01\x01\
        \x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\xd0\x00\x00\x00\x00\x00\x00\x00\x01\
        \x17\x00\x00\x00\x01\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\
        \x00\x00\x00\x00\x00\x00\x00\x0f\x00\x01g\x00\x00\x00\x00";
    /// The policy of a group that never said otherwise.
    const FORMAT_2_ADDS: &[u8] = b"\x01\x02\x00\x00\x00";

    /// Stores of both formats exist: these bytes must be readable for ever.
    #[test]
    fn formats_are_pinned() {
        let groups = fresh();
        let change = groups.update(SubscriptionGroupConfig::new("g"), &[], Millis(2000)).unwrap().unwrap();
        assert_eq!(GroupChange::decode(FORMAT_1), Ok(change.clone()));
        let mut bytes = Vec::new();
        change.encode(&mut bytes);
        let expected = [b"\x00\x02", &FORMAT_1[2..], FORMAT_2_ADDS].concat();
        assert_eq!(bytes, expected);
        assert_eq!(GroupChange::decode(&expected), Ok(change));
    }

    #[test]
    fn a_table_of_format_1_is_read() {
        // Its data version, one group, and no predefined one deleted.
        let (version, group) = FORMAT_1[3..].split_at(24);
        let table = [b"\x00\x01", version, b"\x00\x00\x00\x01", group, b"\x00\x00\x00\x00"].concat();
        let groups = Groups::decode(GroupRules::default(), &table).unwrap();
        assert_eq!(groups.get("g"), Some(&SubscriptionGroupConfig::new("g")));
        assert_eq!(groups.len(), PREDEFINED.len() + 1);
    }

    #[test]
    fn a_policy_is_kept_and_has_a_bound() {
        let mut groups = fresh();
        let wanted = |times: usize| {
            let customized = Some(CustomizedRetry { next: Some(vec![1000; times]) });
            let retries = Some(GroupRetryPolicy { customized, ..GroupRetryPolicy::default() });
            let policy = GroupPolicy { retries, subscriptions: None };
            SubscriptionGroupConfig { policy, ..SubscriptionGroupConfig::new("g") }
        };
        let change = groups.update(wanted(3), &[], NOW).unwrap().unwrap();
        groups.apply(change);
        let mut bytes = Vec::new();
        groups.encode(&mut bytes);
        let again = Groups::decode(GroupRules::default(), &bytes).unwrap();
        assert_eq!(again.get("g"), Some(&wanted(3)));
        let bad = groups.update(wanted(POLICY_BYTES_MAX / 8), &[], NOW).unwrap_err();
        let text = "the group's retry policy and subscriptions take 32805 bytes; send at most 32768";
        assert_eq!(bad.to_string(), text);
    }

    #[test]
    fn garbage_is_refused_not_believed() {
        let mut groups = fresh();
        created(&mut groups, "a");
        let (mut table, mut change) = (Vec::new(), Vec::new());
        groups.encode(&mut table);
        let deleted = groups.delete("a", true, NOW).unwrap();
        deleted.encode(&mut change);
        assert_eq!(GroupChange::decode(&change), Ok(deleted));
        for bytes in [&table, &change] {
            crate::wire::garble(bytes, |garbage| {
                let _ = Groups::decode(GroupRules::default(), garbage);
                let _ = GroupChange::decode(garbage);
            });
        }
    }
}
