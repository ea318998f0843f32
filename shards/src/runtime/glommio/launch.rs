//! Starts one executor on one thread, pinned.

use std::future::Future;
use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

use ::glommio::{LocalExecutorBuilder, Placement};

/// Entries of each submission ring; what a core has in flight is far less.
const RING_DEPTH: usize = 256;
/// A busy core looks around for others' turns this often.
const PREEMPT_TIMER: Duration = Duration::from_millis(1);

pub struct CoreSpec {
    pub name: String,
    /// Pinned here; where the scheduler likes, if none.
    pub cpu: Option<usize>,
    /// Memory that the ring registers for reads; registered memory counts against the memlock limit.
    pub io_memory: usize,
}

/// Runs `main` on a new thread with an executor of its own. Returns once the executor exists.
pub fn launch<F, G>(spec: CoreSpec, main: F) -> io::Result<JoinHandle<()>>
where
    F: FnOnce() -> G + Send + 'static,
    G: Future<Output = ()> + 'static,
{
    let (ready, started) = std::sync::mpsc::channel();
    let thread = std::thread::Builder::new().name(spec.name.clone()).spawn(move || {
        let executor = match builder(&spec).make() {
            Ok(executor) => executor,
            Err(error) => {
                // The launcher waits for this and tells it on.
                let _ = ready.send(Err(super::io_error(error)));
                return;
            }
        };
        let _ = ready.send(Ok(()));
        executor.run(async move {
            super::task::start();
            main().await;
        });
    })?;
    started.recv().map_err(|_| io::Error::other("the executor's thread ended at once"))??;
    Ok(thread)
}

fn builder(spec: &CoreSpec) -> LocalExecutorBuilder {
    let placement = spec.cpu.map_or(Placement::Unbound, Placement::Fixed);
    LocalExecutorBuilder::new(placement)
        .name(&spec.name)
        .io_memory(spec.io_memory)
        .ring_depth(RING_DEPTH)
        .preempt_timer(PREEMPT_TIMER)
}

/// Whether an executor can be made here; if not, why.
pub fn probe() -> Result<(), String> {
    let spec = CoreSpec { name: "probe".into(), cpu: None, io_memory: 64 * 1024 };
    let thread = launch(spec, || async {}).map_err(|error| error.to_string())?;
    thread.join().map_err(|_| "an io_uring executor could not run".to_owned())
}
