//! Waiting messages whose records the disk does not give: a damaged one is dropped and keeps neither the others nor its segment;
//! one that cannot be read now is asked for again, and the others go meanwhile.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::shard::{SEGMENT_BYTES, expires_at_once, message, opened, stored};
use crate::runtime::live::LiveShard;
use crate::runtime::sim::World;
use crate::runtime::{File, Open, now, sleep};
use crate::timer::{SCHEDULE_TOPIC, Wait};
use crate::types::{LogPosition, Millis};

/// A topic that is always there.
const TOPIC: &str = "TBW102";

/// Returns where its record begins.
async fn delayed(live: &LiveShard, millis: i64, body: &[u8]) -> LogPosition {
    let properties = format!("__DELIVER_MS\u{1}{}\u{2}REAL_TOPIC\u{1}{TOPIC}\u{2}REAL_QID\u{1}0\u{2}", now().plus(millis).0);
    assert!(Wait::of(SCHEDULE_TOPIC, 0, 1, properties.as_bytes()).is_some());
    LogPosition(stored(live, &message(SCHEDULE_TOPIC, 0, body, properties.as_bytes())).await.physical_offset as u64)
}

/// Until what was sent before is only on the disk, in sealed segments.
async fn filled(live: &LiveShard) {
    let body = vec![7; 60 << 10];
    let end = live.state.borrow().log.appended().0 + 2 * SEGMENT_BYTES;
    while live.state.borrow().log.appended().0 < end {
        stored(live, &message(TOPIC, 0, &body, b"")).await;
    }
    while live.state.borrow().queues.sealing().is_some() {
        sleep(Duration::from_millis(10)).await;
    }
}

/// Turns over a byte of a record's body.
async fn damage(live: &LiveShard, position: LogPosition) {
    let segment = live.log.options.segment_of(position);
    let file = File::open(&live.log.path(segment), Open::ReadWrite).await.unwrap();
    let unit = u64::from(live.log.options.block_unit);
    let at = position.since(segment) + 100;
    let mut buffer = file.read_at(at / unit * unit, unit as usize).await.unwrap();
    buffer.as_mut_slice()[(at % unit) as usize] ^= 0xff;
    file.write_at(&Rc::new(buffer), at / unit * unit).await.unwrap();
}

fn run(main: impl AsyncFnOnce() + 'static) {
    let world = World::new(1);
    let machine = world.machine("m");
    let process = world.spawn_single(machine, "shard", async move || main().await);
    world.run(world.ended(process));
}

#[test]
fn a_damaged_one_is_dropped_when_it_is_due_and_holds_up_nobody() {
    run(async || {
        let live = opened().await;
        let begun = now();
        let bad = delayed(&live, 5_000, &[1; 200]).await;
        delayed(&live, 5_001, &[2; 200]).await;
        filled(&live).await;
        damage(&live, bad).await;
        assert!(now().since(begun) < 5_000, "nothing is due yet");
        sleep(Duration::from_millis(5_250)).await;
        assert_eq!((live.timers.delivered.get(), live.timers.dropped.get()), (1, 1));
        assert!(live.state.borrow().timers.is_empty());
        live.stop().await;
    });
}

#[test]
fn a_damaged_one_does_not_keep_its_segment() {
    run(async || {
        let live = opened().await;
        let bad = delayed(&live, 600_000, &[1; 200]).await;
        delayed(&live, 600_000, &[2; 200]).await;
        filled(&live).await;
        damage(&live, bad).await;
        live.retain(expires_at_once);
        for _ in 0..100 {
            sleep(Duration::from_millis(50)).await;
        }
        assert!(live.log.first() > bad, "the segment has gone");
        assert_eq!((live.timers.moved.get() > 0, live.timers.dropped.get()), (true, 1));
        assert_eq!(live.state.borrow().timers.len(), 1, "the other one waits on");
        live.stop().await;
    });
}

#[test]
fn what_cannot_be_read_now_waits_and_the_others_go() {
    #[derive(Default)]
    struct Seen {
        ready: Cell<Option<Millis>>,
        delivered: Cell<u64>,
        dropped: Cell<u64>,
    }
    let world = World::new(1);
    let machine = world.machine("m");
    let seen = Rc::new(Seen::default());
    let tells = seen.clone();
    world.spawn_single(machine, "shard", async move || {
        let live = opened().await;
        for _ in 0..3 {
            delayed(&live, 5_000, &[1; 200]).await;
        }
        filled(&live).await;
        // These stay in memory.
        for after in [6_000, 7_000, 8_000] {
            delayed(&live, after, &[2; 200]).await;
        }
        tells.ready.set(Some(now()));
        loop {
            tells.delivered.set(live.timers.delivered.get());
            tells.dropped.set(live.timers.dropped.get());
            sleep(Duration::from_millis(10)).await;
        }
    });
    world.run(async {
        while seen.ready.get().is_none() {
            sleep(Duration::from_millis(10)).await;
        }
        world.disk_faults(machine, |faults| faults.read_error = 1_000_000);
        sleep(Duration::from_millis(8_300)).await;
        assert_eq!(seen.delivered.get(), 3, "those in memory have gone in time");
        world.disk_faults(machine, |faults| faults.read_error = 0);
        sleep(Duration::from_secs(10)).await;
        assert_eq!((seen.delivered.get(), seen.dropped.get()), (6, 0), "and then the others");
    });
}
