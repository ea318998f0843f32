//! The outside ledger: what clients were told, and what therefore must be true for ever.
//!
//! A queue's offset is bound to a message by an acknowledgement or by a pull that returned it, whichever comes first. A
//! binding is final: no crash may move it, take it away, or bind the message a second time.

use std::collections::BTreeMap;
use std::time::Duration;

/// A message's number in its world; the body begins with it.
pub type Number = u64;
pub type QueueKey = (&'static str, u32);

/// What its producer knows of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// No answer, or one that leaves it open: it may be stored, once.
    Unsure,
    Acknowledged,
    /// Refused for a reason that says it is not stored.
    Refused,
}

struct Message {
    queue: QueueKey,
    /// The connection that it was sent on; numbers rise in the order of sending.
    connection: u64,
    /// Its topic existed when it was sent. The sends that make a topic may overtake each other.
    ordered: bool,
    body_bytes: usize,
    known: Known,
    offset: Option<i64>,
}

#[derive(Default)]
struct Queue {
    bound: BTreeMap<i64, Number>,
    /// The largest end that the broker has reported.
    max: i64,
}

/// The commits of one group on one queue, of which one client sends one after the other.
pub struct Commits {
    /// What a query may find: `None` is "no offset". With the moment at which each was sent.
    candidates: BTreeMap<Option<i64>, u64>,
}

impl Default for Commits {
    fn default() -> Commits {
        Commits { candidates: BTreeMap::from([(None, 0)]) }
    }
}

/// A commit that nobody waited for has arrived, or never will, after this many microseconds.
const SETTLED_MICROS: u64 = 1_000_000;

#[derive(Default)]
pub struct Ledger {
    messages: Vec<Message>,
    queues: BTreeMap<QueueKey, Queue>,
    commits: BTreeMap<(&'static str, QueueKey), Commits>,
    /// Topics that an answer has proved to exist, since when.
    pub topics: BTreeMap<&'static str, Duration>,
    pub acknowledged: u64,
    pub pulled: u64,
    pub commits_answered: u64,
    pub poisoned_answers: u64,
    pub refusals: BTreeMap<(i32, String), u64>,
}

impl Ledger {
    pub fn message(&mut self, queue: QueueKey, connection: u64, body_bytes: usize) -> Number {
        let ordered = self.topics.contains_key(queue.0);
        self.messages.push(Message { queue, connection, ordered, body_bytes, known: Known::Unsure, offset: None });
        self.queues.entry(queue).or_default();
        self.messages.len() as u64 - 1
    }

    pub fn sent(&self) -> u64 {
        self.messages.len() as u64
    }

    pub fn acknowledge(&mut self, number: Number, offset: i64, now: Duration) {
        let message = &mut self.messages[number as usize];
        message.known = Known::Acknowledged;
        self.acknowledged += 1;
        let queue = message.queue;
        self.topics.entry(queue.0).or_insert(now);
        self.bind(queue, offset, number, "acknowledged");
        self.report_max_at_least(queue, offset + 1);
    }

    pub fn refuse(&mut self, number: Number) {
        let message = &mut self.messages[number as usize];
        assert!(message.offset.is_none(), "message {number} was refused, but it is stored at {:?}", message.offset);
        message.known = Known::Refused;
    }

    /// A pull has returned this body at this place.
    pub fn pulled(&mut self, queue: QueueKey, offset: i64, body: &[u8]) {
        self.pulled += 1;
        let number = number_of(body).unwrap_or_else(|| panic!("{queue:?} has at {offset} a body of {} bytes", body.len()));
        let Some(message) = self.messages.get(number as usize) else {
            panic!("{queue:?} has at {offset} message {number}, which nobody has sent")
        };
        assert_eq!(message.queue, queue, "message {number} lies in a queue that it was not sent to, at {offset}");
        assert_ne!(message.known, Known::Refused, "message {number} was refused, but {queue:?} has it at {offset}");
        let sent = self.body(number);
        if body != sent.as_slice() {
            let differs = body.iter().zip(&sent).position(|(found, sent)| found != sent);
            let (found, sent) = (body.len(), sent.len());
            panic!(
                "message {number} has other bytes at {offset} of {queue:?}: {found} bytes instead of {sent}, from byte {differs:?} on"
            );
        }
        self.bind(queue, offset, number, "pulled");
    }

    fn bind(&mut self, queue: QueueKey, offset: i64, number: Number, how: &str) {
        let message = &mut self.messages[number as usize];
        if let Some(other) = message.offset.replace(offset) {
            assert_eq!(other, offset, "message {number} of {queue:?}, {how} at {offset}, is also at {other}");
        }
        let bound = &mut self.queues.entry(queue).or_default().bound;
        if let Some(other) = bound.insert(offset, number) {
            assert_eq!(other, number, "offset {offset} of {queue:?} had message {other}, now {number} is {how} there");
        }
    }

