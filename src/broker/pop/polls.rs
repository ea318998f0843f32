//! Pops that found nothing and wait on this core, by what they ask for.
//!
//! One message wakes one of them, the first that came; the others are left asleep. A waiter is in exactly one list until it is
//! woken, leaves, or its connection ends.

use std::collections::{BTreeSet, VecDeque};

use hashbrown::HashMap;
use ringmq_shards::runtime::SlotSetter;
use ringmq_shards::types::ShardId;

use crate::net::ConnectionNumber;

/// What a pop asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PollKey {
    pub topic: String,
    pub group: String,
    /// Negative: any.
    pub queue_id: i32,
}

/// Lives on its connections' core.
#[derive(Default)]
pub struct Polls {
    waiting: HashMap<PollKey, VecDeque<Waiter>>,
    len: usize,
    last: u64,
    /// Shards that are asked to tell when they have something for a key.
    watched: BTreeSet<(PollKey, ShardId)>,
}

struct Waiter {
    number: u64,
    connection: ConnectionNumber,
    setter: SlotSetter<()>,
}

/// No room for another waiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollsFull;

impl Polls {
    /// Waits at the end of the key's list. Returns what the waiter leaves by.
    pub fn park(
        &mut self,
        key: &PollKey,
        connection: ConnectionNumber,
        setter: SlotSetter<()>,
        key_max: usize,
        max: usize,
    ) -> Result<u64, PollsFull> {
        if self.len >= max || self.waiting.get(key).is_some_and(|list| list.len() >= key_max) {
            return Err(PollsFull);
        }
        self.last += 1;
        let waiter = Waiter { number: self.last, connection, setter };
        self.waiting.entry(key.clone()).or_default().push_back(waiter);
        self.len += 1;
        Ok(self.last)
    }

    pub fn wake_one(&mut self, key: &PollKey) {
        let Some(waiter) = self.waiting.get_mut(key).and_then(VecDeque::pop_front) else { return };
        self.len -= 1;
        self.forget_if_empty(key);
        waiter.setter.set(());
    }

    /// A waiter's time is over. One that was woken is no longer there.
    pub fn leave(&mut self, key: &PollKey, number: u64) {
        let Some(list) = self.waiting.get_mut(key) else { return };
        let before = list.len();
        list.retain(|waiter| waiter.number != number);
        self.len -= before - list.len();
        self.forget_if_empty(key);
    }

    /// Those of a connection that has ended are dropped: nobody reads their answers.
    pub fn connection_closed(&mut self, connection: ConnectionNumber) {
        let mut len = 0;
        self.waiting.retain(|_, list| {
            list.retain(|waiter| waiter.connection != connection);
            len += list.len();
            !list.is_empty()
        });
        self.len = len;
    }

    pub fn len_of(&self, key: &PollKey) -> usize {
        self.waiting.get(key).map_or(0, VecDeque::len)
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the shard must be asked for this key: someone waits and it is not asked yet. It is from now on.
    pub fn watch(&mut self, key: &PollKey, shard: ShardId) -> bool {
        self.waiting.contains_key(key) && self.watched.insert((key.clone(), shard))
    }

    /// The shard has told.
    pub fn watched(&mut self, key: &PollKey, shard: ShardId) {
        self.watched.remove(&(key.clone(), shard));
    }

    fn forget_if_empty(&mut self, key: &PollKey) {
        if self.waiting.get(key).is_some_and(VecDeque::is_empty) {
            self.waiting.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringmq_shards::runtime::{SlotWaiter, slot};
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    fn key(queue_id: i32) -> PollKey {
        PollKey { topic: "T".into(), group: "g".into(), queue_id }
    }

    fn state(waiter: &mut SlotWaiter<()>) -> &'static str {
        match Pin::new(waiter).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => "asleep",
            Poll::Ready(Some(())) => "woken",
            Poll::Ready(None) => "dropped",
        }
    }

    fn park(polls: &mut Polls, queue_id: i32, connection: u64) -> (u64, SlotWaiter<()>) {
        let (setter, waiter) = slot();
        (polls.park(&key(queue_id), ConnectionNumber(connection), setter, 2, 3).expect("has room"), waiter)
    }

    #[test]
    fn one_message_wakes_one_waiter_the_first() {
        let mut polls = Polls::default();
        let (_, mut first) = park(&mut polls, -1, 1);
        let (_, mut second) = park(&mut polls, -1, 2);
        let (_, mut other) = park(&mut polls, 3, 1);
        polls.wake_one(&key(-1));
        assert_eq!((state(&mut first), state(&mut second), state(&mut other)), ("woken", "asleep", "asleep"));
        assert_eq!((polls.len(), polls.len_of(&key(-1)), polls.len_of(&key(3))), (2, 1, 1));
        polls.wake_one(&key(7));
        assert_eq!(polls.len(), 2);
    }

    #[test]
    fn lists_are_bounded_each_and_together() {
        let mut polls = Polls::default();
        let mut kept = vec![park(&mut polls, 0, 1), park(&mut polls, 0, 1)];
        let full = |polls: &mut Polls, queue_id| polls.park(&key(queue_id), ConnectionNumber(9), slot().0, 2, 3);
        assert_eq!(full(&mut polls, 0), Err(PollsFull));
        kept.push(park(&mut polls, 1, 1));
        assert_eq!(full(&mut polls, 1), Err(PollsFull));
        polls.leave(&key(0), kept[0].0);
        polls.leave(&key(0), kept[0].0);
        assert_eq!((polls.len(), state(&mut kept[0].1)), (2, "dropped"));
        assert!(full(&mut polls, 1).is_ok());
    }

    #[test]
    fn a_closed_connection_leaves_nobody_behind() {
        let mut polls = Polls::default();
        let (_, mut gone) = park(&mut polls, 0, 1);
        let (_, mut stays) = park(&mut polls, 0, 2);
        let (_, mut also_gone) = park(&mut polls, 1, 1);
        polls.connection_closed(ConnectionNumber(1));
        assert_eq!((state(&mut gone), state(&mut stays), state(&mut also_gone)), ("dropped", "asleep", "dropped"));
        assert_eq!((polls.len(), polls.len_of(&key(1))), (1, 0));
    }

    #[test]
    fn a_shard_is_asked_once_while_someone_waits() {
        let mut polls = Polls::default();
        assert!(!polls.watch(&key(0), ShardId(1)), "nobody waits");
        let (number, _waiter) = park(&mut polls, 0, 1);
        assert!(polls.watch(&key(0), ShardId(1)));
        assert!(!polls.watch(&key(0), ShardId(1)));
        polls.watched(&key(0), ShardId(1));
        polls.leave(&key(0), number);
        assert!(!polls.watch(&key(0), ShardId(1)));
    }
}
