//! A node as a process: its executors, its output, its signals.
//!
//! Before: `cli::run`; after: `node::start` on each core.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use ringmq_shards::log::{StoreMeta, SyncMethod};
use ringmq_shards::runtime::{CoreHandle, CoreSpec, abort_on_panic, launch, mesh, signals};
use ringmq_shards::types::ShardId;

use super::disk::{self, Probe};
use super::start::{self, CorePlan, CoreReady};
use super::stop::Stop;
use super::store;
use crate::config::NodeOptions;
use crate::preflight::Machine;
use crate::preflight::banner::{self, StoreFacts};

/// Memory that each ring registers for reads, within the usual 8 MiB memlock limit for some cores.
const IO_MEMORY: usize = 1 << 20;
/// A stop that takes longer is given up.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Runs until SIGTERM or SIGINT.
pub fn run(mut options: NodeOptions) -> Result<(), String> {
    let began = Instant::now();
    // Before any thread starts: all inherit the mask.
    signals::block().map_err(|error| format!("signals cannot be blocked: {error}"))?;
    abort_on_panic();
    let store = if options.roles.broker { Some(open_store(&mut options)?) } else { None };
    let cores = store.map_or(1, |store| store.shards);
    if let Some(store) = store {
        options.shards = store.shards;
        options.routing = store.routing;
    }
    let stop = Stop::new(cores);
    let (ready, readies) = mpsc::channel();
    let mut threads = Vec::new();
    for (id, ends) in mesh::mesh(cores).into_iter().enumerate() {
        let ready = ready.clone();
        let (options, stop) = (options.clone(), stop.clone());
        let cpu = options.cores[id % options.cores.len()];
        let spec = CoreSpec { name: format!("shard-{id}"), cpu: Some(cpu), io_memory: IO_MEMORY, spin: options.settings.spin };
        let main = move || {
            let plan = CorePlan {
                id: ShardId(id as u16),
                options,
                store,
                ends,
                stop,
                ready: Box::new(move |started| _ = ready.send(started)),
            };
            start::run(plan)
        };
        threads.push(launch(spec, main).map_err(|error| format!("core {cpu} cannot be used: {error}"))?);
    }
    drop(ready);
    let started: Vec<CoreReady> = readies.iter().take(usize::from(cores)).collect::<Result<_, _>>()?;
    if started.len() < usize::from(cores) {
        return Err("a core ended before it was ready".to_owned());
    }
    print_start(&options, store, &started, began.elapsed());
    let signal = signals::wait().map_err(|error| format!("signals cannot be waited for: {error}"))?;
    tracing::info!(?signal, "stopping");
    stop.tell();
    join(threads)
}

/// On an executor of its own, before the cores look into the folder; decides how blocks are made durable.
fn open_store(options: &mut NodeOptions) -> Result<StoreMeta, String> {
    let (sender, receiver) = mpsc::channel();
    let own = options.clone();
    let spec = CoreSpec { name: "store".into(), cpu: None, io_memory: IO_MEMORY, spin: Duration::ZERO };
    let thread = launch(spec, move || async move {
        let opened = async {
            let meta = store::open_or_create(&own).await.map_err(|error| error.to_string())?;
            Ok::<_, String>((meta, decide_sync(&own).await))
        };
        let _ = sender.send(opened.await);
    });
    let thread = thread.map_err(|error| format!("an io_uring executor cannot be made: {error}; run `ringmq check`"))?;
    let opened = receiver.recv().map_err(|_| "the store cannot be opened".to_owned())?;
    thread.join().map_err(|_| "the store cannot be opened".to_owned())?;
    let (meta, sync) = opened?;
    options.settings.sync = Some(sync);
    Ok(meta)
}

/// What `logSyncMethod` asks for, or what the disk is faster with.
async fn decide_sync(options: &NodeOptions) -> SyncMethod {
    if let Some(asked_for) = options.settings.sync {
        return asked_for;
    }
    match disk::probe(&options.data_dir).await {
        Ok(probe) => {
            let Probe { write_then_sync, dsync } = probe;
            tracing::info!(
                "probed the disk: a block alone takes {:?} with write + fdatasync and {:?} with O_DSYNC; one of many takes {:?} and {:?}",
                write_then_sync.alone,
                dsync.alone,
                write_then_sync.busy,
                dsync.busy
            );
            probe.faster()
        }
        Err(error) => {
            tracing::warn!(%error, "the disk cannot be probed in {}; logSyncMethod says how blocks are made durable", options.data_dir.display());
            SyncMethod::WriteThenSync
        }
    }
}

fn print_start(options: &NodeOptions, store: Option<StoreMeta>, started: &[CoreReady], elapsed: Duration) {
    let facts = StoreFacts {
        block_unit: store.map(|store| store.block_unit),
        shards: store.map_or(1, |store| store.shards),
        sync: format!(
            "{}, {} in flight",
            match options.settings.sync {
                Some(SyncMethod::Dsync) => "O_DSYNC writes",
                Some(SyncMethod::WriteThenSync) | None => "write + fdatasync",
            },
            options.settings.pipeline_depth.unwrap_or(start::PIPELINE_DEPTH)
        ),
    };
    print!("{}", banner::facts(env!("CARGO_PKG_VERSION"), &Machine::look().kernel, options, &facts));
    for (shard, ready) in started.iter().enumerate() {
        if let Some(recovery) = ready.recovery {
            let mib = recovery.bytes_read as f64 / f64::from(1 << 20);
            let seconds = recovery.elapsed.as_secs_f64();
            let torn = if recovery.torn { ", cut a torn tail of writes that nobody was told about" } else { "" };
            println!(
                "recovery    shard {shard}: read {mib:.0} MiB in {seconds:.3} s ({:.0} MiB/s), log ends at {}{torn}",
                mib / seconds.max(1e-6),
                recovery.end
            );
        }
    }
    println!("ready       in {} ms", elapsed.as_millis());
    for line in banner::booted(options) {
        println!("{line}");
    }
}

fn join(cores: Vec<CoreHandle>) -> Result<(), String> {
    let (ended, wait) = mpsc::channel();
    // Joining blocks without a limit, so it has a thread of its own.
    std::thread::spawn(move || {
        let joined: std::io::Result<Vec<()>> = cores.into_iter().map(CoreHandle::join).collect();
        // Nobody waits any more when the limit has passed.
        let _ = ended.send(joined);
    });
    match wait.recv_timeout(STOP_LIMIT) {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(format!("a core ended badly: {error}")),
        Err(_) => Err(format!("not stopped within {} s; what was acknowledged is on disk", STOP_LIMIT.as_secs())),
    }
}
