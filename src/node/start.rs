//! One core of a node, from start to stop. The same code runs on io_uring and in simulation.
//!
//! Order at start: the shard is recovered, the mesh connects, settings are the home's everywhere, the ports open, the
//! broker registers. Order at stop: the reverse; what was promised is kept.
//!
//! Before: `node::process`, or a simulated world; after: `broker::core`, `namesrv`.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::rc::{Rc, Weak};
use std::time::Duration;

use ringmq_shards::data_version::DataVersion;
use ringmq_shards::group::{GroupViews, Limits, Members, QueueLocks};
use ringmq_shards::log::meta::shard_dir;
use ringmq_shards::log::{Flush, LogOptions, StoreMeta, SyncMethod};
use ringmq_shards::placement::{Placement, Routing};
use ringmq_shards::queue::QueueLimits;
use ringmq_shards::runtime::housekeeping::Retention;
use ringmq_shards::runtime::live::Observer;
use ringmq_shards::runtime::mesh::{Mesh, MeshEnds};
use ringmq_shards::runtime::open::{ShardOptions, open};
use ringmq_shards::runtime::recover::Recovery;
use ringmq_shards::runtime::turns::Turns;
use ringmq_shards::runtime::{self, Task, fs};
use ringmq_shards::shard::AppendError;
use ringmq_shards::topic::Perm;
use ringmq_shards::types::{LogPosition, ShardId};

use super::name_server;
use super::stop::Stop;
use crate::broker::busy::Stalls;
use crate::broker::config as broker_config;
use crate::broker::core::{Core, Identity};
use crate::broker::registrar::Registrar;
use crate::broker::registration::{Advertised, Registration};
use crate::broker::settings_sync;
use crate::config::{self, CHANGES_FILE, Changes, NodeOptions, Settings, VIP_PORT_BELOW};
use crate::net::connection::Shared;
use crate::net::{listener, reads};
use crate::remoting::message::id::UniqueKeys;

/// The parts of the memory budget, in percent; the rest is for what is not counted.
const TAIL_PERCENT: u64 = 45;
/// More must be asked for: memory that is used again soon is warm, and a core that always takes fresh pages spends a third
/// of its time on them (docs/performance.md).
const TAIL_BYTES_AUTO: usize = 256 << 20;
/// What readers that are behind share: more keeps readers together that are further apart, and costs the processor's cache.
const COLD_PERCENT: u64 = 5;
const COLD_BYTES_AUTO: usize = 32 << 20;
const INDEX_PERCENT: u64 = 20;
const PAGES_PERCENT: u64 = 5;
const NET_PERCENT: u64 = 20;
const _: () = assert!(TAIL_PERCENT + COLD_PERCENT + 2 * INDEX_PERCENT / 2 + PAGES_PERCENT + NET_PERCENT <= 95);

/// What lies in a record besides its body: head, topic, properties.
const RECORD_OVERHEAD_BYTES: usize = 64 * 1024;
const BLOCK_BYTES_MAX: usize = 128 * 1024;
const PENDING_BYTES_MAX: usize = 8 << 20;
const ZERO_AHEAD_BYTES: u64 = 64 << 20;
pub const PIPELINE_DEPTH: usize = 4;
const OFFSETS_MAX: usize = 4_000_000;
const PULLS_MAX: usize = 200_000;
const LOCKS_MAX: usize = 1_000_000;
/// How long a stop waits for clients to take what they are owed.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long a start waits for the first registration.
const FIRST_REGISTRATION: Duration = Duration::from_millis(500);

