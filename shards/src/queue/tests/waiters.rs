//! Pulls that wait.

use super::world::World;
use crate::filter::TagFilter;
use crate::queue::*;
use crate::types::{Millis, QueueOffset};

fn woken(waiters: &mut Waiters<&'static str>, world: &World, changed: &[Visible]) -> Vec<&'static str> {
    let mut woken = Vec::new();
    for visible in changed {
        waiters.advanced(&world.queues, *visible, |_, _| false, |token| woken.push(token));
    }
    woken.sort();
    woken
}

fn expired(waiters: &mut Waiters<&'static str>, now: i64) -> Vec<&'static str> {
    let mut expired = Vec::new();
    waiters.expire(Millis(now), |token| expired.push(token));
    expired.sort();
    expired
}

#[test]
fn a_message_wakes_those_who_want_it() {
    let mut world = World::new(1);
    world.append("orders", 0, 7, vec![]);
    world.append("orders", 1, 7, vec![]);
    world.sync(world.position);
    let slots = [0, 1].map(|queue| world.queues.slot("orders", queue).unwrap());
    let mut waiters = Waiters::new(10, Millis(0));
    let later = Millis(15_000);
    let mut park = |slot, offset, filter, token| waiters.park(slot, QueueOffset(offset), filter, later, token).unwrap();
    park(slots[0], 1, TagFilter::ALL, "all");
    park(slots[0], 1, TagFilter::of_codes([8]), "eight");
    park(slots[0], 1, TagFilter::of_codes([9]), "nine");
    park(slots[0], 2, TagFilter::ALL, "one further");
    park(slots[1], 1, TagFilter::ALL, "other queue");
    world.append("orders", 0, 8, vec![]);
    assert_eq!(waiters.len(), 5, "an appended message is not there yet");
    let changed = world.sync(world.position);
    assert_eq!(woken(&mut waiters, &world, &changed), ["all", "eight"]);
    world.append("orders", 0, 8, vec![]);
    let changed = world.sync(world.position);
    assert_eq!(woken(&mut waiters, &world, &changed), ["one further"]);
    world.append("orders", 0, 9, vec![]);
    world.append("orders", 1, 9, vec![]);
    let changed = world.sync(world.position);
    assert_eq!(woken(&mut waiters, &world, &changed), ["nine", "other queue"]);
    assert!(waiters.is_empty());
}

#[test]
fn deadlines_are_met_in_time() {
    let mut world = World::new(1);
    world.append("orders", 0, 7, vec![]);
    let slot = world.queues.slot("orders", 0).unwrap();
    let mut waiters = Waiters::new(10, Millis(100_000));
    for (deadline, token) in [(115_000, "a"), (115_001, "b"), (400_000, "far"), (50, "late"), (115_000 + 33_000, "turn")] {
        waiters.park(slot, QueueOffset(0), TagFilter::ALL, Millis(deadline), token).unwrap();
    }
    assert!(expired(&mut waiters, 100_000).is_empty());
    assert_eq!(expired(&mut waiters, 100_100), ["late"]);
    assert!(expired(&mut waiters, 114_999).is_empty(), "never too early");
    assert_eq!(expired(&mut waiters, 115_032), ["a", "b"]);
    assert!(expired(&mut waiters, 147_900).is_empty());
    assert_eq!(expired(&mut waiters, 148_100), ["turn"]);
    assert!(expired(&mut waiters, 399_999).is_empty());
    assert_eq!(expired(&mut waiters, 9_000_000), ["far"], "also after a long pause");
    assert!(expired(&mut waiters, 5).is_empty(), "the clock went back");
    assert!(waiters.is_empty());
}

#[test]
fn waiters_are_bounded_and_leave_with_their_queue_or_connection() {
    let mut world = World::new(1);
    world.append("orders", 0, 7, vec![]);
    world.append("orders", 1, 7, vec![]);
    let slots = [0, 1].map(|queue| world.queues.slot("orders", queue).unwrap());
    let mut waiters = Waiters::new(3, Millis(0));
    for (slot, token) in [(slots[0], "a1"), (slots[1], "a2"), (slots[0], "b1")] {
        waiters.park(slot, QueueOffset(0), TagFilter::ALL, Millis(100), token).unwrap();
    }
    let (full, token) = waiters.park(slots[0], QueueOffset(0), TagFilter::ALL, Millis(100), "c").unwrap_err();
    assert_eq!((full.max, token), (3, "c"));
    let mut removed = Vec::new();
    waiters.remove_where(|token| token.starts_with('a'), |token| removed.push(token));
    assert_eq!(removed, ["a1", "a2"]);
    waiters.close(slots[0], |token| removed.push(token));
    assert_eq!((removed.pop(), waiters.len()), (Some("b1"), 0));
    assert!(expired(&mut waiters, 1_000).is_empty());
}

/// Any order of parking, waking, expiring and closing: nobody is lost, nobody comes twice.
#[test]
fn everyone_comes_back_once() {
    let mut world = World::new(3);
    for queue in 0..5 {
        world.append("orders", queue, 7, vec![]);
    }
    world.sync(world.position);
    let slots: Vec<QueueSlot> = (0..5).map(|queue| world.queues.slot("orders", queue).unwrap()).collect();
    let mut waiters = Waiters::new(50, Millis(0));
    let (mut parked, mut back, mut now) = (0, Vec::new(), 0);
    for _ in 0..5_000 {
        let slot = slots[world.random.below(5)];
        match world.random.below(10) {
            0..6 => {
                let deadline = Millis(now + world.random.below(60_000) as i64);
                let offset = world.queues.max_visible(slot);
                match waiters.park(slot, offset, TagFilter::ALL, deadline, parked) {
                    Ok(()) => parked += 1,
                    Err((_, token)) => assert_eq!((token, waiters.len()), (parked, 50)),
                }
            }
            6..8 => {
                let queue = world.random.below(5) as u32;
                world.append("orders", queue, 7, vec![]);
                for visible in world.sync(world.position) {
                    waiters.advanced(&world.queues, visible, |_, _| false, |token| back.push(token));
                }
            }
            8 => {
                now += world.random.below(3_000) as i64;
                waiters.expire(Millis(now), |token| back.push(token));
            }
            _ => {
                let wanted = world.random.below(7) as i32;
                waiters.remove_where(|token| token % 7 == wanted && token % 3 == 0, |token| back.push(token));
            }
        }
        assert_eq!(back.len() + waiters.len(), parked as usize);
    }
    slots.iter().for_each(|slot| waiters.close(*slot, |token| back.push(token)));
    back.sort();
    assert_eq!(back, (0..parked).collect::<Vec<i32>>());
}
