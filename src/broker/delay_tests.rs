//! What waits where, for every property that asks for it: see `delay`.

use super::*;
use crate::config::{BROKER, Layers};
use ringmq_shards::placement::Routing;
use std::path::Path;

const NOW: Millis = Millis(1_000_000);

fn settings(text: &str) -> Settings {
    let mut layers = Layers::new(&BROKER);
    layers.text(Path::new("broker.conf"), text);
    Settings::from_values(layers.finish().expect("allowed"))
}

fn stored(text: &str) -> Vec<u8> {
    text.replace('=', "\u{1}").replace(';', "\u{2}").into_bytes()
}

fn shown(properties: &[u8]) -> String {
    String::from_utf8_lossy(properties).replace('\u{1}', "=").replace('\u{2}', ";")
}

/// `topic/queue properties`, or `- properties`, or the refusal's code.
fn diverted(settings: &Settings, sent: &str) -> String {
    let mut properties = stored(sent);
    let rules = Rules { settings, placement: Placement::new(1, Routing::Mesh), here: ShardId(0) };
    match divert(rules, NOW, "T", 2, &mut properties) {
        Ok(Some(diverted)) => format!("{}/{} {}", diverted.topic, diverted.queue_id, shown(&properties)),
        Ok(None) => format!("- {}", shown(&properties)),
        Err(refusal) => format!("{:?}", refusal.code),
    }
}

#[test]
fn levels_wait_in_their_queue() {
    let settings = settings("");
    for (sent, expected) in [
        ("DELAY=1;", "SCHEDULE_TOPIC_XXXX/0 DELAY=1;__DELIVER_MS=1001000;REAL_TOPIC=T;REAL_QID=2;"),
        ("DELAY=18;A=b;", "SCHEDULE_TOPIC_XXXX/17 DELAY=18;A=b;__DELIVER_MS=8200000;REAL_TOPIC=T;REAL_QID=2;"),
        ("DELAY=99;", "SCHEDULE_TOPIC_XXXX/17 DELAY=99;__DELIVER_MS=8200000;REAL_TOPIC=T;REAL_QID=2;"),
        (
            "DELAY=2;TIMER_DELAY_MS=5;TIMER_DELAY_SEC=x;TIMER_DELIVER_MS=1;",
            "SCHEDULE_TOPIC_XXXX/1 DELAY=2;__DELIVER_MS=1005000;REAL_TOPIC=T;REAL_QID=2;",
        ),
        // Sent back: what it waited with before is no more.
        (
            "REAL_TOPIC=x;REAL_QID=9;__DELIVER_MS=1;TIMER_OUT_MS=5;DELAY=3;",
            "SCHEDULE_TOPIC_XXXX/2 TIMER_OUT_MS=5;DELAY=3;__DELIVER_MS=1010000;REAL_TOPIC=T;REAL_QID=2;",
        ),
        ("DELAY=0;A=b;", "- DELAY=0;A=b;"),
        ("DELAY=-1;", "- DELAY=-1;"),
        ("DELAY=x;", "SystemError"),
        ("", "- "),
    ] {
        assert_eq!(diverted(&settings, sent), expected, "{sent}");
    }
    let short = self::settings("messageDelayLevel=2s 3s");
    assert!(diverted(&short, "DELAY=3").contains("/1 DELAY=3;__DELIVER_MS=1003000;"));
}

#[test]
fn timers_wait_until_their_time() {
    let settings = settings("timerMaxDelaySec=100");
    let timer = |sent: &str, out: i64| format!("rmq_sys_wheel_timer/0 {sent}TIMER_OUT_MS={out};REAL_TOPIC=T;REAL_QID=2;");
    for (sent, expected) in [
        ("TIMER_DELAY_MS=1500;", timer("TIMER_DELAY_MS=1500;", 1_001_499)),
        ("TIMER_DELAY_SEC=2;", timer("TIMER_DELAY_SEC=2;", 1_001_999)),
        ("TIMER_DELIVER_MS=1000001;", timer("TIMER_DELIVER_MS=1000001;", 1_000_000)),
        (
            "TIMER_DELIVER_MS=1;TIMER_DELAY_MS=9;TIMER_DELAY_SEC=1;",
            timer("TIMER_DELIVER_MS=1;TIMER_DELAY_MS=9;TIMER_DELAY_SEC=1;", 1_000_999),
        ),
        ("TIMER_DELAY_SEC=100;", timer("TIMER_DELAY_SEC=100;", 1_099_999)),
        ("TIMER_DELAY_MS=100001;", "MessageIllegal".into()),
        ("TIMER_DELAY_SEC=9223372036854775807;", "MessageIllegal".into()),
        ("TIMER_DELAY_SEC=x;", "MessageIllegal".into()),
        ("TIMER_DELIVER_MS=999999;", "- TIMER_DELIVER_MS=999999;".into()),
        ("TIMER_DELAY_MS=0;", "- TIMER_DELAY_MS=0;".into()),
        ("TIMER_DELIVER_MS=1;TIMER_DEL_UNIQKEY=T+k;", "MessageIllegal".into()),
        ("TIMER_DELAY_MS=5;TIMER_OUT_MS=1;", "- TIMER_DELAY_MS=5;TIMER_OUT_MS=1;".into()),
    ] {
        assert_eq!(diverted(&settings, sent), expected, "{sent}");
    }
    assert_eq!(diverted(&self::settings("timerWheelEnable=false"), "TIMER_DELAY_MS=5;"), "SystemError");
}

#[test]
fn a_deletion_names_topic_and_key() {
    let of = |named: &str| {
        let settings = settings("");
        let rules = Rules { settings: &settings, placement: Placement::new(1, Routing::Mesh), here: ShardId(0) };
        let mut properties = stored(&format!("TIMER_DELAY_MS=7;TIMER_DEL_UNIQKEY={named};"));
        let target = divert(rules, NOW, "T", 0, &mut properties).unwrap().unwrap().takes_back.unwrap();
        assert_eq!(target.deliver_at, Millis(1_000_007));
        (target.topic, target.unique_key)
    };
    assert_eq!(of("other+k+1"), ("other".into(), "k+1".into()));
    assert_eq!(of("k1"), ("T".into(), "k1".into()));
}

#[test]
fn it_waits_on_the_shard_of_its_real_queue() {
    let settings = settings("");
    let placement = Placement::new(3, Routing::Mesh);
    let rules = Rules { settings: &settings, placement, here: ShardId(0) };
    for queue_id in 0..6 {
        for sent in ["DELAY=4;", "TIMER_DELAY_MS=9;"] {
            let diverted = divert(rules, NOW, "T", queue_id, &mut stored(sent)).unwrap().unwrap();
            let real = placement.queue("T", queue_id, ShardId(0));
            assert_eq!(placement.queue(diverted.topic, diverted.queue_id, ShardId(0)), real);
        }
    }
}
