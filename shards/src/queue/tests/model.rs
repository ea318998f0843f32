//! Random histories. Each seed is one history; a failing one is run again by its number.

use super::world::{ModelQueue, Stored, World};
use crate::filter::TagFilter;
use crate::queue::*;
use crate::types::{LogPosition, Millis, QueueOffset};

const TOPICS: [&str; 4] = ["orders", "%RETRY%g", "a-topic-with-a-rather-long-name", "t"];

#[test]
fn queues_agree_with_the_log() {
    for seed in 0..60 {
        history(seed, 400);
    }
}

/// Few queues and many segments: long chains, crossed again and again.
#[test]
fn long_chains_are_walked() {
    let mut world = World::new(77);
    for segment in 0..200 {
        for n in 0..3 {
            world.now += 10;
            world.append("orders", 0, n, vec![segment]);
            // A queue that is rarely written, and so has no run in most segments.
            if segment % 37 == 0 {
                world.append("orders", 1, n, vec![]);
            }
        }
        world.rotate_durably();
        world.seal();
        if segment % 50 == 20 {
            let lost = world.segments[world.random.below(world.segments.len() - 1)];
            world.rebuild(lost);
        }
    }
    compare_all(&mut world);
    for _ in 0..100 {
        world.retire();
    }
    compare_all(&mut world);
    world.snapshot();
    world.crash(world.position);
    compare_all(&mut world);
    let before = world.loads;
    let slot = world.queues.slot("orders", 0).unwrap();
    world.lookup(slot, QueueOffset(330), 1);
    assert!(world.loads - before < 40, "{} loads", world.loads - before);
}

/// One large segment: pages of every area, many queues.
#[test]
fn a_large_segment_is_sealed_and_read() {
    let mut world = World::new(5);
    for n in 0..30_000u64 {
        world.now += 1;
        let queue = (n * n % 211) as u32;
        world.append("orders", queue, (n % 5) as i64, vec![n, n % 7 + 1_000_000]);
    }
    world.rotate_durably();
    world.append("orders", 0, 1, vec![]);
    world.seal();
    let model = world.model();
    for key in [0, 1, 15_000, 29_999] {
        let found = world.find_key(key);
        let expected = model.values().flat_map(|queue| &queue.entries).filter(|(_, keys)| keys.contains(&key));
        assert_eq!(found, expected.map(|(entry, _)| entry.position).collect::<Vec<_>>(), "key {key}");
    }
    assert_eq!(world.find_key(1_000_003).len(), 30_000usize.div_ceil(7));
    assert!(world.find_key(123_456_789).is_empty());
    for ((topic, queue_id), queue) in model.iter().filter(|((_, queue_id), _)| queue_id % 10 == 0) {
        let slot = world.queues.slot(topic, *queue_id).unwrap();
        compare(&mut world, slot, queue);
    }
}

fn history(seed: u64, steps: usize) {
    let mut world = World::new(seed);
    let mut snapshot: Option<(Stored, Option<usize>)> = None;
    for _ in 0..steps {
        world.now += world.random.below(50) as i64;
        let topic = TOPICS[world.random.below(TOPICS.len())];
        match world.random.below(100) {
            0..55 => {
                let queue_id = world.random.below(4) as u32;
                for _ in 0..1 + world.random.below(6) {
                    let (tag, key) = (world.random.below(4) as i64, world.random.below(40) as u64);
                    world.append(topic, queue_id, tag, vec![key]);
                }
            }
            55..67 => sync_some(&mut world),
            67..72 if world.queues.can_rotate() => world.rotate(),
            67..85 => {
                let finishing = world.queues.sealing().is_some_and(|segment| world.files.contains_key(&segment));
                if snapshot.is_none() || !finishing {
                    world.seal_step();
                }
            }
            85..87 => world.delete(topic),
            87..89 if snapshot.is_none() => world.retire(),
            89..91 if snapshot.is_none() && world.queues.can_rotate() => snapshot = Some((world.snapshot_begin(), Some(0))),
            91 if !world.files.is_empty() => {
                let mut segments: Vec<LogPosition> = world.files.keys().copied().collect();
                segments.sort();
                let segment = segments[world.random.below(segments.len())];
                // One that is being finished is not in the list of sealed ones yet.
                if world.queues.sealing() != Some(segment) && segment >= world.kept_from {
                    damage(&mut world, segment);
                }
            }
            92 if world.random.below(2) == 0 => {
                let mut ends: Vec<LogPosition> = world.log.iter().map(|l| l.end()).collect();
                ends.retain(|end| *end > world.durable);
                let cut = match world.random.below(ends.len() + 1) {
                    0 => world.durable,
                    n => ends[n - 1],
                };
                snapshot = None;
                world.crash(cut);
                compare_all(&mut world);
            }
            93..97 => compare_one(&mut world),
            _ => {}
        }
        snapshot = snapshot.and_then(|snapshot| snapshot_step(&mut world, snapshot));
    }
    compare_all(&mut world);
}

