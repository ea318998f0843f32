//! Reads a topic from its first to its last message, checks each record, and counts.

use std::time::Instant;

use ringmq::remoting::message;

use crate::connection::Connection;
use crate::setup::{self, FOUND};

#[derive(clap::Args)]
pub struct Consume {
    #[arg(long, default_value = "127.0.0.1:10911")]
    broker: String,
    #[arg(long, default_value_t = 8)]
    queues: u32,
    #[arg(long, default_value = "BenchTopic")]
    topic: String,
}

const PULL_COUNT: i32 = 256;

pub fn run(args: &Consume) -> Result<(), String> {
    let mut connection = Connection::open(&args.broker).map_err(|error| format!("{}: {error}", args.broker))?;
    let begun = Instant::now();
    let mut count = 0u64;
    for queue in 0..args.queues {
        let end = setup::max_offset(&mut connection, &args.topic, queue)?;
        let mut offset = 0;
        while offset < end {
            let answer = setup::pull(&mut connection, &args.topic, queue, offset, PULL_COUNT)?;
            if answer.code != FOUND {
                return Err(format!("queue {queue} at {offset} of {end}: code {}, {}", answer.code, answer.remark));
            }
            for record in message::records(&answer.body) {
                let record = record.map_err(|error| format!("queue {queue} at {offset}: {error:?}"))?;
                record.verify_crc().map_err(|error| format!("queue {queue} at {offset}: {error:?}"))?;
                if record.queue_offset().0 != offset {
                    return Err(format!("queue {queue}: {:?} stands where {offset} should", record.queue_offset()));
                }
                offset += 1;
                count += 1;
            }
        }
    }
    let took = begun.elapsed().as_secs_f64();
    println!("{count} messages read in {took:.2} s, {:.0} messages/s", count as f64 / took);
    Ok(())
}
