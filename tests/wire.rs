//! The broker's protocol in bytes, against a running node: every case with one shard, with four, and with a broker for
//! each shard.

#[path = "node/mod.rs"]
mod node;

use std::time::{Duration, Instant};

use node::{Answer, Client, Encoding, Node, Request, pull, send_v2};

const TOPIC: &str = "WireTopic";
const BOTH: [Encoding; 2] = [Encoding::Json, Encoding::Binary];

#[test]
fn one_shard() {
    speak(&["--shards", "1"]);
}

#[test]
fn four_shards() {
    speak(&["--shards", "4"]);
}

#[test]
fn a_broker_for_each_shard() {
    speak(&["--shards", "4", "--set", "shardRouting=direct"]);
}

fn speak(arguments: &[&str]) {
    if !node::can_run() {
        return;
    }
    let node = Node::start(arguments);
    let mut client = node.broker();
    sends(&mut client);
    sends_refused(&mut client);
    send_batch(&mut client);
    batches_refused(&mut client);
    pulls(&mut client);
    long_polls(&mut client, node.broker_port);
    transactions(&mut client);
    unknown_codes(&mut client);
    pipelines(&mut client);
    one_way(&mut client);
    vip_port(&node);
}

/// Sends and returns the queue offset.
fn sent(client: &mut Client, request: &Request) -> i64 {
    let answer = client.call(request);
    assert_eq!((answer.code, answer.remark.as_str()), (0, ""), "{request:?}");
    answer.number("queueOffset")
}

fn sends(client: &mut Client) {
    for (place, encoding) in BOTH.into_iter().enumerate() {
        let long = Request::new(encoding, 10, 70)
            .field("producerGroup", "producers")
            .field("topic", TOPIC)
            .field("defaultTopic", "TBW102")
            .field("defaultTopicQueueNums", 4)
            .field("queueId", 0)
            .field("sysFlag", 0)
            .field("bornTimestamp", 1_700_000_000_000i64)
            .field("flag", 0)
            .field("properties", "UNIQ_KEY\u{1}0123456789abcdef0123456789ABCDEF\u{2}")
            .field("reconsumeTimes", 0)
            .body(b"long names");
        let answer = client.call(&long);
        assert_eq!(answer.code, 0, "{answer:?}");
        assert_eq!(answer.number("queueOffset"), 2 * place as i64);
        assert_eq!(answer.number("queueId"), 0);
        assert_eq!(answer.fields["transactionId"], "0123456789abcdef0123456789ABCDEF");
        assert_eq!(answer.fields["msgId"].len(), 32);
        assert_eq!(answer.fields["MSG_REGION"], "DefaultRegion");
        assert_eq!(answer.body, b"");
        assert_eq!(sent(client, &send_v2(encoding, 71, TOPIC, 0, b"short names")), 2 * place as i64 + 1);
    }
}

/// What a store cannot keep as it is, or a consumer would read wrongly.
fn sends_refused(client: &mut Client) {
    let refused = |client: &mut Client, field: &str, value: String| {
        let mut request = send_v2(Encoding::Json, 72, TOPIC, 0, b"refused");
        request.fields.retain(|(name, _)| name != field);
        let answer = client.call(&request.field(field, value));
        assert_eq!(answer.code, 13, "{answer:?}");
        assert!(answer.remark.starts_with("the message is illegal, maybe msg body or properties length"), "{answer:?}");
    };
    // Short enough as sent, too long with what the broker adds.
    refused(client, "i", format!("x\u{1}{}\u{2}", "y".repeat(32_764)));
    let inner_batch = 0x80;
    refused(client, "f", inner_batch.to_string());
}

/// A batch's body: length, magic, checksum, flag, body, properties of each.
fn batch_of(bodies: &[&[u8]]) -> Vec<u8> {
    let mut batch = Vec::new();
    for body in bodies {
        batch.extend((22 + body.len() as u32).to_be_bytes());
        batch.extend([0; 12]);
        batch.extend((body.len() as u32).to_be_bytes());
        batch.extend(*body);
        batch.extend(0u16.to_be_bytes());
    }
    batch
}

