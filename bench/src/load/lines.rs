//! A second of the run as one line, in the words of RocketMQ's own benchmark, so that what reads its output reads ours.

use chrono::{Local, TimeZone};

use super::interval::{Interval, Row};
use super::results::{Role, Style};

/// What came of the run up to the end of a line's second: the original counts failures so, and whoever measures a window
/// takes the difference of two lines.
#[derive(Default)]
pub struct SoFar {
    messages: u64,
    requests: u64,
    bytes: u64,
    send_failed: u64,
    response_failed: u64,
}

impl SoFar {
    pub fn add(&mut self, interval: &Interval) {
        self.messages += interval.messages;
        self.requests += interval.requests;
        self.bytes += interval.bytes;
        self.send_failed += interval.send_failed;
        self.response_failed += interval.response_failed;
    }
}

pub fn of(role: &Role, at: i64, row: &Row, so_far: &SoFar) -> String {
    let warmup = if row.warmup { " | warm-up" } else { "" };
    match role.style {
        Style::Producer => format!("{}{warmup}", producer(&time(at), row, so_far)),
        Style::Consumer => format!("{}{warmup}", consumer(&time(at), row, so_far)),
        Style::Popper => format!("{}{warmup}", popper(&time(at), row, so_far)),
    }
}

fn producer(time: &str, row: &Row, so_far: &SoFar) -> String {
    let latency = &row.latencies_ms[0];
    format!(
        "Current Time: {time} | Send TPS: {:.0} | Max RT(ms): {:.0} | Average RT(ms): {:7.3} | Send Failed: {} | Response Failed: {}",
        row.messages_per_second(),
        latency.max,
        latency.mean,
        so_far.send_failed,
        so_far.response_failed
    )
}

/// B2C: born to consumed; S2C: stored to consumed. The bytes and what is counted so far are ours.
fn consumer(time: &str, row: &Row, so_far: &SoFar) -> String {
    let none = Default::default();
    let (born, stored) = match &row.latencies_ms[..] {
        [born, stored, ..] => (born, stored),
        _ => (&none, &none),
    };
    let bytes_per_second = if row.seconds > 0.0 { row.bytes as f64 / row.seconds } else { 0.0 };
    format!(
        "Current Time: {time} | Consume TPS: {:.0} | AVG(B2C) RT(ms): {:7.3} | AVG(S2C) RT(ms): {:7.3} | MAX(B2C) RT(ms): {:.0} | \
         MAX(S2C) RT(ms): {:.0} | Consume Fail: {} | MB/s: {:.1} | So far: {} messages {} bytes {} pulls",
        row.messages_per_second(),
        born.mean,
        stored.mean,
        born.max,
        stored.max,
        so_far.send_failed + so_far.response_failed,
        bytes_per_second / 1e6,
        so_far.messages,
        so_far.bytes,
        so_far.requests
    )
}

/// Messages count when they are acked.
fn popper(time: &str, row: &Row, so_far: &SoFar) -> String {
    let (pop, ack) = (&row.latencies_ms[0], &row.latencies_ms[1]);
    format!(
        "Current Time: {time} | Consume TPS: {:.0} | AVG(pop) RT(ms): {:7.3} | AVG(ack) RT(ms): {:7.3} | MAX(pop) RT(ms): {:.0} | \
         MAX(ack) RT(ms): {:.0} | Consume Fail: {} | So far: {} messages {} bytes {} acks",
        row.messages_per_second(),
        pop.mean,
        ack.mean,
        pop.max,
        ack.max,
        so_far.send_failed + so_far.response_failed,
        so_far.messages,
        so_far.bytes,
        so_far.requests
    )
}

/// Local time, as the original prints it.
fn time(millis: i64) -> String {
    match Local.timestamp_millis_opt(millis).single() {
        Some(time) => time.format("%Y-%m-%d %H:%M:%S,%3f").to_string(),
        None => millis.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(metrics: usize) -> Row {
        let mut interval = Interval::new(3, metrics);
        interval.messages = 12345;
        interval.bytes = 2_500_000;
        for latency in &mut interval.latencies {
            latency.record_n(1_234_000, 99).expect("in bounds");
        }
        interval.row(false)
    }

    #[test]
    fn a_second_of_sends_is_rocketmqs_line() {
        assert_eq!(
            producer("2026-01-01 10:00:00,000", &row(1), &SoFar { response_failed: 2, ..SoFar::default() }),
            "Current Time: 2026-01-01 10:00:00,000 | Send TPS: 12345 | Max RT(ms): 1 | Average RT(ms):   1.234 | Send Failed: 0 | \
             Response Failed: 2"
        );
    }

    #[test]
    fn a_second_of_reads_is_rocketmqs_line_and_bytes() {
        assert_eq!(
            consumer(
                "2026-01-01 10:00:00,000",
                &row(3),
                &SoFar { messages: 5, requests: 2, bytes: 600, send_failed: 1, response_failed: 2 }
            ),
            "Current Time: 2026-01-01 10:00:00,000 | Consume TPS: 12345 | AVG(B2C) RT(ms):   1.234 | AVG(S2C) RT(ms):   1.234 | \
             MAX(B2C) RT(ms): 1 | MAX(S2C) RT(ms): 1 | Consume Fail: 3 | MB/s: 2.5 | So far: 5 messages 600 bytes 2 pulls"
        );
    }

    #[test]
    fn a_second_of_pops_says_what_pops_and_acks_took() {
        assert_eq!(
            popper("2026-01-01 10:00:00,000", &row(2), &SoFar { messages: 5, requests: 2, bytes: 600, ..SoFar::default() }),
            "Current Time: 2026-01-01 10:00:00,000 | Consume TPS: 12345 | AVG(pop) RT(ms):   1.234 | AVG(ack) RT(ms):   1.234 | \
             MAX(pop) RT(ms): 1 | MAX(ack) RT(ms): 1 | Consume Fail: 0 | So far: 5 messages 600 bytes 2 acks"
        );
    }

    #[test]
    fn time_has_the_originals_form() {
        let time = time(1_767_261_600_042);
        assert_eq!(time.len(), "2026-01-01 10:00:00,000".len());
        assert!(time.ends_with(",042"), "{time}");
    }
}
