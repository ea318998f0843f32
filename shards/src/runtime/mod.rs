//! The one door to the operating system, and its simulated twin behind the same door.
//!
//! Everything in RingMQ that awaits does it through these names: clock and tasks, files, the names of files, sockets,
//! channels between cores. Two backends stand behind them: `glommio` (one pinned io_uring executor per core) and `sim`
//! (a seeded scheduler with a virtual clock, disks that lose power and networks that stall). Which one answers is
//! decided by what the current thread is running, so the code above is plain async Rust without type parameters, and
//! the very same broker runs in both.
//!
//! Invariants:
//! - Only `glommio/` names the glommio crate; only `sys` (and nothing else in this package) holds `unsafe`.
//! - A handle (file, stream, task, connected channel end) stays on the core that made it. Only the unconnected ends of
//!   a channel travel, before the executors start.
//! - Outside of an executor only `fs`, `now`, `uptime`, `random`, `channel` and `signals` work; the rest panics, because
//!   that is our own mistake.

mod buffer;
mod channel;
mod clock;
mod cold;
pub mod commit_log;
mod file;
pub mod fs;
mod halves;
pub mod housekeeping;
pub mod index_files;
mod launch;
pub mod live;
mod local;
pub mod mesh;
mod net;
mod new_file;
pub mod open;
mod pace;
mod panic;
mod pending;
pub mod pop;
mod pop_ahead;
mod positions;
pub mod query;
pub mod reader;
pub mod recover;
mod resets;
mod selection;
pub mod signals;
pub mod store_error;
mod sys;
pub mod take_back;
mod task;
pub mod timers;
pub mod turns;
mod waiting_reads;

#[cfg(feature = "glommio")]
pub mod glommio;
pub mod sim;

pub use buffer::Buffer;
pub use channel::{Inlet, Outlet, Receiver, Sender, channel};
pub use clock::{now, random, sleep, timeout, uptime};
pub use file::{File, Open};
pub use launch::{CoreHandle, CoreSpec, launch};
pub use local::{Signal, SlotSetter, SlotWaiter, slot};
pub use net::{Listener, Stream};
pub use new_file::NewFile;
pub use panic::abort_on_panic;
pub use task::{Lane, Task, should_yield, spawn, yield_now};

use std::cell::Cell;

/// What the current thread is running at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    /// Neither: the main thread before and after the executors, the offline commands, plain unit tests.
    Outside,
    #[cfg(feature = "glommio")]
    Glommio,
    Sim,
}

thread_local! {
    static BACKEND: Cell<Backend> = const { Cell::new(Backend::Outside) };
}

pub(crate) fn backend() -> Backend {
    BACKEND.get()
}

/// Says what this thread runs from here on, and returns what it ran before.
fn enter(backend: Backend) -> Backend {
    BACKEND.replace(backend)
}

#[cold]
fn outside(what: &str) -> ! {
    panic!("{what} needs an executor (runtime::launch or runtime::sim::World), and this thread runs none")
}

#[cfg(test)]
mod tests;
