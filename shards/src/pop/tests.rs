//! The state of POP as a specification, and against a plain model: whatever is applied, twice or from a snapshot that knows
//! later state, ends the same.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::offsets::{ConsumerOffsets, OffsetCommit};
use crate::types::{LogPosition, Millis, QueueOffset};

const TOPIC: &str = "T";
const GROUP: &str = "g";

/// One shard's tables, and the log of what was applied to them.
struct Shelf {
    pops: Pops,
    offsets: ConsumerOffsets,
    log: Vec<(u32, PopStep<'static>)>,
}

impl Shelf {
    fn new() -> Shelf {
        Shelf { pops: Pops::new(PopLimits::default()), offsets: ConsumerOffsets::new(1_000), log: Vec::new() }
    }

    fn apply(&mut self, queue_id: u32, step: PopStep<'static>) {
        self.log.push((queue_id, step.clone()));
        self.pops.apply(&PopEvent { topic: TOPIC, group: GROUP, queue_id, step }, &mut self.offsets);
    }

    fn pop(&mut self, queue_id: u32, offsets: &[i64], time: i64, invisible_millis: i64) {
        let next = QueueOffset(offsets.last().expect("pops something") + 1);
        let offsets = offsets.iter().copied().map(QueueOffset).collect();
        let pop_time = Millis(time);
        self.apply(queue_id, PopStep::Popped { next, pop_time, invisible_millis, moved: None, offsets, orderly: None });
    }

    fn ack(&mut self, queue_id: u32, offset: i64, time: i64) {
        self.apply(queue_id, PopStep::Settled { how: Settled::Acked, messages: vec![handed(offset, time)] });
    }

    fn committed(&self, queue_id: u32) -> i64 {
        self.offsets.get(TOPIC, GROUP, queue_id).expect("was popped").offset.0
    }

