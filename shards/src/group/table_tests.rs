//! The group table: what is decided, what its bytes are, and which of them must be readable for ever.

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