fn send_batch(client: &mut Client) {
    for (place, encoding) in BOTH.into_iter().enumerate() {
        let mut request = send_v2(encoding, 80, TOPIC, 1, &batch_of(&[b"one", b"two", b"three"]));
        request.code = 320;
        request.fields.retain(|(name, _)| name != "m");
        let answer = client.call(&request.field("m", true));
        assert_eq!(answer.code, 0, "{answer:?}");
        assert_eq!(answer.number("queueOffset"), 3 * place as i64);
        assert_eq!(answer.fields["msgId"].split(',').count(), 3, "{answer:?}");
        assert!(!answer.fields.contains_key("transactionId"), "{answer:?}");
    }
}

/// The messages of a batch go to one queue together and at once, or not at all.
fn batches_refused(client: &mut Client) {
    let refused = |client: &mut Client, topic: &str, field: &str, value: &str, remark: &str| {
        let mut request = send_v2(Encoding::Binary, 81, topic, 1, &batch_of(&[b"one", b"two"]));
        request.code = 320;
        request.fields.retain(|(name, _)| name != "m" && name != field);
        let answer = client.call(&request.field("m", true).field(field, value));
        assert_eq!(answer.code, 13, "{field}={value}: {answer:?}");
        assert!(answer.remark.starts_with(remark), "{answer:?}");
    };
    let illegal = "the message is illegal, maybe msg body or properties length";
    for prepared_or_committed in ["4", "8", "12"] {
        refused(client, TOPIC, "f", prepared_or_committed, illegal);
    }
    refused(client, TOPIC, "i", "DELAY\u{1}3\u{2}", illegal);
    refused(client, TOPIC, "i", "TIMER_DELAY_SEC\u{1}3\u{2}", illegal);
    refused(client, "%RETRY%readers", "i", "", "batch request does not support retry group %RETRY%readers");
}

/// Queue offset and body of each record in a pull's answer (broker-semantics: total size, magic, …).
fn records(answer: &Answer) -> Vec<(i64, Vec<u8>)> {
    let mut rest = answer.body.as_slice();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let word = |at: usize| u32::from_be_bytes(rest[at..at + 4].try_into().expect("four bytes")) as usize;
        let queue_offset = i64::from_be_bytes(rest[20..28].try_into().expect("eight bytes"));
        let body = rest[88..88 + word(84)].to_vec();
        found.push((queue_offset, body));
        rest = &rest[word(0)..];
    }
    found
}

fn pulls(client: &mut Client) {
    for encoding in BOTH {
        let found = client.call(&pull(encoding, 90, TOPIC, 0, 1, 0));
        assert_eq!((found.code, found.remark.as_str()), (0, "FOUND"));
        assert_eq!(records(&found)[0], (1, b"short names".to_vec()));
        assert_eq!(records(&found).len(), 3);
        assert_eq!(["nextBeginOffset", "minOffset", "maxOffset"].map(|name| found.number(name)), [4, 0, 4]);

        let batch = client.call(&pull(encoding, 91, TOPIC, 1, 0, 0));
        assert_eq!(records(&batch)[2], (2, b"three".to_vec()));

        let end = client.call(&pull(encoding, 92, TOPIC, 0, 4, 0));
        assert_eq!((end.code, end.number("nextBeginOffset")), (19, 4), "nothing yet: {end:?}");
        let beyond = client.call(&pull(encoding, 93, TOPIC, 0, 1000, 0));
        assert_eq!((beyond.code, beyond.number("nextBeginOffset")), (21, 4), "overflow: {beyond:?}");
        let before = client.call(&pull(encoding, 94, TOPIC, 0, -5, 0));
        assert_eq!((before.code, before.number("nextBeginOffset")), (21, 0), "too small: {before:?}");
        let empty = client.call(&pull(encoding, 97, TOPIC, 2, 0, 0));
        assert_eq!((empty.code, empty.remark.as_str()), (19, "NO_MESSAGE_IN_QUEUE"), "nobody has sent to it: {empty:?}");
        let missing = client.call(&pull(encoding, 95, "NoSuchTopic", 0, 0, 0));
        assert_eq!(missing.code, 17, "{missing:?}");
        let queue = client.call(&pull(encoding, 96, TOPIC, 99, 0, 0));
        assert_ne!(queue.code, 0, "{queue:?}");
        assert!(queue.remark.contains("queueId[99]"), "{queue:?}");
    }
}

