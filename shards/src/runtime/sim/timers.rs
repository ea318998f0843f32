//! What happens at which virtual moment: sleeping tasks, landing writes, arriving bytes.

use super::{context, world::Inner};
use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    rc::{Rc, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};

pub enum Action {
    Wake(Waker),
    Do(Effect),
}

type Effect = Box<dyn FnOnce(&Rc<Inner>)>;

/// A moment, and a number that tells equal moments apart.
type Key = (Duration, u64);

#[derive(Default)]
pub struct Timers {
    actions: BTreeMap<Key, Action>,
    last: u64,
}

impl Timers {
    fn add(&mut self, at: Duration, action: Action) -> Key {
        self.last += 1;
        self.actions.insert((at, self.last), action);
        (at, self.last)
    }

    /// The first action that is due.
    pub fn take_due(&mut self, now: Duration) -> Option<Action> {
        let entry = self.actions.first_entry()?;
        if entry.key().0 > now { None } else { Some(entry.remove()) }
    }

    pub fn next(&self) -> Option<Duration> {
        self.actions.first_key_value().map(|((at, _), _)| *at)
    }

    pub fn take_all(&mut self) -> BTreeMap<Key, Action> {
        std::mem::take(&mut self.actions)
    }
}

impl Inner {
    pub fn at(&self, at: Duration, f: impl FnOnce(&Rc<Inner>) + 'static) {
        self.timers.borrow_mut().add(at, Action::Do(Box::new(f)));
    }
}

/// Ready when the virtual clock has gone on by so much.
pub async fn sleep(d: Duration) {
    let world = context::here().world;
    let at = world.clock.get() + d;
    Sleep { world: Rc::downgrade(&world), at, key: None }.await
}

struct Sleep {
    world: Weak<Inner>,
    at: Duration,
    key: Option<Key>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(world) = self.world.upgrade() else { return Poll::Pending };
        if world.clock.get() >= self.at {
            return Poll::Ready(());
        }
        let mut timers = world.timers.borrow_mut();
        match self.key.and_then(|key| timers.actions.get_mut(&key)) {
            Some(Action::Wake(waker)) => waker.clone_from(cx.waker()),
            _ => self.key = Some(timers.add(self.at, Action::Wake(cx.waker().clone()))),
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let (Some(key), Some(world)) = (self.key, self.world.upgrade()) {
            let removed = world.timers.borrow_mut().actions.remove(&key);
            drop(removed);
        }
    }
}