    fn expired(&mut self, now: i64) -> Vec<i64> {
        self.pops.expire(Millis(now), usize::MAX).iter().map(|expired| expired.message.offset.0).collect()
    }
}

fn handed(offset: i64, time: i64) -> Handed {
    Handed { offset: QueueOffset(offset), pop_time: Millis(time) }
}

#[test]
fn the_consumer_offset_is_the_first_message_that_is_not_acked() {
    let mut shelf = Shelf::new();
    shelf.pop(0, &[0, 1, 2], 100, 50);
    assert_eq!((shelf.committed(0), shelf.pops.len()), (0, 3));
    shelf.ack(0, 1, 100);
    assert_eq!(shelf.committed(0), 0);
    shelf.ack(0, 0, 100);
    assert_eq!(shelf.committed(0), 2);
    shelf.ack(0, 2, 100);
    assert_eq!(shelf.committed(0), 3);
    assert!(shelf.pops.is_empty(), "nothing in flight, nothing kept");
}

#[test]
fn an_ack_of_another_pop_changes_nothing() {
    let mut shelf = Shelf::new();
    shelf.pop(0, &[0], 100, 50);
    shelf.ack(0, 0, 99);
    shelf.ack(0, 1, 100);
    shelf.ack(1, 0, 100);
    assert!(shelf.pops.holds(TOPIC, GROUP, 0, handed(0, 100)));
    assert_eq!(shelf.pops.len(), 1);
}

#[test]
fn a_message_expires_once_until_it_is_postponed() {
    let mut shelf = Shelf::new();
    shelf.pop(0, &[0, 1], 100, 50);
    assert_eq!(shelf.pops.next_expiry(), Some(Millis(150)));
    assert_eq!(shelf.expired(149), [0; 0]);
    let expired = shelf.pops.expire(Millis(150), 1);
    assert_eq!(shelf.expired(150), [1]);
    assert_eq!(shelf.pops.len(), 2, "both are still in somebody's hands");
    shelf.pops.postpone(&expired[0], Millis(200));
    assert_eq!((shelf.expired(199).len(), shelf.expired(200)), (0, vec![0]));
}

#[test]
fn a_longer_time_gives_the_message_a_new_name() {
    let mut shelf = Shelf::new();
    shelf.pop(0, &[0], 100, 50);
    let step = PopStep::Extended { message: handed(0, 100), pop_time: Millis(120), visible_at: Millis(500) };
    shelf.apply(0, step);
    assert_eq!(shelf.expired(499), [0; 0]);
    shelf.ack(0, 0, 100);
    assert_eq!(shelf.pops.len(), 1, "the old handle holds nothing any more");
    shelf.ack(0, 0, 120);
    assert!(shelf.pops.is_empty());
}

#[test]
fn a_batch_in_order_blocks_its_queue_until_it_is_acked_or_its_time_is_over() {
    let mut shelf = Shelf::new();
    let batch = |time: i64, offsets: &[i64], counts: &[i32], attempt: &'static str| PopStep::Popped {
        next: QueueOffset(3),
        pop_time: Millis(time),
        invisible_millis: 50,
        moved: None,
        offsets: offsets.iter().copied().map(QueueOffset).collect(),
        orderly: Some((attempt, counts.to_vec())),
    };
    shelf.apply(0, batch(100, &[0, 1, 2], &[0, 0, 0], "a"));
    let held = |shelf: &Shelf| shelf.pops.orderly(TOPIC, GROUP, 0).cloned().expect("is held");
    assert_eq!(held(&shelf).blocked_until(Millis(149), "b"), Some(Millis(150)));
    assert_eq!(held(&shelf).blocked_until(Millis(149), "a"), None, "the same attempt asks again");
    assert_eq!(held(&shelf).blocked_until(Millis(150), "b"), None, "its time is over");
    assert_eq!((held(&shelf).count(QueueOffset(1), "b"), held(&shelf).count(QueueOffset(1), "a")), (1, 0));
    shelf.ack(0, 1, 100);
    assert_eq!((shelf.committed(0), held(&shelf).is_acked(QueueOffset(1))), (0, true));
    shelf.ack(0, 0, 100);
    assert_eq!(shelf.committed(0), 2);
    shelf.ack(0, 2, 100);
    assert_eq!(shelf.committed(0), 3);
    assert!(shelf.pops.is_empty());
}

#[test]
fn what_a_later_pop_has_no_room_for_stays_in_the_batch() {
    let mut shelf = Shelf::new();
    let batch = |time: i64, offsets: &[i64], attempt: &'static str| PopStep::Popped {
        next: QueueOffset(4),
        pop_time: Millis(time),
        invisible_millis: 50,
        moved: None,
        offsets: offsets.iter().copied().map(QueueOffset).collect(),
        orderly: Some((attempt, vec![0; offsets.len()])),
    };
    shelf.apply(0, batch(100, &[0, 1, 2, 3], "a"));
    shelf.ack(0, 2, 100);
    shelf.apply(0, batch(200, &[0], "b"));
    let held = |shelf: &Shelf| shelf.pops.orderly(TOPIC, GROUP, 0).cloned().expect("is held");
    assert_eq!(held(&shelf).blocked_until(Millis(249), "c"), Some(Millis(250)));
    shelf.ack(0, 0, 200);
    assert_eq!(shelf.committed(0), 1);
    assert_eq!((held(&shelf).first(), held(&shelf).blocked_until(Millis(200), "c")), (Some(QueueOffset(1)), None));
    shelf.apply(0, batch(210, &[1, 3], "c"));
    shelf.ack(0, 1, 210);
    shelf.ack(0, 3, 210);
    assert_eq!(shelf.committed(0), 4);
    assert!(shelf.pops.is_empty());
}

