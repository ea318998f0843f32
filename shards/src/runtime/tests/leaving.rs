//! A query by key or by time that still wants a part of the index of a segment which has been deleted meanwhile, because the disk
//! was too full: it leaves that segment out and goes on.

use std::time::Duration;

use super::shard::{SEGMENT_BYTES, message, opened, stored};
use crate::queue::{Boundary, IndexRead, KeySearch, KeyStep, key_hash};
use crate::runtime::housekeeping::Retention;
use crate::runtime::index_files;
use crate::runtime::live::LiveShard;
use crate::runtime::query::KeyQuery;
use crate::runtime::sim::World;
use crate::runtime::{fs, now, sleep};
use crate::types::{LogPosition, Millis};

/// A topic that is always there.
const TOPIC: &str = "TBW102";
const SEGMENTS: u64 = 4;

#[test]
fn queries_leave_out_what_has_left() {
    let world = World::new(1);
    let machine = world.machine("m");
    let process = world.spawn_single(machine, "shard", leave);
    world.run(world.ended(process));
}

/// The part of the oldest segment's index that a search wants first.
async fn wanted_of_oldest(live: &LiveShard) -> (KeySearch, IndexRead) {
    let mut search = KeySearch::new(key_hash(TOPIC, b"all"), Millis(0), Millis(i64::MAX));
    loop {
        let step = live.state.borrow_mut().queues.find_key(&mut search, &mut Vec::new());
        match step {
            KeyStep::Need(read) if read.segment == LogPosition::ZERO => return (search, read),
            KeyStep::Need(read) => live.load_index(read).await.unwrap(),
            KeyStep::More => {}
            KeyStep::Done => panic!("the oldest segment is looked into"),
        }
    }
}

async fn leave() {
    let live = opened().await;
    let (begun, body) = (now(), vec![7; 40 << 10]);
    while live.state.borrow().log.appended().0 < SEGMENTS * SEGMENT_BYTES {
        stored(&live, &message(TOPIC, 0, &body, b"KEYS\x01all\x02")).await;
    }
    while live.state.borrow().queues.sealing().is_some() {
        sleep(Duration::from_millis(10)).await;
    }
    let (mut search, wanted) = wanted_of_oldest(&live).await;
    // Nothing has expired, and the disk is always too full.
    live.retain(|| Retention {
        reserved_millis: i64::MAX,
        hours: Vec::new(),
        used_max: 100,
        clean_forcibly: 0,
        clean_forcibly_enabled: true,
        refuse: 100,
        interval: Duration::from_millis(50),
        utc_offset_minutes: 0,
    });
    while live.log.first() == LogPosition::ZERO {
        sleep(Duration::from_millis(5)).await;
    }

    assert_eq!(live.load_index(wanted).await, Ok(()));
    let step = live.state.borrow_mut().queues.find_key(&mut search, &mut Vec::new());
    assert_eq!(step, KeyStep::Done, "nothing is older");
    assert!(!fs::exists(&index_files::path(&live.log.options, wanted.segment)), "no file is made again for what has left");
    let query = KeyQuery {
        topic: TOPIC.to_owned(),
        key: "all".to_owned(),
        unique: false,
        from: Millis(0),
        to: Millis(i64::MAX),
        messages_max: 1000,
        bytes_max: usize::MAX,
    };
    assert!(!live.query(&query).await.unwrap().is_empty(), "what stays is found");
    assert!(live.search_time(TOPIC, 0, begun, Boundary::Lower).await.unwrap() > 0);
    live.stop().await;
}
