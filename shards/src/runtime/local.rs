//! Waiting for each other within one core: no lock, no atomic, no system call.
//!
//! Plain Rust over wakers, the same under every runtime.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Something has happened. A raise with nobody waiting is kept, once; with many waiting, all wake.
#[derive(Default)]
pub struct Signal {
    raised: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
    raises: Cell<u64>,
}

impl Signal {
    pub fn new() -> Signal {
        Signal::default()
    }

    pub fn raise(&self) {
        self.raises.set(self.raises.get() + 1);
        let mut waiting = self.waiting.borrow_mut();
        if waiting.is_empty() {
            self.raised.set(true);
            return;
        }
        for waker in waiting.drain(..) {
            waker.wake();
        }
    }

    /// Returns at once, and takes the raise, when one was kept.
    pub async fn wait(&self) {
        if self.raised.take() {
            return;
        }
        let before = self.raises.get();
        poll_fn(|context| {
            if self.raises.get() != before {
                return Poll::Ready(());
            }
            let mut waiting = self.waiting.borrow_mut();
            if !waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                waiting.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}

/// One value from one task to another on the same core.
pub fn slot<T>() -> (SlotSetter<T>, SlotWaiter<T>) {
    let shared = Rc::new(Slot { value: RefCell::new(None), closed: Cell::new(false), waker: RefCell::new(None) });
    (SlotSetter(Some(shared.clone())), SlotWaiter(shared))
}

struct Slot<T> {
    value: RefCell<Option<T>>,
    closed: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl<T> Slot<T> {
    fn close(&self) {
        self.closed.set(true);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}

pub struct SlotSetter<T>(Option<Rc<Slot<T>>>);

impl<T> SlotSetter<T> {
    pub fn set(mut self, value: T) {
        let slot = self.0.take().expect("set takes the setter");
        *slot.value.borrow_mut() = Some(value);
        slot.close();
    }

    /// Whether nobody waits any more.
    pub fn is_abandoned(&self) -> bool {
        self.0.as_ref().is_none_or(|slot| Rc::strong_count(slot) == 1)
    }
}

impl<T> Drop for SlotSetter<T> {
    fn drop(&mut self) {
        if let Some(slot) = self.0.take() {
            slot.close();
        }
    }
}

/// Waits for the value; `None` when the setter is gone without one.
pub struct SlotWaiter<T>(Rc<Slot<T>>);

impl<T> Future for SlotWaiter<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        if self.0.closed.get() {
            return Poll::Ready(self.0.value.borrow_mut().take());
        }
        *self.0.waker.borrow_mut() = Some(context.waker().clone());
        Poll::Pending
    }
}
