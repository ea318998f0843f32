//! Membership as a specification: clients say heartbeats, leave and fall silent; who hears of it is in the table.

use std::net::SocketAddr;

use super::*;
use crate::filter::{ExpressionType, SubscriptionData, tags_code};
use crate::types::Millis;

fn connection(number: u64) -> ConnectionId {
    ConnectionId { core: (number % 2) as u16, number }
}

fn client(client_id: &str, number: u64) -> Client<'_> {
    let address = SocketAddr::from(([127, 0, 0, 1], 50_000));
    Client { connection: connection(number), client_id, address, language: 0, version: 479 }
}

/// `TopicA*5` is topic TopicA with subVersion 5 and tag `t5`.
fn subscriptions(text: &str) -> Vec<SubscriptionData> {
    let one = |text: &str| {
        let (topic, version) = text.split_once('*').unwrap();
        let built = SubscriptionData::build(topic, &format!("t{version}"), ExpressionType::Tag).unwrap();
        SubscriptionData { sub_version: version.parse().unwrap(), ..built }
    };
    text.split_whitespace().map(one).collect()
}

fn heartbeat<'a>(client_id: &'a str, number: u64, topics: &str) -> ConsumerHeartbeat<'a> {
    ConsumerHeartbeat {
        group: "g",
        client: client(client_id, number),
        consume_type: ConsumeType::Passively,
        message_model: MessageModel::Clustering,
        consume_from_where: ConsumeFromWhere::LastOffset,
        subscriptions: Some(subscriptions(topics)),
        fingerprint: 0,
    }
}

/// `members subscriptions view -> whom`.
fn said(change: &Change) -> String {
    let mut text = String::new();
    for (set, word) in [(change.members, "members "), (change.subscriptions, "topics "), (change.view.is_some(), "view ")] {
        text.push_str(if set { word } else { "" });
    }
    let whom: Vec<String> = change.notify.iter().map(|connection| connection.number.to_string()).collect();
    format!("{text}-> {}", whom.join(" "))
}

fn members() -> Members {
    Members::new(Limits::default())
}

#[test]
fn heartbeats_change_a_group() {
    let mut group = members();
    let mut beat = |client_id, number, topics| {
        said(&group.register_consumer(heartbeat(client_id, number, topics), true, Millis(0)).unwrap())
    };
    let table = [
        ("A", 1, "T*1 %RETRY%g*1", "members topics view -> 1"),
        ("A", 1, "T*1 %RETRY%g*1", "-> "),
        // All are told, the new one too; ordered by core and number.
        ("B", 2, "T*1 %RETRY%g*1", "members -> 2 1"),
        ("A", 1, "T*2 %RETRY%g*1", "view -> "),
        ("B", 2, "T*1 %RETRY%g*1", "-> "),
        ("B", 2, "U*1 %RETRY%g*1", "topics view -> 2 1"),
        // A new connection of the same client is a change of members, as in RocketMQ.
        ("B", 4, "U*1 %RETRY%g*1", "members -> 2 4 1"),
        ("C", 1, "U*1 %RETRY%g*1", "members -> 2 4 1"),
    ];
    for (client_id, number, topics, expected) in table {
        assert_eq!(beat(client_id, number, topics), expected, "{client_id} {number} {topics}");
    }
    let group = group.consumer_group("g").unwrap();
    assert_eq!(Vec::from_iter(group.client_ids()), ["B", "C"], "each client once");
    assert_eq!(Vec::from_iter(group.subscriptions().map(|data| data.topic.as_str())), ["%RETRY%g", "U"]);
}

#[test]
fn the_last_heartbeat_speaks_for_the_group() {
    let mut group = members();
    group.register_consumer(heartbeat("A", 1, "T*1"), true, Millis(0)).unwrap();
    let other = ConsumerHeartbeat { message_model: MessageModel::Broadcasting, ..heartbeat("B", 3, "T*1") };
    assert_eq!(
        said(&group.register_consumer(other, true, Millis(0)).unwrap()),
        "members view -> ",
        "nobody is told when broadcasting"
    );
    assert_eq!(group.consumer_group("g").unwrap().message_model(), MessageModel::Broadcasting);
    let quiet = heartbeat("C", 5, "T*1");
    assert_eq!(
        said(&group.register_consumer(quiet, false, Millis(0)).unwrap()),
        "members view -> ",
        "the settings want nobody told"
    );
}

