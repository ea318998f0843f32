//! A bound on how many do something at once; who comes later waits, in order.
//!
//! Invariant: a turn is held by one, or free. One that is handed to somebody who is gone by then goes on to the next.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use super::{SlotSetter, slot};

/// Lives on its core.
pub struct Turns {
    free: Cell<usize>,
    waiting: RefCell<VecDeque<SlotSetter<Turn>>>,
}

/// Given back when it is dropped.
#[must_use = "the turn is over when this is dropped"]
pub struct Turn(Rc<Turns>);

impl Turns {
    pub fn new(count: usize) -> Rc<Turns> {
        assert!(count > 0, "without a turn everybody would wait for ever");
        Rc::new(Turns { free: Cell::new(count), waiting: RefCell::default() })
    }

    /// For what is done by one at a time.
    pub fn one() -> Rc<Turns> {
        Turns::new(1)
    }

    /// Returns when it is the caller's turn.
    pub async fn take(self: &Rc<Turns>) -> Turn {
        if let Some(fewer) = self.free.get().checked_sub(1) {
            self.free.set(fewer);
            return Turn(self.clone());
        }
        let (setter, waiter) = slot();
        self.waiting.borrow_mut().push_back(setter);
        waiter.await.expect("whoever waits is handed a turn")
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        loop {
            let next = self.0.waiting.borrow_mut().pop_front();
            match next {
                Some(gone) if gone.is_abandoned() => {}
                Some(next) => return next.set(Turn(self.0.clone())),
                None => return self.0.free.set(self.0.free.get() + 1),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    fn poll<F: Future>(f: Pin<&mut F>) -> Poll<F::Output> {
        f.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn turns_are_bounded_and_go_round_in_order() {
        let turns = Turns::one();
        let Poll::Ready(one) = poll(pin!(turns.take())) else { panic!("one is free") };
        let mut two = Box::pin(turns.take());
        let mut three = Box::pin(turns.take());
        assert!(poll(two.as_mut()).is_pending());
        assert!(poll(three.as_mut()).is_pending());
        drop(one);
        assert!(poll(three.as_mut()).is_pending(), "it is not its turn");
        assert!(poll(two.as_mut()).is_ready());
        assert!(poll(three.as_mut()).is_ready(), "the second was dropped at once");
    }

    #[test]
    fn a_turn_for_somebody_who_is_gone_goes_on() {
        let turns = Turns::one();
        let Poll::Ready(one) = poll(pin!(turns.take())) else { panic!("one is free") };
        let mut before = Box::pin(turns.take());
        let mut handed = Box::pin(turns.take());
        let mut last = Box::pin(turns.take());
        assert!(poll(before.as_mut()).is_pending() && poll(handed.as_mut()).is_pending() && poll(last.as_mut()).is_pending());
        // One gives up while it waits, one with the turn in its hands.
        drop(before);
        drop(one);
        drop(handed);
        assert!(poll(last.as_mut()).is_ready());
    }
}
