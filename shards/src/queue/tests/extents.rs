//! The extents that readers of the disk share, driven by hand: a reader is a number, a read ends when the test says so.

use std::rc::Rc;
use std::time::Duration;

use crate::queue::{Extent, ExtentCache, Look, Next, QueueSlot};
use crate::runtime::Buffer;
use crate::types::LogPosition;

const KIB: u64 = 1 << 10;
/// Sixteen extents of 64 KiB in a segment, eight in the cache.
const EXTENT: u64 = 64 * KIB;
const SEGMENT: u64 = 16 * EXTENT;
const BUDGET: usize = 8 * EXTENT as usize;
const END: LogPosition = LogPosition(64 * SEGMENT);

fn cache() -> ExtentCache<u32> {
    ExtentCache::new(BUDGET, SEGMENT, 4096)
}

fn extent(cache: &ExtentCache<u32>, number: u64) -> Extent {
    cache.extent_of(LogPosition(number * EXTENT + 5))
}

/// What a reader gets: 'h'ere, 'w'ait (it waits from now on) or 'a'lone.
fn look(cache: &mut ExtentCache<u32>, number: u64, reader: u32) -> char {
    let extent = extent(cache, number);
    match cache.look(extent, END) {
        Look::Here(_) => 'h',
        Look::Alone => 'a',
        Look::Wait => {
            cache.park(extent, reader);
            'w'
        }
    }
}

fn started(cache: &mut ExtentCache<u32>) -> Vec<u64> {
    started_at(cache, 0)
}

fn started_at(cache: &mut ExtentCache<u32>, millis: u64) -> Vec<u64> {
    let next = || match cache.next_read(Duration::from_millis(millis)) {
        Next::Read(extent) => Some(extent.first.0 / EXTENT),
        Next::Blocked | Next::Nothing => None,
    };
    std::iter::from_fn(next).collect()
}

/// A reader of a queue of its own is at this extent.
fn seen(cache: &mut ExtentCache<u32>, reader: u32, number: u64, millis: u64) {
    let queue = QueueSlot { index: reader, generation: 0 };
    cache.seen(queue, LogPosition(number * EXTENT + 5), Duration::from_millis(millis));
}

fn finish(cache: &mut ExtentCache<u32>, number: u64) -> Vec<u32> {
    let extent = extent(cache, number);
    cache.finish(extent, Some(Rc::new(Buffer::new(extent.bytes))))
}

/// Everything that is wanted, read at once.
fn finish_all(cache: &mut ExtentCache<u32>) -> Vec<u64> {
    let mut all = Vec::new();
    loop {
        let started = started(cache);
        if started.is_empty() {
            return all;
        }
        for number in started {
            finish(cache, number);
            all.push(number);
        }
    }
}

#[test]
fn two_who_want_an_extent_wait_for_one_read() {
    let mut cache = cache();
    assert_eq!(look(&mut cache, 0, 1), 'a', "nobody else was here");
    assert_eq!(look(&mut cache, 0, 1), 'w', "it came again");
    assert_eq!(look(&mut cache, 0, 2), 'w');
    assert_eq!(started(&mut cache), [0, 1], "once, and the one that follows");
    assert_eq!(look(&mut cache, 0, 3), 'w', "also while it is being read");
    assert_eq!(started(&mut cache), [], "two at once");
    assert_eq!(finish(&mut cache, 0), [1, 2, 3]);
    assert_eq!(look(&mut cache, 0, 4), 'h');
    assert_eq!(started(&mut cache), [2]);
}

#[test]
fn a_sequential_reader_finds_the_next_extents_there_and_followers_read_nothing() {
    let mut cache = cache();
    look(&mut cache, 0, 1);
    let mut read = 0;
    for number in 1..40 {
        assert_ne!(look(&mut cache, number, 1), 'a', "extent {number}");
        read += finish_all(&mut cache).len();
        for follower in 2..8 {
            assert_eq!(look(&mut cache, number, follower), 'h', "extent {number}");
        }
        assert_eq!(finish_all(&mut cache), [0; 0]);
    }
    assert_eq!(read, 39 + 2, "each once, and two ahead");
}

#[test]
fn the_budget_holds_whatever_is_wanted() {
    let mut cache = cache();
    for round in 0..500 {
        let number = (round * 7919) % 300;
        look(&mut cache, number, 1);
        look(&mut cache, number, 2);
        let started = started(&mut cache);
        assert!(started.len() <= 2);
        assert!(cache.bytes() <= BUDGET, "{} bytes in round {round}", cache.bytes());
        started.into_iter().for_each(|number| drop(finish(&mut cache, number)));
        assert!(cache.bytes() <= BUDGET);
    }
    finish_all(&mut cache);
    assert!(cache.bytes() > BUDGET / 2, "it is used");
    cache.forget(LogPosition(0), END);
    assert_eq!(cache.bytes(), 0);
}

