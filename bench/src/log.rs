//! What the log costs without a disk: an entry reserved and filled, its block closed, written nowhere, and synced.

use std::hint::black_box;
use std::time::Instant;

use ringmq_shards::log::{Flush, GroupCommit, LogOptions, Resume, SyncMethod};
use ringmq_shards::types::{LogPosition, ShardId};

const ENTRY_BYTES: usize = 700; // a record with a body of 500 bytes
const SEGMENT_BYTES: u64 = 1 << 30;

pub fn run(entries: u64) {
    for entries_per_block in [1, 16, 64] {
        let nanos = measure(entries, entries_per_block);
        println!("log    {entries_per_block:>3} entries of {ENTRY_BYTES} bytes a block  {nanos:>8.1} ns/entry");
    }
}

fn measure(entries: u64, entries_per_block: u64) -> f64 {
    let options = LogOptions {
        dir: "unused".into(),
        shard: ShardId(0),
        block_unit: 4096,
        segment_bytes: SEGMENT_BYTES,
        block_bytes_max: 256 << 10,
        entry_bytes_max: 4 << 20,
        pipeline_depth: 4,
        pending_bytes_max: 16 << 20,
        zero_ahead_bytes: 0,
        flush: Flush::Sync,
        sync: SyncMethod::WriteThenSync,
    };
    let resume = Resume { position: LogPosition::ZERO, incarnation: 1, sequence: 0, previous_crc: 0 };
    let mut log = GroupCommit::new(options, resume);
    let entry = [7; ENTRY_BYTES];
    let begun = Instant::now();
    for _ in 0..entries.div_ceil(entries_per_block) {
        log.segments_ready(LogPosition((log.free_from().0 / SEGMENT_BYTES + 2) * SEGMENT_BYTES));
        for _ in 0..entries_per_block {
            let reserved = log.reserve(ENTRY_BYTES, 1).expect("what is pending was written");
            reserved.buffer.copy_from_slice(&entry);
        }
        while let Some(write) = log.next_write() {
            black_box(write.buffer.as_slice());
            black_box(log.synced(write.id));
        }
    }
    begun.elapsed().as_nanos() as f64 / entries as f64
}
