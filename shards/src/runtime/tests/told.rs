//! A change of settings that the home has made: a core that has no room for it on its disk takes it as soon as there is some.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::shard::{message, opened};
use crate::runtime::sim::World;
use crate::runtime::{now, sleep};
use crate::shard::{AppendError, Change};
use crate::topic::TopicConfig;

/// Fewer segments than the test fills.
const FULL: u64 = 3 << 20;

#[test]
fn a_full_disk_puts_a_change_off_and_does_not_lose_it() {
    let world = World::new(1);
    let machine = world.machine("m");
    world.disk_capacity(machine, FULL);
    let (full, told) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(false)));
    let (says_full, says_told) = (full.clone(), told.clone());
    world.spawn_single(machine, "shard", async move || {
        let live = opened().await;
        // The smallest entry finds no room any more.
        let mut body = vec![7; 60 << 10];
        loop {
            match live.append(now(), &message("TBW102", 0, &body, b"")) {
                Err(AppendError::NoRoom) => live.room().await,
                Err(AppendError::DiskFull(_)) if body.len() > 1 => body.truncate(body.len() / 2),
                Err(AppendError::DiskFull(_)) => break,
                appended => live.durable(appended.unwrap().end).await.unwrap(),
            }
        }
        says_full.set(true);
        let change = live.state.borrow().topics.create_if_absent(TopicConfig::new("New"), now()).unwrap().unwrap();
        live.change_told(Change::Topic(change)).await.unwrap();
        assert!(live.state.borrow().topics.get("New").is_some());
        says_told.set(true);
    });
    world.run(async {
        while !full.get() {
            sleep(Duration::from_millis(10)).await;
        }
        sleep(Duration::from_secs(5)).await;
        assert!(!told.get(), "there was no room for it");
        world.disk_capacity(machine, 10 * FULL);
        sleep(Duration::from_secs(5)).await;
        assert!(told.get());
    });
}
