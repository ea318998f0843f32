//! The topic table as a specification: a fresh broker, a few acts, what it says.

use super::*;
use crate::types::Millis;
use crate::wire::BadBytes;

const NOW: Millis = Millis(1000);

fn fresh() -> Topics {
    Topics::new(TopicRules::new("DefaultCluster", "broker-a"), NOW)
}

fn name(text: &str) -> TopicName<'_> {
    TopicName::parse(text).unwrap()
}

/// What a send to an unknown topic makes: `name read write perm sys_flag`, or the refusal.
fn first_send(topics: &Topics, topic: &str, default_topic: &str, default_topic_queue_nums: i32, unit_mode: bool) -> String {
    let send = FirstSend { topic: name(topic), default_topic, default_topic_queue_nums, unit_mode };
    match topics.create_on_send(send, NOW) {
        Ok(Some(TopicChange::Put { topic: t, .. })) => {
            format!("{} {} {} {} {}", t.name, t.read_queue_nums, t.write_queue_nums, t.perm, t.sys_flag)
        }
        Ok(Some(TopicChange::Deleted { .. })) => panic!("a send deletes nothing"),
        Ok(None) => "exists".to_owned(),
        Err(missing) => missing.to_string(),
    }
}

fn update<'a>(topic: &'a str, queues: i32, attributes: &'a str) -> TopicUpdate<'a> {
    TopicUpdate {
        topic: name(topic),
        read_queue_nums: queues,
        write_queue_nums: queues,
        perm: 6,
        filter_type: TopicFilterType::SingleTag,
        sys_flag: 0,
        order: false,
        attributes,
    }
}

fn created(topics: &mut Topics, topic: &str) -> Incarnation {
    let change = topics.update(&update(topic, 4, ""), NOW).unwrap().unwrap();
    topics.apply(change);
    topics.get(topic).unwrap().incarnation
}

#[test]
fn a_first_send_takes_after_the_default_topic() {
    let topics = fresh();
    const MISSING: &str = "topic[T] not exist, apply first please!\n\
                           See https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details.";
    let table = [
        ("T", "TBW102", 4, false, "T 4 4 6 0"),
        ("T", "TBW102", 100, false, "T 8 8 6 0"),
        ("T", "TBW102", -5, false, "T 0 0 6 0"),
        ("T", "DefaultCluster", 100, false, "T 16 16 6 0"),
        ("T", "broker-a", 4, false, "T 1 1 6 0"),
        ("T", "BenchmarkTest", 4, false, MISSING),
        ("T", "nothing", 4, false, MISSING),
        ("T", "TBW102", 4, true, "T 4 4 6 1"),
        ("%RETRY%g", "nothing", 4, true, "%RETRY%g 1 1 6 2"),
        ("BenchmarkTest", "TBW102", 4, false, "exists"),
    ];
    for (topic, default_topic, queues, unit, expected) in table {
        assert_eq!(first_send(&topics, topic, default_topic, queues, unit), expected, "{topic} after {default_topic}");
    }
}

#[test]
fn without_auto_creation_nothing_takes_after_tbw102() {
    let off = Topics::new(TopicRules { auto_create: false, ..TopicRules::new("DefaultCluster", "broker-a") }, NOW);
    assert_eq!(off.get("TBW102"), None);
    assert!(first_send(&off, "T", "TBW102", 4, false).starts_with("topic[T] not exist"));
    // Switched off on the live broker: the topic is still there, but is no model any more.
    let mut live = fresh();
    live.set_rules(off.rules().clone());
    assert!(live.get("TBW102").is_some());
    assert!(first_send(&live, "T", "TBW102", 4, false).starts_with("topic[T] not exist"));
    assert_eq!(first_send(&live, "T", "DefaultCluster", 4, false), "T 4 4 6 0", "the cluster's topic is a model still");
}

#[test]
fn updates_are_checked() {
    let mut topics = fresh();
    let said = |topics: &Topics, update: TopicUpdate<'_>| match topics.update(&update, NOW) {
        Ok(change) => if change.is_some() { "changed" } else { "same" }.to_owned(),
        Err(bad) => bad.to_string(),
    };
    assert_eq!(said(&topics, update("TBW102", 4, "")), "The topic[TBW102] is conflict with system topic.");
    assert_eq!(said(&topics, update("rmq_sys_x", 4, "")), "The topic[rmq_sys_x] is conflict with system topic.");
    assert_eq!(said(&topics, update("broker-a", 4, "")), "The topic[broker-a] is conflict with system topic.");
    assert_eq!(said(&topics, update("T", 4, "+message.type=MIXED")), "MIXED message type is not supported.");
    assert_eq!(said(&topics, update("T", -1, "")), "-1 is no number of queues: 0 up to 65536");
    assert_eq!(said(&topics, update("T", 70_000, "")), "70000 is no number of queues: 0 up to 65536");
    assert_eq!(said(&topics, TopicUpdate { perm: 8, ..update("T", 4, "") }), "topicPermission value: 8 is invalid.");
    assert_eq!(said(&topics, update("T", 4, "+colour=red")), "unsupported key: colour");
    let change = topics.update(&update("T", 4, "+message.type=FIFO"), NOW).unwrap().unwrap();
    topics.apply(change);
    assert_eq!(topics.get("T").unwrap().attributes.get("message.type"), Some("FIFO"));
    assert_eq!(said(&topics, update("T", 4, "")), "same", "attributes that are not named stay");
    assert_eq!(said(&topics, update("T", 5, "")), "changed");
}