/// What a core is started with.
pub struct CorePlan {
    pub id: ShardId,
    pub options: NodeOptions,
    /// None: no broker here, only a name server.
    pub store: Option<StoreMeta>,
    pub ends: MeshEnds<Core>,
    pub stop: Stop,
    /// Told once: the core serves, or why it does not.
    pub ready: Box<dyn FnOnce(Result<CoreReady, String>) + Send>,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct CoreReady {
    pub recovery: Option<Recovery>,
}

pub async fn run(plan: CorePlan) {
    let CorePlan { id, options, store, ends, stop, ready } = plan;
    let mut listeners = Vec::new();
    let started = start(id, &options, store, ends, &mut listeners).await;
    let (core, shared, recovery) = match started {
        Ok(started) => started,
        Err(error) => {
            ready(Err(error));
            return;
        }
    };
    ready(Ok(CoreReady { recovery }));
    stop.told().await;
    for listener in listeners {
        listener.cancel();
    }
    if let Some(core) = &core {
        core.stopping.set(true);
        let registrar = core.registrar.borrow().clone();
        if let Some(registrar) = registrar {
            registrar.unregister().await;
        }
    }
    farewell(&shared).await;
    stop.settle().await;
    if let Some(core) = core {
        core.live.stop().await;
    }
    stop.settle_again().await;
}

type Started = (Option<Rc<Core>>, Vec<Rc<Shared>>, Option<Recovery>);

async fn start(
    id: ShardId,
    options: &NodeOptions,
    store: Option<StoreMeta>,
    ends: MeshEnds<Core>,
    listeners: &mut Vec<Task>,
) -> Result<Started, String> {
    let mut shared = Vec::new();
    if id == ShardId(0) && options.roles.namesrv {
        let net = Rc::new(net_of(options, 1));
        listeners.push(name_server::start(options, net.clone()).await?);
        shared.push(net);
    }
    let Some(store) = store else { return Ok((None, shared, None)) };
    let (core, recovery) = open_core(id, options, store).await?;
    shared.push(core.net.clone());
    if options.routing == Routing::Mesh {
        Mesh::start(ends, &core, |core| &core.mesh).await;
        settings_sync::start(&core).await.map_err(|refusal| refusal.remark)?;
    }
    listener::sweep(core.net.clone());
    reads::release(core.net.clone());
    crate::broker::client::start(&core);
    crate::broker::check_back::start(&core);
    crate::broker::pop::start(&core);
    crate::broker::stats::start(&core);
    crate::broker::traffic::start(&core);
    let settings = core.clone();
    core.live.retain(move || retention(&settings.settings.borrow()));
    let (_, address) = broker_of(options, id);
    let shares = options.routing == Routing::Mesh && store.shards > 1;
    for port in [address.port(), address.port().saturating_sub(VIP_PORT_BELOW)] {
        let address = SocketAddr::new(address.ip(), port);
        let (_, task) = listener::listen(address, shares, core.clone(), core.net.clone())
            .map_err(|error| format!("cannot listen on {address}: {error}"))?;
        listeners.push(task);
    }
    register(&core, options).await;
    Ok((Some(core), shared, Some(recovery)))
}

/// The name and the listening address of the broker that this core answers for.
fn broker_of(options: &NodeOptions, id: ShardId) -> (String, SocketAddr) {
    let mut brokers = options.brokers();
    let place = if options.routing == Routing::Mesh { 0 } else { id.index() };
    brokers.swap_remove(place)
}

async fn open_core(id: ShardId, options: &NodeOptions, store: StoreMeta) -> Result<(Rc<Core>, Recovery), String> {
    let (name, listening) = broker_of(options, id);
    let mut settings = options.settings.clone();
    if store.routing == Routing::Direct {
        // Each of these brokers has its own; those of the whole node came with its settings.
        settings = settings.with_changes(&changes_of(&shard_dir(&options.data_dir, id)).await?);
        settings.relations()?;
    }
    let options = &NodeOptions { settings, ..options.clone() };
    let placement = Placement::new(store.shards, store.routing);
    let (live, recovery) = open(shard_options(id, options, store, placement, &name)).await.map_err(|error| error.to_string())?;
    let advertised: IpAddr = options.advertised.address.parse().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let identity = Identity {
        cluster: options.settings.cluster_name.clone(),
        name,
        address: SocketAddr::new(advertised, listening.port()),
        region: options.settings.region_id.clone(),
        started: runtime::now().0,
    };
    let core = Rc::new(Core {
        id,
        placement,
        identity,
        live: live.clone(),
        mesh: Mesh::new(id, store.shards),
        net: Rc::new(net_of(options, store.shards)),
        settings: RefCell::new(Rc::new(options.settings.clone())),
        counters: Default::default(),
        acks: Default::default(),
        promises: Default::default(),
        put_times: Default::default(),
        pull_longest: Cell::new(0),
        arrivals: Default::default(),
        stalls: Stalls::new(store.shards),
        scratch: RefCell::default(),
        unique_keys: RefCell::new(UniqueKeys::new(advertised, std::process::id(), runtime::random() as u32)),
        settings_version: Cell::new(DataVersion::first(runtime::now())),
        rates: RefCell::default(),
        client_calls: Default::default(),
        traffic: Default::default(),
        opaques: Cell::new(0),
        check_turn: Cell::new(0),
        stopping: Cell::new(false),
        group_views: RefCell::new(GroupViews::new()),
        members: RefCell::new(Members::new(Limits::default())),
        locks: RefCell::new(QueueLocks::new(LOCKS_MAX)),
        polls: RefCell::default(),
        routes: RefCell::default(),
        producers: RefCell::default(),
        clashes: Default::default(),
        changes_turns: Turns::one(),
        settling: Default::default(),
        registrar: RefCell::default(),
    });
    live.observe(Rc::new(Acknowledger(Rc::downgrade(&core))));
    Ok((core, recovery))
}

/// What requests have changed for the broker of one shard.
async fn changes_of(folder: &Path) -> Result<Changes, String> {
    let path = folder.join(CHANGES_FILE);
    if !fs::exists(&path) {
        return Ok(Changes::default());
    }
    let bytes = fs::read(&path).await.map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    Changes::of_file(&path, &bytes)
}

/// Answers clients when the log says so.
/// Weak, because the shard that calls it is a part of the core.
struct Acknowledger(Weak<Core>);

impl Observer for Acknowledger {
    fn acknowledged(&self, position: LogPosition) {
        let Some(core) = self.0.upgrade() else { return };
        core.acks.durable(&core, position);
        let durable = core.live.state.borrow().log.durable();
        core.promises.durable(durable);
        core.arrivals.retry(&core);
    }

