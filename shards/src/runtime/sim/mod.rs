//! The simulated backend: whole machines in one thread, decided by one seed.
//!
//! ```text
//! world     the run loop, and what a test may do: start processes, crash them, break disks and networks
//! tasks     who is ready         timers    what is due when        trace   what happened, as one number
//! process   machines, processes, how they end
//! disk      operations, locks    pages     bytes and power cuts    names   folders and power cuts
//! network   connections, faults
//! file fs stream channel         the awaiting side of these, under the names that `runtime` uses
//! ```
//!
//! A test makes a `World`, starts processes on its machines, and runs a future of its own that talks to them:
//!
//! ```ignore
//! let world = World::new(seed);
//! let machine = world.machine("broker");
//! let process = world.spawn_process(machine, "broker", || Broker::start(config));
//! world.run(async {
//!     sleep(Duration::from_millis(50)).await;
//!     world.crash(process, CrashKind::PowerCut);
//! });
//! ```

mod channel;
mod context;
mod disk;
mod file;
pub(super) mod fs;
mod names;
mod network;
mod pages;
mod process;
mod random;
mod stream;
mod tasks;
mod timers;
mod trace;
mod world;

pub use disk::DiskFaults;
pub use network::NetworkFaults;
pub use process::{CrashKind, MachineId, ProcessId};
pub use world::World;

pub(super) use channel::{Inlet, Outlet, Receiver, Sender, channel};
pub(super) use file::File;
pub(super) use random::split_mix;
pub(super) use stream::{Listener, Stream};
pub(super) use tasks::Task;
pub(super) use timers::sleep;

use super::{CoreSpec, Lane};
use crate::types::Millis;
use std::{
    future::{Future, poll_fn},
    task::Poll,
    time::Duration,
};

/// One in so many questions is answered with yes.
const SHOULD_YIELD_PERIOD: u64 = 16;

pub(super) fn now() -> Millis {
    let here = context::here();
    here.world.wall(here.world.machine_of(here.process))
}

pub(super) fn uptime() -> Duration {
    let here = context::here();
    here.world.clock.get() - here.world.processes.borrow()[here.process.0 as usize].started
}

pub(super) fn random() -> u64 {
    context::here().world.random.borrow_mut().number()
}

pub(super) fn spawn(_lane: Lane, f: impl Future<Output = ()> + 'static) -> Task {
    let here = context::here();
    here.world.spawn(here.process, here.core, false, f)
}

pub(super) fn launch<F, G>(_spec: CoreSpec, f: F)
where
    F: FnOnce() -> G + Send + 'static,
    G: Future<Output = ()> + 'static,
{
    let here = context::here();
    here.world.launch(here.process, f);
}

pub(super) fn should_yield() -> bool {
    context::here().world.random.borrow_mut().below(SHOULD_YIELD_PERIOD) == 0
}

pub(super) async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