#[test]
fn a_heartbeat_may_leave_subscriptions_out() {
    let mut group = members();
    let with = ConsumerHeartbeat { fingerprint: 7, ..heartbeat("A", 1, "T*1") };
    assert!(group.register_consumer(with.clone(), true, Millis(0)).unwrap().fingerprint);
    let without = ConsumerHeartbeat { subscriptions: None, ..with };
    let change = group.register_consumer(without.clone(), true, Millis(0)).unwrap();
    assert_eq!(change, Change::default());
    let other = ConsumerHeartbeat { fingerprint: 8, ..without };
    assert!(group.register_consumer(other, true, Millis(0)).unwrap().fingerprint, "it should send its subscriptions");
    assert!(group.consumer_group("g").unwrap().subscription("T").is_some());
}

#[test]
fn members_leave() {
    let mut group = members();
    group.register_consumer(heartbeat("A", 1, "T*1"), true, Millis(0)).unwrap();
    group.register_consumer(heartbeat("B", 3, "T*1"), true, Millis(0)).unwrap();
    group.register_producer("p", client("A", 1), Millis(0)).unwrap();
    assert_eq!(group.memberships(), 3);
    assert_eq!(said(&group.unregister_consumer("g", connection(9), true)), "-> ", "it was none");
    assert_eq!(said(&group.unregister_consumer("g", connection(3), true)), "members -> 1");
    let departed = group.connection_closed(connection(1), |_| true);
    assert_eq!((departed.len(), departed[0].group.as_str()), (1, "g"));
    assert_eq!(said(&departed[0].change), "members view -> ");
    assert!(matches!(departed[0].change.view, Some(ViewChange::Gone { .. })));
    assert!(group.consumer_group("g").is_none());
    assert_eq!(group.producers().count(), 0);
    assert_eq!(group.memberships(), 0);
    assert_eq!(group.connection_closed(connection(1), |_| true), []);
}

#[test]
fn the_old_connection_of_a_client_that_came_back_takes_nothing_with_it() {
    let mut group = members();
    group.register_consumer(heartbeat("A", 1, "T*1"), true, Millis(0)).unwrap();
    group.register_consumer(heartbeat("A", 3, "T*1"), true, Millis(0)).unwrap();
    assert_eq!(said(&group.connection_closed(connection(1), |_| true)[0].change), "members -> 3");
    assert_eq!(group.consumer_group("g").unwrap().find_client("A").unwrap().0, connection(3));
}

#[test]
fn the_silent_expire_after_two_minutes() {
    let mut group = members();
    group.register_consumer(heartbeat("A", 1, "T*1"), true, Millis(0)).unwrap();
    group.register_consumer(heartbeat("B", 3, "T*1"), true, Millis(0)).unwrap();
    group.register_consumer(heartbeat("C", 5, "T*1"), true, Millis(1)).unwrap();
    group.register_producer("p", client("P", 7), Millis(0)).unwrap();
    group.register_producer("p", client("Q", 9), Millis(1)).unwrap();
    let (departed, closed) = group.expire(Millis(EXPIRY_MS), |_| true);
    assert_eq!((departed.len(), closed.len()), (0, 0));
    let (departed, closed) = group.expire(Millis(EXPIRY_MS + 1), |_| true);
    assert_eq!(departed.len(), 1, "once for the group");
    assert_eq!(said(&departed[0].change), "members -> 5");
    assert_eq!(Vec::from_iter(closed.iter().map(|connection| connection.number)), [1, 3, 7]);
    assert_eq!(group.producer_in_turn("p", 4), Some(connection(9)));
    assert_eq!(group.memberships(), 2);
}