#[test]
fn the_one_that_was_not_used_for_the_longest_time_goes() {
    let mut cache = cache();
    look(&mut cache, 0, 1);
    for number in 0..6 {
        look(&mut cache, number, 1);
        finish_all(&mut cache);
    }
    // 0 to 7 are there. Somebody is still at 0.
    assert_eq!(look(&mut cache, 0, 2), 'h');
    look(&mut cache, 6, 1);
    finish_all(&mut cache);
    assert_eq!(look(&mut cache, 0, 2), 'h');
    assert_eq!(look(&mut cache, 2, 2), 'h');
    assert_ne!(look(&mut cache, 1, 2), 'h');
}

#[test]
fn a_read_ahead_does_not_drive_out_another_but_a_reader_does() {
    let mut cache = cache();
    // Four readers far from each other: each has its extent and two that follow, more than there is room for.
    for reader in 0..4 {
        look(&mut cache, reader * 100, 0);
        look(&mut cache, reader * 100, 0);
        finish_all(&mut cache);
        assert_eq!(look(&mut cache, reader * 100, 0), 'h', "reader {reader}");
    }
    assert_eq!(look(&mut cache, 101, 0), 'h', "what the second reader needs next is there");
}

#[test]
fn nothing_that_may_still_change_is_kept_and_no_extent_crosses_a_segment() {
    let mut cache = cache();
    let settled = LogPosition(3 * EXTENT / 2);
    for _ in 0..3 {
        let unsettled = extent(&cache, 1);
        assert!(matches!(cache.look(unsettled, settled), Look::Alone));
    }
    let first = extent(&cache, 0);
    assert!(matches!(cache.look(first, settled), Look::Alone));
    assert!(matches!(cache.look(first, settled), Look::Wait));
    cache.park(first, 1);
    assert_eq!(finish_all(&mut cache), [0], "it reads ahead no further than that");

    let cache: ExtentCache<u32> = ExtentCache::new(BUDGET, 5 * EXTENT / 2, 4096);
    let last = cache.extent_of(LogPosition(2 * EXTENT + 1));
    assert_eq!((last.first.0, last.bytes as u64), (2 * EXTENT, EXTENT / 2));
    assert_eq!(cache.extent_of(last.end()).first.0, 5 * EXTENT / 2);
}

#[test]
fn who_waits_for_a_read_that_fails_is_told_and_the_next_reads_again() {
    let mut cache = cache();
    look(&mut cache, 3, 1);
    look(&mut cache, 3, 1);
    look(&mut cache, 3, 2);
    assert_eq!(started(&mut cache), [3, 4]);
    let failed = extent(&cache, 3);
    assert_eq!(cache.finish(failed, None), [1, 2]);
    assert_eq!(look(&mut cache, 3, 3), 'w');
    assert_eq!(cache.next_read(Duration::ZERO), Next::Read(failed), "before what nobody waits for");
}

/// A cache of eight extents, all of which reader 2, at extent 1, will come to, and reader 1 in the last of them.
fn reader_1_is_far_ahead() -> ExtentCache<u32> {
    let mut cache = cache();
    look(&mut cache, 0, 1);
    for number in 1..=6 {
        seen(&mut cache, 1, number, 0);
        look(&mut cache, number, 1);
        finish_all(&mut cache);
        seen(&mut cache, 2, 1, 0);
    }
    assert_eq!(cache.bytes(), BUDGET, "1 to 8 are there");
    for number in [7, 8] {
        seen(&mut cache, 1, number, 0);
        assert_eq!(look(&mut cache, number, 1), 'h');
    }
    assert_eq!(look(&mut cache, 9, 1), 'w');
    cache
}

#[test]
fn who_is_ahead_waits_for_who_is_behind() {
    let mut cache = reader_1_is_far_ahead();
    assert_eq!(cache.next_read(Duration::from_millis(1)), Next::Blocked);
    // The other moves on, and what is behind both makes room.
    seen(&mut cache, 2, 2, 2);
    assert_eq!(look(&mut cache, 2, 2), 'h');
    assert_eq!(started_at(&mut cache, 2), [9]);
}

#[test]
fn who_is_ahead_does_not_wait_long_and_not_for_the_same_again() {
    let mut cache = reader_1_is_far_ahead();
    assert_eq!(started_at(&mut cache, 19), []);
    seen(&mut cache, 2, 1, 19);
    assert_eq!(started_at(&mut cache, 20), [9], "it has waited long enough");
    finish(&mut cache, 9);
    for number in 10..20 {
        seen(&mut cache, 1, number, 21);
        seen(&mut cache, 2, 1, 21);
        assert_eq!(look(&mut cache, number, 1), if number == 10 { 'w' } else { 'h' }, "extent {number}");
        for number in started_at(&mut cache, 21) {
            finish(&mut cache, number);
        }
    }
}

#[test]
fn nobody_waits_for_one_who_is_gone() {
    let mut cache = reader_1_is_far_ahead();
    seen(&mut cache, 1, 8, 60);
    assert_eq!(started_at(&mut cache, 60), [9, 10]);
}

#[test]
fn who_is_behind_takes_the_room_of_what_is_furthest_ahead() {
    let mut cache = reader_1_is_far_ahead();
    seen(&mut cache, 3, 0, 0);
    assert_eq!(look(&mut cache, 0, 3), 'w');
    assert_eq!(started(&mut cache), [0]);
    assert_ne!(look(&mut cache, 7, 1), 'h');
    assert_eq!(look(&mut cache, 1, 2), 'h');
}