#[test]
fn deleted_topics_and_groups_leave_nothing() {
    let mut shelf = Shelf::new();
    shelf.pop(0, &[0, 1], 100, 50);
    shelf.pops.remove_group("another");
    assert_eq!(shelf.pops.len(), 2);
    shelf.pops.remove_group(GROUP);
    assert!(shelf.pops.is_empty());
    shelf.pop(1, &[0, 1], 100, 50);
    shelf.pops.remove_topic(TOPIC);
    assert_eq!((shelf.pops.len(), shelf.pops.next_expiry()), (0, None));
}

/// 10^6 messages popped, half of them acked, and the consumers never seen again.
#[test]
fn nothing_leaks_when_consumers_vanish() {
    const QUEUES: u32 = 64;
    const POPS: i64 = 1_000_000 / 32 / QUEUES as i64 + 1;
    let mut shelf = Shelf::new();
    let mut come_back = 0;
    for pop in 0..POPS {
        for queue_id in 0..QUEUES {
            let offsets: Vec<i64> = (pop * 32..pop * 32 + 32).collect();
            shelf.pop(queue_id, &offsets, pop, 60_000);
            shelf.log.clear();
            let acked: Vec<Handed> =
                offsets.iter().filter(|offset| *offset % 2 == 0).map(|offset| handed(*offset, pop)).collect();
            shelf.apply(queue_id, PopStep::Settled { how: Settled::Acked, messages: acked });
        }
    }
    let popped = POPS * 32 * i64::from(QUEUES);
    assert!(popped >= 1_000_000);
    assert_eq!(shelf.pops.len() as i64, popped / 2);
    let now = Millis(POPS + 60_000);
    loop {
        let expired = shelf.pops.expire(now, 256);
        if expired.is_empty() {
            break;
        }
        for one in expired {
            come_back += 1;
            shelf.log.clear();
            shelf.apply(one.queue_id, PopStep::Settled { how: Settled::Revived, messages: vec![one.message] });
        }
    }
    assert_eq!(come_back, popped / 2, "what was not acked comes back, all of it");
    assert!(shelf.pops.is_empty());
    assert_eq!((shelf.pops.len(), shelf.pops.next_expiry()), (0, None));
    assert!((0..QUEUES).all(|queue_id| shelf.committed(queue_id) == POPS * 32));
}

/// The plain model of one queue: what is in flight by offset, with the time of its pop and its end.
#[derive(Default)]
struct Model {
    next: i64,
    in_flight: BTreeMap<i64, (i64, i64)>,
    done: BTreeSet<i64>,
}

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// Some steps on three queues, checked against the model after each.
fn wander(shelf: &mut Shelf, models: &mut [Model], random: &mut Random, time: &mut i64, steps: usize) {
    for _ in 0..steps {
        *time += 1 + random.below(20) as i64;
        let queue_id = random.below(models.len()) as u32;
        let model = &mut models[queue_id as usize];
        let picked = model.in_flight.iter().nth(random.below(model.in_flight.len().max(1))).map(|(at, flight)| (*at, *flight));
        match (random.below(6), picked) {
            (0 | 1, _) | (_, None) => {
                let offsets: Vec<i64> = (model.next..).take(1 + random.below(5)).collect();
                let invisible = random.below(200) as i64;
                shelf.pop(queue_id, &offsets, *time, invisible);
                model.next = offsets[offsets.len() - 1] + 1;
                model.in_flight.extend(offsets.iter().map(|offset| (*offset, (*time, *time + invisible))));
            }
            (2 | 3, Some((offset, (pop_time, _)))) => {
                shelf.ack(queue_id, offset, pop_time);
                model.in_flight.remove(&offset);
                model.done.insert(offset);
            }
            (4, Some((offset, (pop_time, _)))) => {
                let visible_at = *time + random.below(300) as i64;
                let message = handed(offset, pop_time);
                shelf.apply(queue_id, PopStep::Extended { message, pop_time: Millis(*time), visible_at: Millis(visible_at) });
                model.in_flight.insert(offset, (*time, visible_at));
            }
            _ => {
                let expired = shelf.pops.expire(Millis(*time), usize::MAX);
                let mut expected = 0;
                for (queue_id, model) in models.iter_mut().enumerate() {
                    let over: Vec<i64> =
                        model.in_flight.iter().filter(|(_, f)| f.1 <= *time).map(|(offset, _)| *offset).collect();
                    expected += over.len();
                    for offset in over {
                        assert!(expired.iter().any(|one| one.queue_id as usize == queue_id && one.message.offset.0 == offset));
                        model.in_flight.remove(&offset);
                        model.done.insert(offset);
                    }
                }
                assert_eq!(expired.len(), expected, "nothing visible comes early");
                for one in expired {
                    shelf.apply(one.queue_id, PopStep::Settled { how: Settled::Revived, messages: vec![one.message] });
                }
            }
        }
        compare(&shelf.pops, &shelf.offsets, models);
    }
}

