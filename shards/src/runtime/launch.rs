//! Starting a core: one executor, pinned to one CPU, running one root future until that ends.
//!
//! Channels between cores are made first, then each core is launched with its ends. In simulation the caller must be
//! the main function of a simulated process (`sim::World::spawn_process`).

use super::{Backend, backend, sim};
use std::{future::Future, io, time::Duration};

#[cfg(feature = "glommio")]
use super::glommio;

/// What a core runs on.
#[derive(Clone, Debug)]
pub struct CoreSpec {
    /// Shown as the thread's name.
    pub name: String,
    /// The CPU to pin the thread to; `None` leaves it to the kernel.
    pub cpu: Option<usize>,
    /// Bytes of memory registered with io_uring for reads. The kernel counts them three times against the memlock
    /// limit (one for each of an executor's rings); above the limit they stay unregistered, which costs speed only.
    pub io_memory: usize,
    /// How long a core that has nothing to do looks for something before it sleeps.
    pub spin: Duration,
}

/// A launched core.
pub enum CoreHandle {
    #[cfg(feature = "glommio")]
    Glommio(glommio::CoreHandle),
    Sim,
}

impl CoreHandle {
    /// Blocks this thread until the core's root future has ended. Not for simulation: see `sim::World::ended`.
    pub fn join(self) -> io::Result<()> {
        match self {
            #[cfg(feature = "glommio")]
            CoreHandle::Glommio(handle) => handle.join(),
            CoreHandle::Sim => panic!("a simulated core cannot block the one thread that simulates it"),
        }
    }
}

/// Starts a core that runs the future `f` makes; other tasks of that core end with it.
pub fn launch<F, G>(spec: CoreSpec, f: F) -> io::Result<CoreHandle>
where
    F: FnOnce() -> G + Send + 'static,
    G: Future<Output = ()> + 'static,
{
    match backend() {
        Backend::Sim => {
            sim::launch(spec, f);
            Ok(CoreHandle::Sim)
        }
        #[cfg(feature = "glommio")]
        Backend::Outside => glommio::launch(spec, f).map(CoreHandle::Glommio),
        #[cfg(feature = "glommio")]
        Backend::Glommio => glommio::launch(spec, f).map(CoreHandle::Glommio),
        #[cfg(not(feature = "glommio"))]
        Backend::Outside => {
            drop((spec, f));
            Err(io::Error::new(io::ErrorKind::Unsupported, "built without the feature `glommio`: only simulation can run"))
        }
    }
}
