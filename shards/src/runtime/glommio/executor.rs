//! Executors, their task queues, timers.
//!
//! Invariant: every executor is made by `launch`, which makes a task queue per `Lane` before anything else runs.

use super::super::{Backend, CoreSpec, Lane, enter};
use ::glommio::{ExecutorJoinHandle, Latency, LocalExecutorBuilder, Placement, Shares, TaskQueueHandle, task::JoinHandle};
use std::{cell::Cell, future::Future, io, sync::mpsc, time::Duration};

/// How soon an urgent lane is asked again while others are busy. Glommio's default would be 100 ms.
const URGENT_WITHIN: Duration = Duration::from_millis(1);

/// An urgent lane's part of the core against the background's 1 to `URGENT_SHARES`.
const URGENT_SHARES: usize = 1000;
const BACKGROUND_SHARES: usize = 20;

/// Entries of each of an executor's three rings. What does not fit waits in glommio's own queue, so a small ring costs
/// no correctness; it keeps the kernel's memory for many shards small.
const RING_ENTRIES: usize = 128;

/// What glommio needs at least for its own buffers.
const IO_MEMORY_MIN: usize = 64 << 10;

#[derive(Clone, Copy)]
struct Lanes {
    network: TaskQueueHandle,
    commit: TaskQueueHandle,
    mesh: TaskQueueHandle,
    background: TaskQueueHandle,
}

impl Lanes {
    fn create() -> Lanes {
        let executor = ::glommio::executor();
        // The background too, for this decides after how long `should_yield` says yes, also when only it has work. That
        // the others come first is said by the shares.
        let queue = |shares, name| executor.create_task_queue(Shares::Static(shares), Latency::Matters(URGENT_WITHIN), name);
        Lanes {
            network: queue(URGENT_SHARES, "network"),
            commit: queue(URGENT_SHARES, "commit"),
            mesh: queue(URGENT_SHARES, "mesh"),
            background: queue(BACKGROUND_SHARES, "background"),
        }
    }

    fn queue(&self, lane: Lane) -> TaskQueueHandle {
        match lane {
            Lane::Network => self.network,
            Lane::Commit => self.commit,
            Lane::Mesh => self.mesh,
            Lane::Background => self.background,
        }
    }
}

thread_local! {
    static LANES: Cell<Option<Lanes>> = const { Cell::new(None) };
}

/// A launched executor's thread.
pub struct CoreHandle(ExecutorJoinHandle<()>);

impl CoreHandle {
    /// Blocks until the root future has ended.
    pub fn join(self) -> io::Result<()> {
        self.0.join().map_err(io::Error::from)
    }
}

/// Starts an executor thread; returns once it runs, or why it cannot.
pub fn launch<F, G>(spec: CoreSpec, f: F) -> io::Result<CoreHandle>
where
    F: FnOnce() -> G + Send + 'static,
    G: Future<Output = ()> + 'static,
{
    let (started, wait_for_start) = mpsc::channel::<()>();
    let placement = match spec.cpu {
        Some(cpu) => Placement::Fixed(cpu),
        None => Placement::Unbound,
    };
    let handle = LocalExecutorBuilder::new(placement)
        .name(&spec.name)
        .io_memory(spec.io_memory.max(IO_MEMORY_MIN))
        .ring_depth(RING_ENTRIES)
        .spin_before_park(spec.spin)
        .spawn(move || async move {
            enter(Backend::Glommio);
            LANES.set(Some(Lanes::create()));
            // The launcher may have given up on us; it has not, as it only waits for this.
            started.send(()).ok();
            drop(started);
            f().await;
        })
        .map_err(io::Error::from)?;
    match wait_for_start.recv() {
        Ok(()) => Ok(CoreHandle(handle)),
        // The thread has ended without running anything: its result says why.
        Err(mpsc::RecvError) => match handle.join() {
            Ok(()) => Err(io::Error::other(format!("core {} ended before it started", spec.name))),
            Err(why) => Err(io::Error::other(format!("core {} cannot start: {why}", spec.name))),
        },
    }
}

pub struct Task(JoinHandle<()>);

pub fn spawn(lane: Lane, f: impl Future<Output = ()> + 'static) -> Task {
    let lanes = LANES.get().expect("executors are made by launch, which makes the lanes");
    let task = ::glommio::spawn_local_into(f, lanes.queue(lane)).expect("task queues live as long as their executor");
    Task(task.detach())
}

impl Task {
    pub fn cancel(self) {
        self.0.cancel();
    }

    pub async fn join(self) {
        // None: cancelled. A panic never comes here, it has stopped the process.
        let _ended: Option<()> = self.0.await;
    }
}

pub async fn yield_now() {
    ::glommio::executor().yield_task_queue_now().await;
}

pub fn should_yield() -> bool {
    ::glommio::executor().need_preempt()
}

pub async fn sleep(d: Duration) {
    ::glommio::timer::sleep(d).await;
}

/// Runs something that blocks on the executor's helper thread.
pub async fn blocking<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
    ::glommio::executor().spawn_blocking(f).await
}
