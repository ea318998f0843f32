//! Whole brokers in simulation: `node::start` over a seeded world, clients, crashes, and what must hold whatever happens.
//! (work in progress)

mod node;

use std::time::Duration;

use ringmq_shards::runtime::sim::World;

fn main() {
    let world = World::new(1);
    let machine = world.machine("broker");
    let options = node::options(world.address(machine), 2, 1 << 20, 4);
    let world = &world;
    world.run(async {
        match node::Node::start(world, machine, &options, Duration::from_secs(10)).await {
            node::Start::Serves(node) => {
                println!("serves after {:?}", world.elapsed());
                println!("stopped {} after {:?}", node.stop(world, Duration::from_secs(10)).await, world.elapsed());
            }
            node::Start::Refused(error) => panic!("{error}"),
            _ => panic!("not ready"),
        }
    });
}
