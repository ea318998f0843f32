//! The names that readers of `--json` rely on.

use std::sync::mpsc;

use serde_json::json;

use super::*;
use crate::load::clock::Span;
use crate::load::collect::Collector;
use crate::load::failures::Kind;
use crate::load::output::Output;
use crate::load::recorder::Recorder;
use crate::load::results::{Role, Style};

const ROLE: Role = Role { name: "produce", metrics: &["send"], style: Style::Producer };

fn names(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn a_report_has_these_names() {
    let span = Span::new(0.0, Some(1.0));
    let (sender, events) = mpsc::channel();
    let mut recorder = Recorder::new(0, 0, sender, span, 1);
    recorder.sent(5, 0);
    recorder.success(5, 7, 1, 500);
    recorder.latency(0, 5, 2_000_000);
    recorder.failure(Kind::Response, 13, "illegal", 1);
    recorder.finish(clock::SECOND / 2, 0);
    let mut collector = Collector::new(clock::Clock::start(), &[(ROLE, span, 1)], events);
    collector.run_until_done(&[0], &mut Output::silent()).expect("the thread is done");
    let results = collector.results();
    let report = Report::new("produce", 1_767_261_600_042, json!({"threads": 1}), &results, Value::Null);
    let value = serde_json::to_value(&report).expect("it is JSON");
    let sorted = |mut names: Vec<&'static str>| {
        names.sort_unstable();
        names
    };
    assert_eq!(
        names(&value),
        sorted(vec![
            "format",
            "tool",
            "version",
            "command",
            "command_line",
            "started_at",
            "ended_at",
            "config",
            "results",
            "findings",
            "samples",
            "verdict"
        ])
    );
    assert_eq!(value["started_at"], "2026-01-01T10:00:00.042Z");
    let result = &value["results"][0];
    for (name, should) in
        [("messages", 1), ("requests", 1), ("bytes", 500), ("sent", 1), ("planned", 1), ("unsent", 0), ("failed", 1)]
    {
        assert_eq!(result[name], should, "{name}");
    }
    for name in ["role", "threads", "warmup_seconds", "seconds", "late", "late_max_ms", "messages_per_second", "bytes_per_second"]
    {
        assert!(!result[name].is_null(), "{name}");
    }
    assert_eq!(result["failures"][0], json!({"kind": "response", "code": 13, "remark": "illegal", "count": 1}));
    let latency = &result["latencies"][0];
    assert_eq!(latency["name"], "send");
    assert_eq!(names(&latency["ms"]), ["count", "max", "mean", "min", "p50", "p90", "p99", "p99_9", "p99_99"]);
    assert_eq!(names(&latency["curve"][0]), ["count", "ms", "percentile"]);
    let second = &result["intervals"][0];
    assert_eq!(
        (second["second"].as_u64(), second["seconds"].as_f64(), second["warmup"].as_bool()),
        (Some(0), Some(0.5), Some(false))
    );
    assert_eq!(second["latencies_ms"][0]["count"], 1);
}