fn sync_some(world: &mut World) {
    let mut ends: Vec<LogPosition> = world.log.iter().map(|l| l.end()).filter(|end| *end > world.durable).collect();
    ends.push(world.position);
    if let Some(upto) = ends.get(world.random.below(ends.len())) {
        let before = world.model();
        let changed = world.sync(*upto);
        let after = world.model();
        let expected = after.iter().filter(|(name, queue)| before[*name].visible != queue.visible).count();
        assert_eq!(changed.len(), expected, "each queue that changed is told once");
        for ((topic, queue_id), queue) in &after {
            let slot = world.queues.slot(topic, *queue_id).unwrap();
            if let Some(visible) = changed.iter().find(|changed| changed.slot == slot) {
                let (from, to) = (visible.from.0 as usize, visible.to.0 as usize);
                assert_eq!((from, to), (before[&(topic.clone(), *queue_id)].visible, queue.visible));
                let tags: Vec<i64> = world.queues.tags_codes(*visible).collect();
                assert_eq!(tags, queue.entries[from..to].iter().map(|(entry, _)| entry.tags_code).collect::<Vec<_>>());
            }
        }
    }
}

/// A snapshot goes on between other things: first it waits, then come slices, then it is published.
fn snapshot_step(world: &mut World, (mut stored, next): (Stored, Option<usize>)) -> Option<(Stored, Option<usize>)> {
    if world.durable < stored.position || world.random.below(2) == 0 {
        return Some((stored, next));
    }
    match next {
        Some(from) => {
            let mut slice = Vec::new();
            let next = world.queues.encode_slice(stored.position, stored.replay_from, from, 60, &mut slice);
            stored.slices.push(slice);
            stored.end = world.position;
            Some((stored, next))
        }
        None if world.durable < stored.end => Some((stored, None)),
        None => {
            world.snapshot_publish(stored);
            None
        }
    }
}

fn damage(world: &mut World, segment: LogPosition) {
    world.damaged = true;
    let file = world.files.get_mut(&segment).unwrap();
    let at = world.random.below(file.len());
    file[at] ^= 1;
    if world.random.below(2) == 0 {
        world.queues.index_replaced(segment);
    }
}

fn compare_all(world: &mut World) {
    if world.damaged {
        world.sync(world.position);
    }
    for ((topic, queue_id), queue) in world.model() {
        let slot = world.queues.slot(&topic, queue_id).unwrap_or_else(|| panic!("{topic} {queue_id}"));
        compare(world, slot, &queue);
    }
    for topic in TOPICS {
        for queue_id in 0..4 {
            if let Some(slot) = world.queues.slot(topic, queue_id) {
                let known = world.model().contains_key(&(topic.to_owned(), queue_id));
                assert!(known || world.queues.next_offset(slot) == QueueOffset(0), "{topic} {queue_id} is forgotten");
            }
        }
    }
}

fn compare_one(world: &mut World) {
    if world.damaged {
        world.sync(world.position);
    }
    let model = world.model();
    let Some((name, queue)) = model.iter().nth(world.random.below(model.len())) else { return };
    let slot = world.queues.slot(&name.0, name.1).unwrap();
    compare(world, slot, queue);
    let key = world.random.below(40) as u64;
    let found = world.find_key(key);
    for (entry, keys) in model.values().flat_map(|queue| &queue.entries[queue.min..queue.visible.max(queue.min)]) {
        assert!(!keys.contains(&key) || found.contains(&entry.position), "key {key} at {}", entry.position);
    }
}

fn compare(world: &mut World, slot: QueueSlot, queue: &ModelQueue) {
    let (min, visible) = (queue.min as i64, queue.visible as i64);
    assert_eq!(world.queues.next_offset(slot).0, queue.entries.len() as i64);
    assert_eq!(world.queues.max_visible(slot).0, visible);
    assert_eq!(world.queues.min(slot).0, min);
    let last = (min < visible).then(|| queue.entries[queue.visible - 1].0.store_time);
    assert_eq!(world.queues.last_store_time(slot), last);
    for _ in 0..4 {
        let (from, max) = (world.random.below(queue.entries.len() + 1) as i64, 1 + world.random.below(40));
        let found = world.lookup(slot, QueueOffset(from), max);
        if from < min || from >= visible {
            assert!(found.is_empty());
        } else {
            let expected = queue.entries[from as usize..queue.visible].iter().take(max).map(|(entry, _)| *entry);
            assert!(!found.is_empty());
            assert!(found.len() <= max);
            assert_eq!(found, expected.take(found.len()).collect::<Vec<_>>());
        }
        compare_time(world, slot, queue);
        compare_plan(world, slot, queue, from);
    }
}

