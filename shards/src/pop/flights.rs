//! The messages of one queue that one group has popped without order.

use std::collections::BTreeMap;

use super::event::Handed;
use crate::types::{Millis, QueueOffset};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flight {
    pub pop_time: Millis,
    pub visible_at: Millis,
}

/// By offset.
#[derive(Clone, Debug, Default)]
pub(super) struct Flights(BTreeMap<QueueOffset, Flight>);

impl Flights {
    pub fn first(&self) -> Option<QueueOffset> {
        self.0.keys().next().copied()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn contains(&self, offset: QueueOffset) -> bool {
        self.0.contains_key(&offset)
    }

    pub fn at(&self, offset: QueueOffset) -> Option<Flight> {
        self.0.get(&offset).copied()
    }

    /// The flight of this very pop.
    pub fn get(&self, message: Handed) -> Option<Flight> {
        self.0.get(&message.offset).filter(|flight| flight.pop_time == message.pop_time).copied()
    }

    /// Returns what was there before.
    pub fn put(&mut self, offset: QueueOffset, flight: Flight) -> Option<Flight> {
        self.0.insert(offset, flight)
    }

    pub fn remove(&mut self, message: Handed) -> Option<Flight> {
        self.get(message)?;
        self.0.remove(&message.offset)
    }

    /// Takes out all that lies below `floor`.
    pub fn below(&mut self, floor: QueueOffset) -> BTreeMap<QueueOffset, Flight> {
        let kept = self.0.split_off(&floor);
        std::mem::replace(&mut self.0, kept)
    }

    pub fn iter(&self) -> impl Iterator<Item = (QueueOffset, Flight)> {
        self.0.iter().map(|(offset, flight)| (*offset, *flight))
    }
}
