//! Resets of consumer offsets, questions that a node relays to clients, and changes of its configuration that last, in bytes
//! against a running node that is killed in between.

#[path = "node/mod.rs"]
mod node;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use node::{Answer, Client, Encoding, Node, Request, pull, send_v2};

const TOPIC: &str = "ResetTopic";
/// That of `node::pull`.
const GROUP: &str = "readers";
const QUEUES: i32 = 4;
const MESSAGES: i64 = 6;

/// Removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        Folder(std::env::temp_dir().join(format!("ringmq-reset-{name}-{}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

fn start(folder: &Path, arguments: &[&str]) -> Node {
    Node::start_in(folder, &[&["--shards", "2", "--set", "brokerName=b"], arguments].concat())
}

fn request(code: i32) -> Request {
    Request::new(Encoding::Json, code, 1)
}

fn fill(client: &mut Client) {
    for queue in 0..QUEUES {
        for _ in 0..MESSAGES {
            let answer = client.call(&send_v2(Encoding::Json, 1, TOPIC, queue, b"m"));
            assert_eq!(answer.code, 0, "{answer:?}");
        }
    }
    let answer = client.call(&request(200).body(format!(r#"{{"groupName":"{GROUP}"}}"#).as_bytes()));
    assert_eq!(answer.code, 0, "{answer:?}");
}

fn commit(client: &mut Client, queue: i32, offset: i64) -> Answer {
    let commit = request(15).field("consumerGroup", GROUP).field("topic", TOPIC).field("queueId", queue);
    client.call(&commit.field("commitOffset", offset))
}

fn committed(client: &mut Client, queue: i32) -> i64 {
    let answer = client.call(&request(14).field("consumerGroup", GROUP).field("topic", TOPIC).field("queueId", queue));
    assert_eq!(answer.code, 0, "{answer:?}");
    answer.number("offset")
}

fn reset(client: &mut Client, timestamp: i64) -> Answer {
    let reset = request(222).field("topic", TOPIC).field("group", GROUP).field("timestamp", timestamp).field("isForce", true);
    client.call(&reset)
}

#[test]
fn a_reset_outlives_commits_in_flight_and_a_kill() {
    if !node::can_run() {
        return;
    }
    let folder = Folder::new("kill");
    let node = start(&folder.0, &[]);
    let (mut admin, mut consumer) = (node.broker(), node.broker());
    fill(&mut admin);
    for queue in 0..QUEUES {
        assert_eq!(commit(&mut consumer, queue, MESSAGES).code, 0);
        // Held at the end of its queue.
        consumer.write(&pull(Encoding::Json, 100 + queue, TOPIC, queue, MESSAGES, 9_000).bytes());
    }
    consumer.assert_silent(Duration::from_millis(200));
    let began = Instant::now();
    let done = reset(&mut admin, 0);
    assert_eq!(done.code, 0, "{done:?}");
    let queue = |queue| format!(r#"{{"brokerName":"b","queueId":{queue},"topic":"{TOPIC}"}}:0"#);
    let expected = format!(r#"{{"offsetTable":{{{},{},{},{}}}}}"#, queue(0), queue(1), queue(2), queue(3));
    assert_eq!(String::from_utf8_lossy(&done.body), expected);
    let told: Vec<(i32, i64)> =
        (0..QUEUES).map(|_| consumer.read().expect("told")).map(|told| (told.code, told.number("nextBeginOffset"))).collect();
    assert_eq!(told, [(21, 0); 4], "held pulls are told at once");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    for queue in 0..QUEUES {
        let late = commit(&mut consumer, queue, MESSAGES);
        assert_eq!((late.code, late.remark.as_str()), (0, "Offset has been previously reset"), "of what was read before");
    }
    drop(node);

    let node = start(&folder.0, &[]);
    let mut consumer = node.broker();
    for queue in 0..QUEUES {
        assert_eq!(committed(&mut consumer, queue), 0, "queue {queue}");
        let late = commit(&mut consumer, queue, 5);
        assert_eq!(late.remark, "Offset has been previously reset");
        let told = consumer.call(&pull(Encoding::Json, 1, TOPIC, queue, 5, 0));
        assert_eq!((told.code, told.remark.as_str(), told.number("nextBeginOffset")), (21, "OFFSET_RESET", 0));
        let follows = consumer.call(&pull(Encoding::Json, 1, TOPIC, queue, 0, 0));
        assert_eq!((follows.code, follows.number("nextBeginOffset")), (0, MESSAGES));
        assert_eq!(commit(&mut consumer, queue, 3).remark, "", "its commits count again");
        assert_eq!(committed(&mut consumer, queue), 3);
    }
    drop(node);

    let node = start(&folder.0, &[]);
    let mut consumer = node.broker();
    for queue in 0..QUEUES {
        assert_eq!(committed(&mut consumer, queue), 3, "queue {queue}");
        let pulled = consumer.call(&pull(Encoding::Json, 1, TOPIC, queue, 3, 0));
        assert_eq!((pulled.code, pulled.number("nextBeginOffset")), (0, MESSAGES), "nothing is left of the reset");
    }
}

/// A member of the group, which answers what it is asked.
fn member(node: &Node) -> Client {
    let mut client = node.broker();
    let heartbeat = format!(
        r#"{{"clientID":"client@1","consumerDataSet":[{{"consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","consumeType":"CONSUME_PASSIVELY","groupName":"{GROUP}","messageModel":"CLUSTERING","subscriptionDataSet":[{{"topic":"{TOPIC}","subString":"*","subVersion":1}}],"unitMode":false}}],"producerDataSet":[]}}"#
    );
    client.write(&request(34).body(heartbeat.as_bytes()).bytes());
    // It is told of itself, before or after.
    while client.read().expect("an answer").flag & 1 == 0 {}
    client
}

/// The next question, past notifications.
fn asked(client: &mut Client) -> Answer {
    loop {
        let question = client.read().expect("a question");
        if question.code != 40 {
            return question;
        }
    }
}

#[test]
fn questions_reach_the_client_on_whatever_core_it_is() {
    if !node::can_run() {
        return;
    }
    let node = Node::start(&["--shards", "2", "--set", "brokerName=b"]);
    fill(&mut node.broker());
    let mut member = member(&node);
    let ask = |code: i32| request(code).field("consumerGroup", GROUP).field("clientId", "client@1");
    let reply = |member: &mut Client, question: &Answer, body: &[u8]| {
        let mut answer = Request::new(Encoding::Json, 0, question.opaque).body(body);
        answer.flag = 1;
        member.write(&answer.bytes());
    };
    // Connections fall on either core.
    for turn in 0..8 {
        let mut admin = node.broker();
        admin.write(&ask(307).field("jstackEnable", true).bytes());
        let question = asked(&mut member);
        assert_eq!((question.code, question.fields["jstackEnable"].as_str()), (307, "true"));
        reply(&mut member, &question, format!("answer {turn}").as_bytes());
        let answer = admin.read().expect("relayed");
        assert_eq!((answer.code, answer.body), (0, format!("answer {turn}").into_bytes()));
    }
    let mut admin = node.broker();
    let id = admin.call(&send_v2(Encoding::Json, 1, TOPIC, 0, b"directly")).fields["msgId"].clone();
    admin.write(&ask(309).field("msgId", &id).field("topic", TOPIC).bytes());
    let question = asked(&mut member);
    assert_eq!((question.code, question.fields["brokerName"].as_str()), (309, "b"));
    assert!(question.body.windows(8).any(|window| window == b"directly"));
    reply(&mut member, &question, b"{}");
    assert_eq!(admin.read().expect("relayed").code, 0);

    admin.write(&request(223).field("topic", TOPIC).field("group", GROUP).bytes());
    let question = asked(&mut member);
    assert_eq!(question.code, 221);
    let offsets = format!(r#"{{"messageQueueTable":{{{{"brokerName":"b","queueId":1,"topic":"{TOPIC}"}}:4}}}}"#);
    reply(&mut member, &question, offsets.as_bytes());
    let status = String::from_utf8(admin.read().expect("an answer").body).unwrap();
    assert!(status.starts_with(r#"{"consumerTable":{"client@1":{{"brokerName":"b","queueId":1"#), "{status}");

    let nobody = admin.call(&request(307).field("consumerGroup", GROUP).field("clientId", "nobody"));
    assert_eq!((nobody.code, nobody.remark.as_str()), (1, "The Consumer <readers> <nobody> not online"));
    admin.write(&ask(307).bytes());
    asked(&mut member);
    drop(member);
    let began = Instant::now();
    let gone = admin.read().expect("an answer");
    assert_eq!(gone.code, 207, "{gone:?}");
    assert!(began.elapsed() < Duration::from_secs(5), "known as soon as the connection ends");
}

#[test]
fn changes_of_the_configuration_last() {
    if !node::can_run() {
        return;
    }
    let folder = Folder::new("changes");
    let value = |node: &Node, name: &str| {
        let body = String::from_utf8(node.broker().call(&request(26)).body).unwrap();
        body.lines()
            .find_map(|line| line.strip_prefix(&format!("{name}=")))
            .unwrap_or_else(|| panic!("{name} in {body}"))
            .to_owned()
    };
    let node = start(&folder.0, &["--set", "fileReservedTime=48"]);
    let update = |node: &Node, text: &str| node.broker().call(&request(25).body(text.as_bytes()));
    let updated = update(&node, "fileReservedTime=24\ndeleteWhen=05\nserverChannelMaxIdleTimeSeconds=99\n");
    assert_eq!((updated.code, updated.remark.as_str()), (0, "at the next start: serverChannelMaxIdleTimeSeconds"));
    assert_eq!(update(&node, "shards=3").code, 1, "fixed with the store");
    assert_eq!(update(&node, "storePathRootDir=/elsewhere").code, 16, "where changes are kept");
    drop(node);
    let node = start(&folder.0, &["--set", "fileReservedTime=48"]);
    let shown = ["fileReservedTime", "deleteWhen", "serverChannelMaxIdleTimeSeconds"].map(|name| value(&node, name));
    assert_eq!(shown, ["24", "05", "99"]);
    drop(node);
    let node = start(&folder.0, &["--set", "fileReservedTime=72"]);
    assert_eq!((value(&node, "fileReservedTime"), value(&node, "deleteWhen")), ("72".to_owned(), "05".to_owned()));
}
