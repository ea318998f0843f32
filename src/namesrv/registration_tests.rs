//! Registration in virtual time: what the recordings of a real server cannot show without waiting for minutes.

use std::collections::BTreeMap;

use ringmq_shards::data_version::DataVersion;
use ringmq_shards::types::Millis;

use super::ConnectionId;
use super::body::{RegisteredTopic, TopicTable};
use super::registration::{BrokerRegistration, Gone, LowestIdChange, Registered, RegistrationRefused};
use super::routes::{BROKERS_MAX, BrokerAddress, LIVE_MAX, MEMBERS_MAX, NAME_BYTES_MAX, Routes};

/// A broker to register: `name/id@address`, over the connection of that number, with topics of these names.
struct Node {
    name: &'static str,
    id: i64,
    address: String,
    connection: u64,
    acting: Option<bool>,
    timeout_ms: Option<i64>,
}

fn node(name: &'static str, id: i64, connection: u64) -> Node {
    Node { name, id, address: format!("10.0.0.{connection}:10911"), connection, acting: None, timeout_ms: None }
}

fn table(counter: i64, names: &[&str]) -> TopicTable {
    let topic = |name: &str| RegisteredTopic {
        topic_name: name.to_string(),
        read_queue_nums: 4,
        write_queue_nums: 4,
        perm: 6,
        topic_sys_flag: 0,
    };
    let topics = names.iter().map(|name| (name.to_string(), topic(name))).collect();
    TopicTable { version: DataVersion { state_version: 0, timestamp: Millis(1), counter }, topics, mappings: BTreeMap::new() }
}

impl Node {
    fn register(&self, routes: &mut Routes, now: i64, table: &TopicTable) -> Result<Registered, RegistrationRefused> {
        let registration = BrokerRegistration {
            cluster: "C",
            address: &self.address,
            name: self.name,
            id: self.id,
            ha_address: "ha",
            zone: None,
            heartbeat_timeout_ms: self.timeout_ms,
            enable_acting_master: self.acting,
            topics: Some(table),
            filter_servers: Some(&[]),
            connection: ConnectionId(self.connection),
        };
        routes.register(Millis(now), &registration, false)
    }

    fn member(&self) -> BrokerAddress {
        BrokerAddress::new("C", &self.address)
    }
}

fn brokers(routes: &Routes) -> Vec<&str> {
    routes.brokers().keys().map(String::as_str).collect()
}

#[test]
fn a_silent_broker_expires_after_120_s_and_not_before() {
    let mut routes = Routes::default();
    let (a, b) = (node("a", 0, 1), node("b", 0, 2));
    a.register(&mut routes, 0, &table(1, &["T", "U"])).unwrap();
    b.register(&mut routes, 0, &table(1, &["T", "V"])).unwrap();
    a.register(&mut routes, 30_000, &table(1, &["T", "U"])).unwrap();

    assert_eq!(routes.expire(Millis(120_000)), Gone::default());
    let gone = routes.expire(Millis(120_001));
    assert_eq!(gone, Gone { members: vec![b.member()], connections: vec![ConnectionId(2)], lowest_id_changes: vec![] });
    assert_eq!(brokers(&routes), ["a"]);
    assert_eq!(routes.topic_names().collect::<Vec<_>>(), ["T", "U"]);

    assert_eq!(routes.expire(Millis(150_001)).members, [a.member()]);
    assert_eq!(brokers(&routes), [] as [&str; 0]);
    assert_eq!((routes.topic_names().count(), routes.queue_datas(), routes.clusters().len()), (0, 0, 0));
}

#[test]
fn a_heartbeat_keeps_a_broker_and_its_own_timeout_counts() {
    let mut routes = Routes::default();
    let a = Node { timeout_ms: Some(10_000), ..node("a", 0, 1) };
    a.register(&mut routes, 0, &table(1, &["T", "U"])).unwrap();
    routes.heartbeat(Millis(9_000), "C", &a.address);
    routes.heartbeat(Millis(18_000), "other cluster", &a.address);
    assert_eq!(routes.expire(Millis(19_000)), Gone::default());
    assert_eq!(routes.expire(Millis(19_001)).members, [a.member()]);

    let forever = Node { timeout_ms: Some(i64::MAX), ..node("b", 0, 2) };
    forever.register(&mut routes, 1, &table(1, &["T", "U"])).unwrap();
    assert_eq!(routes.expire(Millis(i64::MAX)), Gone::default());
}

