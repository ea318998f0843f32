use super::*;
use crate::log::SyncMethod;
use crate::types::ShardId;

const UNIT: u64 = 4096;

fn options() -> LogOptions {
    LogOptions {
        dir: "unused".into(),
        shard: ShardId(0),
        block_unit: UNIT as u32,
        segment_bytes: 64 * UNIT,
        block_bytes_max: 4 * UNIT as usize,
        entry_bytes_max: 16 * UNIT as usize,
        pipeline_depth: 3,
        pending_bytes_max: 8 * UNIT as usize,
        zero_ahead_bytes: 0,
        flush: Flush::Sync,
        sync: SyncMethod::WriteThenSync,
    }
}

fn log(options: LogOptions) -> GroupCommit {
    GroupCommit::new(options, Resume { position: LogPosition::ZERO, incarnation: 1, sequence: 0, previous_crc: 0 })
}

fn put(log: &mut GroupCommit, bytes: usize) -> LogPosition {
    let reserved = log.reserve(bytes, 1).expect("room");
    reserved.buffer.fill(7);
    reserved.position
}

#[test]
fn an_idle_disk_gets_what_is_there_and_the_next_block_fills_meanwhile() {
    let mut log = log(options());
    put(&mut log, 100);
    let first = log.next_write().expect("an idle pipeline takes it at once");
    assert_eq!((first.position, first.payload.clone()), (LogPosition(0), 128..228));
    assert_eq!(first.buffer.len(), UNIT as usize, "padded to a unit");
    assert_eq!(put(&mut log, 100), LogPosition(UNIT + 128), "a written block is never filled further");
    assert_eq!(put(&mut log, 50), LogPosition(UNIT + 228));
    let second = log.next_write().expect("the pipeline is not full");
    assert_eq!(second.payload, 128..278);
    assert_eq!(log.durable(), LogPosition(0));
    log.synced(first.id);
    assert_eq!(log.durable(), LogPosition(228));
}

#[test]
fn only_the_contiguous_prefix_is_durable() {
    let mut log = log(options());
    let writes: Vec<BlockWrite> = (0..3)
        .map(|_| {
            put(&mut log, 10);
            log.next_write().expect("three places")
        })
        .collect();
    put(&mut log, 10);
    assert!(log.next_write().is_none(), "the pipeline is full");
    assert_eq!(log.synced(writes[2].id), LogPosition(0));
    assert_eq!(log.synced(writes[1].id), LogPosition(0));
    assert_eq!(log.synced(writes[0].id), LogPosition(2 * UNIT + 138));
    assert!(log.next_write().is_some());
}

#[test]
fn poison_is_final_even_for_syncs_under_way() {
    let mut log = log(options());
    put(&mut log, 10);
    let first = log.next_write().expect("a write");
    put(&mut log, 10);
    let second = log.next_write().expect("a write");
    log.poison("EIO".into());
    log.synced(first.id);
    log.synced(second.id);
    assert_eq!(log.durable(), LogPosition(0));
    assert_eq!(log.reserve(1, 1).err(), Some(NoRoom::Poisoned { reason: "EIO".into() }));
    assert!(log.next_write().is_none());
}

#[test]
fn a_full_queue_of_blocks_is_back_pressure() {
    let mut log = log(options());
    let mut positions = 0;
    while log.reserve(UNIT as usize, 1).is_ok() {
        positions += 1;
        assert!(positions < 100);
    }
    assert_eq!(log.peek(UNIT as usize), Err(NoRoom::Pending));
    let write = log.next_write().expect("a write");
    log.synced(write.id);
    assert!(log.peek(UNIT as usize).is_ok());
}

#[test]
fn a_large_entry_gets_a_block_of_its_own() {
    let mut log = log(options());
    put(&mut log, 10);
    let large = put(&mut log, 10 * UNIT as usize);
    assert_eq!(large, LogPosition(UNIT + 128));
    let (_, second) = (log.next_write(), log.next_write().expect("the large one"));
    assert_eq!(second.buffer.len(), 11 * UNIT as usize);
    assert_eq!(log.reserve(17 * UNIT as usize, 1).err(), Some(NoRoom::TooLarge { bytes_max: 16 * UNIT as usize }));
}

#[test]
fn a_seal_ends_each_segment_whatever_is_left() {
    for first in 1..=16 {
        let mut log = log(LogOptions { pending_bytes_max: usize::MAX / 2, ..options() });
        log.segments_ready(LogPosition(128 * UNIT));
        let mut seals = 0;
        put(&mut log, first * UNIT as usize - 200);
        for _ in 0..14 {
            put(&mut log, 5 * UNIT as usize);
        }
        let mut expected = LogPosition(0);
        while let Some(write) = log.next_write() {
            assert_eq!(write.position, expected);
            let end = write.position.advance(write.buffer.len() as u64);
            assert!((end.0 - 1) / (64 * UNIT) == write.position.0 / (64 * UNIT), "no block straddles segments");
            expected = end;
            if write.kind == BlockKind::Seal {
                seals += 1;
                expected = LogPosition(64 * UNIT);
            }
            log.synced(write.id);
        }
        assert_eq!(seals, 1);
    }
}

#[test]
fn no_block_goes_into_a_segment_that_is_not_ready() {
    let mut log = log(LogOptions { pending_bytes_max: usize::MAX / 2, ..options() });
    while log.reserve(UNIT as usize, 1).is_ok() {}
    assert_eq!(log.peek(UNIT as usize), Err(NoRoom::Segment));
    log.segments_ready(LogPosition(128 * UNIT));
    assert!(log.peek(UNIT as usize).is_ok());
}

#[test]
fn an_idle_log_is_marked_once() {
    let mut log = log(options());
    put(&mut log, 10);
    let write = log.next_write().expect("a write");
    log.synced(write.id);
    assert!(log.mark());
    let mark = log.next_write().expect("the mark");
    assert_eq!(mark.kind, BlockKind::Mark);
    log.synced(mark.id);
    assert!(!log.mark(), "the last entry is covered");
}

#[test]
fn a_mark_waits_behind_the_fence() {
    let mut log = log(options());
    put(&mut log, 10);
    let write = log.next_write().expect("a write");
    log.synced(write.id);
    log.set_fence(Some(log.free_from()));
    assert!(!log.mark(), "zeroes are on their way to its place");
    log.set_fence(None);
    assert!(log.mark());
}

#[test]
fn an_asynchronous_log_acknowledges_from_memory() {
    let mut log = log(LogOptions { flush: Flush::Async, ..options() });
    put(&mut log, 10);
    assert_eq!((log.acknowledged(), log.durable()), (LogPosition(138), LogPosition(0)));
}
