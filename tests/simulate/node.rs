//! The broker under test: the product's own start, on a simulated machine.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ringmq::config::{Advertised, BROKER, Layers, NAMESRV, NamesrvSettings, NodeOptions, Roles, Settings};
use ringmq::node::start::{self, CorePlan, CoreReady};
use ringmq::node::stop::Stop;
use ringmq::node::store;
use ringmq::remoting::Encoding;
use ringmq_shards::log::SyncMethod;
use ringmq_shards::placement::Routing;
use ringmq_shards::runtime::sim::{MachineId, ProcessId, World};
use ringmq_shards::runtime::{CoreSpec, launch, mesh, sleep};
use ringmq_shards::types::ShardId;

use crate::wire::Wire;
use crate::{letters, transactions};

pub const PORT: u16 = 10_911;
const NAMESRV_PORT: u16 = 9_876;
/// Bodies are at most this long, so that segments can be small.
pub const BODY_BYTES_MAX: usize = 64 << 10;

/// Node options as `ringmq serve` would make them, but for segments smaller than it lets anybody choose.
pub fn options(address: IpAddr, shards: u16, segment_bytes: u64, pipeline_depth: usize, sync: SyncMethod) -> NodeOptions {
    let mut settings = Settings::from_values(Layers::new(&BROKER).finish().expect("defaults are valid"));
    settings.segment_bytes = segment_bytes;
    settings.message_bytes_max = BODY_BYTES_MAX;
    settings.pipeline_depth = Some(pipeline_depth);
    settings.sync = Some(sync);
    settings.delay_levels = letters::LEVELS_MILLIS.to_vec();
    settings.transaction_timeout_ms = transactions::TIMEOUT_MILLIS;
    settings.transaction_check_interval_ms = transactions::INTERVAL_MILLIS;
    settings.transaction_checks_max = transactions::CHECKS_MAX;
    let namesrv_settings = NamesrvSettings::from_values(Layers::new(&NAMESRV).finish().expect("defaults are valid"));
    let any = |port| SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
    NodeOptions {
        roles: Roles { namesrv: true, broker: true },
        data_dir: PathBuf::from("/data"),
        broker_name: "broker-a".to_owned(),
        advertised: Advertised { address: address.to_string(), because: String::new(), alternatives: Vec::new() },
        namesrv_address: any(NAMESRV_PORT),
        broker_address: any(PORT),
        namesrv: Vec::new(),
        cores: vec![0],
        shards,
        shards_explicit: true,
        routing: Routing::Mesh,
        memory_budget: 64 << 20,
        settings,
        namesrv_settings,
    }
}

type Readies = Arc<Mutex<Vec<Result<CoreReady, String>>>>;

/// A node that was started; perhaps it does not serve yet, perhaps it has crashed since.
pub struct Node {
    pub process: ProcessId,
    stop: Stop,
    readies: Readies,
    cores: usize,
}

/// What a start has come to.
pub enum Start {
    Serves(Node),
    /// Time is up.
    Unfinished(Node),
    Refused(String),
    /// The process that looks at the store's folder ended first.
    Crashed,
}

impl Node {
    /// A node that must serve, and so many connections to it.
    pub async fn serving(world: &World, machine: MachineId, options: &NodeOptions, connections: u64) -> (Node, Vec<Rc<Wire>>) {
        let Start::Serves(node) = Node::start(world, machine, options, Duration::from_secs(20)).await else {
            panic!("the node does not start")
        };
        let address = SocketAddr::new(world.address(machine), PORT);
        let mut wires = Vec::new();
        for number in 0..connections {
            wires.push(Wire::connect(address, Encoding::Binary, number).await.expect("the node listens"));
        }
        (node, wires)
    }

    /// Starts a node and waits until each core serves, but no longer than `limit`.
    pub async fn start(world: &World, machine: MachineId, options: &NodeOptions, limit: Duration) -> Start {
        let until = world.elapsed() + limit;
        let found = Arc::new(Mutex::new(None));
        let (look, opened) = (options.clone(), found.clone());
        let process = world.spawn_single(machine, "store", move || async move {
            let store = store::open_or_create(&look).await.map_err(|error| error.to_string());
            *opened.lock().expect("one thread") = Some(store);
        });
        world.ended(process).await;
        let store = match found.lock().expect("one thread").take() {
            Some(Ok(store)) => store,
            Some(Err(error)) => return Start::Refused(error),
            None => return Start::Crashed,
        };
        let cores = usize::from(store.shards);
        let (stop, readies) = (Stop::new(store.shards), Readies::default());
        let process = world.spawn_process(machine, "node", || {
            for (id, ends) in mesh::mesh(store.shards).into_iter().enumerate() {
                let (options, stop, readies) = (options.clone(), stop.clone(), readies.clone());
                let spec = CoreSpec { name: format!("shard-{id}"), cpu: None, io_memory: 0, spin: Duration::ZERO };
                let main = move || {
                    let ready = Box::new(move |started| readies.lock().expect("one thread").push(started));
                    start::run(CorePlan { id: ShardId(id as u16), options, store: Some(store), ends, stop, ready })
                };
                launch(spec, main).expect("simulated cores can always be had");
            }
        });
        let node = Node { process, stop, readies, cores };
        loop {
            if let Some(outcome) = node.outcome() {
                return match outcome {
                    Ok(()) => Start::Serves(node),
                    Err(error) => {
                        // The other cores wait for one that will not come; the real process exits here.
                        world.crash(node.process, ringmq_shards::runtime::sim::CrashKind::Kill);
                        Start::Refused(error)
                    }
                };
            }
            if world.elapsed() >= until {
                return Start::Unfinished(node);
            }
            sleep(Duration::from_millis(1)).await;
        }
    }

    fn outcome(&self) -> Option<Result<(), String>> {
        let readies = self.readies.lock().expect("one thread");
        let refused = readies.iter().find_map(|ready| ready.as_ref().err().cloned());
        match refused {
            Some(error) => Some(Err(error)),
            None => (readies.len() == self.cores).then_some(Ok(())),
        }
    }

    /// Tells the node to stop, as SIGTERM does, and waits. False: it has not stopped in time.
    pub async fn stop(&self, world: &World, limit: Duration) -> bool {
        self.stop.tell();
        let until = world.elapsed() + limit;
        while world.is_running(self.process) && world.elapsed() < until {
            sleep(Duration::from_millis(5)).await;
        }
        !world.is_running(self.process)
    }
}
