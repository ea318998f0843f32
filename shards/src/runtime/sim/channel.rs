//! Channels between simulated cores.
//!
//! The ends are `Send` by their type, as the real ones are, hence the lock; there is only one thread.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

struct State<T> {
    queue: VecDeque<T>,
    capacity: usize,
    ends_connected: u8,
    sender_gone: bool,
    receiver_gone: bool,
    wakers: Vec<Waker>,
}

type Shared<T> = Arc<Mutex<State<T>>>;

fn lock<T>(shared: &Shared<T>) -> MutexGuard<'_, State<T>> {
    shared.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl<T> State<T> {
    fn wait<R>(&mut self, cx: &Context<'_>) -> Poll<R> {
        self.wakers.push(cx.waker().clone());
        Poll::Pending
    }

    fn wake(&mut self) {
        for waker in self.wakers.drain(..) {
            waker.wake();
        }
    }
}

pub fn channel<T: Send>(capacity: usize) -> (Outlet<T>, Inlet<T>) {
    let state = State {
        queue: VecDeque::with_capacity(capacity),
        capacity,
        ends_connected: 0,
        sender_gone: false,
        receiver_gone: false,
        wakers: Vec::new(),
    };
    let shared = Arc::new(Mutex::new(state));
    (Outlet(Sender(shared.clone())), Inlet(Receiver(shared)))
}

/// Waits until both ends are on their cores, or one is gone.
async fn connect<T>(shared: &Shared<T>) {
    {
        let mut state = lock(shared);
        state.ends_connected += 1;
        state.wake();
    }
    poll_fn(|cx| {
        let mut state = lock(shared);
        let over = state.ends_connected == 2 || state.sender_gone || state.receiver_gone;
        if over { Poll::Ready(()) } else { state.wait(cx) }
    })
    .await;
}

pub struct Outlet<T: Send>(Sender<T>);

impl<T: Send> Outlet<T> {
    pub async fn connect(self) -> Sender<T> {
        connect(&self.0.0).await;
        self.0
    }
}

pub struct Inlet<T: Send>(Receiver<T>);

impl<T: Send> Inlet<T> {
    pub async fn connect(self) -> Receiver<T> {
        connect(&self.0.0).await;
        self.0
    }
}

pub struct Sender<T: Send>(Shared<T>);

impl<T: Send> Sender<T> {
    pub fn try_send(&self, value: T) -> Result<(), T> {
        let mut state = lock(&self.0);
        if state.receiver_gone || state.queue.len() == state.capacity {
            return Err(value);
        }
        state.queue.push_back(value);
        state.wake();
        Ok(())
    }

    pub async fn send(&self, value: T) -> Result<(), T> {
        poll_fn(|cx| {
            let mut state = lock(&self.0);
            let over = state.receiver_gone || state.queue.len() < state.capacity;
            if over { Poll::Ready(()) } else { state.wait(cx) }
        })
        .await;
        self.try_send(value)
    }
}

impl<T: Send> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.sender_gone = true;
        state.wake();
    }
}

pub struct Receiver<T: Send>(Shared<T>);

impl<T: Send> Receiver<T> {
    pub async fn recv(&self) -> Option<T> {
        poll_fn(|cx| {
            let mut state = lock(&self.0);
            match state.queue.pop_front() {
                Some(value) => {
                    state.wake();
                    Poll::Ready(Some(value))
                }
                None if state.sender_gone => Poll::Ready(None),
                None => state.wait(cx),
            }
        })
        .await
    }
}

impl<T: Send> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.receiver_gone = true;
        state.wake();
    }
}
