//! Bad input against a running node: each case gets a clear answer or a closed connection, never a hang or a crash.
//! After each, another client is served, the node's memory is within its bound, and no name of a client is a file's.

#[path = "node/mod.rs"]
mod node;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use node::{Client, Encoding, Node, Request, frame, pull, send_v2};

const TOPIC: &str = "GoodTopic";
const MEMORY_BUDGET: &str = "128MiB";
/// The budget, and what a node with two shards and a debug build's stacks needs besides.
const MEMORY_BYTES_MAX: u64 = (128 + 100) << 20;
const BOTH: [Encoding; 2] = [Encoding::Json, Encoding::Binary];

fn node() -> Option<Node> {
    let budget = format!("memoryBudget={MEMORY_BUDGET}");
    node::can_run().then(|| Node::start(&["--shards", "2", "--set", &budget]))
}

/// What must be true whatever another client has done.
fn assert_well(node: &mut Node, after: &str) {
    assert!(node.is_alive(), "{after}: the node is gone");
    let began = Instant::now();
    let answer = node.broker().call(&send_v2(Encoding::Binary, 1, TOPIC, 0, b"from a good client"));
    assert_eq!(answer.code, 0, "{after}: {answer:?}");
    let route = node.namesrv().call(&Request::new(Encoding::Json, 105, 2).field("topic", "TBW102"));
    assert_eq!(route.code, 0, "{after}: {route:?}");
    assert!(began.elapsed() < Duration::from_secs(2), "{after}: others waited {:?}", began.elapsed());
    let memory = node.memory_bytes();
    assert!(memory <= MEMORY_BYTES_MAX, "{after}: {} MiB resident", memory >> 20);
}

/// A frame whose words are as given, and nothing that they promise.
fn words(length: u32, serialize_type: u8, header: u32) -> Vec<u8> {
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.push(serialize_type);
    bytes.extend(&header.to_be_bytes()[1..]);
    bytes
}

fn binary_header(tail: &[u8]) -> Vec<u8> {
    let mut header = 310u16.to_be_bytes().to_vec();
    header.push(0);
    header.extend([0, 0]);
    header.extend([0; 8]);
    header.extend(tail);
    header
}

