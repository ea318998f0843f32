//! Many producers send to topics that nobody has made yet, at the same time and through every core: all are answered well.
//!
//! A topic that is new reaches the cores one after the other, and a message goes from the core of its connection to that of
//! its queue. Nobody may be told that the topic is not there by a core that has not heard of it yet.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use ringmq::remoting::request::send::SendMessage;
use ringmq_shards::log::SyncMethod;
use ringmq_shards::runtime::sim::World;
use ringmq_shards::runtime::{Lane, random, sleep, spawn};

use crate::node::{self, Node};
use crate::wire::BORN;

const SHARDS: u16 = 4;
const CONNECTIONS: u64 = 8;
const TOPICS: usize = 20;
const QUEUES: i32 = 8;
/// About as long as a topic takes to become known everywhere.
const APART: Duration = Duration::from_millis(3);

/// How many were acknowledged, in words; panics when one was not.
pub fn run(seed: u64) -> String {
    let world = World::new(seed);
    world.set_limit(Duration::from_secs(120));
    let machine = world.machine("broker");
    let options = node::options(world.address(machine), SHARDS, 16 << 20, 2, SyncMethod::WriteThenSync);
    let sent = Rc::new(Cell::new(0));
    world.run(async {
        let (node, wires) = Node::serving(&world, machine, &options, CONNECTIONS).await;
        for topic in 0..TOPICS {
            let waiting = Rc::new(Cell::new(wires.len()));
            for wire in &wires {
                let (wire, waiting, sent) = (wire.clone(), waiting.clone(), sent.clone());
                let _detached = spawn(Lane::Network, async move {
                    sleep(APART.mul_f64(random() as f64 / u64::MAX as f64)).await;
                    let topic = format!("New{topic}");
                    let request = request(&topic, (random() % QUEUES as u64) as i32);
                    let send = wire.call(310, Duration::from_secs(30), |writer| request.encode_v2(writer).body(b"first"));
                    let reply = send.await.expect("an answer");
                    assert_eq!(reply.code, 0, "{}", reply.remark);
                    sent.set(sent.get() + 1);
                    waiting.set(waiting.get() - 1);
                });
            }
            while waiting.get() > 0 {
                sleep(Duration::from_millis(1)).await;
            }
        }
        assert!(node.stop(&world, Duration::from_secs(15)).await);
    });
    format!("{} messages to {TOPICS} topics that were not there", sent.get())
}

fn request(topic: &str, queue_id: i32) -> SendMessage<'_> {
    SendMessage { default_topic_queue_nums: QUEUES, ..SendMessage::plain("producers", topic, queue_id, BORN) }
}
