//! What RocketMQ's getMessage answers, offset by offset.

use super::world::World;
use crate::filter::TagFilter;
use crate::queue::*;
use crate::types::QueueOffset;

/// A world with a queue of so many messages with tags 0, 1, 2, 0, 1, 2, ...
fn queue_of(messages: i64) -> (World, QueueSlot) {
    let mut world = World::new(1);
    world.create("orders");
    let slot = world.queues.open("orders", world.topics["orders"], 0);
    for n in 0..messages {
        world.append("orders", 0, n % 3, vec![]);
    }
    world.sync(world.position);
    (world, slot)
}

fn check(world: &mut World, slot: Option<QueueSlot>, offset: i64, filter: &TagFilter, expected: &str) {
    let (found, reads) = world.plan(slot, offset, 32, filter);
    let Plan::Ready { status, next_begin, min, max } = found else { panic!("nothing is left to load") };
    let found = format!("{} next {next_begin} min {min} max {max} reads {}", status.name(), reads.len());
    assert_eq!(found, expected, "offset {offset}");
}

#[test]
fn statuses_are_rocketmqs() {
    let all = &TagFilter::ALL;
    let (mut world, slot) = queue_of(0);
    check(&mut world, None, 7, all, "NO_MATCHED_LOGIC_QUEUE next 0 min 0 max 0 reads 0");
    check(&mut world, Some(slot), 7, all, "NO_MESSAGE_IN_QUEUE next 0 min 0 max 0 reads 0");
    let (mut world, slot) = queue_of(40);
    check(&mut world, Some(slot), -1, all, "OFFSET_TOO_SMALL next 0 min 0 max 40 reads 0");
    check(&mut world, Some(slot), 0, all, "FOUND next 32 min 0 max 40 reads 32");
    check(&mut world, Some(slot), 39, all, "FOUND next 40 min 0 max 40 reads 1");
    check(&mut world, Some(slot), 40, all, "OFFSET_OVERFLOW_ONE next 40 min 0 max 40 reads 0");
    check(&mut world, Some(slot), 41, all, "OFFSET_OVERFLOW_BADLY next 40 min 0 max 40 reads 0");
    check(&mut world, Some(slot), i64::MAX, all, "OFFSET_OVERFLOW_BADLY next 40 min 0 max 40 reads 0");
    world.rotate_durably();
    world.seal();
    world.append("orders", 0, 0, vec![]);
    world.sync(world.position);
    world.retire();
    check(&mut world, Some(slot), 39, all, "OFFSET_TOO_SMALL next 40 min 40 max 41 reads 0");
    check(&mut world, Some(slot), 40, all, "FOUND next 41 min 40 max 41 reads 1");
    world.delete("orders");
    check(&mut world, Some(slot), 40, all, "NO_MATCHED_LOGIC_QUEUE next 0 min 0 max 0 reads 0");
}

#[test]
fn what_is_not_durable_is_not_there() {
    let (mut world, slot) = queue_of(2);
    world.append("orders", 0, 0, vec![]);
    check(&mut world, Some(slot), 2, &TagFilter::ALL, "OFFSET_OVERFLOW_ONE next 2 min 0 max 2 reads 0");
    world.sync(world.position);
    check(&mut world, Some(slot), 2, &TagFilter::ALL, "FOUND next 3 min 0 max 3 reads 1");
}

#[test]
fn a_filter_examines_so_many_entries_and_no_more() {
    let (mut world, slot) = queue_of(2_000);
    check(&mut world, Some(slot), 0, &TagFilter::of_codes([9]), "NO_MATCHED_MESSAGE next 800 min 0 max 2000 reads 0");
    check(&mut world, Some(slot), 1_700, &TagFilter::of_codes([9]), "NO_MATCHED_MESSAGE next 2000 min 0 max 2000 reads 0");
    // The 32nd match is entry 94; what follows is examined up to the 33rd, or to the end of the chunk.
    let (found, reads) = world.plan(Some(slot), 0, 32, &TagFilter::of_codes([1]));
    let Plan::Ready { status, next_begin, .. } = found else { panic!() };
    assert_eq!((status, next_begin, reads.len()), (PullStatus::Found, QueueOffset(97), 32));
    assert_eq!(reads[31].queue_offset, QueueOffset(94));
}

#[test]
fn bytes_are_limited_but_one_message_always_comes() {
    let (mut world, slot) = queue_of(40);
    let size = |world: &mut World, n: i64| world.lookup(slot, QueueOffset(n), 1)[0].size as usize;
    let three = (0..3).map(|n| size(&mut world, n)).sum::<usize>();
    let mut reads = Vec::new();
    for (bytes_max, expected) in [(three, 3), (three - 1, 2), (0, 1)] {
        let mut pull = Pull::new(QueueOffset(0), 32, bytes_max, &TagFilter::ALL);
        let found = plan(&mut world.queues, Some(slot), &mut pull, &PullLimits::DEFAULT, &mut reads);
        assert!(matches!(found, Plan::Ready { next_begin, .. } if next_begin.0 == expected));
        assert_eq!(reads.len() as i64, expected);
    }
}
