//! How much each queue has taken since the start: what rates of topics are made of.
//!
//! Kept beside the queues, not in them: a message costs two additions in memory that its queue shares with few others, and
//! whoever samples reads nothing else.
//!
//! Before: `broker::traffic`; after: `queues`, which counts.

use super::queues::{QueueSlot, Queues};
use crate::topic::Incarnation;

/// Messages, and the bytes of their records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Puts {
    pub messages: u64,
    pub bytes: u64,
}

impl Puts {
    pub(super) fn add(&mut self, bytes: u32) {
        self.messages += 1;
        self.bytes += u64::from(bytes);
    }

    pub fn plus(self, other: Puts) -> Puts {
        Puts { messages: self.messages + other.messages, bytes: self.bytes + other.bytes }
    }
}

impl Queues {
    pub fn puts(&self, slot: QueueSlot) -> Puts {
        self.get(slot).map_or_else(Puts::default, |_| self.puts[slot.index as usize])
    }

    /// Hands out the topics of queues that have taken something, from place `from` on and `max` places at most. Returns where
    /// to go on; `None` at the end.
    pub fn puts_slice(&self, from: usize, max: usize, mut each: impl FnMut(&str, Incarnation, Puts)) -> Option<usize> {
        let end = from.saturating_add(max).min(self.puts.len());
        for place in from.min(end)..end {
            let puts = self.puts[place];
            if puts.messages > 0
                && let Some(queue) = &self.queues[place]
            {
                each(&queue.topic, queue.incarnation, puts);
            }
        }
        (end < self.puts.len()).then_some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::tests::world::World;

    fn of_topics(world: &World, max: usize) -> Vec<(String, Puts)> {
        let (mut found, mut from) = (Vec::new(), Some(0));
        while let Some(at) = from {
            from = world.queues.puts_slice(at, max, |topic, _, puts| found.push((topic.to_owned(), puts)));
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }

    #[test]
    fn what_is_appended_is_counted_and_a_new_queue_begins_at_nothing() {
        let mut world = World::new(3);
        for _ in 0..3 {
            world.append("a", 0, 0, vec![]);
        }
        world.append("b", 1, 0, vec![]);
        world.create("idle");
        let found = of_topics(&world, 1);
        assert_eq!(found, of_topics(&world, 100), "slices make no difference");
        let messages: Vec<_> = found.iter().map(|(topic, puts)| (topic.as_str(), puts.messages)).collect();
        assert_eq!(messages, [("a", 3), ("b", 1)]);
        assert!(found[0].1.bytes >= 3 * 91);
        world.delete("a");
        assert_eq!(of_topics(&world, 100).len(), 1);
        world.append("c", 0, 0, vec![]);
        let of_c = of_topics(&world, 100)[1].1;
        assert_eq!(of_c.messages, 1, "its place was another queue's before");
    }
}
