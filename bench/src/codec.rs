//! What the wire costs without a socket: a binary send parsed to its typed request, and its answer written.

use std::hint::black_box;
use std::time::Instant;

use ringmq::remoting::message::id::OffsetMessageId;
use ringmq::remoting::request::send::{SendMessage, SendResponse, write_region};
use ringmq::remoting::{Encoding, Header, ResponseWriter, split};

use crate::setup;

pub fn run(messages: u64) {
    let mut request = Vec::new();
    let properties = "UNIQ_KEY\u{1}0A0102032345CAFEF00D47B794000000\u{2}WAIT\u{1}true\u{2}";
    setup::send("Bench", 3, properties, 1, 1_700_000_000_000, &[7; 500], &mut request);

    let begun = Instant::now();
    for _ in 0..messages {
        let (frame, _) = split(black_box(&request)).expect("a frame").expect("a whole one");
        let header = Header::parse(&frame).expect("a header");
        black_box(SendMessage::decode(&header).expect("a send"));
    }
    report("send parsed", begun, messages);

    let broker = "10.0.0.1:10911".parse().expect("an address");
    let mut out = Vec::with_capacity(1 << 10);
    let begun = Instant::now();
    for number in 0..messages {
        out.clear();
        let answer = SendResponse {
            msg_id: OffsetMessageId { broker, physical_offset: number as i64 },
            queue_id: 3,
            queue_offset: number as i64,
            transaction_id: Some("0A0102032345CAFEF00D47B794000000"),
            batch_uniq_id: None,
            recall_handle: None,
        };
        let writer = answer.encode(ResponseWriter::new(&mut out, Encoding::Binary, 7, 0));
        write_region("DefaultRegion", true, writer).finish();
        black_box(&out);
    }
    report("answer written", begun, messages);
}

fn report(what: &str, begun: Instant, messages: u64) {
    println!("codec  {what:<31}  {:>8.1} ns/message", begun.elapsed().as_nanos() as f64 / messages as f64);
}
