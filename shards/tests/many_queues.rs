//! What very many queues cost: memory while nobody uses them, and time when all of them are written.
//!
//! 20,000 topics of 4 queues. Memory is counted as the C library's allocator rounds it, in three states: made and never written;
//! written, with the entries in the segment that is still open; written long ago, with the entries in an index file.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use ringmq_shards::queue::{IndexEntry, QueueLimits, Queues, Seal};
use ringmq_shards::topic::{TopicConfig, TopicRules, Topics};
use ringmq_shards::types::{LogPosition, Millis};

const TOPICS: usize = 20_000;
const QUEUES: usize = 4;
const SEGMENT: u64 = 1 << 30;
const RECORD: u64 = 600;

static LIVE: AtomicUsize = AtomicUsize::new(0);

struct Counting;

/// A header of 8 bytes, in steps of 16, at least 32.
fn rounded(bytes: usize) -> usize {
    (bytes + 8).next_multiple_of(16).max(32)
}

// SAFETY: everything is handed on to `System`.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(rounded(layout.size()), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(rounded(layout.size()), Ordering::Relaxed);
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A broker's topics and queues, and a log of which only the positions are there.
struct World {
    names: Vec<String>,
    topics: Topics,
    queues: Queues,
    end: LogPosition,
}

impl World {
    fn new(names: usize) -> World {
        let names: Vec<String> = (0..names).map(|number| format!("Many-{number}")).collect();
        let topics = Topics::new(TopicRules::new("DefaultCluster", "broker"), Millis(0));
        let limits = QueueLimits { index_bytes_max: 256 << 20, page_bytes_max: 1 << 20 };
        World { names, topics, queues: Queues::new(limits, LogPosition(0)), end: LogPosition(4096) }
    }

    fn make_topics(&mut self) {
        for name in &self.names {
            let wanted = TopicConfig::new(name).with_queues(QUEUES as u32);
            let change = self.topics.create_if_absent(wanted, Millis(1)).expect("there is room").expect("it is new");
            self.topics.apply(change);
        }
    }

    /// As a send does it: the topic is looked up, then the queue.
    fn write(&mut self, topic: usize, queue_id: usize) {
        let config = self.topics.get(&self.names[topic]).expect("it was made");
        assert!(queue_id < config.queues() as usize);
        let slot = match self.queues.slot(&self.names[topic], queue_id as u32) {
            Some(slot) => slot,
            None => self.queues.open(&config.name, config.incarnation, queue_id as u32),
        };
        let entry = IndexEntry { position: self.end, size: RECORD as u32, tags_code: 0, store_time: Millis(1) };
        self.queues.append(slot, entry, []);
        self.end = self.end.advance(RECORD);
    }

    fn advance(&mut self) {
        self.queues.advance(self.end, &mut Vec::new());
    }

    /// The log goes on in another segment, and this one's index becomes a file.
    fn seal(&mut self) {
        self.end = LogPosition(self.end.0.next_multiple_of(SEGMENT));
        self.queues.rotate(self.end);
        self.advance();
        let mut file = Vec::new();
        while self.queues.seal_slice(&mut file, 64) != Seal::Built {}
        while !self.queues.seal_finish(1_000) {}
    }
}

#[test]
fn an_idle_queue_costs_less_than_256_bytes() {
    let mut world = World::new(TOPICS);
    let before = LIVE.load(Ordering::Relaxed);
    let per_queue = || LIVE.load(Ordering::Relaxed).saturating_sub(before) / (TOPICS * QUEUES);
    world.make_topics();
    let never = per_queue();

    for queue_id in 0..QUEUES {
        (0..TOPICS).for_each(|topic| world.write(topic, queue_id));
        world.advance();
    }
    let open = per_queue();

    for _ in 0..4 {
        world.seal();
        world.write(0, 0);
        world.advance();
    }
    let long_ago = per_queue();
    println!("bytes for each queue: {never} never written, {open} written in the open segment, {long_ago} written long ago");
    assert!(never <= 64, "{never} bytes");
    assert!(open <= 640, "{open} bytes");
    assert!(long_ago <= 256, "{long_ago} bytes");
}

#[test]
#[ignore = "a measurement: cargo test --release -p ringmq-shards --test many_queues -- --ignored --nocapture"]
fn time_of_an_append() {
    for topics in [2, TOPICS] {
        let mut world = World::new(topics);
        world.make_topics();
        let mut number = 0;
        let mut rounds = Vec::new();
        for _ in 0..6 {
            let begun = Instant::now();
            for sent in 1..=2 * TOPICS * QUEUES {
                // No order that a processor could foresee.
                number = (number + 7_919) % (topics * QUEUES);
                world.write(number % topics, number / topics);
                if sent % 128 == 0 {
                    world.advance();
                }
            }
            rounds.push(begun.elapsed().as_nanos() as usize / (2 * TOPICS * QUEUES));
        }
        println!("{:>6} queues: {rounds:?} ns for a message, in rounds of {}", topics * QUEUES, 2 * TOPICS * QUEUES);
    }
}