#[test]
fn producers_are_asked_in_turn() {
    let mut group = members();
    for number in [1, 3, 5] {
        group.register_producer("p", client("P", number), Millis(0)).unwrap();
        group.register_producer("p", client("P", number), Millis(1)).unwrap();
    }
    let turns: Vec<u64> = (0..4).map(|turn| group.producer_in_turn("p", turn).unwrap().number).collect();
    assert_eq!(turns, [1, 3, 5, 1]);
    assert_eq!(group.producer_in_turn("q", 0), None);
    assert_eq!(group.producers_of("p").count(), 3);
    group.unregister_producer("p", connection(3));
    assert_eq!(group.producers_of("p").count(), 2);
}

#[test]
fn the_registry_is_bounded() {
    let mut group = Members::new(Limits { memberships_max: 1, subscriptions_max: 2 });
    let full = group.register_consumer(heartbeat("A", 1, "T*1 U*1 V*1"), true, Millis(0)).unwrap_err();
    assert_eq!(full.to_string(), "a consumer group may subscribe to 2 topics at most");
    group.register_consumer(heartbeat("A", 1, "T*1"), true, Millis(0)).unwrap();
    group.register_consumer(heartbeat("A", 1, "T*1"), true, Millis(0)).unwrap();
    assert_eq!(group.register_producer("p", client("A", 1), Millis(0)), Err(RegistryFull::Memberships { max: 1 }));
    assert!(group.consumer_group("g").is_some());
}

#[test]
fn views_follow_the_group_on_other_cores() {
    let mut group = members();
    let mut views = GroupViews::new();
    let first = group.register_consumer(heartbeat("A", 1, "T*1"), true, Millis(0)).unwrap().view.unwrap();
    let second = group.register_consumer(heartbeat("A", 1, "T*2"), true, Millis(0)).unwrap().view.unwrap();
    views.apply(second);
    views.apply(first);
    let subscription = views.get("g").unwrap().subscription("T").unwrap();
    assert_eq!(subscription.sub_version, 2, "an overtaken view does nothing");
    assert!(subscription.filter.matches(tags_code("t2")));
    assert!(!subscription.filter.matches(tags_code("t1")));
    let gone = group.unregister_consumer("g", connection(1), true).view.unwrap();
    let back = group.register_consumer(heartbeat("A", 3, "T*1"), true, Millis(0)).unwrap().view.unwrap();
    views.apply(gone.clone());
    assert!(views.get("g").is_none());
    views.apply(back);
    views.apply(gone);
    assert!(views.get("g").is_some());
    for view in group.views() {
        views.apply(view);
    }
    assert_eq!(views.get("g").unwrap().subscriptions_len(), 1);
}

#[test]
fn members_that_subscribe_otherwise_are_named_once() {
    let mut group = members();
    let mut beat = |client_id, number, topics| {
        let change = group.register_consumer(heartbeat(client_id, number, topics), true, Millis(0)).unwrap();
        change.clash.map(|clash| format!("{} with {}", clash.topic, clash.other_client))
    };
    for (client_id, number, topics, expected) in [
        ("A", 1, "T*1 U*1", None),
        ("B", 2, "U*1 T*1", None),
        // Another expression, another set, one topic more, one less.
        ("B", 2, "T*2 U*1", Some("T with A")),
        ("B", 2, "T*2 U*1", None),
        ("A", 1, "T*1 U*1", None),
        ("C", 3, "T*2 U*1 V*1", Some("V with B")),
        ("D", 4, "U*1", Some("T with B")),
        // What the group has now is what this one says too, so nothing new is known of anybody.
        ("E", 5, "U*1", None),
        // A client is not at odds with itself over another connection.
        ("E", 6, "U*1", None),
    ] {
        assert_eq!(beat(client_id, number, topics).as_deref(), expected, "{client_id} {number} {topics}");
    }
    let mut alone = members();
    for topics in ["T*1", "T*2", "U*1"] {
        let change = alone.register_consumer(heartbeat("A", 1, topics), true, Millis(0)).unwrap();
        assert_eq!(change.clash, None, "nobody else is there");
    }
}
