//! All that is in flight on one shard, and when it becomes visible again.
//!
//! Queues lie in a slab, found by (topic, group, queue). What has an end of its invisible time is in `expiry`, once, unless
//! it is being revived just now.

use std::collections::BTreeSet;
use std::hash::Hash;

use hashbrown::{Equivalent, HashMap};

use super::event::{Handed, PopEvent, PopStep};
use super::flights::{Flight, Flights};
use super::orderly::Orderly;
use crate::offsets::{ConsumerOffsets, OffsetCommit};
use crate::types::{Millis, QueueOffset};
use crate::wire::{BadBytes, Reader, Writer, encode_slice};

const FORMAT: u16 = 1;

#[derive(Clone, Copy, Debug)]
pub struct PopLimits {
    /// Messages in flight on one shard; beyond it a pop finds nothing. Each takes about 100 bytes.
    pub in_flight_max: usize,
}

impl Default for PopLimits {
    fn default() -> PopLimits {
        PopLimits { in_flight_max: 1 << 20 }
    }
}

/// Lives on its shard's core.
#[derive(Debug)]
pub struct Pops {
    pub(super) limits: PopLimits,
    places: HashMap<Key, u32>,
    queues: Vec<Option<PopQueue>>,
    free: Vec<u32>,
    expiry: BTreeSet<(Millis, u32, QueueOffset)>,
    len: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    topic: Box<str>,
    group: Box<str>,
    queue_id: u32,
}

#[derive(Hash)]
struct KeyRef<'a> {
    topic: &'a str,
    group: &'a str,
    queue_id: u32,
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.queue_id == key.queue_id && *self.topic == *key.topic && *self.group == *key.group
    }
}

/// One group's use of one queue while something of it is in flight.
#[derive(Debug)]
pub(super) struct PopQueue {
    key: Key,
    pub next: QueueOffset,
    pub flights: Flights,
    pub orderly: Option<Orderly>,
    /// The consumer offset as this table has written it: another one in its place was put there by somebody else.
    pub written: QueueOffset,
}

/// A message whose invisible time is over. Its end must be told: by a `Settled` event, or `postpone`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    pub topic: String,
    pub group: String,
    pub queue_id: u32,
    pub message: Handed,
}

impl PopQueue {
    /// The first message that is not acked.
    pub fn committed(&self) -> QueueOffset {
        let ordered = self.orderly.as_ref().and_then(Orderly::first);
        [self.flights.first(), ordered].into_iter().flatten().min().map_or(self.next, |first| first.min(self.next))
    }

    fn is_empty(&self) -> bool {
        self.flights.len() == 0 && self.orderly.is_none()
    }
}

impl Pops {
    pub fn new(limits: PopLimits) -> Pops {
        Pops { limits, places: HashMap::new(), queues: Vec::new(), free: Vec::new(), expiry: BTreeSet::new(), len: 0 }
    }

    /// Messages in flight.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Messages that may still be handed out.
    pub fn room(&self) -> usize {
        self.limits.in_flight_max.saturating_sub(self.len)
    }

    pub(super) fn get(&self, topic: &str, group: &str, queue_id: u32) -> Option<&PopQueue> {
        let place = *self.places.get(&KeyRef { topic, group, queue_id })?;
        self.queues[place as usize].as_ref()
    }

    pub(super) fn get_mut(&mut self, topic: &str, group: &str, queue_id: u32) -> Option<&mut PopQueue> {
        let place = *self.places.get(&KeyRef { topic, group, queue_id })?;
        self.queues[place as usize].as_mut()
    }

    /// Messages of one queue in flight for one group.
    pub fn in_flight(&self, topic: &str, group: &str, queue_id: u32) -> usize {
        self.get(topic, group, queue_id).map_or(0, |queue| queue.flights.len())
    }

    /// The next offset that a pop without order gets, where something is in flight.
    pub fn next_offset(&self, topic: &str, group: &str, queue_id: u32) -> Option<QueueOffset> {
        Some(self.get(topic, group, queue_id)?.next)
    }

    /// The batch that is held in order.
    pub fn orderly(&self, topic: &str, group: &str, queue_id: u32) -> Option<&Orderly> {
        self.get(topic, group, queue_id)?.orderly.as_ref()
    }

    /// Whether this very pop of the message is still in flight.
    pub fn holds(&self, topic: &str, group: &str, queue_id: u32, message: Handed) -> bool {
        self.get(topic, group, queue_id).is_some_and(|queue| queue.flights.get(message).is_some())
    }

    /// When the next message becomes visible.
    pub fn next_expiry(&self) -> Option<Millis> {
        self.expiry.first().map(|(visible_at, ..)| *visible_at)
    }