fn compare_time(world: &mut World, slot: QueueSlot, queue: &ModelQueue) {
    let times: Vec<i64> = queue.entries.iter().map(|(entry, _)| entry.store_time.0).collect();
    let time = times[world.random.below(times.len())] + world.random.below(3) as i64 - 1;
    let live = &times[queue.min.min(queue.visible)..queue.visible];
    let lower = (queue.min + live.partition_point(|stored| *stored < time)) as i64;
    assert_eq!(world.search_time(slot, time, Boundary::Lower).0, lower, "first at {time} or later of {times:?}");
    let upper = match live.partition_point(|stored| *stored <= time) {
        0 => 0,
        n => (queue.min + n) as i64 - 1,
    };
    if !live.is_empty() {
        assert_eq!(world.search_time(slot, time, Boundary::Upper).0, upper, "last at {time} or earlier of {times:?}");
    }
}

fn compare_plan(world: &mut World, slot: QueueSlot, queue: &ModelQueue, from: i64) {
    let tag = world.random.below(5) as i32;
    let filter = if tag == 4 { TagFilter::ALL } else { TagFilter::of_codes([tag]) };
    let (found, reads) = world.plan(Some(slot), from, 5, &filter);
    let Plan::Ready { status, next_begin, min, max } = found else { unreachable!() };
    assert_eq!((min.0, max.0), (queue.min as i64, queue.visible as i64));
    if status == PullStatus::Found || status == PullStatus::NoMatchedMessage {
        let examined = &queue.entries[from as usize..next_begin.0 as usize];
        let matched = (from..).zip(examined).filter(|(_, (entry, _))| filter.matches(entry.tags_code));
        let expected: Vec<PlannedRead> = matched
            .map(|(at, (e, _))| PlannedRead { position: e.position, size: e.size, queue_offset: QueueOffset(at) })
            .collect();
        assert_eq!(reads, expected);
        assert_eq!(status == PullStatus::Found, !reads.is_empty());
        assert!(reads.len() <= 5);
        assert!(next_begin.0 > from, "a pull gets on");
    } else {
        assert!(reads.is_empty());
        assert!(from < min.0 || from >= max.0, "{status:?}");
    }
}

/// Every message has the key: more pages of keys than are kept in memory at once.
#[test]
fn a_key_that_every_message_has_is_found_step_by_step() {
    let mut world = World::new(6);
    world.create("orders");
    let mut expected = Vec::new();
    for n in 0..40_000u64 {
        world.now += 1;
        expected.push(world.position);
        world.append("orders", (n % 3) as u32, 0, vec![n, 7_000_000]);
    }
    expected.reverse();
    world.rotate_durably();
    let mut search = KeySearch::new(7_000_000, Millis(0), Millis(i64::MAX));
    let mut found = Vec::new();
    world.append("orders", 0, 1, vec![]);
    world.seal();
    loop {
        let before = found.len();
        match world.queues.find_key(&mut search, &mut found) {
            KeyStep::Need(read) => world.load(read),
            KeyStep::More => assert!(found.len() - before <= 255, "a step has a bound"),
            KeyStep::Done => break,
        }
    }
    assert_eq!(found, expected);
}

#[test]
fn a_search_by_key_goes_on_where_it_was_when_its_segment_is_sealed() {
    let mut world = World::new(7);
    world.create("orders");
    let mut expected = Vec::new();
    for n in 0..200_000u64 {
        expected.push(world.position);
        world.append("orders", 0, 0, vec![n, 7_000_000]);
    }
    expected.reverse();
    world.sync(world.position);
    let mut search = KeySearch::new(7_000_000, Millis(0), Millis(i64::MAX));
    let mut found = Vec::new();
    assert_eq!(world.queues.find_key(&mut search, &mut found), KeyStep::More);
    assert!(found.len() < expected.len(), "there is more in memory than one step looks at");
    world.rotate_durably();
    world.append("orders", 0, 1, vec![]);
    world.seal();
    loop {
        match world.queues.find_key(&mut search, &mut found) {
            KeyStep::Need(read) => world.load(read),
            KeyStep::More => {}
            KeyStep::Done => break,
        }
    }
    found.dedup();
    assert_eq!(found, expected);
}
