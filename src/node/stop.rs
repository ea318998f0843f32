//! How the cores of a node end together: told once, and none leaves while another may still need it.
//!
//! Control plane only; the two atomics here are nowhere near a message.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::Duration;

use ringmq_shards::runtime;

/// What a stop may wait for nothing; each look wakes an idle core.
const LOOK: Duration = Duration::from_millis(50);

#[derive(Clone)]
pub struct Stop(Arc<Board>);

struct Board {
    told: AtomicBool,
    /// Cores that have nothing left to do for others, and those that are done.
    settled: [AtomicU16; 2],
    cores: u16,
}

impl Stop {
    pub fn new(cores: u16) -> Stop {
        Stop(Arc::new(Board { told: AtomicBool::new(false), settled: [AtomicU16::new(0), AtomicU16::new(0)], cores }))
    }

    pub fn tell(&self) {
        self.0.told.store(true, Ordering::Release);
    }

    pub fn is_told(&self) -> bool {
        self.0.told.load(Ordering::Acquire)
    }

    /// Until the node is told to stop.
    pub async fn told(&self) {
        while !self.is_told() {
            runtime::sleep(LOOK).await;
        }
    }

    /// This core has nothing left to do for others; returns when none has.
    pub async fn settle(&self) {
        self.meet(0).await;
    }

    /// This core is done; returns when all are.
    pub async fn settle_again(&self) {
        self.meet(1).await;
    }

    async fn meet(&self, place: usize) {
        let settled = &self.0.settled[place];
        settled.fetch_add(1, Ordering::AcqRel);
        while settled.load(Ordering::Acquire) < self.0.cores {
            runtime::sleep(LOOK).await;
        }
    }
}
