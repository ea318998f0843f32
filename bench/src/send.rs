//! A closed loop: each connection keeps so many sends under way, and each answer starts the next one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::connection::{Connection, wait};
use crate::setup::{self, HeaderEncoding};

#[derive(clap::Args)]
pub struct Send {
    #[arg(long, default_value = "127.0.0.1:10911")]
    broker: String,
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// Sends under way on each connection
    #[arg(long, default_value_t = 1)]
    in_flight: usize,
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Stops after so many messages, whatever the time
    #[arg(long)]
    count: Option<u64>,
    /// Bytes of a body
    #[arg(long, default_value_t = 500)]
    body: usize,
    #[arg(long, default_value_t = 8)]
    queues: u32,
    #[arg(long, default_value = "BenchTopic")]
    topic: String,
    #[arg(long, value_enum, default_value_t = HeaderEncoding::Binary)]
    header: HeaderEncoding,
}

const PROPERTIES: &str = "UNIQ_KEY\u{1}0A0102032345CAFEF00D47B794000000\u{2}WAIT\u{1}true\u{2}";
/// How long answers may take once nothing new is sent.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

pub fn run(args: &Send) -> Result<(), String> {
    let open = || Connection::open(&args.broker).map_err(|error| format!("{}: {error}", args.broker));
    setup::create_topic(&mut open()?, &args.topic, args.queues)?;
    let mut connections = (0..args.connections).map(|_| open()).collect::<Result<Vec<_>, _>>()?;
    let body = vec![b'x'; args.body];
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(args.seconds);
    let limit = args.count.unwrap_or(u64::MAX);
    // When the send under each number went out; the number is its opaque.
    let mut sent_at = vec![vec![begun; args.in_flight]; args.connections];
    let (mut sent, mut under_way) = (0u64, 0u64);
    // With bounds: one that grows does not do so for saturating records.
    let mut latencies = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3).expect("3 digits are allowed");
    let mut refused = BTreeMap::<(i32, String), u64>::new();

    for (connection, slots) in connections.iter_mut().zip(&mut sent_at) {
        for (slot, at) in slots.iter_mut().enumerate().take((limit - sent) as usize) {
            *at = Instant::now();
            let queue = (sent % u64::from(args.queues)) as u32;
            setup::send_as(args.header, &args.topic, queue, PROPERTIES, slot as i32, setup::millis(), &body, &mut connection.out);
            sent += 1;
            under_way += 1;
        }
        connection.flush().map_err(|error| error.to_string())?;
    }
    let (mut ready, mut answered) = (Vec::new(), Vec::new());
    while under_way > 0 {
        if Instant::now() > end + DRAIN_LIMIT {
            return Err(format!("{under_way} sends were not answered for {DRAIN_LIMIT:?}"));
        }
        wait(&connections, Duration::from_millis(100), &mut ready).map_err(|error| error.to_string())?;
        for &index in &ready {
            let connection = &mut connections[index];
            let now = Instant::now();
            let read = connection.read(|header, _| {
                if header.code == 0 {
                    latencies.saturating_record((now - sent_at[index][header.opaque as usize]).as_nanos() as u64);
                } else {
                    let remark = header.remark.as_deref().unwrap_or_default().to_string();
                    *refused.entry((header.code, remark)).or_default() += 1;
                }
                answered.push(header.opaque);
            });
            read.map_err(|error| format!("{}: {error}", args.broker))?;
            under_way -= answered.len() as u64;
            let born = setup::millis();
            for slot in answered.drain(..) {
                if now < end && sent < limit {
                    let queue = (sent % u64::from(args.queues)) as u32;
                    sent_at[index][slot as usize] = now;
                    setup::send_as(args.header, &args.topic, queue, PROPERTIES, slot, born, &body, &mut connection.out);
                    sent += 1;
                    under_way += 1;
                }
            }
            connection.flush().map_err(|error| format!("{}: {error}", args.broker))?;
        }
    }
    let took = begun.elapsed().as_secs_f64();
    let millis = |quantile| latencies.value_at_quantile(quantile) as f64 / 1e6;
    println!(
        "{}x{}  {} messages  {:.0} messages/s  p50 {:.3} ms  p99 {:.3} ms  p99.9 {:.3} ms",
        args.connections,
        args.in_flight,
        latencies.len(),
        latencies.len() as f64 / took,
        millis(0.5),
        millis(0.99),
        millis(0.999)
    );
    for ((code, remark), count) in &refused {
        println!("refused {count}: code {code}, {remark}");
    }
    if latencies.is_empty() { Err("not one send was acknowledged".to_string()) } else { Ok(()) }
}
