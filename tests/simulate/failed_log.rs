//! One core's log fails for good, and topics are made all the same: no core says of one that it is not there.
//!
//! The core with the failed log is told of no change any more, but its connections stay, and their clients know the topic from
//! the others' answers. Told that it is gone, a consumer would drop its queues.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use ringmq::remoting::request::pull::PullMessage;
use ringmq::remoting::request::send::SendMessage;
use ringmq_shards::log::SyncMethod;
use ringmq_shards::runtime::random;
use ringmq_shards::runtime::sim::{CrashKind, World};

use crate::node::{self, Node};
use crate::wire::{BORN, Wire};

const SHARDS: u16 = 4;
const CONNECTIONS: u64 = 12;
const TOPICS: usize = 10;
const QUEUES: i32 = 8;
const WAIT: Duration = Duration::from_secs(30);
/// Of a million writes. One failure is the end of its log.
const WRITES_FAIL: u32 = 200_000;
const SUCCESS: i32 = 0;
const SERVICE_NOT_AVAILABLE: i32 = 14;
const TOPIC_NOT_EXIST: i32 = 17;

/// Where the log of the home of topics fails, none is made: then another world is tried.
const WORLDS: u64 = 30;

/// What was seen, in words; panics when a topic was said to be missing.
pub fn run(seed: u64) -> String {
    let worlds = (0..WORLDS).map(|world| (world, beside_a_failed_log(seed * WORLDS + world)));
    let (world, (acknowledged, unavailable)) =
        worlds.into_iter().find(|(_, (acknowledged, _))| *acknowledged > 0).expect("a home whose log is well");
    format!("{acknowledged} queues of new topics sent to, {unavailable} answers by what has failed, in world {world}")
}

/// To how many queues of new topics a send was acknowledged, and how often a core said that it has failed.
fn beside_a_failed_log(seed: u64) -> (usize, usize) {
    let world = World::new(seed);
    world.set_limit(Duration::from_secs(600));
    let machine = world.machine("broker");
    let options = node::options(world.address(machine), SHARDS, 16 << 20, 2, SyncMethod::WriteThenSync);
    world.run(async {
        let (node, wires) = Node::serving(&world, machine, &options, CONNECTIONS).await;
        let (mut acknowledged, mut unavailable) = (BTreeSet::new(), 0);
        // The topic that is there from the start, so that the home may be whole.
        world.disk_faults(machine, |faults| faults.write_error = WRITES_FAIL);
        while send(&wires[random() as usize % wires.len()], "TBW102").await.0 == SUCCESS {}
        world.disk_faults(machine, |faults| faults.write_error = 0);
        for topic in 0..TOPICS {
            let topic = format!("New{topic}");
            for wire in &wires {
                match send(wire, &topic).await {
                    (SUCCESS, queue) => _ = acknowledged.insert((topic.clone(), queue)),
                    (SERVICE_NOT_AVAILABLE, _) => unavailable += 1,
                    (code, _) => panic!("a send to {topic} was answered {code}"),
                }
            }
            for ((topic, queue), wire) in acknowledged.iter().flat_map(|place| wires.iter().map(move |wire| (place, wire))) {
                let pull = PullMessage::of_all_tags("readers", topic, *queue, 0, 32);
                let reply = wire.call(11, WAIT, |writer| pull.encode(writer)).await.expect("an answer");
                assert_ne!(reply.code, TOPIC_NOT_EXIST, "{}", reply.remark);
                unavailable += usize::from(reply.code == SERVICE_NOT_AVAILABLE);
            }
        }
        world.crash(node.process, CrashKind::Kill);
        assert!(unavailable > 0, "a log has failed");
        (acknowledged.len(), unavailable)
    })
}

/// The answer's code and the queue.
async fn send(wire: &Rc<Wire>, topic: &str) -> (i32, i32) {
    let queue_id = (random() % QUEUES as u64) as i32;
    let request = SendMessage { default_topic_queue_nums: QUEUES, ..SendMessage::plain("producers", topic, queue_id, BORN) };
    let reply = wire.call(310, WAIT, |writer| request.encode_v2(writer).body(b"first")).await;
    let reply = reply.unwrap_or_else(|silent| panic!("{topic} {queue_id} on {}: {silent:?}", wire.number));
    (reply.code, queue_id)
}