fn compare(pops: &Pops, offsets: &ConsumerOffsets, models: &[Model]) {
    assert_eq!(pops.len(), models.iter().map(|model| model.in_flight.len()).sum::<usize>());
    for (queue_id, model) in models.iter().enumerate() {
        let queue_id = queue_id as u32;
        for (offset, (pop_time, _)) in &model.in_flight {
            assert!(pops.holds(TOPIC, GROUP, queue_id, handed(*offset, *pop_time)), "queue {queue_id}, offset {offset}");
        }
        let first = model.in_flight.keys().next().copied().unwrap_or(model.next);
        if let Some(committed) = offsets.get(TOPIC, GROUP, queue_id) {
            assert_eq!(committed.offset.0, first, "queue {queue_id}");
        }
    }
    let soonest = models.iter().flat_map(|model| model.in_flight.values()).map(|(_, visible_at)| *visible_at).min();
    assert_eq!(pops.next_expiry().map(|time| time.0), soonest);
}

/// A snapshot's slices are taken while the state goes on changing: the log from the snapshot's position brings it to the end.
#[test]
fn a_snapshot_and_the_log_behind_it_give_the_state() {
    for seed in 1..200 {
        let mut random = Random(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let (mut shelf, mut time) = (Shelf::new(), 1_000);
        let mut models: Vec<Model> = (0..3).map(|_| Model::default()).collect();
        let before = random.below(60);
        wander(&mut shelf, &mut models, &mut random, &mut time, before);
        let position = shelf.log.len();
        let mut slices = Vec::new();
        let mut from = Some(0);
        while let Some(at) = from {
            let steps = random.below(8);
            wander(&mut shelf, &mut models, &mut random, &mut time, steps);
            let mut bytes = Vec::new();
            from = shelf.pops.encode_slice(at, 10, &mut bytes);
            slices.push(bytes);
        }
        let steps = random.below(8);
        wander(&mut shelf, &mut models, &mut random, &mut time, steps);
        let mut offsets = Vec::new();
        assert_eq!(shelf.offsets.encode_slice(0, usize::MAX, &mut offsets), None);
        let steps = random.below(30);
        wander(&mut shelf, &mut models, &mut random, &mut time, steps);

        let mut again = Shelf::new();
        slices.iter().for_each(|slice| again.pops.load_slice(slice).unwrap());
        again.offsets.load_slice(&offsets, LogPosition(0)).unwrap();
        for (queue_id, step) in &shelf.log[position..] {
            again.apply(*queue_id, step.clone());
        }
        compare(&again.pops, &again.offsets, &models);
    }
}

#[test]
fn garbage_is_refused_not_believed() {
    let mut shelf = Shelf::new();
    shelf.pop(0, &[0, 1, 7], 100, 50);
    shelf.offsets.commit(OffsetCommit { topic: "U", group: GROUP, queue_id: 0, offset: QueueOffset(1) }).unwrap();
    let mut bytes = Vec::new();
    shelf.pops.encode_slice(0, usize::MAX, &mut bytes);
    crate::wire::garble(&bytes, |garbage| {
        let _ = Pops::new(PopLimits::default()).load_slice(garbage);
    });
}