    /// The broker says that a queue ends here. What is visible is durable, so the end never goes back.
    pub fn report_max(&mut self, queue: QueueKey, max: i64, asked_when: i64) {
        assert!(max >= asked_when, "{queue:?} ended at {asked_when} before the question, and now ends at {max}");
        self.report_max_at_least(queue, max);
    }

    fn report_max_at_least(&mut self, queue: QueueKey, max: i64) {
        let known = &mut self.queues.entry(queue).or_default().max;
        *known = max.max(*known);
    }

    pub fn max(&self, queue: QueueKey) -> i64 {
        self.queues.get(&queue).map_or(0, |queue| queue.max)
    }

    pub fn queues(&self) -> Vec<QueueKey> {
        self.queues.keys().copied().collect()
    }

    /// After everything of a queue was read again, from its first message to `max`.
    pub fn verify(&self, queue: QueueKey, max: i64, read: &BTreeMap<i64, Number>) {
        let expected = &self.queues[&queue].bound;
        for (offset, number) in expected {
            let message = &self.messages[*number as usize];
            let found = read.get(offset);
            let (known, until) = (message.known, message.body_bytes);
            assert_eq!(
                found,
                Some(number),
                "{queue:?} has lost message {number} ({known:?}, {until} bytes) at {offset}; ends at {max}"
            );
        }
        assert!(read.len() as i64 >= max, "{queue:?} ends at {max}, but {} messages can be read", read.len());
        assert!(read.keys().copied().eq(0..read.len() as i64), "the offsets of {queue:?} have holes");
        let mut last: BTreeMap<u64, Number> = BTreeMap::new();
        for (offset, number) in read {
            let Message { connection, ordered, .. } = self.messages[*number as usize];
            if !ordered {
                continue;
            }
            if let Some(before) = last.insert(connection, *number) {
                assert!(
                    before < *number,
                    "{queue:?} at {offset}: message {number} was sent before {before} on connection {connection}"
                );
            }
        }
    }

    /// Messages of a topic that are stored for sure.
    pub fn stored(&self, topic: &str) -> Vec<Number> {
        let messages = self.messages.iter().zip(0..);
        messages
            .filter(|(message, _)| message.queue.0 == topic && message.known == Known::Acknowledged)
            .map(|(_, number)| number)
            .collect()
    }

    pub fn body(&self, number: Number) -> Vec<u8> {
        body(number, self.messages[number as usize].body_bytes)
    }

    fn commits_of(&mut self, group: &'static str, queue: QueueKey) -> &mut Commits {
        self.commits.entry((group, queue)).or_default()
    }

    pub fn commit_sent(&mut self, group: &'static str, queue: QueueKey, offset: i64, now: u64) {
        let commits = self.commits_of(group, queue);
        commits.candidates.insert(Some(offset), now);
    }

    /// The broker says that the commit of this offset, sent at `sent`, is kept.
    pub fn commit_answered(&mut self, group: &'static str, queue: QueueKey, offset: i64, sent: u64) {
        self.commits_answered += 1;
        self.commits_of(group, queue).settle(Some(offset), sent);
    }

    /// A query asked at `asked` has found this.
    pub fn commit_found(&mut self, group: &'static str, queue: QueueKey, found: Option<i64>, asked: u64) {
        let max = self.max(queue);
        let commits = self.commits_of(group, queue);
        let candidates: Vec<_> = commits.candidates.keys().copied().collect();
        assert!(candidates.contains(&found), "{group} on {queue:?}: found offset {found:?}; could be {candidates:?}");
        commits.settle(found, asked);
        assert!(found.is_none_or(|found| found <= max), "{group} on {queue:?}: offset {found:?} is beyond the end {max}");
    }

    pub fn refusal(&mut self, code: i32, remark: &str) {
        let short: String = remark.chars().take(60).collect();
        *self.refusals.entry((code, short)).or_default() += 1;
    }
}

impl Commits {
    /// This was the state at some moment after `when`: what had settled before is history.
    fn settle(&mut self, state: Option<i64>, when: u64) {
        self.candidates.retain(|offset, sent| *offset == state || *sent + SETTLED_MICROS > when);
        self.candidates.entry(state).or_insert(when);
    }
}

/// The number that a body begins with.
pub fn number_of(body: &[u8]) -> Option<Number> {
    body.first_chunk().map(|first| u64::from_le_bytes(*first))
}

fn body(number: Number, bytes: usize) -> Vec<u8> {
    let mut body = Vec::with_capacity(bytes + 8);
    body.extend_from_slice(&number.to_le_bytes());
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    while body.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        body.extend_from_slice(&state.to_le_bytes());
    }
    body.truncate(bytes.max(8));
    body
}
