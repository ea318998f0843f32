//! Which client may consume which queue of an ordered group: leases of 60 s, renewed every 20 s by their owners.
//!
//! In memory only, on the group's core: after a restart whoever asks first gets the queue, and consumers go by their
//! own copy of the lease, which they let go 30 s after the last renewal. A queue is what the client says it is (topic,
//! broker name, id); nothing checks that it exists.
//!
//! Before: `broker::lock` over the mesh; also asked by `broker::send` for retries of ordered groups.

use std::fmt;

use hashbrown::{Equivalent, HashMap};

use crate::types::Millis;

/// Not renewed for longer than this, a lock is anybody's.
const LEASE_MS: i64 = 60_000;

/// A queue as a client names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QueueName<'a> {
    pub topic: &'a str,
    pub broker_name: &'a str,
    pub queue_id: i32,
}

/// Lives on one core, for the groups it owns.
#[derive(Debug)]
pub struct QueueLocks {
    /// A group without locks does not exist.
    groups: HashMap<String, HashMap<OwnedName, Lock>>,
    locks: usize,
    locks_max: usize,
}

#[derive(Debug)]
struct Lock {
    client_id: String,
    renewed: Millis,
}

impl Lock {
    fn is_expired(&self, now: Millis) -> bool {
        now.since(self.renewed) > LEASE_MS
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OwnedName {
    // Fields and their order as in `QueueName`: the two hash alike.
    topic: String,
    broker_name: String,
    queue_id: i32,
}

impl Equivalent<OwnedName> for QueueName<'_> {
    fn equivalent(&self, owned: &OwnedName) -> bool {
        self.queue_id == owned.queue_id && self.topic == owned.topic && self.broker_name == owned.broker_name
    }
}

impl QueueLocks {
    pub fn new(locks_max: usize) -> QueueLocks {
        QueueLocks { groups: HashMap::new(), locks: 0, locks_max }
    }

    /// LOCK_BATCH_MQ: for each queue, in order, whether the client holds it now. It gets what is free, its own, or
    /// expired. Renewing allocates nothing but the answer.
    pub fn lock(&mut self, group: &str, client_id: &str, queues: &[QueueName<'_>], now: Millis) -> Result<Vec<bool>, LocksFull> {
        // Counted first, so that a batch is locked as a whole or not at all.
        let known = self.groups.get(group);
        let new = queues.iter().filter(|queue| known.is_none_or(|locks| !locks.contains_key(*queue))).count();
        if self.locks + new > self.locks_max {
            return Err(LocksFull { max: self.locks_max });
        }
        if queues.is_empty() {
            return Ok(Vec::new());
        }
        let locks = match self.groups.contains_key(group) {
            true => self.groups.get_mut(group).expect("it is there"),
            false => self.groups.entry(group.to_owned()).or_default(),
        };
        let mut held = Vec::with_capacity(queues.len());
        for queue in queues {
            held.push(match locks.get_mut(queue) {
                Some(lock) if lock.client_id == client_id => {
                    lock.renewed = now;
                    true
                }
                Some(lock) if lock.is_expired(now) => {
                    *lock = Lock { client_id: client_id.to_owned(), renewed: now };
                    true
                }
                Some(_) => false,
                None => {
                    let name = OwnedName {
                        topic: queue.topic.to_owned(),
                        broker_name: queue.broker_name.to_owned(),
                        queue_id: queue.queue_id,
                    };
                    locks.insert(name, Lock { client_id: client_id.to_owned(), renewed: now });
                    self.locks += 1;
                    true
                }
            });
        }
        Ok(held)
    }

    /// UNLOCK_BATCH_MQ: only its owner's locks.
    pub fn unlock(&mut self, group: &str, client_id: &str, queues: &[QueueName<'_>]) {
        let Some(locks) = self.groups.get_mut(group) else { return };
        for queue in queues {
            if locks.get(queue).is_some_and(|lock| lock.client_id == client_id) {
                locks.remove(queue);
                self.locks -= 1;
            }
        }
        if locks.is_empty() {
            self.groups.remove(group);
        }
    }

    /// Whether somebody of the group consumes in order: then its retries go to the DLQ at once.
    pub fn any_held(&self, group: &str, now: Millis) -> bool {
        self.groups.get(group).is_some_and(|locks| locks.values().any(|lock| !lock.is_expired(now)))
    }

    /// Forgets expired locks, which say nothing any more. Called with the expiry of members.
    pub fn expire(&mut self, now: Millis) {
        let mut left = 0;
        self.groups.retain(|_, locks| {
            locks.retain(|_, lock| !lock.is_expired(now));
            left += locks.len();
            !locks.is_empty()
        });
        self.locks = left;
    }

    pub fn len(&self) -> usize {
        self.locks
    }

    pub fn is_empty(&self) -> bool {
        self.locks == 0
    }
}

/// No room for another lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocksFull {
    pub max: usize,
}

impl fmt::Display for LocksFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} queues are locked here, the most there may be", self.max)
    }
}

impl std::error::Error for LocksFull {}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(queue_id: i32) -> QueueName<'static> {
        QueueName { topic: "T", broker_name: "b", queue_id }
    }

    #[test]
    fn a_queue_has_one_owner_until_the_lease_ends() {
        let mut locks = QueueLocks::new(100);
        let both = [queue(0), queue(1)];
        assert_eq!(locks.lock("g", "A", &both[..1], Millis(0)).unwrap(), [true]);
        assert_eq!(locks.lock("g", "B", &both, Millis(1)).unwrap(), [false, true]);
        assert_eq!(locks.lock("g", "A", &both, Millis(50_000)).unwrap(), [true, false], "A renews");
        assert_eq!(locks.lock("g", "B", &both, Millis(60_001)).unwrap(), [false, true], "B's own had not expired");
        assert_eq!(locks.lock("g", "B", &both, Millis(110_000)).unwrap(), [false, true], "60 s are not over");
        assert_eq!(locks.lock("g", "B", &both, Millis(110_001)).unwrap(), [true, true]);
        assert_eq!(locks.lock("h", "A", &both, Millis(110_001)).unwrap(), [true, true], "another group, other locks");
        assert_eq!(locks.len(), 4);
    }

    #[test]
    fn only_the_owner_unlocks() {
        let mut locks = QueueLocks::new(100);
        locks.lock("g", "A", &[queue(0)], Millis(0)).unwrap();
        locks.unlock("g", "B", &[queue(0)]);
        assert!(locks.any_held("g", Millis(0)));
        locks.unlock("g", "A", &[queue(0), queue(7)]);
        assert!(!locks.any_held("g", Millis(0)));
        assert!(locks.is_empty());
    }

    #[test]
    fn expired_locks_are_forgotten() {
        let mut locks = QueueLocks::new(2);
        locks.lock("g", "A", &[queue(0)], Millis(0)).unwrap();
        locks.lock("g", "A", &[queue(1)], Millis(50_000)).unwrap();
        assert_eq!(locks.lock("h", "A", &[queue(2)], Millis(50_000)), Err(LocksFull { max: 2 }));
        locks.expire(Millis(60_001));
        assert_eq!(locks.len(), 1);
        assert!(locks.any_held("g", Millis(60_001)));
        assert!(!locks.any_held("g", Millis(110_001)), "expired is not held, forgotten or not");
        assert_eq!(locks.lock("h", "A", &[queue(2)], Millis(60_001)), Ok(vec![true]));
    }
}