    /// Hands out up to `max` messages whose time is over; they stay invisible until their end is told.
    pub fn expire(&mut self, now: Millis, max: usize) -> Vec<Expired> {
        let mut expired = Vec::new();
        while expired.len() < max
            && let Some((_, place, offset)) = self.expiry.first().filter(|(visible_at, ..)| *visible_at <= now).copied()
        {
            self.expiry.pop_first();
            let queue = self.queues[place as usize].as_ref().expect("what expires is kept");
            let flight = queue.flights.at(offset).expect("what expires is in flight");
            let Key { topic, group, queue_id } = &queue.key;
            let message = Handed { offset, pop_time: flight.pop_time };
            expired.push(Expired { topic: topic.to_string(), group: group.to_string(), queue_id: *queue_id, message });
        }
        expired
    }

    /// An expired message could not be revived now: again at `visible_at`, if it is still in flight.
    pub fn postpone(&mut self, expired: &Expired, visible_at: Millis) {
        let Expired { topic, group, queue_id, message } = expired;
        let Some(place) = self.places.get(&KeyRef { topic, group, queue_id: *queue_id }).copied() else { return };
        let queue = self.queues[place as usize].as_mut().expect("places lead to queues");
        let Some(flight) = queue.flights.get(*message) else { return };
        self.expiry.remove(&(flight.visible_at, place, message.offset));
        queue.flights.put(message.offset, Flight { visible_at, ..flight });
        self.expiry.insert((visible_at, place, message.offset));
    }

    /// Makes a change that is in the log, and keeps the consumer offset in step.
    pub fn apply(&mut self, event: &PopEvent<'_>, offsets: &mut ConsumerOffsets) {
        let place = match &event.step {
            PopStep::Popped { next, pop_time, invisible_millis, moved, offsets: popped, orderly } => {
                let place = self.place(event);
                if let Some(floor) = moved {
                    self.forget_below(place, *floor);
                }
                let visible_at = pop_time.plus((*invisible_millis).max(0));
                self.queue(place).next = *next;
                match orderly {
                    Some((attempt, counts)) => {
                        let messages: Vec<(QueueOffset, i32)> = popped.iter().copied().zip(counts.iter().copied()).collect();
                        let mut batch = Orderly::new(attempt, *pop_time, visible_at, &messages);
                        if let Some(before) = &self.queue(place).orderly {
                            batch.leave_behind(before);
                        }
                        self.queue(place).orderly = Some(batch).filter(|batch| !batch.messages.is_empty());
                    }
                    None => {
                        for offset in popped {
                            self.put(place, *offset, Flight { pop_time: *pop_time, visible_at });
                        }
                    }
                }
                Some(place)
            }
            PopStep::Settled { messages, .. } => {
                let place = self.known_place(event);
                if let Some(place) = place {
                    messages.iter().for_each(|message| self.settle(place, *message));
                }
                place
            }
            PopStep::Extended { message, pop_time, visible_at } => {
                let place = self.known_place(event);
                if let Some(place) = place {
                    self.extend(place, *message, *pop_time, *visible_at);
                }
                place
            }
        };
        if let Some(place) = place {
            self.write_offset(place, offsets);
        }
    }

    pub fn remove_topic(&mut self, topic: &str) {
        self.remove_where(|key| *key.topic == *topic);
    }

    pub fn remove_group(&mut self, group: &str) {
        self.remove_where(|key| *key.group == *group);
    }

    /// Appends a slice of the table, beginning at place `from`; returns where the next begins. As `ConsumerOffsets`.
    ///
    /// | bytes | format 1 |
    /// |---|---|
    /// | u16 | format |
    /// | list | text topic, text group, u32 queue id, i64 next, i64 written, list of (i64 offset, i64 pop time, i64 visible at), bool + `Orderly` |
    pub fn encode_slice(&self, from: usize, bytes_max: usize, out: &mut Vec<u8>) -> Option<usize> {
        encode_slice(&self.queues, (from, bytes_max), FORMAT, out, |queue, out| {
            queue.encode(out);
            true
        })
    }

    pub fn load_slice(&mut self, bytes: &[u8]) -> Result<(), BadBytes> {
        let mut read = Reader::new(bytes);
        read.version(FORMAT, "messages in flight")?;
        for _ in 0..read.count(29, "queues in flight")? {
            let key = Key {
                topic: read.text("topic name")?.into(),
                group: read.text("group name")?.into(),
                queue_id: read.u32("queue id")?,
            };
            let place = self.place_of(key);
            self.queue(place).next = QueueOffset(read.i64("next offset")?);
            self.queue(place).written = QueueOffset(read.i64("written offset")?);
            for _ in 0..read.count(24, "messages in flight")? {
                let offset = QueueOffset(read.i64("offset")?);
                let pop_time = Millis(read.i64("pop time")?);
                self.put(place, offset, Flight { pop_time, visible_at: Millis(read.i64("visible at")?) });
            }
            if read.bool("orderly")? {
                self.queue(place).orderly = Some(Orderly::decode(&mut read)?);
            }
        }
        read.finish()
    }

