//! Entries as they are found in a payload, good and bad.

use super::*;
use crate::data_version::DataVersion;
use crate::group::GroupChange;
use crate::offsets::OffsetCommit;
use crate::record::NewMessage;
use crate::topic::{Incarnation, TopicChange, TopicConfig};
use crate::types::{LogPosition, Millis, QueueOffset};

fn message() -> Vec<u8> {
    let message = NewMessage {
        topic: "orders",
        queue_id: 2,
        flag: 0,
        sys_flag: 0,
        born_timestamp: 10,
        born_host: "10.0.0.1:80".parse().unwrap(),
        store_host: "10.0.0.2:81".parse().unwrap(),
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: b"body",
        properties: b"KEYS\x01k\x02",
    };
    let mut out = vec![0; message.encoded_len()];
    message.encode(QueueOffset(1), 2, Millis(3), &mut out);
    out
}

fn settings() -> Vec<Control<'static>> {
    let version = DataVersion::first(Millis(4)).next(Millis(5));
    let topic = TopicConfig { incarnation: Incarnation(7), ..TopicConfig::new("orders") };
    vec![
        Control::Topic(TopicChange::Put { topic, version }),
        Control::Topic(TopicChange::Deleted { name: "old".into(), incarnation: Incarnation(3), version }),
        Control::Group(GroupChange::Deleted { name: "g".into(), clean_offsets: true, version }),
        Control::SettingsVersion(12),
        Control::OffsetsRemoved { topic: Some("orders"), group: None },
        Control::OffsetsRemoved { topic: None, group: Some("g") },
        Control::HalfEnded { position: LogPosition(1 << 40) },
        Control::HalfChecked { position: LogPosition(4096), checks: 15 },
    ]
}

const ROWS: [OffsetCommit<'static>; 2] = [
    OffsetCommit { topic: "orders", group: "g", queue_id: 1, offset: QueueOffset(9) },
    OffsetCommit { topic: "%RETRY%g", group: "g", queue_id: 0, offset: QueueOffset(-1) },
];

fn offsets(rows: &[OffsetCommit<'_>]) -> Vec<u8> {
    let mut out = vec![0; offsets_len(rows)];
    encode_offsets(rows, &mut out);
    out
}

#[test]
fn what_is_written_is_found_in_its_order() {
    let mut payload = message();
    for control in settings() {
        control.encode(&mut payload);
    }
    let at_offsets = payload.len();
    payload.extend(offsets(&ROWS));
    let at_last = payload.len();
    payload.extend(message());
    let found: Vec<(usize, Entry<'_>)> = entries(&payload).collect::<Result<_, _>>().unwrap();
    assert_eq!(found.len(), 1 + settings().len() + 2);
    assert!(matches!(&found[0], (0, Entry::Message(record)) if record.topic() == "orders"));
    for ((_, entry), expected) in found[1..].iter().zip(settings()) {
        assert!(matches!(entry, Entry::Control(control) if *control == expected), "{entry:?}");
    }
    let (at, Entry::Control(Control::ConsumerOffsets(rows))) = &found[found.len() - 2] else { panic!("offsets") };
    assert_eq!(*at, at_offsets);
    assert_eq!(rows.iter().collect::<Vec<_>>(), ROWS);
    assert!(matches!(found.last(), Some((at, Entry::Message(_))) if *at == at_last));
    assert_eq!(entries(&[]).count(), 0);
}

#[test]
fn offsets_are_the_same_however_they_are_written() {
    let written = offsets(&ROWS);
    let Some(Ok((_, Entry::Control(control)))) = entries(&written).next() else { panic!("one entry") };
    let mut again = Vec::new();
    control.encode(&mut again);
    assert_eq!(again, written);
    assert_eq!(entries(&offsets(&[])).count(), 1);
}

#[test]
fn unknown_kinds_are_skipped_and_newer_versions_are_not() {
    let mut entry = Vec::new();
    Control::SettingsVersion(1).encode(&mut entry);
    let patch = |entry: &[u8], at: usize, value: u16| {
        let mut entry = entry.to_vec();
        entry[at..at + 2].copy_from_slice(&value.to_be_bytes());
        let crc = crc32fast::hash(&entry[12..]);
        entry[8..12].copy_from_slice(&crc.to_be_bytes());
        entry
    };
    let payload = [patch(&entry, 12, 900), entry.clone()].concat();
    let found: Vec<_> = entries(&payload).map(|entry| entry.unwrap().1).collect();
    assert!(matches!(found[0], Entry::Control(Control::Unknown { kind: 900 })));
    assert!(matches!(found[1], Entry::Control(Control::SettingsVersion(1))));
    let newer = patch(&entry, 14, 2);
    let why = BadEntryWhy::Control(BadBytes::Version { what: "a control entry", found: 2, known: 1 });
    assert_eq!(entries(&newer).next().unwrap().unwrap_err(), BadEntry { at: 0, why });
}

#[test]
fn bad_bytes_are_errors_and_end_the_payload() {
    let mut payload = offsets(&ROWS);
    let bad = payload.len();
    payload.extend([0; 40]);
    let found: Vec<_> = entries(&payload).collect();
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].as_ref().unwrap_err(), &BadEntry { at: bad, why: BadEntryWhy::Magic(0) });
    let mut flipped = offsets(&ROWS);
    *flipped.last_mut().unwrap() ^= 1;
    assert!(matches!(entries(&flipped).next(), Some(Err(BadEntry { at: 0, why: BadEntryWhy::Crc { .. } }))));
}

/// Whatever the bytes, also with a checksum that is right: no panic, no endless loop.
#[test]
fn garbage_never_panics() {
    let mut good = offsets(&ROWS);
    good.extend(message());
    for control in settings() {
        control.encode(&mut good);
    }
    crate::wire::garble(&good, |bytes| assert!(entries(bytes).count() <= bytes.len() / 8 + 1));
    let mut each: Vec<Vec<u8>> = vec![offsets(&ROWS)];
    each.extend(settings().iter().map(|control| {
        let mut out = Vec::new();
        control.encode(&mut out);
        out
    }));
    for good in each {
        crate::wire::garble(&good, |bytes| {
            let mut bytes = bytes.to_vec();
            if bytes.len() >= CONTROL_HEAD_BYTES {
                let crc = crc32fast::hash(&bytes[12..]);
                bytes[8..12].copy_from_slice(&crc.to_be_bytes());
            }
            for entry in entries(&bytes) {
                if let Ok((_, Entry::Control(Control::ConsumerOffsets(rows)))) = entry {
                    assert!(rows.iter().count() <= bytes.len());
                }
            }
        });
    }
}
