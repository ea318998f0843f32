//! How much each topic takes and each group reads, lately: `window` for the spans, `reads` for queues, this file for who is
//! counted.
//!
//! Sends cost nothing here: queues count what they take (`shards::queue::Puts`), and a task sums that up by topic every ten
//! seconds. A pull that found something is counted under its group and topic, on the core of its queue; that is one look into
//! two maps for each answer, not for each message.
//!
//! Bounded: `TOPICS_MAX` topics and `PAIRS_MAX` pairs per core. Beyond that newcomers are not counted until others have been
//! idle for a day; RocketMQ's tables only grow.
//!
//! Before: `broker::pull` (counts), `broker::view_stats` and `broker::progress` (ask); after: `shards::queue`.

mod reads;
pub mod window;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use hashbrown::HashMap;
use ringmq_shards::queue::Puts;
use ringmq_shards::runtime::{self, Lane};
use ringmq_shards::topic::Incarnation;
use ringmq_shards::types::Millis;

use self::reads::{QueuesLeft, Reads};
use self::window::{Count, Figure, Span, Windows};
use super::core::Core;

/// 1.2 KiB each once they are a day old.
const TOPICS_MAX: usize = 16_384;
const PAIRS_MAX: usize = 16_384;
/// Queues that are looked at before others get their turn.
const QUEUES_PER_SLICE: usize = 8_192;

/// Lives on one core, and knows what its queues do.
#[derive(Default)]
pub struct Traffic {
    topics: RefCell<HashMap<String, Topic>>,
    /// Groups, and the topics they read.
    groups: RefCell<HashMap<String, HashMap<String, Pair>>>,
    /// Of all topics.
    sends: RefCell<Windows>,
    pulls: RefCell<Windows>,
    pairs: Cell<usize>,
    queues_left: QueuesLeft,
}

struct Topic {
    incarnation: Incarnation,
    windows: Windows,
}

/// A group's reading of one topic.
#[derive(Default)]
struct Pair {
    pulled: Count,
    pulled_windows: Windows,
    sent_back: Count,
    sent_back_windows: Windows,
    reads: Reads,
}

/// What a question of 315 is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    Sends,
    Pulls,
    Topic(&'a str),
    Pulled {
        topic: &'a str,
        group: &'a str,
    },
    /// How long pulls of one queue took that found something.
    PulledFrom {
        topic: &'a str,
        group: &'a str,
        queue_id: u32,
    },
    SentBack {
        topic: &'a str,
        group: &'a str,
    },
}

/// What a pull has found.
#[derive(Clone, Copy, Debug)]
pub struct Pulled {
    pub queue_id: u32,
    pub messages: u32,
    pub bytes: usize,
    pub next_offset: i64,
    /// How long that took.
    pub millis: i64,
}

/// The three spans' figures, in the order of `Span::ALL`.
pub type Figures = [Figure; 3];

impl Traffic {
    /// A pull has found messages.
    pub fn pulled(&self, topic: &str, group: &str, pulled: Pulled) {
        self.pair(topic, group, |pair| {
            pair.pulled.times += 1;
            pair.pulled.messages += u64::from(pulled.messages);
            pair.pulled.bytes += pulled.bytes as u64;
            pair.reads.pulled(pulled.queue_id, pulled.next_offset, pulled.messages, pulled.millis);
        });
    }

    /// A group was told to read on from elsewhere.
    pub fn sent_elsewhere(&self, topic: &str, group: &str, queue_id: u32, next_offset: i64) {
        self.pair(topic, group, |pair| pair.reads.reads_on(queue_id, next_offset));
    }

    /// A consumer has sent a message back.
    pub fn sent_back(&self, topic: &str, group: &str) {
        self.pair(topic, group, |pair| {
            pair.sent_back.times += 1;
            pair.sent_back.messages += 1;
        });
    }

    fn pair(&self, topic: &str, group: &str, count: impl FnOnce(&mut Pair)) {
        let mut groups = self.groups.borrow_mut();
        if let Some(pair) = groups.get_mut(group).and_then(|topics| topics.get_mut(topic)) {
            return count(pair);
        }
        if self.pairs.get() < PAIRS_MAX {
            self.pairs.set(self.pairs.get() + 1);
            count(groups.entry(group.to_owned()).or_default().entry(topic.to_owned()).or_default());
        }
    }

