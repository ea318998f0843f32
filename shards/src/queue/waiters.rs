//! Pulls that found nothing and wait: until a message comes that they want, or until their time is over.
//!
//! Kept in one slab, each in two lists: of its queue, and of a wheel of deadlines. So parking, waking and expiring are
//! O(1) and allocate nothing in the long run. `T` is whatever the broker needs to answer; it is handed back, never
//! dropped.
//!
//! Always true: there are at most `len_max`; each is in both lists or in none.
//!
//! Before: `broker::pull` (parks), `queues::advance` (wakes); after: `broker::pull`, which plans again.

use std::fmt;

use hashbrown::HashMap;

use super::queues::{QueueSlot, Queues, Visible};
use crate::filter::{RecordFilter, TagFilter};
use crate::types::{Millis, QueueOffset};

const NONE: u32 = u32::MAX;

/// A deadline is met up to so much too late.
const TICK_MS: i64 = 32;
/// One turn of the wheel is 33 s; what waits longer is looked at once a turn.
const TICKS: usize = 1024;

/// Lives on its shard's core, beside the queues.
#[derive(Debug)]
pub struct Waiters<T> {
    parked: Vec<Option<Parked<T>>>,
    free: Vec<u32>,
    by_queue: HashMap<QueueSlot, u32>,
    wheel: Vec<u32>,
    /// Ticks up to this one are expired.
    tick: i64,
    len_max: usize,
}

#[derive(Debug)]
struct Parked<T> {
    slot: QueueSlot,
    offset: QueueOffset,
    wants: Wants,
    deadline: Millis,
    token: T,
    /// Neighbours in the queue's list and in the wheel's.
    links: [ListLink; 2],
}

/// Which messages end the wait.
#[derive(Clone, Debug)]
pub struct Wants {
    pub tags: TagFilter,
    pub properties: Option<RecordFilter>,
}

impl From<TagFilter> for Wants {
    fn from(tags: TagFilter) -> Wants {
        Wants { tags, properties: None }
    }
}

#[derive(Clone, Copy, Debug)]
struct ListLink {
    previous: u32,
    next: u32,
}

const QUEUE: usize = 0;
const WHEEL: usize = 1;

/// No room for another waiting pull: it is answered at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitersFull {
    pub max: usize,
}

impl fmt::Display for WaitersFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pulls wait on this shard, the most it may hold", self.max)
    }
}

impl std::error::Error for WaitersFull {}

impl<T> Waiters<T> {
    pub fn new(len_max: usize, now: Millis) -> Waiters<T> {
        Waiters {
            parked: Vec::new(),
            free: Vec::new(),
            by_queue: HashMap::new(),
            wheel: vec![NONE; TICKS],
            tick: now.0.div_euclid(TICK_MS),
            len_max,
        }
    }

