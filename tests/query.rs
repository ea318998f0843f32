//! QUERY_MESSAGE (12) and VIEW_MESSAGE_BY_ID (33) over several segments of several shards: the newest of a key, one unique
//! key, time ranges; and the same answers when index files are damaged.

#[path = "node/mod.rs"]
mod node;

use std::path::{Path, PathBuf};

use node::{Answer, Client, Encoding, Node, Request, send_v2};

const TOPIC: &str = "Queried";
const QUEUES: i32 = 4;
/// Two shards get about 40 MiB each: two sealed segments of 16 MiB and one that is written.
const MESSAGES: i32 = 320;
const BODY_BYTES: usize = 256 << 10;

struct Sent {
    message_id: String,
    queue_offset: i64,
}

fn body_of(number: i32) -> Vec<u8> {
    let mut body = vec![number as u8; BODY_BYTES];
    body[..4].copy_from_slice(&number.to_be_bytes());
    body
}

fn send(client: &mut Client, number: i32) -> Sent {
    let mut request = send_v2(Encoding::Json, number, TOPIC, number % QUEUES, &body_of(number));
    request.fields.retain(|(name, _)| name != "i");
    let tens = number / 10;
    let properties = format!("KEYS\u{1}every tens-{tens} twice twice\u{2}UNIQ_KEY\u{1}UNIQUE-{number}\u{2}");
    let answer = client.call(&request.field("i", properties));
    assert_eq!(answer.code, 0, "{answer:?}");
    Sent { message_id: answer.fields["msgId"].clone(), queue_offset: answer.number("queueOffset") }
}

fn query(client: &mut Client, key: &str, max: i32, times: (i64, i64), unique: bool) -> Answer {
    let request = Request::new(Encoding::Json, 12, 1)
        .field("topic", TOPIC)
        .field("key", key)
        .field("maxNum", max)
        .field("beginTimestamp", times.0)
        .field("endTimestamp", times.1)
        .field("_UNIQUE_KEY_QUERY", unique);
    client.call(&request)
}

/// Number, store time and physical offset of each record.
fn found(answer: &Answer) -> Vec<(i32, i64, i64)> {
    assert_eq!(answer.code, 0, "{:?}", answer.remark);
    let (mut rest, mut found) = (answer.body.as_slice(), Vec::new());
    while !rest.is_empty() {
        let word = |at: usize| u32::from_be_bytes(rest[at..at + 4].try_into().expect("four bytes")) as usize;
        let long = |at: usize| i64::from_be_bytes(rest[at..at + 8].try_into().expect("eight bytes"));
        let number = i32::from_be_bytes(rest[88..92].try_into().expect("four bytes"));
        assert!(rest[88..88 + word(84)] == body_of(number), "the body of {number}");
        found.push((number, long(56), long(28)));
        rest = &rest[word(0)..];
    }
    found
}

fn numbers(answer: &Answer) -> Vec<i32> {
    found(answer).into_iter().map(|(number, ..)| number).collect()
}

const EVER: (i64, i64) = (0, i64::MAX);

/// What holds however often the node was restarted and whatever became of the index files.
fn queries(client: &mut Client, sent: &[Sent]) {
    let newest = query(client, "every", 10, EVER, false);
    assert_eq!(numbers(&newest), (MESSAGES - 10..MESSAGES).collect::<Vec<_>>(), "the newest ones, oldest first");
    assert!(newest.number("indexLastUpdateTimestamp") >= found(&newest)[9].1);
    assert!(newest.number("indexLastUpdatePhyoffset") > 0);
    for number in [0, 1, MESSAGES / 2, MESSAGES - 1] {
        assert_eq!(numbers(&query(client, &format!("UNIQUE-{number}"), 1, EVER, true)), [number]);
        let record = client.call(&Request::new(Encoding::Json, 33, 2).field("offset", offset_of(&sent[number as usize])));
        assert_eq!(numbers(&record), [number]);
        let offset = i64::from_be_bytes(record.body[20..28].try_into().expect("eight bytes"));
        assert_eq!(offset, sent[number as usize].queue_offset);
    }
    let tens = query(client, "tens-3", 32, EVER, false);
    assert_eq!(numbers(&tens), (30..40).collect::<Vec<_>>());
    assert_eq!(numbers(&query(client, "twice", 3, EVER, false)).len(), 3, "a key that is there twice counts once");
    assert_eq!(numbers(&query(client, "UNIQUE-7", 5, EVER, false)), [7], "also found as a plain key");

    // A word of KEYS is no unique key; a wrong key, topic or time finds nothing.
    let (first, last) = (found(&tens)[0].1, found(&tens)[9].1);
    for (key, times, unique) in [
        ("tens-3", EVER, true),
        ("no such key", EVER, false),
        ("tens-3", (last + 1, i64::MAX), false),
        ("tens-3", (0, first - 1), false),
        ("tens-3", (last, first - 1), false),
    ] {
        let answer = query(client, key, 32, times, unique);
        assert_eq!((answer.code, answer.remark.as_str()), (22, "can not find message, maybe time range not correct"));
    }
    assert_eq!(numbers(&query(client, "tens-3", 32, (first, last), false)).len(), 10, "both ends are included");
    let middle = found(&tens)[4].1;
    let until = query(client, "tens-3", 32, (0, middle), false);
    assert!(found(&until).iter().all(|(_, time, _)| *time <= middle));
    assert!(numbers(&until).contains(&34));
    // 64 messages at most are answered, and 12 MiB: 47 of these.
    let bounded = numbers(&query(client, "every", 1000, EVER, false));
    assert_eq!(bounded, (MESSAGES - bounded.len() as i32..MESSAGES).collect::<Vec<_>>());
    assert_eq!(bounded.len(), 47);
    assert_eq!(query(client, "every", -1, EVER, false).code, 22);
}

/// The physical offset that a message id of 32 letters ends with.
fn offset_of(sent: &Sent) -> i64 {
    i64::from_str_radix(&sent.message_id[16..], 16).expect("hexadecimal")
}

fn index_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").map_while(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            files.extend(index_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "index") {
            files.push(path);
        }
    }
    files
}

#[test]
fn messages_are_found_by_key_whatever_becomes_of_the_index() {
    if !node::can_run() {
        return;
    }
    let data = std::env::temp_dir().join(format!("ringmq-query-{}", std::process::id()));
    let arguments = ["--shards", "2"];
    let sent: Vec<Sent> = {
        let node = Node::start_in(&data, &arguments);
        let mut client = node.broker();
        let sent = (0..MESSAGES).map(|number| send(&mut client, number)).collect::<Vec<_>>();
        queries(&mut client, &sent);
        sent
    };
    let files = index_files(&data);
    assert!(files.len() >= 4, "each shard has sealed segments: {files:?}");
    // A byte of each page; then every other file cut short.
    for damage in ["flip", "cut"] {
        for (number, path) in files.iter().enumerate() {
            let mut bytes = std::fs::read(path).expect("an index file");
            match damage {
                "flip" => bytes.iter_mut().skip(1000 + number).step_by(4096).for_each(|byte| *byte ^= 0x55),
                _ if number % 2 == 0 => bytes.truncate(5000),
                _ => {}
            }
            std::fs::write(path, &bytes).expect("an index file");
        }
        let node = Node::start_in(&data, &arguments);
        queries(&mut node.broker(), &sent);
        assert!(node.log().contains("is damaged and is made again"), "{}", node.log());
    }
    _ = std::fs::remove_dir_all(&data);
}
