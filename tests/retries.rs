//! Messages that consumers could not handle, in bytes against a running node: sent back, sent again by the client, and
//! given up; with one shard, with four, and with a broker for each shard.

#[path = "node/mod.rs"]
mod node;

use std::time::{Duration, Instant};

use node::{Answer, Client, Encoding, Node, Request, pull, send_v2};

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
    // Every level is short, so that what is delayed comes while the test waits for it.
    let levels = ["--set", "messageDelayLevel=1s 1s 1s 1s 1s 1s"];
    let node = Node::start(&[arguments, &levels].concat());
    let mut client = node.broker();
    sent_back_until_given_up(&node, &mut client);
    sent_back_by_the_groups_settings(&mut client);
    sent_back_refused(&mut client);
    sent_again_by_the_client(&mut client);
    sent_again_by_an_ordered_consumer(&mut client);
}

/// One record of a pull's answer.
#[derive(Debug)]
struct Record {
    queue_id: i32,
    physical_offset: i64,
    reconsume_times: i32,
    body: Vec<u8>,
    properties: String,
}

impl Record {
    fn property(&self, name: &str) -> Option<&str> {
        let entries = self.properties.split('\u{2}').filter_map(|entry| entry.split_once('\u{1}'));
        entries.filter(|(found, _)| *found == name).map(|(_, value)| value).next_back()
    }
}

fn records(answer: &Answer) -> Vec<Record> {
    let mut rest = answer.body.as_slice();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let word = |at: usize| i32::from_be_bytes(rest[at..at + 4].try_into().expect("four bytes"));
        let long = |at: usize| i64::from_be_bytes(rest[at..at + 8].try_into().expect("eight bytes"));
        let size = word(0) as usize;
        let topic_at = 88 + word(84) as usize;
        assert_eq!(word(4) as u32, 0xDAA3_20A7, "a short topic, so its length is one byte");
        let topic_bytes = 1 + rest[topic_at] as usize;
        found.push(Record {
            queue_id: word(12),
            physical_offset: long(28),
            reconsume_times: word(72),
            body: rest[88..topic_at].to_vec(),
            properties: String::from_utf8(rest[topic_at + topic_bytes + 2..size].to_vec()).expect("UTF-8"),
        });
        rest = &rest[size..];
    }
    found
}

