//! Members of consumer groups, in bytes against a running node: who hears of whom and how soon, and who does not agree.

#[path = "node/mod.rs"]
mod node;

use std::time::{Duration, Instant};

use node::{Client, Encoding, Node, Request};

/// Members are told of each other within this time: nine in ten, as the machine may be busy with something else.
const TOLD_WITHIN: Duration = Duration::from_millis(100);
/// NOTIFY_CONSUMER_IDS_CHANGED
const IDS_CHANGED: i32 = 40;

#[test]
fn one_shard() {
    speak(&["--shards", "1"]);
}

#[test]
fn four_shards() {
    speak(&["--shards", "4"]);
}

fn speak(arguments: &[&str]) {
    if !node::can_run() {
        return;
    }
    let node = Node::start(arguments);
    let mut told = Vec::new();
    for group in ["first", "second", "third"] {
        told_of_joins_and_departures(&node, group, &mut told);
    }
    told.sort();
    let (after, of) = &told[told.len() * 9 / 10];
    assert!(*after < TOLD_WITHIN, "told of {of} after {after:?}");
    disagreement_is_said(&node);
    locks_stay_with_their_client(&node);
}

fn heartbeat(client_id: &str, group: &str, topic: &str) -> Request {
    let body = format!(
        r#"{{"clientID":"{client_id}","producerDataSet":[],"consumerDataSet":[{{"groupName":"{group}",
        "consumeType":"CONSUME_PASSIVELY","messageModel":"CLUSTERING","consumeFromWhere":"CONSUME_FROM_LAST_OFFSET",
        "unitMode":false,"subscriptionDataSet":[{{"topic":"{topic}","subString":"*","tagsSet":[],"codeSet":[],
        "subVersion":1,"expressionType":"TAG","classFilterMode":false}}]}}]}}"#
    );
    Request::new(Encoding::Json, 34, 7).body(body.as_bytes())
}

/// Sends the request and reads until its answer, passing over what the broker asks meanwhile.
fn call(client: &mut Client, request: &Request) {
    client.write(&request.bytes());
    loop {
        let frame = client.read().expect("an answer");
        if frame.flag & 1 == 1 {
            assert_eq!((frame.code, frame.opaque), (0, request.opaque), "{frame:?}");
            return;
        }
        assert_eq!(frame.code, IDS_CHANGED);
    }
}

/// How long after what a member was told.
type Told = Vec<(Duration, &'static str)>;

/// Reads the word that the group's members have changed.
fn is_told(client: &mut Client, group: &str, since: Instant, of: &'static str, all: &mut Told) {
    let told = client.read().expect("a notification");
    all.push((since.elapsed(), of));
    assert_eq!((told.code, told.flag), (IDS_CHANGED, 2), "one-way: {told:?}");
    assert_eq!(told.fields["consumerGroup"], group);
}

fn told_of_joins_and_departures(node: &Node, group: &str, told: &mut Told) {
    // A group's first heartbeat makes the group; nobody is to wait for that.
    call(&mut node.broker(), &heartbeat("maker", group, "Topic"));
    std::thread::sleep(Duration::from_millis(200));

    let mut members: Vec<Client> = Vec::new();
    for number in 0..5 {
        let mut joining = node.broker();
        let since = Instant::now();
        joining.write(&heartbeat(&format!("member{number}"), group, "Topic").bytes());
        for member in &mut members {
            is_told(member, group, since, "a join", told);
        }
        // The new one gets the answer before the word, as stock clients want it.
        let answer = joining.read().expect("an answer");
        assert_eq!((answer.code, answer.flag & 1, answer.opaque), (0, 1, 7), "{answer:?}");
        is_told(&mut joining, group, since, "its own join", told);
        members.push(joining);
    }

    let mut leaving = members.remove(0);
    let since = Instant::now();
    leaving.write(&Request::new(Encoding::Json, 35, 8).field("clientID", "member0").field("consumerGroup", group).bytes());
    for member in &mut members {
        is_told(member, group, since, "a leave", told);
    }
    let since = Instant::now();
    drop(members.remove(0));
    for member in &mut members {
        is_told(member, group, since, "a lost connection", told);
    }
}

fn disagreement_is_said(node: &Node) {
    let (mut one, mut other) = (node.broker(), node.broker());
    call(&mut one, &heartbeat("one", "quarrel", "Topic"));
    call(&mut other, &heartbeat("other", "quarrel", "AnotherTopic"));
    for _ in 0..3 {
        call(&mut one, &heartbeat("one", "quarrel", "Topic"));
        call(&mut other, &heartbeat("other", "quarrel", "AnotherTopic"));
    }
    let log = node.log();
    let said: Vec<_> = log.lines().filter(|line| line.contains("subscribe to different things")).collect();
    assert_eq!(said.len(), 1, "once, not with each heartbeat: {said:?}");
    for part in ["group=\"quarrel\"", "topic=\"AnotherTopic\"", "client=\"other\"", "other_client=\"one\""] {
        assert!(said[0].contains(part), "{part} in {}", said[0]);
    }
}

/// LOCK_BATCH_MQ: whether the client holds the queue now.
fn locks(client: &mut Client, client_id: &str) -> bool {
    let body = format!(
        r#"{{"clientId":"{client_id}","consumerGroup":"ordered","mqSet":[{{"brokerName":"b","queueId":3,"topic":"Topic"}}]}}"#
    );
    let answer = client.call(&Request::new(Encoding::Json, 41, 9).body(body.as_bytes()));
    assert_eq!(answer.code, 0, "{answer:?}");
    String::from_utf8_lossy(&answer.body).contains("\"queueId\":3")
}

/// A lost connection or UNREGISTER_CLIENT frees no lock: its client may still be consuming.
fn locks_stay_with_their_client(node: &Node) {
    let mut owner = node.broker();
    call(&mut owner, &heartbeat("owner", "ordered", "Topic"));
    std::thread::sleep(Duration::from_millis(100));
    let mut heir = node.broker();
    let mut elsewhere = node.broker();
    assert!(locks(&mut elsewhere, "owner"), "by its name, over whatever connection");
    assert!(!locks(&mut heir, "heir"));
    call(&mut owner, &Request::new(Encoding::Json, 35, 8).field("clientID", "owner").field("consumerGroup", "ordered"));
    assert!(!locks(&mut heir, "heir"), "after UNREGISTER_CLIENT");
    drop((owner, elsewhere));
    std::thread::sleep(Duration::from_millis(100));
    assert!(!locks(&mut heir, "heir"), "after the end of its connections");
    let mut again = node.broker();
    assert!(locks(&mut again, "owner"), "it comes back over a new one");
}
