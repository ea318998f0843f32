//! `ringmq send`: messages out, one at a time, with where each went and how long it took.

use std::io::Write;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;

use super::client::{ClientError, Connection};
use super::route::{self, DEFAULT_QUEUES, DEFAULT_TOPIC, Share};

const SEND_MESSAGE_V2: i32 = 310;
/// Stored, but a copy or the disk did not confirm in time.
const STORED_UNCONFIRMED: [i32; 3] = [10, 11, 12];
const GROUP: &str = "ringmq-send";

pub struct Outgoing<'a> {
    pub topic: &'a str,
    pub body: &'a [u8],
    pub keys: Option<&'a str>,
    pub tag: Option<&'a str>,
    pub count: u64,
    pub namesrv: &'a str,
}

pub fn send(outgoing: &Outgoing<'_>, out: &mut dyn Write) -> Result<(), ClientError> {
    let mut namesrv = Connection::open_first(outgoing.namesrv)?;
    let mut brokers = Vec::new();
    for share in writable(&mut namesrv, outgoing.topic)? {
        brokers.push((Connection::open(&share.address)?, share));
    }
    let queues: Vec<(usize, u32)> =
        (0..).zip(&brokers).flat_map(|(broker, (_, share))| (0..share.writable).map(move |queue| (broker, queue))).collect();
    // Begins anywhere, so that single sends spread over the queues too.
    let first = millis() as usize % queues.len();
    // Up to a minute: a histogram without bounds would clip what is recorded saturating.
    let mut latencies = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3).expect("the bounds are allowed");
    let (begun, mut last_shown) = (Instant::now(), Instant::now());
    for number in 0..outgoing.count {
        let (broker, queue) = queues[(first + number as usize) % queues.len()];
        let (connection, share) = &mut brokers[broker];
        let unique = unique_key(number);
        let fields = fields(outgoing, share, queue, &unique);
        let sent = Instant::now();
        let answer = connection.call(SEND_MESSAGE_V2, &fields, outgoing.body)?;
        let took = sent.elapsed();
        if answer.code != 0 && !STORED_UNCONFIRMED.contains(&answer.code) {
            return Err(connection.refused("take the message", &answer));
        }
        latencies.saturating_record(took.as_micros() as u64);
        let show = |name: &str| answer.fields.get(name).map(String::as_str).unwrap_or("?");
        if outgoing.count == 1 {
            let unconfirmed = if answer.code == 0 { String::new() } else { format!("  not confirmed: code {}", answer.code) };
            _ = writeln!(
                out,
                "msgId {unique}  offsetMsgId {}  queue {}/{}  offset {}  {:.3} ms{unconfirmed}",
                show("msgId"),
                share.broker,
                show("queueId"),
                show("queueOffset"),
                took.as_secs_f64() * 1e3
            );
        } else if last_shown.elapsed() > Duration::from_secs(1) {
            last_shown = Instant::now();
            _ = writeln!(
                out,
                "{} sent, last: queue {}/{} offset {}",
                number + 1,
                share.broker,
                show("queueId"),
                show("queueOffset")
            );
        }
    }
    if outgoing.count > 1 {
        _ = writeln!(out, "{}", summary(&latencies, begun.elapsed()));
    }
    Ok(())
}

/// Masters that take messages of this topic, or of the default topic when a first message may create it.
fn writable(namesrv: &mut Connection, topic: &str) -> Result<Vec<Share>, ClientError> {
    let shares = match route::route(namesrv, topic)? {
        Some(shares) => shares,
        None => {
            let missing = || ClientError::NoRoute { topic: topic.to_string(), namesrv: namesrv.address().to_string() };
            let missing = missing();
            let mut shares = route::route(namesrv, DEFAULT_TOPIC)?.ok_or(missing)?;
            shares.iter_mut().for_each(|share| share.writable = share.writable.min(DEFAULT_QUEUES));
            shares
        }
    };
    let shares: Vec<Share> = shares.into_iter().filter(|share| share.writable > 0).collect();
    match shares.is_empty() {
        true => Err(ClientError::NoQueue { topic: topic.to_string(), wanted: "write" }),
        false => Ok(shares),
    }
}

/// The one-letter header of SEND_MESSAGE_V2.
fn fields(outgoing: &Outgoing<'_>, share: &Share, queue: u32, unique: &str) -> [(&'static str, String); 14] {
    let mut properties = format!("UNIQ_KEY\u{1}{unique}\u{2}WAIT\u{1}true\u{2}");
    for (name, value) in [("KEYS", outgoing.keys), ("TAGS", outgoing.tag)] {
        if let Some(value) = value {
            properties.push_str(&format!("{name}\u{1}{value}\u{2}"));
        }
    }
    let zero = || "0".to_string();
    [
        ("a", GROUP.to_string()),
        ("b", outgoing.topic.to_string()),
        ("c", DEFAULT_TOPIC.to_string()),
        ("d", DEFAULT_QUEUES.to_string()),
        ("e", queue.to_string()),
        ("f", zero()),
        ("g", millis().to_string()),
        ("h", zero()),
        ("i", properties),
        ("j", zero()),
        ("k", "false".to_string()),
        ("l", zero()),
        ("m", "false".to_string()),
        ("n", share.broker.clone()),
    ]
}

/// 16 bytes in hexadecimal, as long as the stock client's: time, process, number.
fn unique_key(number: u64) -> String {
    let micros = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64);
    format!("{micros:016X}{:08X}{:08X}", std::process::id(), number as u32)
}

fn millis() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

fn summary(latencies: &Histogram<u64>, took: Duration) -> String {
    let at = |quantile: f64| latencies.value_at_quantile(quantile) as f64 / 1e3;
    format!(
        "{} sent, one at a time, in {:.2} s: {:.0}/s; latency ms: p50 {:.3}  p99 {:.3}  p99.9 {:.3}  max {:.3}",
        latencies.len(),
        took.as_secs_f64(),
        latencies.len() as f64 / took.as_secs_f64(),
        at(0.5),
        at(0.99),
        at(0.999),
        latencies.max() as f64 / 1e3
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_carry_key_and_tag() {
        let outgoing = Outgoing { topic: "T", body: b"", keys: Some("k1 k2"), tag: Some("a"), count: 1, namesrv: "" };
        let share = Share { broker: "b".to_string(), address: String::new(), readable: 4, writable: 4 };
        let fields = fields(&outgoing, &share, 3, "U");
        assert_eq!(fields[4], ("e", "3".to_string()));
        assert_eq!(fields[8].1, "UNIQ_KEY\u{1}U\u{2}WAIT\u{1}true\u{2}KEYS\u{1}k1 k2\u{2}TAGS\u{1}a\u{2}");
    }

    #[test]
    fn unique_keys_are_as_long_as_the_stock_clients() {
        assert_eq!(unique_key(0).len(), 32);
        assert_ne!(unique_key(0), unique_key(1));
    }

    #[test]
    fn the_summary() {
        let mut latencies = Histogram::new(3).unwrap();
        (1..=1000).for_each(|micros| latencies.record(micros).unwrap());
        assert_eq!(
            summary(&latencies, Duration::from_secs(2)),
            "1000 sent, one at a time, in 2.00 s: 500/s; latency ms: p50 0.500  p99 0.990  p99.9 0.999  max 1.000"
        );
    }
}
