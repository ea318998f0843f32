//! Waking one another within a core: plain Rust, no backend, no allocation after a slot is made.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// "Something has changed": a level that wakes everyone who waits.
///
/// Invariant: a raise is seen by somebody. With waiters present all of them wake; with none it is kept, once, for the
/// next who waits; and when a woken waiter is dropped before it ran, the raise is kept as well.
#[derive(Default)]
pub struct Signal {
    raised: Cell<bool>,
    waiters: RefCell<Vec<(u64, Waker)>>,
    next_waiter: Cell<u64>,
}

impl Signal {
    pub fn new() -> Signal {
        Signal::default()
    }

    pub fn raise(&self) {
        let mut waiters = self.waiters.borrow_mut();
        if waiters.is_empty() {
            self.raised.set(true);
        }
        for (_, waker) in waiters.drain(..) {
            waker.wake();
        }
    }

    pub async fn wait(&self) {
        Wait { signal: self, number: None }.await
    }
}

struct Wait<'s> {
    signal: &'s Signal,
    /// Set once this waiter is registered.
    number: Option<u64>,
}

impl Wait<'_> {
    fn position(&self) -> Option<usize> {
        let number = self.number?;
        self.signal.waiters.borrow().iter().position(|(other, _)| *other == number)
    }
}

impl Future for Wait<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let signal = self.signal;
        match (self.number, self.position()) {
            (Some(_), Some(index)) => signal.waiters.borrow_mut()[index].1.clone_from(cx.waker()),
            // Registered once and no longer there: the raise came.
            (Some(_), None) => {
                self.number = None;
                return Poll::Ready(());
            }
            (None, _) => {
                if signal.raised.take() {
                    return Poll::Ready(());
                }
                let number = signal.next_waiter.get();
                signal.next_waiter.set(number + 1);
                signal.waiters.borrow_mut().push((number, cx.waker().clone()));
                self.number = Some(number);
            }
        }
        Poll::Pending
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        match (self.number, self.position()) {
            (None, _) => {}
            (Some(_), Some(index)) => drop(self.signal.waiters.borrow_mut().remove(index)),
            (Some(_), None) => self.signal.raised.set(true),
        }
    }
}

/// A place for one value that one task sets and another waits for.
pub fn slot<T>() -> (SlotSetter<T>, SlotWaiter<T>) {
    let slot = Rc::new(Slot { value: Cell::new(None), waker: Cell::new(None), abandoned: Cell::new(false) });
    (SlotSetter { slot: slot.clone() }, SlotWaiter { slot })
}

struct Slot<T> {
    value: Cell<Option<T>>,
    waker: Cell<Option<Waker>>,
    /// The setter is gone.
    abandoned: Cell<bool>,
}

/// Sets the value, once. Dropped without a value, the waiter gets `None`.
pub struct SlotSetter<T> {
    slot: Rc<Slot<T>>,
}

impl<T> SlotSetter<T> {
    pub fn set(self, value: T) {
        self.slot.value.set(Some(value));
    }

    /// Whether the waiter is gone, so that the work for it can be spared.
    pub fn is_abandoned(&self) -> bool {
        Rc::strong_count(&self.slot) == 1
    }
}

impl<T> Drop for SlotSetter<T> {
    fn drop(&mut self) {
        self.slot.abandoned.set(true);
        if let Some(waker) = self.slot.waker.take() {
            waker.wake();
        }
    }
}

/// The value once it is set; `None` when the setter was dropped without one.
pub struct SlotWaiter<T> {
    slot: Rc<Slot<T>>,
}

impl<T> Future for SlotWaiter<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        match self.slot.value.take() {
            Some(value) => Poll::Ready(Some(value)),
            None if self.slot.abandoned.get() => Poll::Ready(None),
            None => {
                self.slot.waker.set(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{pin::pin, task::Waker};

    fn ready<F: Future + ?Sized>(f: Pin<&mut F>) -> bool {
        f.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn a_raise_without_waiters_is_kept_once() {
        let signal = Signal::new();
        signal.raise();
        signal.raise();
        assert!(ready(pin!(signal.wait())));
        assert!(!ready(pin!(signal.wait())));
    }

    #[test]
    fn a_raise_wakes_all_waiters_and_is_then_over() {
        let signal = Signal::new();
        let mut one = Box::pin(signal.wait());
        let mut two = Box::pin(signal.wait());
        assert!(!ready(one.as_mut()));
        assert!(!ready(two.as_mut()));
        signal.raise();
        assert!(ready(one.as_mut()));
        assert!(ready(two.as_mut()));
        drop((one, two));
        assert!(!ready(pin!(signal.wait())));
    }

    #[test]
    fn a_raise_survives_a_waiter_that_was_dropped_before_it_ran() {
        let signal = Signal::new();
        let mut gone = Box::pin(signal.wait());
        assert!(!ready(gone.as_mut()));
        signal.raise();
        drop(gone);
        assert!(ready(pin!(signal.wait())));
    }

    #[test]
    fn a_waiter_that_gave_up_keeps_nothing() {
        let signal = Signal::new();
        let mut gone = Box::pin(signal.wait());
        assert!(!ready(gone.as_mut()));
        drop(gone);
        assert!(!ready(pin!(signal.wait())));
        signal.raise();
        assert!(ready(pin!(signal.wait())));
    }

    #[test]
    fn a_slot_hands_over_its_value_or_tells_that_there_will_be_none() {
        let (setter, mut waiter) = slot();
        assert!(!ready(Pin::new(&mut waiter)));
        setter.set(5);
        assert_eq!(Pin::new(&mut waiter).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Some(5)));

        let (setter, mut waiter) = slot::<u8>();
        drop(setter);
        assert_eq!(Pin::new(&mut waiter).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(None));

        let (setter, waiter) = slot::<u8>();
        assert!(!setter.is_abandoned());
        drop(waiter);
        assert!(setter.is_abandoned());
    }
}
