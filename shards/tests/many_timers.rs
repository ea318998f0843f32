//! What ten million waiting messages cost: memory, the snapshot's bytes, and the time to load it.
//!
//! Ignored, since it takes a gigabyte of memory and, without optimisation, most of a minute:
//! `cargo test --release -p ringmq-shards --test many_timers -- --ignored --nocapture`

use std::time::{Duration, Instant};

use ringmq_shards::timer::{Pending, Timers};
use ringmq_shards::types::{LogPosition, Millis};

const MESSAGES: u64 = 10_000_000;
const RECORD: u64 = 600;
/// Three days, the most that a timer may wait.
const MILLIS: u64 = 3 * 86_400_000;
const SLICE_BYTES: usize = 256 << 10;
const BYTES_EACH_MAX: usize = 24;
const LOAD_MAX: Duration = Duration::from_secs(10);

#[test]
#[ignore = "takes a gigabyte of memory; the command is above"]
fn ten_million_wait() {
    let begun = Instant::now();
    let mut timers = Timers::new(MESSAGES as usize);
    for number in 0..MESSAGES {
        let deliver_at = Millis((number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % MILLIS) as i64);
        let position = LogPosition(4096 + number * RECORD);
        timers.add(&Pending { position, size: RECORD as u32, deliver_at, lane: 64, key: number as u32 & 0x3F_FFFF });
    }
    let added = begun.elapsed();
    let bytes = timers.bytes();
    let end = LogPosition(u64::MAX);
    let (mut slices, mut at) = (Vec::new(), Some(i64::MIN));
    let begun = Instant::now();
    while let Some(second) = at {
        let mut slice = Vec::new();
        at = timers.encode_slice(end, second, SLICE_BYTES, &mut slice);
        slices.push(slice);
    }
    let encoded = begun.elapsed();
    let snapshot: usize = slices.iter().map(Vec::len).sum();
    let begun = Instant::now();
    let mut loaded = Timers::new(MESSAGES as usize);
    for slice in &slices {
        loaded.load_slice(slice).expect("just written");
    }
    let load = begun.elapsed();
    println!(
        "{MESSAGES} messages wait: added in {added:?}; {bytes} bytes, {} each; snapshot {snapshot} bytes in {} slices, written in \
         {encoded:?}, loaded in {load:?} ({} bytes, {} each)",
        bytes / MESSAGES as usize,
        slices.len(),
        loaded.bytes(),
        loaded.bytes() / MESSAGES as usize,
    );
    assert_eq!((loaded.len(), timers.len()), (MESSAGES as usize, MESSAGES as usize));
    assert!(bytes / MESSAGES as usize <= BYTES_EACH_MAX, "{bytes} bytes");
    assert!(load < LOAD_MAX, "{load:?}");
}
