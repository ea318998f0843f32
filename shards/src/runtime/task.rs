//! Tasks of one core: spawned into a lane, detached unless someone joins or cancels them.

use super::{Backend, backend, outside, sim};
use std::future::Future;

#[cfg(feature = "glommio")]
use super::glommio;

/// What kind of work a task is, so that a busy core serves the urgent first.
///
/// A turn of any lane is a millisecond (`should_yield`). `Network`, `Commit` and `Mesh` share the core equally;
/// `Background` (cold reads, zero-filling, index building) gets little of it while they have work. In simulation lanes are equal: any order that
/// the scheduler may pick must be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    Network,
    Commit,
    Mesh,
    Background,
}

/// A spawned task. Dropping it lets the task run on.
pub struct Task(Inner);

enum Inner {
    #[cfg(feature = "glommio")]
    Glommio(glommio::Task),
    Sim(sim::Task),
}

/// Starts a task on this core.
pub fn spawn(lane: Lane, f: impl Future<Output = ()> + 'static) -> Task {
    match backend() {
        Backend::Outside => outside("spawn"),
        #[cfg(feature = "glommio")]
        Backend::Glommio => Task(Inner::Glommio(glommio::spawn(lane, f))),
        Backend::Sim => Task(Inner::Sim(sim::spawn(lane, f))),
    }
}

impl Task {
    /// Drops the task's future: at once or at the scheduler's next turn, but it is never polled again. A task cannot
    /// cancel itself.
    pub fn cancel(self) {
        match self.0 {
            #[cfg(feature = "glommio")]
            Inner::Glommio(task) => task.cancel(),
            Inner::Sim(task) => task.cancel(),
        }
    }

    /// Waits until the task has ended, in whatever way.
    pub async fn join(self) {
        match self.0 {
            #[cfg(feature = "glommio")]
            Inner::Glommio(task) => task.join().await,
            Inner::Sim(task) => task.join().await,
        }
    }
}

/// Lets other tasks that are ready run first, and lets the core look for events once the turn is used up.
pub async fn yield_now() {
    match backend() {
        Backend::Outside => outside("yield_now"),
        #[cfg(feature = "glommio")]
        Backend::Glommio => glommio::yield_now().await,
        Backend::Sim => sim::yield_now().await,
    }
}

/// Whether the current task has used up its turn: long loops ask this and `yield_now` when it is so.
pub fn should_yield() -> bool {
    match backend() {
        Backend::Outside => false,
        #[cfg(feature = "glommio")]
        Backend::Glommio => glommio::should_yield(),
        Backend::Sim => sim::should_yield(),
    }
}
