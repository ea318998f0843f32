//! Tasks, time and chance.

use std::future::Future;
use std::time::Duration;

#[cfg(feature = "glommio")]
use super::glommio;
use super::sim;
use crate::types::Millis;

/// Whose turn it is on a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Connections.
    Network,
    /// The commit log's writes.
    Commit,
    /// What crosses cores.
    Mesh,
    /// Cold reads, zero-filling, snapshots: a small share.
    Background,
}

/// A task of this core; runs on when dropped.
pub struct Task(Option<Inner>);

enum Inner {
    #[cfg(feature = "glommio")]
    Glommio(glommio::task::Task),
    Sim(sim::Task),
}

impl Task {
    /// Drops the future where it waits.
    pub fn cancel(mut self) {
        match self.0.take() {
            #[cfg(feature = "glommio")]
            Some(Inner::Glommio(task)) => task.cancel(),
            Some(Inner::Sim(task)) => task.cancel(),
            None => {}
        }
    }

    pub async fn join(mut self) {
        match self.0.take() {
            #[cfg(feature = "glommio")]
            Some(Inner::Glommio(task)) => task.join().await,
            Some(Inner::Sim(task)) => task.join().await,
            None => {}
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        match self.0.take() {
            #[cfg(feature = "glommio")]
            Some(Inner::Glommio(task)) => task.detach(),
            Some(Inner::Sim(_)) | None => {}
        }
    }
}

/// Starts a task on this core.
pub fn spawn(lane: Lane, future: impl Future<Output = ()> + 'static) -> Task {
    #[cfg(feature = "glommio")]
    if glommio::task::is_current() {
        return Task(Some(Inner::Glommio(glommio::task::spawn(lane, future))));
    }
    let _one_lane = lane;
    Task(Some(Inner::Sim(sim::spawn(future))))
}

/// The wall clock.
pub fn now() -> Millis {
    #[cfg(feature = "glommio")]
    if glommio::task::is_current() {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        return Millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    }
    sim::now()
}

/// Time since the core started; never goes backwards.
pub fn uptime() -> Duration {
    #[cfg(feature = "glommio")]
    if glommio::task::is_current() {
        return glommio::task::uptime();
    }
    sim::uptime()
}

pub fn random() -> u64 {
    #[cfg(feature = "glommio")]
    if glommio::task::is_current() {
        return fastrand::u64(..);
    }
    sim::random()
}

pub async fn sleep(duration: Duration) {
    #[cfg(feature = "glommio")]
    if glommio::task::is_current() {
        return glommio::task::sleep(duration).await;
    }
    sim::sleep(duration).await;
}

/// Lets others of this core have their turn.
pub async fn yield_now() {
    #[cfg(feature = "glommio")]
    if glommio::task::is_current() {
        return glommio::task::yield_now().await;
    }
    sim::yield_now().await;
}

/// Whether this task has had its turn for long enough.
pub fn should_yield() -> bool {
    #[cfg(feature = "glommio")]
    if glommio::task::is_current() {
        return glommio::task::should_yield();
    }
    sim::random() % 8 == 0
}

/// The future's output, or `None` when it takes longer.
pub async fn timeout<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    futures_lite::future::or(async { Some(future.await) }, async {
        sleep(limit).await;
        None
    })
    .await
}