#[test]
fn a_change_keeps_the_incarnation_and_a_new_creation_does_not() {
    let mut topics = fresh();
    let first = created(&mut topics, "T");
    let change = topics.update(&update("T", 9, ""), NOW).unwrap().unwrap();
    let before = topics.version();
    topics.apply(change);
    assert_ne!(topics.version(), before);
    assert_eq!(topics.get("T").unwrap().incarnation, first);
    let deleted = topics.delete("T", NOW).unwrap().unwrap();
    assert!(topics.apply(deleted.clone()).is_some());
    assert_eq!(topics.delete("T", NOW), Ok(None));
    let second = created(&mut topics, "T");
    assert!(second > first);
    assert_eq!(topics.apply(deleted), None, "a repeated deletion leaves the new topic alone");
    assert!(topics.get("T").is_some());
    assert!(topics.delete("SELF_TEST_TOPIC", NOW).is_err());
}

#[test]
fn a_heartbeat_makes_and_orders_the_retry_topic() {
    let mut topics = fresh();
    let change = topics.retry("g", 1, false, false, NOW).unwrap().unwrap();
    topics.apply(change);
    assert_eq!(topics.get("%RETRY%g").unwrap().queues(), 1);
    assert_eq!(topics.retry("g", 5, false, false, NOW), Ok(None));
    let change = topics.retry("g", 1, true, false, NOW).unwrap().unwrap();
    topics.apply(change);
    assert!(topics.get("%RETRY%g").unwrap().order);
    let change = topics.dlq("g", NOW).unwrap().unwrap();
    topics.apply(change);
    assert_eq!(topics.get("%DLQ%g").unwrap().perm, Perm::READ_WRITE);
}

#[test]
fn a_full_table_says_so() {
    let mut topics = fresh();
    topics.set_rules(TopicRules { topics_max: topics.len(), ..topics.rules().clone() });
    let refusal = first_send(&topics, "T", "TBW102", 4, false);
    assert!(refusal.contains("topic[T] not exist"), "{refusal}");
    assert!(refusal.contains("holds 13 topics, the most it may"), "{refusal}");
    assert!(topics.retry("g", 1, false, false, NOW).is_err());
}

#[test]
fn a_table_survives_its_bytes() {
    let mut topics = fresh();
    created(&mut topics, "A");
    created(&mut topics, "B");
    let deleted = topics.delete("A", NOW).unwrap().unwrap();
    topics.apply(deleted);
    let mut bytes = Vec::new();
    topics.encode(&mut bytes);
    let again = Topics::decode(topics.rules().clone(), &bytes).unwrap();
    assert_eq!(again.sorted(), topics.sorted());
    assert_eq!(again.version(), topics.version());
    let mut again = again;
    assert_eq!(created(&mut again, "A"), Incarnation(3), "the deleted topic's incarnation is not given out again");
    // Built-in topics follow the properties of the day.
    let wider = Topics::decode(TopicRules { default_queues: 32, ..topics.rules().clone() }, &bytes).unwrap();
    assert_eq!(wider.get("TBW102").unwrap().queues(), 32);
}

/// Stores of this format exist: these bytes must be readable for ever.
#[test]
fn format_1_is_pinned() {
    let mut topics = fresh();
    let mut change = topics.update(&update("T", 4, "+message.type=FIFO"), Millis(2000)).unwrap().unwrap();
    let mut bytes = Vec::new();
    change.encode(&mut bytes);
    let expected: &[u8] = b"\x00\x01\x01\
        \x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\xd0\x00\x00\x00\x00\x00\x00\x00\x01\
        \x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x04\x00\x00\x00\x04\x06\x00\x00\x00\x00\x00\x00\
        \x00\x01T\x00\x00\x00\x01\x00\x0cmessage.type\x00\x04FIFO";
    assert_eq!(bytes, expected);
    assert_eq!(TopicChange::decode(expected), Ok(change.clone()));
    topics.apply(change);
    change = topics.delete("T", Millis(3000)).unwrap().unwrap();
    bytes.clear();
    change.encode(&mut bytes);
    assert_eq!(TopicChange::decode(&bytes), Ok(change));
}

#[test]
fn garbage_is_refused_not_believed() {
    let mut topics = fresh();
    created(&mut topics, "A");
    let mut table = Vec::new();
    topics.encode(&mut table);
    let mut change = Vec::new();
    topics.delete("A", NOW).unwrap().unwrap().encode(&mut change);
    for bytes in [&table, &change] {
        crate::wire::garble(bytes, |garbage| {
            let _ = Topics::decode(TopicRules::new("c", "b"), garbage);
            let _ = TopicChange::decode(garbage);
        });
    }
    table.push(0);
    assert_eq!(Topics::decode(topics.rules().clone(), &table).unwrap_err(), BadBytes::Trailing(1));
}