#[test]
fn a_closed_connection_takes_all_its_brokers_but_not_one_that_came_back() {
    let mut routes = Routes::default();
    let (a, b) = (node("a", 0, 1), Node { connection: 1, ..node("b", 0, 2) });
    for broker in [&a, &b] {
        broker.register(&mut routes, 0, &table(1, &["T", "U"])).unwrap();
    }
    Node { connection: 3, ..node("a", 0, 1) }.register(&mut routes, 1, &table(1, &["T", "U"])).unwrap();
    assert_eq!(routes.connection_closed(ConnectionId(1)).members, [b.member()]);
    assert_eq!(brokers(&routes), ["a"]);
    assert_eq!(routes.connection_closed(ConnectionId(3)).members, [a.member()]);
    assert_eq!(routes.connection_closed(ConnectionId(3)), Gone::default());
}

#[test]
fn a_replaced_address_leaves_nothing_behind() {
    let mut routes = Routes::default();
    let (old, new) = (node("a", 0, 1), node("a", 0, 2));
    old.register(&mut routes, 0, &table(1, &["T", "U"])).unwrap();
    new.register(&mut routes, 1_000, &table(1, &["T", "U"])).unwrap();
    assert!(routes.live("C", &old.address).is_none());
    assert_eq!(routes.connection_closed(ConnectionId(1)), Gone::default());
    assert_eq!(routes.expire(Millis(120_500)), Gone::default());
    assert_eq!(brokers(&routes), ["a"]);
}

#[test]
fn the_lowest_id_of_an_acting_master_group_is_told() {
    let mut routes = Routes::default();
    let [master, first, second] =
        [(0, 1), (1, 2), (2, 3)].map(|(id, connection)| Node { acting: Some(true), ..node("a", id, connection) });
    for broker in [&second, &first] {
        broker.register(&mut routes, 0, &table(1, &["T", "U"])).unwrap();
    }
    let change = master.register(&mut routes, 0, &table(1, &["T", "U"])).unwrap().lowest_id_change.unwrap();
    assert_eq!(
        change,
        LowestIdChange {
            broker: "a".to_string(),
            lowest_id: 0,
            lowest_address: master.address.clone(),
            offline_address: None,
            ha_address: Some("ha".to_string()),
            notify: vec![first.address.clone(), second.address.clone()],
        }
    );
    let gone = routes.connection_closed(ConnectionId(1));
    assert_eq!(
        gone.lowest_id_changes,
        [LowestIdChange {
            broker: "a".to_string(),
            lowest_id: 1,
            lowest_address: first.address.clone(),
            offline_address: Some(master.address.clone()),
            ha_address: None,
            notify: vec![first.address.clone(), second.address.clone()],
        }]
    );
}

#[test]
fn tables_are_bounded() {
    let mut routes = Routes::default();
    let refused = |result: Result<Registered, RegistrationRefused>, what: &str| match result {
        Err(RegistrationRefused::Full(why)) => assert!(why.contains(what), "{why}"),
        other => panic!("{other:?}"),
    };
    let long: &'static str = "x".repeat(NAME_BYTES_MAX + 1).leak();
    refused(node(long, 0, 1).register(&mut routes, 0, &table(1, &[])), "longer than");
    refused(node("a", 0, 1).register(&mut routes, 0, &table(1, &[long, "T"])), "longer than");
    for id in 0..MEMBERS_MAX as i64 {
        let address = format!("10.1.0.0:{id}");
        Node { address, ..node("many", id, 1) }.register(&mut routes, 0, &table(1, &[])).unwrap();
    }
    refused(node("many", 9_999, 1).register(&mut routes, 0, &table(1, &[])), "members");
    for number in 1..BROKERS_MAX {
        let name: &'static str = format!("b{number}").leak();
        Node { address: format!("10.2.0.0:{number}"), ..node(name, 0, 1) }.register(&mut routes, 0, &table(1, &[])).unwrap();
    }
    refused(node("one more", 0, 1).register(&mut routes, 0, &table(1, &[])), "broker names");
    let mut slaves = 0;
    let last = loop {
        let name: &'static str = format!("b{}", 1 + slaves % (BROKERS_MAX - 1)).leak();
        let slave = Node { address: format!("10.3.0.0:{slaves}"), ..node(name, 1 + slaves as i64, 1) };
        match slave.register(&mut routes, 0, &table(1, &[])) {
            Ok(_) => slaves += 1,
            refusal => break refusal,
        }
        assert!(slaves <= LIVE_MAX);
    };
    refused(last, "slaves included");
}
