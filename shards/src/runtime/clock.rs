//! Time and chance: the wall clock, a clock that never goes backwards, timers, random numbers.
//!
//! In simulation all of them come from the world's seed; nothing else in this package may ask the system for them.

use super::{Backend, backend, outside, sim};
use crate::types::Millis;
use std::{
    cell::Cell,
    future::{Future, poll_fn},
    hash::{BuildHasher, RandomState},
    pin::pin,
    sync::OnceLock,
    task::Poll,
    time::{Duration, Instant, SystemTime},
};

#[cfg(feature = "glommio")]
use super::glommio;

/// The wall clock, as clients and stored timestamps see it. It can jump, in both directions.
pub fn now() -> Millis {
    match backend() {
        Backend::Sim => sim::now(),
        _ => Millis(match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
        }),
    }
}

/// Time since about the start of this process. Never goes backwards.
pub fn uptime() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    match backend() {
        Backend::Sim => sim::uptime(),
        _ => START.get_or_init(Instant::now).elapsed(),
    }
}

/// An unpredictable number, good for ids and jitter (not for secrets).
pub fn random() -> u64 {
    thread_local! {
        static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(0));
    }
    match backend() {
        Backend::Sim => sim::random(),
        _ => {
            let (next, number) = sim::split_mix(STATE.get());
            STATE.set(next);
            number
        }
    }
}

pub async fn sleep(d: Duration) {
    match backend() {
        Backend::Outside => outside("sleep"),
        #[cfg(feature = "glommio")]
        Backend::Glommio => glommio::sleep(d).await,
        Backend::Sim => sim::sleep(d).await,
    }
}

/// Runs `f` for at most `d`; `None` when the time is over first, and `f` is dropped. When both are ready `f` wins.
pub async fn timeout<F: Future>(d: Duration, f: F) -> Option<F::Output> {
    let mut work = pin!(f);
    let mut alarm = pin!(sleep(d));
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => alarm.as_mut().poll(cx).map(|()| None),
    })
    .await
}