#[test]
fn what_is_no_frame_is_closed() {
    let Some(mut node) = node() else { return };
    let json = |text: &str| frame(0, text.as_bytes(), b"");
    let table: Vec<(&str, Vec<u8>)> = vec![
        ("length 0", words(0, 0, 0)),
        ("length 3", words(3, 0, 0)),
        ("negative length", words(u32::MAX, 0, 0)),
        ("the least length", words(1 << 31, 0, 0)),
        ("over the limit", words(16 << 20, 0, 10)),
        ("far over the limit", words(i32::MAX as u32, 1, 10)),
        ("header longer than its frame", words(100, 0, 97)),
        ("header far longer", words(100, 1, 0xff_ffff)),
        ("unknown serialize type", words(100, 2, 10)),
        ("serialize type 255", words(100, 255, 10)),
        ("no header at all, JSON", frame(0, b"", b"")),
        ("no header at all, binary", frame(1, b"", b"")),
        ("no JSON", json("this is not JSON")),
        ("half JSON", json(r#"{"code":310,"extFields":{"a":"#)),
        ("a JSON array", json("[1,2,3]")),
        ("deep JSON", json(&"[".repeat(100_000))),
        ("deep JSON in a field", json(&format!(r#"{{"code":310,"x":{}"#, "[".repeat(100_000)))),
        ("not UTF-8", frame(0, b"{\"code\":10,\"remark\":\"\xff\xfe\"}", b"")),
        ("code beyond 32 bits", json(r#"{"code":99999999999,"opaque":1,"flag":0}"#)),
        ("opaque beyond 64 bits", json(r#"{"code":10,"opaque":99999999999999999999999,"flag":0}"#)),
        ("code is a text", json(r#"{"code":"ten","opaque":1,"flag":0}"#)),
        ("binary: cut in its first fields", frame(1, &[0, 10, 0], b"")),
        ("binary: remark longer than the header", frame(1, &binary_header(&[0x7f, 0xff, 0xff, 0xff]), b"")),
        ("binary: negative remark", frame(1, &binary_header(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]), b"")),
        ("binary: fields longer than the header", frame(1, &binary_header(&[0, 0, 0, 0, 0, 0, 1, 0]), b"")),
        ("binary: negative fields", frame(1, &binary_header(&[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xf0]), b"")),
        ("binary: field name too long", frame(1, &binary_header(&[0, 0, 0, 0, 0, 0, 0, 2, 0xff, 0xff]), b"")),
        (
            "binary: bytes that are not UTF-8",
            frame(1, &binary_header(&[0, 0, 0, 0, 0, 0, 0, 8, 0, 1, 0xff, 0, 0, 0, 1, 0xfe]), b""),
        ),
        ("100,000 fields, JSON", many_fields(Encoding::Json)),
        ("100,000 fields, binary", many_fields(Encoding::Binary)),
        ("HTTP", b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()),
        ("TLS", vec![0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03]),
        ("SSH", b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()),
    ];
    for port in [node.broker_port, node.namesrv_port] {
        for (what, bytes) in &table {
            let mut client = Client::connect(port);
            client.write(bytes);
            let answer = client.answer_or_close(what);
            assert!(answer.as_ref().is_none_or(|answer| answer.code != 0), "{what}: {answer:?}");
            assert_well(&mut node, what);
        }
    }
}

fn many_fields(encoding: Encoding) -> Vec<u8> {
    (0..100_000).fold(send_v2(encoding, 5, TOPIC, 0, b"x"), |request, n| request.field(&format!("x{n}"), n)).bytes()
}

#[test]
fn foreign_protocols_leave_one_line() {
    let Some(node) = node() else { return };
    for (bytes, line) in [(&b"GET / HTTP/1.1\r\n\r\n"[..], "an HTTP request"), (&[0x16, 3, 1, 2, 0, 1], "a TLS handshake")] {
        for _ in 0..50 {
            let mut client = node.broker();
            client.write(bytes);
            assert!(client.answer_or_close(line).is_none());
        }
        // Lines are limited to one a second on each core.
        let lines = node.log().lines().filter(|text| text.contains(line)).count();
        assert!((1..=8).contains(&lines), "{lines} lines of {line}");
        std::thread::sleep(Duration::from_millis(1100));
    }
}

#[test]
fn a_frame_cut_anywhere_harms_nobody() {
    let Some(mut node) = node() else { return };
    for encoding in BOTH {
        let bytes = send_v2(encoding, 5, TOPIC, 0, b"cut").bytes();
        for cut in (0..bytes.len()).step_by(7) {
            let mut client = node.broker();
            client.write(&bytes[..cut]);
            client.stream.shutdown(std::net::Shutdown::Write).expect("a socket");
            assert!(client.answer_or_close("cut").is_none());
        }
    }
    assert_well(&mut node, "cut frames");
}

/// Fields that a request of each code must have, as the protocol names them (remoting-protocol §5 and §4).
const BROKER_REQUIRED: &[(i32, &[&str])] = &[
    (10, &["queueId", "sysFlag", "bornTimestamp", "flag"]),
    (310, &["e", "f", "g", "h"]),
    (320, &["e", "f", "g", "h"]),
    (11, &["consumerGroup", "topic", "queueId", "queueOffset", "maxMsgNums", "sysFlag"]),
    (361, &["consumerGroup", "topic", "queueId", "queueOffset", "maxMsgNums", "sysFlag"]),
    (14, &["consumerGroup", "topic", "queueId"]),
    (15, &["topic"]),
    (29, &["topic", "queueId", "timestamp"]),
    (30, &["topic", "queueId"]),
    (31, &["topic", "queueId"]),
    (32, &["topic", "queueId"]),
    (33, &["offset"]),
    (38, &["consumerGroup"]),
    (203, &["consumerGroup"]),
    (17, &["topic", "readQueueNums", "writeQueueNums", "perm"]),
    (215, &["topic"]),
    (351, &["topic"]),
    (202, &["topic"]),
    (207, &["groupName"]),
    (352, &["group"]),
];
/// The short names of a send's numbers. Its texts are empty when they are missing, and a topic must not be empty.
const SEND_LETTERS: [(&str, &str); 4] = [("e", "queueId"), ("f", "sysFlag"), ("g", "bornTimestamp"), ("h", "flag")];
const NAMESRV_REQUIRED: &[(i32, &[&str])] = &[
    (105, &["topic"]),
    (103, &["brokerName", "brokerAddr", "clusterName", "brokerId"]),
    (224, &["cluster"]),
    (100, &["namespace", "key", "value"]),
    (101, &["namespace", "key"]),
    (102, &["namespace", "key"]),
    (219, &["namespace"]),
];
/// Codes whose requests are a body.
const BODIES: [i32; 6] = [34, 41, 42, 46, 200, 18];

#[test]
fn a_missing_field_is_named() {
    let Some(mut node) = node() else { return };
    assert_well(&mut node, "the start");
    for (port, table) in [(node.broker_port, BROKER_REQUIRED), (node.namesrv_port, NAMESRV_REQUIRED)] {
        for encoding in BOTH {
            for (code, fields) in table {
                for missing in *fields {
                    let request = fields.iter().filter(|name| *name != missing);
                    let request = request.fold(Request::new(encoding, *code, 9), |request, name| {
                        request.field(name, if *name == "topic" { TOPIC } else { "1" })
                    });
                    let what = format!("code {code} without {missing}");
                    let answer = Client::connect(port).call(&request);
                    if port == node.namesrv_port && answer.code == 0 {
                        // The name server takes some requests about nothing for done.
                        continue;
                    }
                    assert_ne!(answer.code, 0, "{what}: {answer:?}");
                    let named = SEND_LETTERS.iter().find(|(letter, _)| letter == missing).map_or(*missing, |(_, name)| name);
                    let says_null = answer.remark.contains(": null");
                    assert!(answer.remark.contains(named) || says_null, "{what}: {answer:?}");
                }
            }
        }
    }
    assert_well(&mut node, "missing fields");
}

#[test]
fn every_code_answers_an_empty_request_and_a_bad_body() {
    let Some(mut node) = node() else { return };
    for port in [node.broker_port, node.namesrv_port] {
        for code in (0..1100).chain([-1, i32::MAX, i32::MIN]) {
            for body in [&b""[..], b"{", b"[[[[", b"\xff\xfe\0\0\0\0\0\0"] {
                let mut client = Client::connect(port);
                client.write(&Request::new(Encoding::Json, code, 11).body(body).bytes());
                let answer = client.answer_or_close(&format!("code {code}"));
                // A client without subscriptions has nothing to check, as in RocketMQ.
                let answers_nothing = code == 46 && body.is_empty();
                if BODIES.contains(&code) && !answers_nothing && port == node.broker_port {
                    assert!(answer.as_ref().is_none_or(|answer| answer.code != 0), "code {code} with {body:?}: {answer:?}");
                }
            }
        }
        assert_well(&mut node, "all codes");
    }
}

#[test]
fn numbers_out_of_range() {
    let Some(mut node) = node() else { return };
    const NUMBERS: [&str; 8] =
        ["-1", "-2147483648", "2147483647", "2147483648", "9223372036854775807", "-9223372036854775808", "1e9", "ten"];
    for encoding in BOTH {
        for number in NUMBERS {
            for (code, fields) in BROKER_REQUIRED {
                for odd in *fields {
                    let value = |name: &str| match name {
                        name if name == *odd => number,
                        "topic" | "b" => TOPIC,
                        "c" | "defaultTopic" => "TBW102",
                        "producerGroup" | "a" | "consumerGroup" | "group" | "groupName" => "some_group",
                        "sysFlag" | "f" => "0",
                        _ => "1",
                    };
                    let request = fields.iter().fold(Request::new(encoding, *code, 9), |all, name| all.field(name, value(name)));
                    let mut client = node.broker();
                    client.write(&request.body(b"body").bytes());
                    _ = client.answer_or_close(&format!("code {code} with {odd}={number}"));
                }
            }
        }
        assert_well(&mut node, "numbers");
    }
}

#[test]
fn names_never_become_paths() {
    let Some(mut node) = node() else { return };
    let long = "hostile".repeat(43);
    let names = ["../../hostile", "/tmp/hostile", "..", "hostile\0", "hostile\n", "host ile", &long, ""];
    for name in names {
        for encoding in BOTH {
            let what = format!("{name:.30}");
            let mut broker = node.broker();
            for request in [
                send_v2(encoding, 1, name, 0, b"x"),
                Request::new(encoding, 17, 2)
                    .field("topic", name)
                    .field("defaultTopic", "TBW102")
                    .field("readQueueNums", 1)
                    .field("writeQueueNums", 1)
                    .field("perm", 6)
                    .field("topicFilterType", "SINGLE_TAG"),
                pull(encoding, 3, name, 0, 0, 0),
            ] {
                let answer = broker.call(&request);
                assert_ne!(answer.code, 0, "{what}: {answer:?}");
                assert_ne!(answer.remark, "", "{what}: {answer:?}");
            }
            // Groups are freer than topics, in RocketMQ too: an answer is enough, and that no file comes of it.
            let mut group = pull(encoding, 4, TOPIC, 0, 0, 0);
            group.fields[0].1 = name.to_owned();
            broker.call(&group);
            let group = format!(r#"{{"groupName":{}}}"#, serde_json::Value::from(name));
            broker.call(&Request::new(encoding, 200, 5).body(group.as_bytes()));
            let commit = Request::new(encoding, 15, 6).field("consumerGroup", name).field("topic", TOPIC);
            broker.call(&commit.field("queueId", 0).field("commitOffset", 0));
            let mut namesrv = node.namesrv();
            let route = namesrv.call(&Request::new(encoding, 105, 7).field("topic", name));
            assert_ne!(route.code, 0, "{what}: {route:?}");
            namesrv.call(&Request::new(encoding, 100, 8).field("namespace", name).field("key", name).field("value", name));
            assert_well(&mut node, &what);
        }
    }
    let found = node::names_below(&node.data());
    assert!(found.len() > 3, "{found:?}");
    assert!(!found.iter().any(|name| name.contains("hostile") || name.contains("host ile") || name.contains(TOPIC)), "{found:?}");
}

#[test]
fn slow_writers_are_served() {
    let Some(mut node) = node() else { return };
    let port = node.broker_port;
    let slow = std::thread::spawn(move || {
        for encoding in BOTH {
            let mut client = Client::connect(port);
            for byte in send_v2(encoding, 5, TOPIC, 0, b"slow").bytes() {
                client.write(&[byte]);
                std::thread::sleep(Duration::from_millis(5));
            }
            assert_eq!(client.read().expect("an answer").code, 0);
        }
    });
    while !slow.is_finished() {
        assert_well(&mut node, "a slow writer");
    }
    slow.join().expect("the slow one is answered too");
}

#[test]
fn clients_that_never_read_cost_no_more_than_their_share() {
    let Some(mut node) = node() else { return };
    let body = vec![b'x'; 250_000];
    for _ in 0..4 {
        for queue in 0..2 {
            assert_eq!(node.broker().call(&send_v2(Encoding::Binary, 1, "Large", queue, &body)).code, 0);
        }
    }
    let pulls: Vec<u8> =
        (0..20_000).flat_map(|opaque| pull(Encoding::Binary, opaque, "Large", opaque % 2, 0, 0).bytes()).collect();
    let greedy: Vec<TcpStream> = (0..4).map(|_| write_what_is_taken(node.broker().stream, &pulls)).collect();
    let end = Instant::now() + Duration::from_secs(5);
    let mut most = 0;
    while Instant::now() < end {
        assert_well(&mut node, "clients that never read");
        most = most.max(node.memory_bytes());
    }
    println!("with {} clients that never read: {} MiB resident at most", greedy.len(), most >> 20);
    drop(greedy);
    assert_well(&mut node, "clients that have never read are gone");
}

/// Held pulls that one message answers all at once.
#[test]
fn held_pulls_of_a_client_that_never_reads() {
    let Some(mut node) = node() else { return };
    let first = node.broker().call(&send_v2(Encoding::Binary, 1, "Held", 0, b"first"));
    assert_eq!(first.code, 0);
    let pulls: Vec<u8> = (0..5_000).flat_map(|opaque| pull(Encoding::Binary, opaque, "Held", 0, 1, 15_000).bytes()).collect();
    let held = write_what_is_taken(node.broker().stream, &pulls);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(node.broker().call(&send_v2(Encoding::Binary, 1, "Held", 0, &vec![b'y'; 250_000])).code, 0);
    for _ in 0..5 {
        assert_well(&mut node, "held pulls");
        std::thread::sleep(Duration::from_millis(200));
    }
    drop(held);
}

fn write_what_is_taken(mut stream: TcpStream, bytes: &[u8]) -> TcpStream {
    stream.set_write_timeout(Some(Duration::from_secs(1))).expect("a socket");
    _ = stream.write_all(bytes);
    stream
}

/// Many connections that announce a large frame and send nothing of it.
#[test]
fn announced_frames_take_no_more_than_the_budget() {
    let Some(mut node) = node() else { return };
    let waiting: Vec<Client> = (0..200)
        .map(|_| {
            let mut client = node.broker();
            client.write(&words((16 << 20) - 5, 1, 100));
            client
        })
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    assert_well(&mut node, "announced frames");
    drop(waiting);
}

#[test]
fn thousands_of_idle_connections() {
    let Some(mut node) = node() else { return };
    let idle: Vec<Client> = (0..idle_connections()).map(|_| node.broker()).collect();
    assert_well(&mut node, "idle connections");
    println!("{} idle connections: {} MiB resident", idle.len(), node.memory_bytes() >> 20);
    for client in idle.iter().step_by(100) {
        client.stream.set_nonblocking(true).expect("a socket");
        let read = (&client.stream).read(&mut [0]);
        assert_eq!(read.map_err(|error| error.kind()), Err(ErrorKind::WouldBlock), "idle is no reason to be closed");
    }
    drop(idle);
    assert_well(&mut node, "idle connections have gone");
}

/// As many as this process may open beside what the other tests need, 2000 at most; RINGMQ_IDLE says otherwise.
fn idle_connections() -> usize {
    let wanted = std::env::var("RINGMQ_IDLE").ok().and_then(|text| text.parse().ok()).unwrap_or(2000);
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default();
    let limit: usize = line.split_whitespace().nth(3).and_then(|text| text.parse().ok()).unwrap_or(1024);
    wanted.min(limit.saturating_sub(400))
}
