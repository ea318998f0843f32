//! The real backend: one pinned glommio executor per core, over io_uring.
//!
//! The only folder that names the glommio crate. What it works around is said where it does: files lose O_DIRECT on
//! tmpfs (`file`), listeners would share ports without being asked (`net`), task queues wait up to 100 ms unless told
//! otherwise (`executor`).

mod channel;
mod executor;
mod file;
mod memory;
mod net;
mod probe;
mod readiness;
mod slab;

pub use super::CoreSpec;
pub use executor::{CoreHandle, launch};
pub use probe::probe;

pub(super) use channel::{Inlet, Outlet, Receiver, Sender, channel};
pub(super) use executor::{Task, blocking, should_yield, sleep, spawn, yield_now};
pub(super) use file::File;
pub(super) use memory::DirectMemory;
pub(super) use net::{Listener, Stream};
