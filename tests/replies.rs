//! Request-reply in bytes against a running node: the answer reaches the producer that asked, wherever it is connected.

#[path = "node/mod.rs"]
mod node;

use std::time::Duration;

use node::{Answer, Client, Encoding, Node, Request, frame, pull};

const REPLY_TOPIC: &str = "DefaultCluster_REPLY_TOPIC";

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
    let mut consumer = node.broker();
    // Several, so that with several shards some are on another core than the consumer.
    for number in 0..6 {
        pushed_and_stored(&node, &mut consumer, number);
    }
    not_pushed(&node, &mut consumer);
}

fn producer(node: &Node, client_id: &str) -> Client {
    let mut client = node.broker();
    let body = format!(r#"{{"clientID":"{client_id}","producerDataSet":[{{"groupName":"askers"}}],"consumerDataSet":[]}}"#);
    let answer = client.call(&Request::new(Encoding::Json, 34, 1).body(body.as_bytes()));
    assert_eq!(answer.code, 0, "{answer:?}");
    client
}

fn reply(code: i32, properties: &str, body: &[u8]) -> Request {
    let names: [&str; 12] = match code {
        324 => [
            "producerGroup",
            "topic",
            "defaultTopic",
            "defaultTopicQueueNums",
            "queueId",
            "sysFlag",
            "bornTimestamp",
            "flag",
            "properties",
            "reconsumeTimes",
            "unitMode",
            "batch",
        ],
        _ => ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "m"],
    };
    let values = ["CLIENT_INNER_PRODUCER", REPLY_TOPIC, "TBW102", "4", "0", "1", "77", "5", properties, "0", "false", "false"];
    let request = Request::new(Encoding::Json, code, 2);
    names.into_iter().zip(values).fold(request, |request, (name, value)| request.field(name, value)).body(body)
}

/// What the client says to a request of the broker's.
fn answer(client: &mut Client, request: &Answer, code: i32) {
    let header = format!(r#"{{"code":{code},"language":"JAVA","version":453,"opaque":{},"flag":1}}"#, request.opaque);
    client.write(&frame(0, header.as_bytes(), b""));
}

fn pushed_and_stored(node: &Node, consumer: &mut Client, number: i64) {
    let client_id = format!("10.0.0.1@{number}");
    let mut asker = producer(node, &client_id);
    let properties = format!("REPLY_TO_CLIENT\u{1}{client_id}\u{2}CORRELATION_ID\u{1}c{number}\u{2}MSG_TYPE\u{1}reply\u{2}");
    let code = 324 + (number % 2) as i32;
    consumer.write(&reply(code, &properties, b"the answer").bytes());

    let pushed = asker.read().expect("the pushed answer");
    assert_eq!((pushed.code, pushed.flag, pushed.body.as_slice()), (326, 0, &b"the answer"[..]), "{pushed:?}");
    for (name, value) in [
        ("producerGroup", "CLIENT_INNER_PRODUCER"),
        ("topic", REPLY_TOPIC),
        ("defaultTopic", "TBW102"),
        ("defaultTopicQueueNums", "4"),
        ("queueId", "0"),
        ("sysFlag", "1"),
        ("bornTimestamp", "77"),
        ("flag", "5"),
        ("reconsumeTimes", "0"),
        ("unitMode", "false"),
    ] {
        assert_eq!(pushed.fields.get(name).map(String::as_str), Some(value), "{name} of {pushed:?}");
    }
    assert_eq!(pushed.fields["storeHost"], format!("127.0.0.1:{}", node.broker_port));
    let born = consumer.stream.local_addr().expect("a socket");
    assert_eq!(pushed.fields["bornHost"], born.to_string());
    assert!(pushed.number("storeTimestamp") > 1_700_000_000_000);
    let properties = &pushed.fields["properties"];
    assert!(properties.contains(&format!("CORRELATION_ID\u{1}c{number}\u{2}")), "{properties}");
    assert!(properties.contains("PUSH_REPLY_TIME\u{1}") && properties.contains("MSG_REGION\u{1}DefaultRegion"), "{properties}");

    consumer.assert_silent(Duration::from_millis(50));
    answer(&mut asker, &pushed, 0);
    let told = consumer.read().expect("an answer");
    assert_eq!((told.code, told.opaque, told.remark.as_str()), (0, 2, ""), "{told:?}");
    assert_eq!((told.number("queueId"), told.number("queueOffset")), (0, number));
    assert_eq!((told.fields["MSG_REGION"].as_str(), told.fields["TRACE_ON"].as_str()), ("DefaultRegion", "true"));
    assert_eq!(told.fields["msgId"].len(), 32, "the stored message's: {told:?}");

    let stored = consumer.call(&pull(Encoding::Json, 3, REPLY_TOPIC, 0, number, 0));
    assert_eq!(stored.code, 0, "{stored:?}");
    assert_eq!(stored.body[36..40], [0, 0, 0, 1], "the sys flag tells how the body is compressed");
}

fn not_pushed(node: &Node, consumer: &mut Client) {
    let to = |client_id: &str| format!("REPLY_TO_CLIENT\u{1}{client_id}\u{2}");
    let nobody = consumer.call(&reply(325, &to("nobody"), b"a"));
    assert_eq!((nobody.code, nobody.remark.as_str()), (1, "push reply message fail, channel of <nobody> not found."));
    assert_eq!(nobody.number("queueOffset"), 6, "stored all the same: {nobody:?}");
    let unnamed = consumer.call(&reply(325, "A\u{1}b\u{2}", b"a"));
    assert_eq!((unnamed.code, unnamed.remark.as_str()), (1, "reply message properties[REPLY_TO_CLIENT] is null"));

    let mut asker = producer(node, "unwilling");
    consumer.write(&reply(325, &to("unwilling"), b"a").bytes());
    let pushed = asker.read().expect("the pushed answer");
    answer(&mut asker, &pushed, 1);
    let told = consumer.read().expect("an answer");
    assert_eq!((told.code, told.remark.as_str()), (1, "push reply message to unwillingfail."), "{told:?}");

    let mut asker = producer(node, "leaver");
    consumer.write(&reply(325, &to("leaver"), b"a").bytes());
    asker.read().expect("the pushed answer");
    drop(asker);
    let told = consumer.read().expect("an answer, as soon as the connection has ended");
    assert_eq!((told.code, told.remark.as_str()), (1, "push reply message to leaverfail."), "{told:?}");
}