    fn failed(&self, error: &AppendError) {
        let Some(core) = self.0.upgrade() else { return };
        core.acks.failed(&core, error);
        core.promises.failed(error);
        core.arrivals.retry(&core);
        if let Some(registrar) = &*core.registrar.borrow() {
            // Producers are to go elsewhere; what is on disk can still be read.
            registrar.readvertise(|advertised| advertised.permission = Perm::READ);
        }
    }
}

fn shard_options(id: ShardId, options: &NodeOptions, store: StoreMeta, placement: Placement, broker: &str) -> ShardOptions {
    let settings = &options.settings;
    let per_shard = options.memory_budget / u64::from(store.shards);
    let part = |percent: u64| usize::try_from(per_shard * percent / 100).unwrap_or(usize::MAX);
    let entry_bytes_max = settings.message_bytes_max + RECORD_OVERHEAD_BYTES;
    ShardOptions {
        log: LogOptions {
            dir: shard_dir(&options.data_dir, id),
            shard: id,
            block_unit: store.block_unit,
            segment_bytes: store.segment_bytes,
            block_bytes_max: BLOCK_BYTES_MAX,
            entry_bytes_max,
            pipeline_depth: settings.pipeline_depth.unwrap_or(PIPELINE_DEPTH),
            pending_bytes_max: PENDING_BYTES_MAX.max(entry_bytes_max),
            zero_ahead_bytes: ZERO_AHEAD_BYTES.min(store.segment_bytes / 4),
            flush: match settings.flush {
                config::Flush::Sync => Flush::Sync,
                config::Flush::Async => Flush::Async,
            },
            // A probe has been decided before the cores start.
            sync: settings.sync.unwrap_or(SyncMethod::WriteThenSync),
        },
        placement,
        topics: broker_config::topic_rules(settings, broker, placement),
        groups: broker_config::group_rules(settings),
        queues: QueueLimits { index_bytes_max: part(INDEX_PERCENT) / 2, page_bytes_max: part(PAGES_PERCENT).max(1 << 20) },
        tail_bytes_max: match settings.tail_cache_bytes {
            Some(bytes) => part(TAIL_PERCENT).min(usize::try_from(bytes).unwrap_or(usize::MAX)),
            None => part(TAIL_PERCENT).min(TAIL_BYTES_AUTO),
        },
        cold_bytes_max: match settings.cold_cache_bytes {
            Some(bytes) => part(COLD_PERCENT).min(usize::try_from(bytes).unwrap_or(usize::MAX)),
            None => part(COLD_PERCENT).min(COLD_BYTES_AUTO),
        },
        offsets_max: OFFSETS_MAX,
        pulls_max: PULLS_MAX,
        timers_max: settings.delayed_max,
    }
}

fn retention(settings: &Settings) -> Retention {
    Retention {
        reserved_millis: settings.retention_hours * 3_600_000,
        hours: settings.delete_when.clone(),
        used_max: settings.disk_used_max,
        clean_forcibly: settings.disk_clean_forcibly,
        clean_forcibly_enabled: settings.clean_forcibly,
        refuse: settings.disk_refuse,
        interval: Duration::from_millis(settings.clean_interval_ms.max(100) as u64),
        utc_offset_minutes: 0,
    }
}

fn net_of(options: &NodeOptions, shards: u16) -> Shared {
    let budget = options.memory_budget / 100 * NET_PERCENT / u64::from(shards);
    let connections = options.settings.connections_max.unwrap_or(1_000_000) / u32::from(shards);
    let idle = Duration::from_secs(u64::from(options.settings.connection_idle_s));
    Shared::new(usize::try_from(budget).unwrap_or(usize::MAX), connections.max(1) as usize, idle)
}

/// The home of settings keeps the broker registered; it waits a moment for the first name server to know.
async fn register(core: &Rc<Core>, options: &NodeOptions) {
    if core.placement.settings(core.id) != core.id {
        return;
    }
    let mut servers = options.namesrv.clone();
    if options.roles.namesrv {
        let own = options.namesrv_address;
        let ip = if own.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { own.ip() };
        let own = SocketAddr::new(ip, own.port()).to_string();
        if !servers.contains(&own) {
            servers.push(own);
        }
    }
    if servers.is_empty() {
        return;
    }
    let settings = &options.settings;
    let advertised = Advertised {
        cluster: core.identity.cluster.clone(),
        name: core.identity.name.clone(),
        id: 0,
        address: core.identity.address.to_string(),
        ha_address: SocketAddr::new(core.identity.address.ip(), core.identity.address.port() + 1).to_string(),
        permission: core.permission(),
        enable_acting_master: false,
    };
    let limit = Duration::from_millis(settings.register_timeout_ms.max(1) as u64);
    let version = core.live.state.borrow().topics.version();
    let registration = Registration::new(servers, version, settings.register_period_ms, settings.register_always);
    let registrar = Rc::new(Registrar::new(advertised, registration, limit));
    *core.registrar.borrow_mut() = Some(registrar.clone());
    registrar.run(core);
    let began = runtime::uptime();
    while !registrar.is_known() && runtime::uptime().saturating_sub(began) < FIRST_REGISTRATION {
        runtime::sleep(Duration::from_millis(2)).await;
    }
}

/// Clients get what they were promised, then their connections end.
async fn farewell(shared: &[Rc<Shared>]) {
    let connections: Vec<_> = shared.iter().flat_map(|net| net.connections.all()).collect();
    for connection in &connections {
        connection.finish();
    }
    let began = runtime::uptime();
    while runtime::uptime().saturating_sub(began) < FAREWELL && !connections.iter().all(|connection| connection.is_settled()) {
        runtime::sleep(Duration::from_millis(5)).await;
    }
    for connection in connections {
        connection.close();
    }
}