fn long_polls(client: &mut Client, broker_port: u16) {
    for encoding in BOTH {
        let end = client.call(&pull(encoding, 100, TOPIC, 0, 1000, 0)).number("nextBeginOffset");
        client.write(&pull(encoding, 101, TOPIC, 0, end, 8000).bytes());
        client.assert_silent(Duration::from_millis(200));
        let began = Instant::now();
        assert_eq!(sent(&mut Client::connect(broker_port), &send_v2(encoding, 1, TOPIC, 0, b"wakes")), end);
        let woken = client.read().expect("an answer");
        assert_eq!((woken.code, woken.opaque, records(&woken)), (0, 101, vec![(end, b"wakes".to_vec())]));
        assert!(began.elapsed() < Duration::from_secs(2), "woken after {:?}", began.elapsed());

        let began = Instant::now();
        let late = client.call(&pull(encoding, 102, TOPIC, 0, end + 1, 500));
        assert_eq!(late.code, 19, "{late:?}");
        assert!(began.elapsed() >= Duration::from_millis(400), "held for {:?}", began.elapsed());
    }
}

/// Half messages are not seen, committed ones once, rolled back ones never; an end that is none changes nothing.
fn transactions(client: &mut Client) {
    const DEALS: &str = "WireDeals";
    const NONE: &str = "Find prepared transaction message failed";
    // The topic, so that its offsets are known.
    assert_eq!(sent(client, &send_v2(Encoding::Json, 120, DEALS, 0, b"plain")), 0);
    for (place, encoding) in BOTH.into_iter().enumerate() {
        let half = |opaque, properties: &str| {
            Request::new(encoding, 10, opaque)
                .field("producerGroup", "dealers")
                .field("topic", DEALS)
                .field("defaultTopic", "TBW102")
                .field("defaultTopicQueueNums", 4)
                .field("queueId", 0)
                .field("sysFlag", 4)
                .field("bornTimestamp", 1_700_000_000_000i64)
                .field("flag", 0)
                .field("properties", properties)
                .field("reconsumeTimes", 0)
                .body(b"a deal")
        };
        let sent = client.call(&half(121, "TRAN_MSG\u{1}true\u{2}PGROUP\u{1}dealers\u{2}UNIQ_KEY\u{1}K\u{2}"));
        assert_eq!((sent.code, sent.number("queueId"), sent.fields["transactionId"].as_str()), (0, 0, "K"), "{sent:?}");
        let physical = i64::from_str_radix(&sent.fields["msgId"][16..], 16).expect("an offset in the id");
        let queue_offset = sent.number("queueOffset");
        let other = client.call(&half(122, "TRAN_MSG\u{1}true\u{2}PGROUP\u{1}dealers\u{2}"));
        assert_eq!(other.number("queueOffset"), queue_offset + 1, "of the queue of half messages");
        let refused = client.call(&half(123, "TRAN_MSG\u{1}true\u{2}PGROUP\u{1}dealers\u{2}DELAY\u{1}1\u{2}"));
        assert!(refused.code == 13 && refused.remark.contains("cannot be delayed"), "{refused:?}");

        let mut ask = |how: i32, group: &str, queue_offset: i64, physical: i64, expected: (i32, &str)| {
            let end = Request::new(encoding, 37, 124)
                .field("producerGroup", group)
                .field("tranStateTableOffset", queue_offset)
                .field("commitLogOffset", physical)
                .field("commitOrRollback", how)
                .field("fromTransactionCheck", false)
                .field("msgId", "K");
            let answer = client.call(&end);
            assert!(answer.code == expected.0 && answer.remark.starts_with(expected.1), "{end:?}: {answer:?}");
        };
        ask(8, "others", queue_offset, physical, (1, "The producer group wrong"));
        ask(8, "dealers", queue_offset + 1, physical, (1, "The transaction state table offset wrong"));
        for nowhere in [physical + 1, -1, i64::MAX, i64::MIN, 0] {
            ask(8, "dealers", queue_offset, nowhere, (1, NONE));
        }
        ask(4, "dealers", queue_offset, physical, (1, "commitOrRollback field wrong"));
        ask(0, "dealers", queue_offset, physical, (0, "nothing is decided"));
        ask(8, "dealers", queue_offset, physical, (0, ""));
        ask(8, "dealers", queue_offset, physical, (1, NONE));
        ask(12, "dealers", queue_offset, physical, (1, NONE));
        let physical = i64::from_str_radix(&other.fields["msgId"][16..], 16).expect("an offset in the id");
        ask(12, "dealers", queue_offset + 1, physical, (0, ""));
        ask(8, "dealers", queue_offset + 1, physical, (1, NONE));

        let seen = client.call(&pull(encoding, 125, DEALS, 0, 1, 0));
        let expected: Vec<(i64, Vec<u8>)> = (1..place as i64 + 2).map(|offset| (offset, b"a deal".to_vec())).collect();
        assert_eq!(records(&seen), expected);
        let bad = client.call(&Request::new(encoding, 323, 126).field("topic", DEALS).field("msgId", &sent.fields["msgId"]));
        assert!(bad.code == 1 && bad.remark.contains("Only messages of TRANS_CHECK_MAX_TIME_TOPIC"), "{bad:?}");
    }
}

