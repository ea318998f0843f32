//! One at a time, in the order of asking, on one core.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use ringmq_shards::runtime::{SlotSetter, slot};

#[derive(Default)]
pub struct Turn {
    taken: Cell<bool>,
    waiting: RefCell<VecDeque<SlotSetter<()>>>,
}

impl Turn {
    /// Returns when it is the caller's turn, which ends when the guard is dropped.
    pub async fn take(&self) -> Turns<'_> {
        while self.taken.get() {
            let (setter, waiter) = slot();
            self.waiting.borrow_mut().push_back(setter);
            waiter.await;
        }
        self.taken.set(true);
        Turns(self)
    }
}

pub struct Turns<'t>(&'t Turn);

impl Drop for Turns<'_> {
    fn drop(&mut self) {
        self.0.taken.set(false);
        // Whoever has given up waiting is passed over.
        while let Some(next) = self.0.waiting.borrow_mut().pop_front() {
            if !next.is_abandoned() {
                next.set(());
                return;
            }
        }
    }
}