    pub fn len(&self) -> usize {
        self.parked.len() - self.free.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until the queue has a message at `offset` or later that the filter wants. Hands the token back if there is
    /// no room.
    pub fn park(
        &mut self,
        slot: QueueSlot,
        offset: QueueOffset,
        wants: impl Into<Wants>,
        deadline: Millis,
        token: T,
    ) -> Result<(), (WaitersFull, T)> {
        if self.len() >= self.len_max {
            return Err((WaitersFull { max: self.len_max }, token));
        }
        let none = ListLink { previous: NONE, next: NONE };
        // What is over already is over with the next tick.
        let deadline = deadline.max(Millis((self.tick + 1) * TICK_MS));
        let parked = Parked { slot, offset, wants: wants.into(), deadline, token, links: [none; 2] };
        let at = match self.free.pop() {
            Some(at) => {
                self.parked[at as usize] = Some(parked);
                at
            }
            None => {
                self.parked.push(Some(parked));
                (self.parked.len() - 1) as u32
            }
        };
        let head = self.by_queue.insert(slot, at).unwrap_or(NONE);
        self.link(QUEUE, at, head);
        let bucket = bucket(deadline);
        let head = std::mem::replace(&mut self.wheel[bucket], at);
        self.link(WHEEL, at, head);
        Ok(())
    }

    /// A queue has new messages: `wake` gets the tokens of those who wait for one of them. `matches` looks into the messages
    /// for those who want some by their properties.
    pub fn advanced(
        &mut self,
        queues: &Queues,
        visible: Visible,
        matches: impl Fn(&RecordFilter, Visible) -> bool,
        mut wake: impl FnMut(T),
    ) {
        let mut at = self.by_queue.get(&visible.slot).copied().unwrap_or(NONE);
        while at != NONE {
            let parked = self.at(at);
            let next = parked.links[QUEUE].next;
            let wanted = Visible { from: visible.from.max(parked.offset), ..visible };
            let Wants { tags, properties } = &parked.wants;
            let is_woken = wanted.from < wanted.to
                && (tags.is_all() || queues.tags_codes(wanted).any(|code| tags.matches(code)))
                && properties.as_ref().is_none_or(|properties| matches(properties, wanted));
            if is_woken {
                wake(self.remove(at));
            }
            at = next;
        }
    }

    /// Hands out those whose time is over.
    pub fn expire(&mut self, now: Millis, mut wake: impl FnMut(T)) {
        let end = now.0.div_euclid(TICK_MS);
        // After a long pause once round the wheel is enough.
        for tick in self.tick.max(end - TICKS as i64) + 1..=end {
            let mut at = self.wheel[tick.rem_euclid(TICKS as i64) as usize];
            while at != NONE {
                let next = self.at(at).links[WHEEL].next;
                if tick_of(self.at(at).deadline) <= end {
                    wake(self.remove(at));
                }
                at = next;
            }
        }
        self.tick = self.tick.max(end);
    }

    /// The queue was removed: nobody gets anything from it any more.
    pub fn close(&mut self, slot: QueueSlot, mut wake: impl FnMut(T)) {
        while let Some(at) = self.by_queue.get(&slot).copied() {
            wake(self.remove(at));
        }
    }

    /// Takes out those who are gone, such as all of a closed connection. Looks at everyone.
    pub fn remove_where(&mut self, is_gone: impl Fn(&T) -> bool, mut removed: impl FnMut(T)) {
        for at in 0..self.parked.len() as u32 {
            if self.parked[at as usize].as_ref().is_some_and(|parked| is_gone(&parked.token)) {
                removed(self.remove(at));
            }
        }
    }

    fn at(&self, at: u32) -> &Parked<T> {
        self.parked[at as usize].as_ref().expect("lists hold only who waits")
    }

    fn links(&mut self, at: u32) -> &mut [ListLink; 2] {
        &mut self.parked[at as usize].as_mut().expect("lists hold only who waits").links
    }

    /// Puts `at` in front of a list that begins with `head`.
    fn link(&mut self, list: usize, at: u32, head: u32) {
        self.links(at)[list] = ListLink { previous: NONE, next: head };
        if head != NONE {
            self.links(head)[list].previous = at;
        }
    }

    fn remove(&mut self, at: u32) -> T {
        let removed = self.parked[at as usize].take().expect("lists hold only who waits");
        self.free.push(at);
        for (list, link) in removed.links.into_iter().enumerate() {
            if link.next != NONE {
                self.links(link.next)[list].previous = link.previous;
            }
            if link.previous != NONE {
                self.links(link.previous)[list].next = link.next;
            } else if list == WHEEL {
                self.wheel[bucket(removed.deadline)] = link.next;
            } else if link.next != NONE {
                self.by_queue.insert(removed.slot, link.next);
            } else {
                self.by_queue.remove(&removed.slot);
            }
        }
        removed.token
    }
}

/// The first tick at which the deadline is over.
fn tick_of(deadline: Millis) -> i64 {
    deadline.0.saturating_add(TICK_MS - 1).div_euclid(TICK_MS)
}

fn bucket(deadline: Millis) -> usize {
    tick_of(deadline).rem_euclid(TICKS as i64) as usize
}