fn unknown_codes(client: &mut Client) {
    for encoding in BOTH {
        let unknown = client.call(&Request::new(encoding, 7777, 110));
        assert_eq!(unknown.code, 3);
        assert!(unknown.remark.contains("7777"), "{unknown:?}");
        let later = client.call(&Request::new(encoding, 908, 111));
        assert_eq!(later.code, 3);
        assert!(later.remark.contains("908") && later.remark.contains("RESET_MASTER_FLUSH_OFFSET"), "{later:?}");
    }
}

fn pipelines(client: &mut Client) {
    const COUNT: i32 = 300;
    let encoding = |opaque: i32| BOTH[(opaque % 2) as usize];
    let mut bytes = Vec::new();
    for opaque in 0..COUNT {
        bytes.extend(send_v2(encoding(opaque), opaque, TOPIC, opaque % 4, b"one of many").bytes());
    }
    client.write(&bytes);
    let mut opaques: Vec<i32> = (0..COUNT)
        .map(|_| {
            let answer = client.read().expect("an answer to each");
            assert_eq!((answer.code, answer.encoding), (0, encoding(answer.opaque)), "{answer:?}");
            answer.opaque
        })
        .collect();
    opaques.sort_unstable();
    assert_eq!(opaques, (0..COUNT).collect::<Vec<_>>());
}

fn one_way(client: &mut Client) {
    for encoding in BOTH {
        let end = client.call(&pull(encoding, 120, TOPIC, 3, 1000, 0)).number("nextBeginOffset");
        client.write(&send_v2(encoding, 121, TOPIC, 3, b"one way").oneway().bytes());
        client.write(&Request::new(encoding, 7777, 122).oneway().bytes());
        client.write(&Request::new(encoding, 30, 123).oneway().bytes());
        client.assert_silent(Duration::from_millis(200));
        let found = client.call(&pull(encoding, 124, TOPIC, 3, end, 2000));
        assert_eq!(records(&found), vec![(end, b"one way".to_vec())]);
    }
}

fn vip_port(node: &Node) {
    let mut client = Client::connect(node.broker_port - 2);
    sent(&mut client, &send_v2(Encoding::Binary, 130, TOPIC, 2, b"by the VIP port"));
}
