//! One slow disk, some producers that flood it and one that sends now and then: nobody waits for ever.
//!
//! The log takes what its disk takes; beyond that connections wait for room. A connection that has more to send than there
//! will ever be room for must not keep the room from one that has a single message. What a message waits is bounded: the
//! bytes that the log holds unwritten, and one pass of each of the others, at the disk's speed.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use ringmq::remoting::request::send::SendMessage;
use ringmq_shards::log::SyncMethod;
use ringmq_shards::runtime::sim::World;
use ringmq_shards::runtime::{Lane, sleep, spawn, uptime};

use crate::node::{self, Node};
use crate::wire::{BORN, Reply, Wire};

const FLOODS: usize = 3;
/// On each connection that floods: together several times what the log holds.
const IN_FLIGHT: usize = 80;
const BODY_BYTES: usize = 60 << 10;
/// What the log holds unwritten, and what one connection brings in a pass; both as the node has them.
const LOG_BYTES: usize = 8 << 20;
const PASS_BYTES: usize = 256 << 10;
const FLOODED_FOR: Duration = Duration::from_secs(3);

#[derive(Default)]
struct Seen {
    over: Cell<bool>,
    acknowledged: Cell<usize>,
    refused: Cell<usize>,
    flooding: Cell<usize>,
}

/// What it came to, in words; panics where it must not be so.
pub fn run(seed: u64) -> String {
    let world = World::new(seed);
    world.set_limit(Duration::from_secs(120));
    let machine = world.machine("broker");
    let options = node::options(world.address(machine), 1, 16 << 20, 2, SyncMethod::WriteThenSync);
    let seen = Rc::new(Seen::default());
    world.run(async {
        let (node, mut floods) = Node::serving(&world, machine, &options, 1 + FLOODS as u64).await;
        let small = floods.remove(0);
        assert_eq!(send(&small).await.0.code, 0, "the first makes the topic");
        world.disk_faults(machine, |faults| {
            faults.write_latency = Duration::from_millis(2)..Duration::from_millis(6);
            faults.sync_latency = Duration::from_millis(2)..Duration::from_millis(6);
        });
        for flood in floods {
            let seen = seen.clone();
            seen.flooding.set(seen.flooding.get() + 1);
            let _detached = spawn(Lane::Network, async move { keep_sending(&flood, &seen).await });
        }
        sleep(Duration::from_secs(1)).await;
        let (before, began) = (seen.acknowledged.get(), uptime());
        let (mut sends, mut longest) = (0, Duration::ZERO);
        while uptime() - began < FLOODED_FOR {
            let (reply, took) = send(&small).await;
            assert_eq!(reply.code, 0, "{}", reply.remark);
            sends += 1;
            longest = longest.max(took);
        }
        let bytes = (seen.acknowledged.get() - before) * BODY_BYTES;
        let rate = bytes as f64 / (uptime() - began).as_secs_f64();
        let bound = Duration::from_secs_f64(1.5 * (LOG_BYTES + FLOODS * PASS_BYTES) as f64 / rate);
        assert!(bytes > 2 * LOG_BYTES, "the log was never full: {bytes} bytes");
        assert!(longest <= bound, "a message waited {longest:?}, the bound is {bound:?} at {rate:.0} B/s");
        assert_eq!(seen.refused.get(), 0, "nobody is refused while the disk takes what it can");

        seen.over.set(true);
        while seen.flooding.get() > 0 {
            sleep(Duration::from_millis(10)).await;
        }
        assert!(node.stop(&world, Duration::from_secs(15)).await);
        format!("{sends} sends beside {FLOODS} floods of {:.1} MB/s: the longest took {longest:?} of {bound:?}", rate / 1e6)
    })
}

async fn send(wire: &Wire) -> (Reply, Duration) {
    let asked = uptime();
    let request = request(0);
    let reply = wire.call(310, Duration::from_secs(30), |writer| request.encode_v2(writer).body(b"a small message")).await;
    (reply.expect("an answer"), uptime() - asked)
}

/// Always has as much in flight as it may.
async fn keep_sending(wire: &Rc<Wire>, seen: &Rc<Seen>) {
    let body = [b'f'; BODY_BYTES];
    let request = request(1);
    let in_flight = Rc::new(Cell::new(0));
    while !seen.over.get() {
        let mut out = Vec::new();
        while in_flight.get() < IN_FLIGHT && out.len() < PASS_BYTES {
            let answer = wire.put(&mut out, 310, |writer| request.encode_v2(writer).body(&body));
            in_flight.set(in_flight.get() + 1);
            let (wire, seen, in_flight) = (wire.clone(), seen.clone(), in_flight.clone());
            let _detached = spawn(Lane::Network, async move {
                let reply = wire.answer(answer, Duration::from_secs(60)).await.expect("every send is answered");
                let count = if reply.code == 0 { &seen.acknowledged } else { &seen.refused };
                count.set(count.get() + 1);
                in_flight.set(in_flight.get() - 1);
            });
        }
        match out.is_empty() {
            true => sleep(Duration::from_millis(1)).await,
            false => wire.send(&out).await,
        }
    }
    while in_flight.get() > 0 {
        sleep(Duration::from_millis(1)).await;
    }
    seen.flooding.set(seen.flooding.get() - 1);
}

fn request(queue_id: i32) -> SendMessage<'static> {
    SendMessage::plain("producers", "Fair", queue_id, BORN)
}