    /// How far a group has pulled a queue of this core since the start.
    pub fn pulled_to(&self, topic: &str, group: &str, queue_id: u32) -> Option<i64> {
        let groups = self.groups.borrow();
        groups.get(group)?.get(topic)?.reads.next(queue_id)
    }

    /// `None`: never seen.
    pub fn figures(&self, subject: Subject<'_>) -> Option<Figures> {
        let of = |windows: &Windows| Span::ALL.map(|span| windows.figure(span));
        let groups = self.groups.borrow();
        let pair = |topic: &str, group: &str| groups.get(group)?.get(topic);
        match subject {
            Subject::Sends => Some(of(&self.sends.borrow())),
            Subject::Pulls => Some(of(&self.pulls.borrow())),
            Subject::Topic(topic) => self.topics.borrow().get(topic).map(|topic| of(&topic.windows)),
            Subject::Pulled { topic, group } => {
                pair(topic, group).filter(|pair| pair.pulled.times > 0).map(|pair| of(&pair.pulled_windows))
            }
            Subject::PulledFrom { topic, group, queue_id } => pair(topic, group)?.reads.figures(queue_id),
            Subject::SentBack { topic, group } => {
                pair(topic, group).filter(|pair| pair.sent_back.times > 0).map(|pair| of(&pair.sent_back_windows))
            }
        }
    }

    fn sample_topic(&self, span: Span, now: Millis, topic: &str, incarnation: Incarnation, puts: Puts) {
        let mut topics = self.topics.borrow_mut();
        let count = Count { times: puts.messages, messages: puts.messages, bytes: puts.bytes, millis: 0 };
        if let Some(found) = topics.get_mut(topic) {
            if found.incarnation != incarnation {
                *found = Topic { incarnation, windows: Windows::default() };
            }
            found.windows.sample(span, now, count);
        } else if topics.len() < TOPICS_MAX {
            let mut windows = Windows::default();
            windows.sample(span, now, count);
            topics.insert(topic.to_owned(), Topic { incarnation, windows });
        }
    }

    fn sample_pairs(&self, span: Span, now: Millis) {
        for pair in self.groups.borrow_mut().values_mut().flat_map(HashMap::values_mut) {
            pair.pulled_windows.sample(span, now, pair.pulled);
            pair.sent_back_windows.sample(span, now, pair.sent_back);
            pair.reads.sample(span, now, &self.queues_left);
        }
    }

    fn sample_totals(&self, span: Span, now: Millis, sends: Count, pulls: Count) {
        self.sends.borrow_mut().sample(span, now, sends);
        self.pulls.borrow_mut().sample(span, now, pulls);
    }

    /// Forgets topics that are no more, and pairs that were idle for a day or whose topic or group is no more.
    fn tidy(&self, is_topic: impl Fn(&str) -> bool, is_group: impl Fn(&str) -> bool) {
        self.topics.borrow_mut().retain(|topic, found| is_topic(topic) && !found.windows.is_idle());
        let mut groups = self.groups.borrow_mut();
        groups.retain(|group, topics| {
            topics.retain(|topic, pair| {
                let idle = pair.pulled_windows.is_idle() && pair.sent_back_windows.is_idle();
                is_topic(topic) && is_group(group) && !idle
            });
            !topics.is_empty()
        });
        self.pairs.set(groups.values().map(HashMap::len).sum());
        self.queues_left.count_again(groups.values_mut().flat_map(HashMap::values_mut).map(|pair| pair.reads.tidy()).sum());
    }
}

/// Samples for as long as the core runs.
pub fn start(core: &Rc<Core>) {
    let core = core.clone();
    let _detached = runtime::spawn(Lane::Background, async move {
        let begin = runtime::uptime();
        let mut ticks: u32 = 0;
        while !core.stopping.get() {
            let due = begin + Duration::from_millis(Span::Minute.interval_millis() as u64) * ticks;
            runtime::sleep(due.saturating_sub(runtime::uptime())).await;
            for span in Span::ALL {
                let every = (span.interval_millis() / Span::Minute.interval_millis()) as u32;
                if ticks.is_multiple_of(every) {
                    sample(&core, span).await;
                }
            }
            ticks = ticks.wrapping_add(1);
        }
    });
}

