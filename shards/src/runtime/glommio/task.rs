//! Tasks, time and turns on the executor of this thread.

use std::cell::RefCell;
use std::future::Future;
use std::time::{Duration, Instant};

use ::glommio::{Latency, Shares, TaskQueueHandle};

use crate::runtime::Lane;

/// How soon a lane that matters gets its turn.
const LATENCY: Duration = Duration::from_micros(500);

thread_local! {
    static LANES: RefCell<Option<[TaskQueueHandle; 4]>> = const { RefCell::new(None) };
    static STARTED: Instant = Instant::now();
}

/// Makes the lanes of this executor; first thing on each core.
pub fn start() {
    let executor = ::glommio::executor();
    let urgent = |shares, name| executor.create_task_queue(Shares::Static(shares), Latency::Matters(LATENCY), name);
    let lanes = [
        urgent(1000, "network"),
        urgent(1000, "commit"),
        urgent(1000, "mesh"),
        executor.create_task_queue(Shares::Static(100), Latency::NotImportant, "background"),
    ];
    LANES.with(|cell| *cell.borrow_mut() = Some(lanes));
    STARTED.with(|_| ());
}

pub fn is_current() -> bool {
    LANES.with(|cell| cell.borrow().is_some())
}

pub fn uptime() -> Duration {
    STARTED.with(Instant::elapsed)
}

pub struct Task(::glommio::Task<()>);

pub fn spawn(lane: Lane, future: impl Future<Output = ()> + 'static) -> Task {
    let handle = LANES.with(|cell| {
        let lanes = cell.borrow();
        let lanes = lanes.as_ref().expect("spawned from a core that `launch` started");
        lanes[match lane {
            Lane::Network => 0,
            Lane::Commit => 1,
            Lane::Mesh => 2,
            Lane::Background => 3,
        }]
    });
    Task(::glommio::spawn_local_into(future, handle).expect("the lanes live as long as the executor"))
}

impl Task {
    pub fn detach(self) {
        self.0.detach();
    }

    pub fn cancel(self) {
        drop(self.0);
    }

    pub async fn join(self) {
        self.0.await;
    }
}

pub async fn sleep(duration: Duration) {
    ::glommio::timer::sleep(duration).await;
}

pub async fn yield_now() {
    ::glommio::executor().yield_task_queue_now().await;
}

pub fn should_yield() -> bool {
    ::glommio::executor().need_preempt()
}
