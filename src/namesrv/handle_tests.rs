//! What the recordings do not show: frames in both encodings, one-way requests, what has to be stored, bounds.

use ringmq_shards::types::Millis;
use serde_json::{Value, json};

use super::{ConnectionId, Effects, KV_BYTES_MAX, KvConfig, NameServer, Properties, Store, serves};
use crate::remoting::code::REQUEST_CODES;
use crate::remoting::{Header, split};

fn server() -> NameServer {
    NameServer::new(Millis(0), KvConfig::default(), Properties::default())
}

fn frame(header: &Value, body: &[u8]) -> Vec<u8> {
    let header = serde_json::to_vec(header).expect("header");
    let mut frame = Vec::new();
    frame.extend_from_slice(&((4 + header.len() + body.len()) as u32).to_be_bytes());
    frame.extend_from_slice(&(header.len() as u32).to_be_bytes());
    frame.extend_from_slice(&header);
    frame.extend_from_slice(body);
    frame
}

fn ask(server: &mut NameServer, header: Value, body: &[u8]) -> (Vec<u8>, Effects) {
    let bytes = frame(&header, body);
    let (frame, _) = split(&bytes).expect("a good frame").expect("a whole frame");
    let header = Header::parse(&frame).expect("a good header");
    let mut out = Vec::new();
    let effects = server.handle(Millis(1), ConnectionId(1), &header, frame.body, frame.encoding, &mut out);
    (out, effects)
}

fn code_and_remark(answer: &[u8]) -> (i32, String) {
    let (frame, _) = split(answer).expect("a good frame").expect("a whole frame");
    let header = Header::parse(&frame).expect("a good header");
    (header.code, header.remark.as_deref().unwrap_or_default().to_string())
}

fn put(key: &str, value: &str) -> Value {
    json!({"code": 100, "opaque": 1, "flag": 0, "extFields": {"namespace": "N", "key": key, "value": value}})
}

#[test]
fn a_one_way_request_is_done_and_not_answered() {
    let mut server = server();
    let mut request = put("k", "v");
    request["flag"] = 2.into();
    let (answer, effects) = ask(&mut server, request, b"");
    assert_eq!(answer, b"");
    assert_eq!(effects.store, Some(Store::KvConfig(br#"{"configTable":{"N":{"k":"v"}}}"#.to_vec())));
}

#[test]
fn serves_says_what_is_answered() {
    for row in REQUEST_CODES {
        let (answer, _) = ask(&mut server(), json!({"code": row.number, "opaque": 1, "flag": 0}), b"");
        let (code, remark) = code_and_remark(&answer);
        assert_eq!(code != 3, serves(row.code), "{} {remark}", row.code);
    }
}

#[test]
fn reading_stores_nothing() {
    for code in [101, 105, 106, 206, 219, 224, 304, 311, 312, 313, 319, 322, 901, 904] {
        let (_, effects) = ask(&mut server(), json!({"code": code, "opaque": 1, "flag": 0}), b"");
        assert_eq!(effects, Effects::default(), "{code}");
    }
}

#[test]
fn kv_settings_are_bounded_and_say_so() {
    let mut server = server();
    let value = "x".repeat(KV_BYTES_MAX / 4);
    for key in ["a", "b", "c"] {
        assert_eq!(code_and_remark(&ask(&mut server, put(key, &value), b"").0), (0, String::new()));
    }
    let (answer, effects) = ask(&mut server, put("d", &value), b"");
    assert_eq!(code_and_remark(&answer).0, 1);
    assert!(code_and_remark(&answer).1.contains("4194304 bytes"));
    assert_eq!(effects, Effects::default());
}

#[test]
fn properties_that_requests_change_come_back_to_be_stored() {
    let mut server = server();
    let (answer, effects) = ask(&mut server, json!({"code": 318, "opaque": 1, "flag": 0}), b"scanNotActiveBrokerInterval=1000\n");
    assert_eq!(code_and_remark(&answer).0, 0);
    let Some(Store::Properties(text)) = effects.store else { panic!("{effects:?}") };
    assert!(String::from_utf8(text).unwrap().contains("\nscanNotActiveBrokerInterval=1000\n"));
    assert_eq!(server.scan_interval_ms(), 1000);
}

#[test]
fn only_who_is_told_to_notifies() {
    let register = |id: i64, connection: u64| {
        let fields = json!({"brokerName": "b", "brokerAddr": format!("10.0.0.{id}:1"), "clusterName": "C", "brokerId": id.to_string(),
            "haServerAddr": "h", "enableActingMaster": "true"});
        (json!({"code": 103, "version": 479, "opaque": 1, "flag": 0, "extFields": fields}), ConnectionId(connection))
    };
    for (text, changes) in [("", 0), ("notifyMinBrokerIdChanged=true\n", 1)] {
        let mut server = server();
        ask(&mut server, json!({"code": 318, "opaque": 1, "flag": 0}), text.as_bytes());
        let (slave, _) = register(1, 1);
        ask(&mut server, slave, b"");
        let (master, _) = register(0, 1);
        let (_, effects) = ask(&mut server, master, b"");
        assert_eq!(usize::from(effects.lowest_id_change.is_some()), changes);
        assert_eq!(server.scan(Millis(200_000)).lowest_id_changes.len(), changes);
    }
}