async fn sample(core: &Core, span: Span) {
    let now = runtime::now();
    let counters = &core.counters;
    let sends = Count { times: 0, messages: counters.messages_in.get(), bytes: counters.bytes_in.get(), millis: 0 };
    let pulls = Count { times: 0, messages: counters.messages_out.get(), bytes: counters.bytes_out.get(), millis: 0 };
    core.traffic.sample_totals(span, now, sends, pulls);
    core.traffic.sample_pairs(span, now);
    let mut topics: HashMap<String, (Incarnation, Puts)> = HashMap::new();
    let mut from = Some(0);
    while let Some(at) = from {
        from = core.live.state.borrow().queues.puts_slice(at, QUEUES_PER_SLICE, |topic, incarnation, puts| {
            if let Some((found, sum)) = topics.get_mut(topic) {
                if *found == incarnation {
                    *sum = sum.plus(puts);
                }
            } else if topics.len() < TOPICS_MAX {
                topics.insert(topic.to_owned(), (incarnation, puts));
            }
        });
        runtime::yield_now().await;
    }
    for (topic, (incarnation, puts)) in topics {
        core.traffic.sample_topic(span, now, &topic, incarnation, puts);
    }
    if span == Span::Day {
        let shard = core.live.state.borrow();
        core.traffic.tidy(|topic| shard.topics.get(topic).is_some(), |group| shard.groups.get(group).is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: usize = Span::Minute as usize;

    /// Of messages of 100 bytes, within 4 ms.
    fn found(queue_id: u32, messages: u32, next_offset: i64) -> Pulled {
        Pulled { queue_id, messages, bytes: 100 * messages as usize, next_offset, millis: 4 }
    }

    #[test]
    fn pulls_are_counted_by_group_and_topic() {
        let traffic = Traffic::default();
        let pair = Subject::Pulled { topic: "T", group: "g" };
        assert_eq!(traffic.figures(pair), None);
        traffic.pulled("T", "g", found(3, 5, 5));
        traffic.pulled("T", "g", found(3, 2, 7));
        traffic.pulled("T", "other", found(3, 1, 1));
        assert_eq!(traffic.figures(pair), Some(Figures::default()), "seen, and not sampled yet");
        traffic.sample_pairs(Span::Minute, Millis(100_000));
        let figure = traffic.figures(pair).expect("seen")[MINUTE];
        assert_eq!(figure.count, Count { times: 2, messages: 7, bytes: 700, millis: 0 });
        let queue = |queue_id| traffic.figures(Subject::PulledFrom { topic: "T", group: "g", queue_id });
        assert_eq!(queue(3).expect("sampled")[MINUTE].count.millis, 2 * 4);
        assert_eq!(queue(2), None);
        assert_eq!((traffic.pulled_to("T", "g", 3), traffic.pulled_to("T", "g", 4)), (Some(7), None));
        assert_eq!(traffic.figures(Subject::SentBack { topic: "T", group: "g" }), None, "a pull is nothing sent back");
        traffic.sent_back("T", "g");
        assert!(traffic.figures(Subject::SentBack { topic: "T", group: "g" }).is_some());
    }

    #[test]
    fn a_topic_that_is_made_again_begins_at_nothing() {
        let traffic = Traffic::default();
        let sample = |at, incarnation, messages| {
            traffic.sample_topic(Span::Minute, Millis(at), "T", Incarnation(incarnation), Puts { messages, bytes: 0 });
            traffic.figures(Subject::Topic("T")).expect("seen")[MINUTE].count.messages
        };
        assert_eq!(sample(10_000, 1, 20), 20);
        assert_eq!(sample(20_000, 1, 25), 25);
        assert_eq!(sample(30_000, 2, 3), 3);
    }

    #[test]
    fn there_is_a_bound_and_what_is_gone_makes_room() {
        let traffic = Traffic::default();
        for number in 0..PAIRS_MAX + 10 {
            traffic.pulled("T", &format!("g{number}"), found(0, 1, 1));
            traffic.sample_topic(Span::Minute, Millis(1), &format!("t{number}"), Incarnation(1), Puts::default());
        }
        assert_eq!((traffic.pairs.get(), traffic.topics.borrow().len()), (PAIRS_MAX, TOPICS_MAX));
        traffic.tidy(|topic| topic == "T", |group| group != "g7");
        assert_eq!((traffic.pairs.get(), traffic.topics.borrow().len()), (PAIRS_MAX - 1, 0));
        traffic.pulled("T", "new", found(0, 1, 1));
        assert_eq!(traffic.pulled_to("T", "new", 0), Some(1));
    }
}