/// Waits until the topic's queue 0 has a record at this offset.
fn record_at(client: &mut Client, topic: &str, offset: i64) -> Record {
    let end = Instant::now() + Duration::from_secs(8);
    loop {
        let answer = client.call(&pull(Encoding::Json, 1, topic, 0, offset, 0));
        if answer.code == 0 {
            return records(&answer).remove(0);
        }
        assert!(Instant::now() < end, "nothing in {topic}: {answer:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn send_back(group: &str, offset: i64, level: i32) -> Request {
    Request::new(Encoding::Binary, 36, 30)
        .field("offset", offset)
        .field("group", group)
        .field("delayLevel", level)
        .field("originMsgId", "M")
        .field("originTopic", "Orders")
        .field("unitMode", false)
}

fn succeeds(client: &mut Client, request: &Request) -> Answer {
    let answer = client.call(request);
    assert_eq!((answer.code, answer.remark.as_str()), (0, ""), "{request:?}");
    answer
}

fn sent_back_until_given_up(node: &Node, client: &mut Client) {
    let properties = "KEYS\u{1}k1\u{2}TAGS\u{1}blue\u{2}UNIQ_KEY\u{1}U1\u{2}WAIT\u{1}true\u{2}";
    let mut send = send_v2(Encoding::Json, 2, "Orders", 0, b"cannot be handled");
    send.fields.retain(|(name, _)| name != "i");
    let sent = succeeds(client, &send.field("i", properties));
    let origin = sent.fields["msgId"].clone();
    let first = record_at(client, "Orders", 0);

    succeeds(client, &send_back("workers", first.physical_offset, 0).field("maxReconsumeTimes", 2));
    let second = record_at(client, "%RETRY%workers", 0);
    assert_eq!((second.body.as_slice(), second.queue_id, second.reconsume_times), (&b"cannot be handled"[..], 0, 1));
    for (name, value) in [
        ("KEYS", "k1"),
        ("TAGS", "blue"),
        ("UNIQ_KEY", "U1"),
        ("WAIT", "false"),
        ("RETRY_TOPIC", "Orders"),
        ("ORIGIN_MESSAGE_ID", origin.as_str()),
        ("DELAY", "3"),
    ] {
        assert_eq!(second.property(name), Some(value), "{name} of {second:?}");
    }

    succeeds(client, &send_back("workers", second.physical_offset, 0).field("maxReconsumeTimes", 2));
    let third = record_at(client, "%RETRY%workers", 1);
    assert_eq!((third.reconsume_times, third.property("DELAY")), (2, Some("4")));
    assert_eq!((third.property("RETRY_TOPIC"), third.property("ORIGIN_MESSAGE_ID")), (Some("Orders"), Some(origin.as_str())));

    succeeds(client, &send_back("workers", third.physical_offset, 0).field("maxReconsumeTimes", 2));
    let dead = record_at(client, "%DLQ%workers", 0);
    assert_eq!((dead.body, dead.reconsume_times), (b"cannot be handled".to_vec(), 3));
    let word = "given up a message for the first time";
    assert_eq!(node.log().matches(word).count(), 1, "one line for the group's first dead letter");

    succeeds(client, &send_back("workers", first.physical_offset, -1));
    let dead = record_at(client, "%DLQ%workers", 1);
    assert_eq!((dead.reconsume_times, dead.property("RETRY_TOPIC")), (1, Some("Orders")));
    assert_eq!(node.log().matches(word).count(), 1, "no line for the second");
}

/// UPDATE_AND_CREATE_SUBSCRIPTIONGROUP
fn put_group(client: &mut Client, settings: &str) {
    succeeds(client, &Request::new(Encoding::Json, 200, 3).body(settings.as_bytes()));
}

/// VIEW_BROKER_STATS_DATA
fn view_stats(name: &str, key: &str) -> Request {
    Request::new(Encoding::Json, 315, 5).field("statsName", name).field("statsKey", key)
}

fn sent_back_by_the_groups_settings(client: &mut Client) {
    let offset = record_at(client, "Orders", 0).physical_offset;
    put_group(client, r#"{"groupName":"impatient","retryMaxTimes":0,"retryQueueNums":1,"consumeEnable":true}"#);
    succeeds(client, &send_back("impatient", offset, 0));
    assert_eq!(record_at(client, "%DLQ%impatient", 0).reconsume_times, 1, "no retry is allowed");

    put_group(client, r#"{"groupName":"careless","retryMaxTimes":16,"retryQueueNums":0,"consumeEnable":true}"#);
    succeeds(client, &send_back("careless", offset, 0));
    let counted = |group: &str| view_stats("SNDBCK_PUT_NUMS", &format!("Orders@{group}"));
    succeeds(client, &counted("workers"));
    succeeds(client, &counted("impatient"));
    let uncounted = client.call(&counted("careless"));
    assert_eq!(uncounted.code, 1, "what is kept nowhere is not counted: {uncounted:?}");

    let nowhere = client.call(&pull(Encoding::Json, 4, "%RETRY%careless", 0, 0, 0));
    assert_eq!(nowhere.code, 17, "a group without retry queues gets no retry topic: {nowhere:?}");
}

fn sent_back_refused(client: &mut Client) {
    for offset in [-1, 1, i64::MAX, 1 << 40] {
        let answer = client.call(&send_back("workers", offset, 0));
        assert_eq!((answer.code, answer.remark), (1, format!("look message by offset failed, {offset}")));
    }
    let mut without = send_back("workers", 0, 0);
    without.fields.retain(|(name, _)| name != "group");
    assert_ne!(client.call(&without).code, 0, "whose it is must be said");
    let illegal = client.call(&send_back("no such group!", 0, 0));
    assert_eq!(illegal.code, 26, "{illegal:?}");
    assert!(illegal.remark.starts_with("subscription group not exist, no such group! "), "{illegal:?}");
}

fn send_retry(opaque: i32, group: &str, times: i32, times_max: i32) -> Request {
    let mut send = send_v2(Encoding::Binary, opaque, &format!("%RETRY%{group}"), 0, b"again");
    send.fields.retain(|(name, _)| name != "i" && name != "j");
    send.field("i", "RETRY_TOPIC\u{1}Orders\u{2}DELAY\u{1}0\u{2}").field("j", times).field("l", times_max)
}

fn sent_again_by_the_client(client: &mut Client) {
    let again = succeeds(client, &send_retry(50, "askers", 2, 2));
    assert_eq!((again.number("queueId"), again.number("queueOffset")), (0, 0));
    assert_eq!(record_at(client, "%RETRY%askers", 0).reconsume_times, 2, "as often as allowed");

    let given_up = succeeds(client, &send_retry(51, "askers", 3, 2));
    assert_eq!(given_up.number("queueId"), 0);
    assert_eq!(given_up.fields["transactionId"].len(), 32, "a key is made for it: {given_up:?}");
    let dead = record_at(client, "%DLQ%askers", 0);
    assert_eq!((dead.reconsume_times, dead.body.as_slice()), (3, &b"again"[..]));
    assert_eq!(dead.property("DELAY"), Some("-1"));
    assert_eq!(dead.property("UNIQ_KEY"), Some(given_up.fields["transactionId"].as_str()));
    assert_eq!((dead.property("CLUSTER"), dead.property("TRACE_ON")), (Some("DefaultCluster"), Some("true")));

    // Without a maximum of its own the group's counts.
    let mut unsaid = send_retry(52, "askers", 17, 0);
    unsaid.fields.retain(|(name, _)| name != "l");
    succeeds(client, &unsaid);
    assert_eq!(record_at(client, "%DLQ%askers", 1).reconsume_times, 17);
}

fn lock(code: i32, client_id: &str, group: &str) -> Request {
    let body = format!(
        r#"{{"clientId":"{client_id}","consumerGroup":"{group}","mqSet":[{{"brokerName":"b","queueId":0,"topic":"Orders"}}]}}"#
    );
    Request::new(Encoding::Json, code, 60).body(body.as_bytes())
}

/// Whoever holds a lock: an ordered group must not see a message again that it has given up.
fn sent_again_by_an_ordered_consumer(client: &mut Client) {
    succeeds(client, &lock(41, "owner", "ordered"));
    succeeds(client, &send_retry(61, "ordered", 0, 16));
    assert_eq!(record_at(client, "%DLQ%ordered", 0).reconsume_times, 0);
    succeeds(client, &lock(42, "owner", "ordered"));
    succeeds(client, &send_retry(62, "ordered", 0, 16));
    assert_eq!(record_at(client, "%RETRY%ordered", 0).reconsume_times, 0, "nobody holds a lock any more");
}
