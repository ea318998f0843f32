//! What a broker reads of the requests that are written.

use ringmq::remoting::message::{batch, properties};
use ringmq::remoting::{Header, split};

use super::*;

fn options() -> MessageOptions {
    MessageOptions {
        body: BodyLength::Fixed(10),
        batch: 1,
        delay_level: None,
        transactions: false,
        one_way: false,
        tags: Vec::new(),
        keys: false,
        properties: None,
        header: HeaderEncoding::Binary,
    }
}

/// Code, topic, queue, one-way, properties and body of so many requests.
fn written(options: &MessageOptions, count: usize) -> Vec<(i32, String, i32, bool, String, Vec<u8>)> {
    let target = Target { brokers: vec!["b".into()], topics: vec!["T-0".into(), "T-1".into()], queues: 2 };
    let mut messages = Messages::new(options, target, 0);
    let mut bodies = Bodies::new(options.body, 1);
    let mut out = Vec::new();
    for slot in 0..count {
        let written = messages.write(&mut bodies, (0, slot), 0, 5, &mut out);
        assert_eq!((written.messages, written.bytes), (options.batch, 10 * u64::from(options.batch)));
    }
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some((frame, bytes)) = split(&out[at..]).expect("frames") {
        let header = Header::parse(&frame).expect("a header");
        let send = SendMessage::decode(&header).expect("a send");
        assert_eq!((header.opaque, send.born_timestamp), (found.len() as i32, 5));
        let properties = send.properties.to_string();
        found.push((header.code, send.topic.to_string(), send.queue_id, header.is_oneway(), properties, frame.body.to_vec()));
        at += bytes;
    }
    found
}

#[test]
fn requests_go_round_topics_and_queues_in_either_encoding() {
    for header in [HeaderEncoding::Binary, HeaderEncoding::Json] {
        let found = written(&MessageOptions { header, ..options() }, 5);
        let places: Vec<_> = found.iter().map(|one| (one.0, one.1.as_str(), one.2, one.3)).collect();
        let place = |topic, queue| (SEND_MESSAGE_V2, topic, queue, false);
        assert_eq!(places, [place("T-0", 0), place("T-1", 0), place("T-0", 1), place("T-1", 1), place("T-0", 0)]);
        assert!(found.iter().all(|one| one.5.len() == 10));
    }
}

#[test]
fn properties_are_what_was_asked_for() {
    let asked = MessageOptions { tags: vec!["A".into(), "B".into()], keys: true, properties: Some((2, 3)), ..options() };
    let found = written(&asked, 2);
    let get = |one: usize, name: &str| {
        properties::get(found[one].4.as_bytes(), name).map(|value| String::from_utf8_lossy(value).into_owned())
    };
    assert_eq!((get(0, "TAGS").as_deref(), get(1, "TAGS").as_deref()), (Some("A"), Some("B")));
    assert_eq!(get(0, "p1").as_deref(), Some("vvv"));
    assert_eq!(get(0, "UNIQ_KEY").map(|key| key.len()), Some(32));
    assert_ne!(get(0, "UNIQ_KEY"), get(1, "UNIQ_KEY"));
    assert_ne!(get(0, "KEYS"), get(1, "KEYS"));
}

#[test]
fn a_batch_has_its_messages_inside() {
    let found = written(&MessageOptions { batch: 3, one_way: true, ..options() }, 1);
    let (code, _, _, one_way, _, body) = &found[0];
    assert_eq!((*code, *one_way), (SEND_BATCH_MESSAGE, true));
    let inner: Vec<_> = batch::messages(body).map(|message| message.expect("whole").body.len()).collect();
    assert_eq!(inner, [10, 10, 10]);
}

#[test]
fn numbers_of_properties_are_read() {
    assert_eq!(parse_properties("4x100"), Ok((4, 100)));
    assert!(parse_properties("4").unwrap_err().contains("write 4x100"));
    assert!(parse_properties("400x100").unwrap_err().contains("32767"));
}

#[test]
fn what_a_message_waits_for_stands_in_its_properties() {
    let delayed = written(&MessageOptions { delay_level: Some(3), ..options() }, 1);
    assert!(delayed[0].4.contains("DELAY\u{1}3\u{2}"), "{delayed:?}");
    let half = written(&MessageOptions { transactions: true, ..options() }, 1);
    assert!(half[0].4.contains("TRAN_MSG\u{1}true\u{2}PGROUP\u{1}"), "{half:?}");
}
