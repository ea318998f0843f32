//! Which messages of which queues came: a bit for each, so that the whole of a run can be checked at its end. Pure.
//!
//! Each thread has its own and they are added up at the end, so two threads that got the same message are found out then.

/// What a message that comes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coming {
    First,
    /// It came before.
    Again,
    /// Not one of those that were there when the run began.
    Unexpected,
}

/// One queue's messages, from the first to before the last offset that is expected.
#[derive(Clone, Debug)]
struct Queue {
    begin: i64,
    end: i64,
    words: Vec<u64>,
}

#[derive(Clone, Debug)]
pub struct Seen {
    queues: Vec<Queue>,
    again: u64,
    unexpected: u64,
}

impl Seen {
    /// `queues`: of each the first offset and the one behind the last.
    pub fn new(queues: &[(i64, i64)]) -> Seen {
        let queue = |&(begin, end): &(i64, i64)| {
            let end = end.max(begin);
            Queue { begin, end, words: vec![0; (end - begin).cast_unsigned().div_ceil(64) as usize] }
        };
        Seen { queues: queues.iter().map(queue).collect(), again: 0, unexpected: 0 }
    }

    /// `queue` is an index of those that were given to `new`.
    pub fn came(&mut self, queue: usize, offset: i64) -> Coming {
        let Some(queue) = self.queues.get_mut(queue).filter(|queue| queue.begin <= offset && offset < queue.end) else {
            self.unexpected += 1;
            return Coming::Unexpected;
        };
        let bit = (offset - queue.begin) as usize;
        let (word, mask) = (&mut queue.words[bit / 64], 1 << (bit % 64));
        if *word & mask != 0 {
            self.again += 1;
            return Coming::Again;
        }
        *word |= mask;
        Coming::First
    }

    /// A message under another offset than its own: one that the broker has stored anew, because nobody acked it in time.
    pub fn came_back(&mut self) -> Coming {
        self.again += 1;
        Coming::Again
    }

    /// Of the same queues, by another thread.
    pub fn add(&mut self, other: &Seen) {
        self.again += other.again;
        self.unexpected += other.unexpected;
        for (own, other) in self.queues.iter_mut().zip(&other.queues) {
            for (own, other) in own.words.iter_mut().zip(&other.words) {
                self.again += u64::from((*own & other).count_ones());
                *own |= other;
            }
        }
    }

    pub fn expected(&self) -> u64 {
        self.queues.iter().map(|queue| (queue.end - queue.begin).cast_unsigned()).sum()
    }

    /// Of those that are expected.
    pub fn came_in_all(&self) -> u64 {
        self.queues.iter().flat_map(|queue| &queue.words).map(|word| u64::from(word.count_ones())).sum()
    }

    pub fn missing(&self) -> u64 {
        self.expected() - self.came_in_all()
    }

    pub fn again(&self) -> u64 {
        self.again
    }

    pub fn unexpected(&self) -> u64 {
        self.unexpected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_comes_once_or_is_told() {
        let mut seen = Seen::new(&[(10, 80), (0, 1), (5, 5)]);
        assert_eq!((seen.expected(), seen.missing()), (71, 71));
        for offset in 10..80 {
            assert_eq!(seen.came(0, offset), Coming::First, "{offset}");
        }
        assert_eq!(seen.came(0, 79), Coming::Again);
        assert_eq!(seen.came_back(), Coming::Again);
        assert_eq!(
            (seen.came(0, 9), seen.came(0, 80), seen.came(2, 5)),
            (Coming::Unexpected, Coming::Unexpected, Coming::Unexpected)
        );
        assert_eq!(seen.came(7, 0), Coming::Unexpected, "a queue that nobody knows");
        assert_eq!((seen.came_in_all(), seen.missing(), seen.again(), seen.unexpected()), (70, 1, 2, 4));
    }

    #[test]
    fn what_two_threads_got_both_came_twice() {
        let (mut one, mut other) = (Seen::new(&[(0, 100)]), Seen::new(&[(0, 100)]));
        (0..60).for_each(|offset| _ = one.came(0, offset));
        (50..100).for_each(|offset| _ = other.came(0, offset));
        other.came(0, 99);
        one.add(&other);
        assert_eq!((one.missing(), one.again()), (0, 11));
    }
}