    fn place(&mut self, event: &PopEvent<'_>) -> u32 {
        self.known_place(event).unwrap_or_else(|| {
            self.place_of(Key { topic: event.topic.into(), group: event.group.into(), queue_id: event.queue_id })
        })
    }

    fn known_place(&self, event: &PopEvent<'_>) -> Option<u32> {
        self.places.get(&KeyRef { topic: event.topic, group: event.group, queue_id: event.queue_id }).copied()
    }

    fn place_of(&mut self, key: Key) -> u32 {
        if let Some(place) = self.places.get(&key) {
            return *place;
        }
        let zero = QueueOffset::ZERO;
        let queue = PopQueue { key: key.clone(), next: zero, flights: Flights::default(), orderly: None, written: zero };
        let place = self.free.pop().unwrap_or_else(|| {
            self.queues.push(None);
            u32::try_from(self.queues.len() - 1).expect("bounded by what is in flight")
        });
        self.queues[place as usize] = Some(queue);
        self.places.insert(key, place);
        place
    }

    fn queue(&mut self, place: u32) -> &mut PopQueue {
        self.queues[place as usize].as_mut().expect("places lead to queues")
    }

    fn put(&mut self, place: u32, offset: QueueOffset, flight: Flight) {
        match self.queue(place).flights.put(offset, flight) {
            Some(before) => _ = self.expiry.remove(&(before.visible_at, place, offset)),
            None => self.len += 1,
        }
        self.expiry.insert((flight.visible_at, place, offset));
    }

    fn settle(&mut self, place: u32, message: Handed) {
        if let Some(flight) = self.queue(place).flights.remove(message) {
            self.expiry.remove(&(flight.visible_at, place, message.offset));
            self.len -= 1;
        }
        let orderly = &mut self.queue(place).orderly;
        if let Some(held) = orderly.as_mut().and_then(|batch| batch.held(message)) {
            held.is_acked = true;
        }
        orderly.take_if(|batch| batch.first().is_none());
    }

    fn extend(&mut self, place: u32, message: Handed, pop_time: Millis, visible_at: Millis) {
        if self.queue(place).flights.get(message).is_some() {
            self.put(place, message.offset, Flight { pop_time, visible_at });
        }
        if let Some(held) = self.queue(place).orderly.as_mut().and_then(|batch| batch.held(message)) {
            held.visible_at = visible_at;
        }
    }

    fn forget_below(&mut self, place: u32, floor: QueueOffset) {
        self.queue(place).orderly = None;
        for (offset, flight) in self.queue(place).flights.below(floor) {
            self.expiry.remove(&(flight.visible_at, place, offset));
            self.len -= 1;
        }
    }

    /// A queue with nothing in flight leaves; its consumer offset says how far it was read.
    fn write_offset(&mut self, place: u32, offsets: &mut ConsumerOffsets) {
        let queue = self.queue(place);
        let committed = queue.committed();
        queue.written = committed;
        let Key { topic, group, queue_id } = &queue.key;
        let commit = OffsetCommit { topic, group, queue_id: *queue_id, offset: committed };
        if let Err(full) = offsets.commit(commit) {
            tracing::warn!(%topic, %group, queue_id, "a popped queue's offset is not kept: {full}");
        }
        if queue.is_empty() {
            self.release(place);
        }
    }

    fn release(&mut self, place: u32) {
        let queue = self.queues[place as usize].take().expect("places lead to queues");
        self.places.remove(&queue.key);
        for (offset, flight) in queue.flights.iter() {
            self.expiry.remove(&(flight.visible_at, place, offset));
            self.len -= 1;
        }
        self.free.push(place);
    }

    fn remove_where(&mut self, is_meant: impl Fn(&Key) -> bool) {
        for place in 0..self.queues.len() as u32 {
            if self.queues[place as usize].as_ref().is_some_and(|queue| is_meant(&queue.key)) {
                self.release(place);
            }
        }
    }
}

impl PopQueue {
    fn encode(&self, out: &mut Writer<'_>) {
        out.text(&self.key.topic);
        out.text(&self.key.group);
        out.u32(self.key.queue_id);
        out.i64(self.next.0);
        out.i64(self.written.0);
        out.count(self.flights.len());
        for (offset, flight) in self.flights.iter() {
            out.i64(offset.0);
            out.i64(flight.pop_time.0);
            out.i64(flight.visible_at.0);
        }
        out.bool(self.orderly.is_some());
        if let Some(orderly) = &self.orderly {
            orderly.encode(out);
        }
    }
}
