//! A consumer that keeps up: long polls on some queues of a topic from their ends on, and counts what arrives.
//!
//! One connection and one pull under way for each queue, as a push consumer has them. Records are counted by the offsets the
//! broker names and not parsed, so that the load takes as little of the machine as it can; `consume` is what checks records.
//! Each second a line goes out with the counts so far: whoever measures a window takes the difference of two lines.

use std::io::Write;
use std::time::{Duration, Instant};

use ringmq::remoting::request::pull::PullMessage;
use ringmq::remoting::{RequestWriter, sysflag};

use crate::connection::{Connection, wait};
use crate::setup::{self, FOUND, HeaderEncoding};

#[derive(clap::Args)]
pub struct Follow {
    #[arg(long, default_value = "127.0.0.1:10911")]
    broker: String,
    #[arg(long, default_value = setup::GROUP)]
    group: String,
    #[arg(long, default_value = "BenchTopic")]
    topic: String,
    /// The queue numbers to pull from
    #[arg(long, value_delimiter = ',', default_value = "0,1,2,3,4,5,6,7")]
    queues: Vec<u32>,
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Messages asked for with one pull; 32 is a stock push consumer's
    #[arg(long, default_value_t = 32)]
    batch: i32,
    #[arg(long, value_enum, default_value_t = HeaderEncoding::Binary)]
    header: HeaderEncoding,
}

const PULL_MESSAGE: i32 = 11;
/// Answers without records after which the same pull is sent again: none yet, ask again, and an offset that moved.
const EMPTY: [i32; 3] = [19, 20, 21];
/// How long the broker may hold a pull; a stock push consumer's.
const HOLD: Duration = Duration::from_secs(15);

pub fn run(args: &Follow) -> Result<(), String> {
    let lost = |error: std::io::Error| format!("{}: {error}", args.broker);
    let mut connection = Connection::open(&args.broker).map_err(lost)?;
    let mut offsets = Vec::new();
    for &queue in &args.queues {
        offsets.push(setup::max_offset(&mut connection, &args.topic, queue)?);
    }
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(args.seconds);
    let mut count = Count::default();
    count.report(begun)?;
    for (slot, &offset) in offsets.iter().enumerate() {
        args.pull(slot, offset, &mut connection.out);
    }
    let mut answered = Vec::new();
    let mut next_report = begun + Duration::from_secs(1);
    loop {
        connection.flush().map_err(lost)?;
        let now = Instant::now();
        if now >= next_report || now >= end {
            count.report(begun)?;
            next_report += Duration::from_secs(1);
        }
        if now >= end {
            return Ok(());
        }
        wait(std::slice::from_ref(&connection), next_report.min(end) - now, &mut Vec::new()).map_err(lost)?;
        let read = connection.read(|header, body| {
            let next = header.field("nextBeginOffset").and_then(|text| text.parse::<i64>().ok());
            let remark = if header.code == FOUND || EMPTY.contains(&header.code) { None } else { header.remark.as_deref() };
            answered.push((header.opaque as usize, header.code, next, body.len() as u64, remark.unwrap_or_default().to_string()));
        });
        read.map_err(lost)?;
        for (slot, code, next, bytes, remark) in answered.drain(..) {
            let Some(next) = next.filter(|_| code == FOUND || EMPTY.contains(&code)) else {
                let (queue, offset) = (args.queues[slot], offsets[slot]);
                return Err(format!("queue {queue} at {offset}: the broker answered a pull with code {code}, {remark}"));
            };
            if code == FOUND {
                count.messages += (next - offsets[slot]) as u64;
                count.bytes += bytes;
                count.pulls += 1;
            }
            offsets[slot] = next;
            args.pull(slot, next, &mut connection.out);
        }
    }
}

#[derive(Default)]
struct Count {
    messages: u64,
    bytes: u64,
    /// Those that brought messages.
    pulls: u64,
}

impl Count {
    /// Fails when nobody reads any more: then nobody wants the load either.
    fn report(&self, begun: Instant) -> Result<(), String> {
        let seconds = begun.elapsed().as_secs_f64();
        let Count { messages, bytes, pulls } = self;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{seconds:.1} s  {messages} messages  {bytes} bytes  {pulls} pulls")
            .and_then(|()| out.flush())
            .map_err(|error| format!("standard output: {error}"))
    }
}

impl Follow {
    /// With the offset reached so far as the group's, as a push consumer's pull carries it.
    fn pull(&self, slot: usize, offset: i64, out: &mut Vec<u8>) {
        let pull = PullMessage {
            consumer_group: &self.group,
            topic: &self.topic,
            queue_id: self.queues[slot] as i32,
            queue_offset: offset,
            max_msg_nums: self.batch,
            sys_flag: sysflag::pull::COMMIT_OFFSET | sysflag::pull::SUSPEND | sysflag::pull::SUBSCRIPTION,
            commit_offset: Some(offset),
            suspend_timeout_millis: HOLD.as_millis() as i64,
            subscription: Some("*"),
            sub_version: 0,
            expression_type: Some("TAG"),
            max_msg_bytes: None,
            request_source: None,
            proxy_forward_client_id: None,
        };
        let writer = RequestWriter::new(out, self.header.encoding(), slot as i32, PULL_MESSAGE);
        pull.encode(writer).finish().expect("it fits a frame");
    }
}
