//! What a group reads of one topic, queue by queue: how far it got, and how long its pulls took.
//!
//! A pull that found something costs a search in the queues of the pair that it is counted for anyway. Figures over time are kept
//! of as many queues as `QueuesLeft` allows; how far a group got is known of all.
//!
//! Before: `traffic`.

use std::cell::Cell;

use ringmq_shards::types::Millis;

use super::window::{Count, Figure, Span, Windows};

/// Queues of a core for which times are sampled: 1.2 KiB each once they are a day old.
pub const QUEUES_MAX: usize = 16_384;

/// How many more queues may be sampled.
#[derive(Debug)]
pub struct QueuesLeft(Cell<usize>);

impl Default for QueuesLeft {
    fn default() -> QueuesLeft {
        QueuesLeft(Cell::new(QUEUES_MAX))
    }
}

impl QueuesLeft {
    fn take(&self) -> bool {
        let left = self.0.get();
        self.0.set(left.saturating_sub(1));
        left > 0
    }

    /// After some have been forgotten.
    pub fn count_again(&self, sampled: usize) {
        self.0.set(QUEUES_MAX.saturating_sub(sampled));
    }
}

struct Queue {
    id: u32,
    /// How far it was pulled, which may be further than was consumed.
    next: i64,
    pulled: Count,
    windows: Option<Box<Windows>>,
}

/// Queues of this core, in their order.
#[derive(Default)]
pub struct Reads(Vec<Queue>);

impl Reads {
    pub fn reads_on(&mut self, queue_id: u32, next: i64) {
        self.queue(queue_id).next = next;
    }

    /// A pull has found something, within so many milliseconds.
    pub fn pulled(&mut self, queue_id: u32, next: i64, messages: u32, millis: i64) {
        let queue = self.queue(queue_id);
        queue.next = next;
        queue.pulled.times += 1;
        queue.pulled.messages += u64::from(messages);
        queue.pulled.millis += millis.max(0) as u64;
    }

    fn queue(&mut self, id: u32) -> &mut Queue {
        let place = match self.0.binary_search_by_key(&id, |queue| queue.id) {
            Ok(place) => place,
            Err(place) => {
                self.0.insert(place, Queue { id, next: 0, pulled: Count::default(), windows: None });
                place
            }
        };
        &mut self.0[place]
    }

    fn get(&self, id: u32) -> Option<&Queue> {
        let place = self.0.binary_search_by_key(&id, |queue| queue.id).ok()?;
        self.0.get(place)
    }

    pub fn next(&self, queue_id: u32) -> Option<i64> {
        self.get(queue_id).map(|queue| queue.next)
    }

    pub fn sample(&mut self, span: Span, now: Millis, left: &QueuesLeft) {
        for queue in &mut self.0 {
            if queue.windows.is_none() && queue.pulled.times > 0 && left.take() {
                queue.windows = Some(Box::default());
            }
            if let Some(windows) = &mut queue.windows {
                windows.sample(span, now, queue.pulled);
            }
        }
    }

    /// `None`: nothing was found there, or it is beyond the bound.
    pub fn figures(&self, queue_id: u32) -> Option<[Figure; 3]> {
        let windows = self.get(queue_id)?.windows.as_ref()?;
        Some(Span::ALL.map(|span| windows.figure(span)))
    }

    /// Forgets the figures of queues that were idle for a day; returns how many are left with some.
    pub fn tidy(&mut self) -> usize {
        for queue in &mut self.0 {
            if queue.windows.take_if(|windows| windows.is_idle()).is_some() {
                // It makes room until it is read again.
                queue.pulled = Count::default();
            }
        }
        self.0.iter().filter(|queue| queue.windows.is_some()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_summed_by_queue() {
        let (mut reads, left) = (Reads::default(), QueuesLeft::default());
        reads.pulled(3, 5, 5, 40);
        reads.pulled(3, 7, 2, 2);
        reads.pulled(1, 9, 9, 1);
        reads.reads_on(2, 4);
        assert_eq!(reads.figures(3), None, "not sampled yet");
        reads.sample(Span::Minute, Millis(10_000), &left);
        let figure = reads.figures(3).expect("sampled")[Span::Minute as usize];
        assert_eq!(figure.count, Count { times: 2, messages: 7, bytes: 0, millis: 42 });
        assert_eq!(figure.per_second(|count| count.millis), 4.2);
        assert_eq!((reads.next(1), reads.next(2), reads.next(3), reads.next(4)), (Some(9), Some(4), Some(7), None));
        assert_eq!(reads.figures(2), None, "nothing was found there");
    }

    #[test]
    fn there_is_a_bound_and_the_idle_make_room() {
        let (mut reads, left) = (Reads::default(), QueuesLeft::default());
        for queue_id in 0..QUEUES_MAX as u32 + 2 {
            reads.pulled(queue_id, 1, 1, 1);
        }
        for hour in 0..25 {
            reads.pulled(0, 1, 1, 1);
            reads.sample(Span::Day, Millis(hour * 3_600_000), &left);
        }
        let last = QUEUES_MAX as u32 + 1;
        assert!(reads.figures(0).is_some() && reads.figures(last).is_none());
        assert_eq!(reads.tidy(), 1, "all but the first were idle");
        left.count_again(1);
        reads.sample(Span::Day, Millis(25 * 3_600_000), &left);
        assert!(reads.figures(last).is_some());
        assert_eq!(reads.next(last), Some(1), "how far it got is never forgotten");
    }
}
