//! What was sent and what was answered, and whether what is read agrees.
//!
//! A body says which message it is; its other bytes follow from that, so that the ledger need not keep them.
//!
//! | at | bytes | field |
//! |---|---|---|
//! | 0 | 8 | seed |
//! | 8 | 4 | connection |
//! | 12 | 4 | number, counted per connection |
//! | 16 | | filling, from the three above |

use std::ops::Range;

use ringmq::remoting::request::send::SendResponse;
use ringmq::remoting::{Header, message};

use super::begins::Begins;
use crate::connection::Connection;
use crate::drive::target;
use crate::setup;

const HEAD_BYTES: usize = 16;
const VIOLATIONS_SHOWN: u64 = 20;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// No answer came: it may be there or not.
    Unanswered,
    Acknowledged {
        offset: i64,
    },
    /// Must not be there... but a refusal after a time-out may be. Counted, not judged.
    Refused,
}

struct Sent {
    queue: u8,
    fate: Fate,
    found: bool,
}

#[derive(Default)]
struct Queue {
    /// Behind the last acknowledged message.
    acknowledged_end: i64,
    committed: i64,
    committing: i64,
    /// The last number read, per connection.
    last_read: Vec<Option<u32>>,
}

#[derive(Default)]
struct Counts {
    acknowledged: u64,
    refused: u64,
    read: u64,
    lost: u64,
    deleted: u64,
    moved: u64,
    wrong_bytes: u64,
    duplicates: u64,
    disorder: u64,
    unknown: u64,
    unreadable: u64,
    offsets_committed: u64,
    offsets_lost: u64,
}

pub struct Ledger {
    seed: u64,
    sent: Vec<Vec<Sent>>,
    queues: Vec<Queue>,
    begins: Begins,
    counts: Counts,
    shown: u64,
    scratch: Vec<u8>,
}

impl Ledger {
    pub fn new(seed: u64, connections: usize, queues: u32) -> Ledger {
        let queue = || Queue { last_read: vec![None; connections], ..Queue::default() };
        Ledger {
            seed,
            sent: (0..connections).map(|_| Vec::new()).collect(),
            queues: (0..queues).map(|_| queue()).collect(),
            begins: Begins::new(queues as usize),
            counts: Counts::default(),
            shown: 0,
            scratch: Vec::new(),
        }
    }

    pub fn queues(&self) -> u32 {
        self.queues.len() as u32
    }

    pub fn acknowledged(&self) -> u64 {
        self.counts.acknowledged
    }

    /// A new message, as a request behind `out`.
    pub fn send(&mut self, connection: usize, topic: &str, random: &mut Random, out: &mut Vec<u8>) {
        let number = self.sent[connection].len() as u32;
        let queue = random.below(self.queues.len() as u64) as u8;
        body(self.seed, connection as u32, number, &mut self.scratch);
        setup::send(topic, u32::from(queue), "", number as i32, setup::millis(), &self.scratch, out);
        self.sent[connection].push(Sent { queue, fate: Fate::Unanswered, found: false });
    }

    pub fn answered(&mut self, connection: usize, header: &Header<'_>) {
        let Some(sent) = self.sent[connection].get_mut(header.opaque as usize) else {
            self.counts.unknown += 1;
            return self.violation(format!("an answer to {} on connection {connection}, never asked", header.opaque));
        };
        if sent.fate != Fate::Unanswered {
            self.counts.duplicates += 1;
            return self.violation(format!("a second answer to {} on connection {connection}", header.opaque));
        }
        match (header.code, SendResponse::decode(header)) {
            (0, Ok(answer)) if answer.queue_id == i32::from(sent.queue) => {
                sent.fate = Fate::Acknowledged { offset: answer.queue_offset };
                let end = &mut self.queues[usize::from(sent.queue)].acknowledged_end;
                *end = (*end).max(answer.queue_offset + 1);
                self.counts.acknowledged += 1;
            }
            (0, answer) => {
                self.counts.unknown += 1;
                self.violation(format!("an answer that cannot be: {answer:?}"));
            }
            (code, _) => {
                sent.fate = Fate::Refused;
                self.counts.refused += 1;
                if self.counts.refused <= 3 {
                    println!("\n   refused: code {code}, {}", header.remark.as_deref().unwrap_or_default());
                }
            }
        }
    }

    /// Commits a consumer's offset somewhere between the last one and the end, and waits for the answer.
    pub fn commit(&mut self, control: &mut Connection, topic: &str, random: &mut Random) -> Result<(), String> {
        let (queue, offset) = self.next_commit(random);
        setup::commit_offset(control, topic, queue, offset)?;
        self.queues[queue as usize].committed = offset;
        self.counts.offsets_committed += 1;
        Ok(())
    }

    pub fn commit_unanswered(&mut self, control: &mut Connection, topic: &str, random: &mut Random) {
        let (queue, offset) = self.next_commit(random);
        setup::put_commit(control, topic, queue, offset);
        _ = control.flush();
    }

    fn next_commit(&mut self, random: &mut Random) -> (u32, i64) {
        let index = random.below(self.queues.len() as u64) as usize;
        let queue = &mut self.queues[index];
        let room = (queue.acknowledged_end - queue.committing).max(0) as u64;
        queue.committing += random.below(room + 1) as i64;
        (index as u32, queue.committing)
    }

    /// What can be seen at once after a restart: queues are as long as they were, consumers where they were.
    pub fn check_restart(&mut self, control: &mut Connection, topic: &str) -> Result<(), String> {
        for index in 0..self.queues.len() {
            let end = setup::max_offset(control, topic, index as u32)?;
            let queue = &self.queues[index];
            let (acknowledged_end, committed, committing) = (queue.acknowledged_end, queue.committed, queue.committing);
            if end < acknowledged_end {
                self.violation(format!("queue {index} ends at {end}, acknowledged was up to {acknowledged_end}"));
            }
            if committed > 0 {
                let found = setup::committed_offset(control, setup::GROUP, topic, index as u32).unwrap_or(-1);
                if found < committed || found > committing {
                    self.counts.offsets_lost += 1;
                    self.violation(format!("queue {index}: the consumer is at {found}, committed was {committed}"));
                }
                self.queues[index].committed = found.max(committed);
            }
        }
        Ok(())
    }

    /// Where queues begin by now; `may_delete`: the disk was full enough since the last look, or the test allows it.
    pub fn check_begins(&mut self, control: &mut Connection, topic: &str, may_delete: bool) -> Result<(), String> {
        for index in 0..self.queues.len() {
            let begin = target::min_offset(control, topic, index as u32)?;
            let end = setup::max_offset(control, topic, index as u32)?;
            self.begins(index, begin, end, may_delete);
        }
        Ok(())
    }

    fn begins(&mut self, queue: usize, begin: i64, end: i64, may_delete: bool) {
        if let Err(what) = self.begins.moved(queue, begin, end, may_delete) {
            self.violation(what);
        }
    }

    pub fn begin(&self, queue: u32) -> i64 {
        self.begins.begin(queue as usize)
    }

    pub fn unreadable(&mut self, what: String) {
        self.counts.unreadable += 1;
        self.violation(what);
    }

    /// Compares the records of a pull's body, and returns the offset behind them.
    pub fn read(&mut self, queue: u32, first: i64, records: &[u8]) -> i64 {
        let mut offset = first;
        for record in message::records(records) {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    self.unreadable(format!("queue {queue} at {offset}: {error:?}"));
                    return offset;
                }
            };
            if record.queue_offset().0 != offset || record.queue_id() != queue {
                let (queue_id, found) = (record.queue_id(), record.queue_offset().0);
                self.unreadable(format!("queue {queue} at {offset} has a record of queue {queue_id} at {found}"));
                return offset;
            }
            self.found(queue, offset, record.body());
            offset += 1;
        }
        offset
    }

    fn found(&mut self, queue: u32, offset: i64, bytes: &[u8]) {
        self.counts.read += 1;
        let place = format_args!("queue {queue} at {offset}").to_string();
        let Some((connection, number)) = self.name(bytes) else {
            self.counts.unknown += 1;
            return self.violation(format!("{place}: a message that nobody sent"));
        };
        body(self.seed, connection, number, &mut self.scratch);
        if self.scratch != bytes {
            self.counts.wrong_bytes += 1;
            self.violation(format!("{place}: message {connection}/{number} has other bytes"));
        }
        let sent = &mut self.sent[connection as usize][number as usize];
        let (sent_queue, fate, twice) = (u32::from(sent.queue), sent.fate, sent.found);
        sent.found = true;
        if twice {
            self.counts.duplicates += 1;
            self.violation(format!("{place}: message {connection}/{number} for the second time"));
        }
        let answered = match fate {
            Fate::Acknowledged { offset } => offset,
            Fate::Unanswered | Fate::Refused => offset,
        };
        if sent_queue != queue || answered != offset {
            self.counts.moved += 1;
            self.violation(format!("{place}: message {connection}/{number} belongs to queue {sent_queue} at {answered}"));
        }
        let last = self.queues[queue as usize].last_read[connection as usize].replace(number);
        if last.is_some_and(|last| last >= number) {
            self.counts.disorder += 1;
            self.violation(format!("{place}: message {connection}/{number} behind {connection}/{last:?}"));
        }
    }

    fn name(&self, bytes: &[u8]) -> Option<(u32, u32)> {
        let seed = u64::from_be_bytes(*bytes.first_chunk()?);
        let connection = u32::from_be_bytes(bytes.get(8..12)?.try_into().ok()?);
        let number = u32::from_be_bytes(bytes.get(12..16)?.try_into().ok()?);
        let known = self.sent.get(connection as usize).is_some_and(|sent| (number as usize) < sent.len());
        (seed == self.seed && known).then_some((connection, number))
    }

    /// After all was read: what is missing?
    pub fn finish(&mut self) {
        let mut lost = Vec::new();
        for (connection, sent) in self.sent.iter().enumerate() {
            for (number, sent) in sent.iter().enumerate() {
                match (sent.fate, sent.found) {
                    (Fate::Acknowledged { offset }, false) if self.begins.is_deleted(usize::from(sent.queue), offset) => {
                        self.counts.deleted += 1;
                    }
                    (Fate::Acknowledged { offset }, false) => {
                        lost.push(format!("lost: message {connection}/{number} of queue {} at {offset}", sent.queue));
                    }
                    (Fate::Acknowledged { .. }, true) | (Fate::Unanswered | Fate::Refused, _) => {}
                }
            }
        }
        self.counts.lost = lost.len() as u64;
        lost.into_iter().for_each(|what| self.violation(what));
    }

    pub fn violations(&self) -> u64 {
        self.shown
    }

    pub fn print(&self) {
        let counts = &self.counts;
        let sent: usize = self.sent.iter().map(Vec::len).sum();
        for (what, count) in [
            ("sent", sent as u64),
            ("acknowledged", counts.acknowledged),
            ("refused", counts.refused),
            ("read at the end", counts.read),
            ("deleted by retention", counts.deleted),
            ("lost", counts.lost),
            ("at another place", counts.moved),
            ("wrong bytes", counts.wrong_bytes),
            ("duplicates", counts.duplicates),
            ("order violations", counts.disorder),
            ("unknown", counts.unknown),
            ("unreadable", counts.unreadable),
            ("consumer offsets answered", counts.offsets_committed),
            ("consumer offsets lost", counts.offsets_lost),
        ] {
            println!("   {what:<25} {count}");
        }
    }

    fn violation(&mut self, what: String) {
        self.shown += 1;
        if self.shown <= VIOLATIONS_SHOWN {
            println!("\n   VIOLATION {what}");
        }
    }
}

fn body(seed: u64, connection: u32, number: u32, out: &mut Vec<u8>) {
    let mut random = Random::new(seed ^ (u64::from(connection) << 32 | u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    // Some records are larger than a page, a few larger than many.
    let filling = if random.below(500) == 0 { 60_000 } else { random.below(2000) };
    out.clear();
    out.extend_from_slice(&seed.to_be_bytes());
    out.extend_from_slice(&connection.to_be_bytes());
    out.extend_from_slice(&number.to_be_bytes());
    let end = HEAD_BYTES + filling as usize;
    while out.len() < end {
        out.extend_from_slice(&random.next().to_be_bytes());
    }
    out.truncate(end);
}

/// splitmix64: enough for choices, and the same everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn range(&mut self, range: Range<u64>) -> u64 {
        range.start + self.below(range.end - range.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ledger with four acknowledged messages in one queue, of which the last two are found at the end.
    fn ledger_after(moves: &[(i64, bool)]) -> Ledger {
        let mut ledger = Ledger::new(1, 1, 1);
        for offset in 0..4 {
            ledger.sent[0].push(Sent { queue: 0, fate: Fate::Acknowledged { offset }, found: offset >= 2 });
        }
        for (begin, may_delete) in moves {
            ledger.begins(0, *begin, 4, *may_delete);
        }
        ledger.finish();
        ledger
    }

    #[track_caller]
    fn check(moves: &[(i64, bool)], deleted: u64, lost: u64, violations: u64) {
        let ledger = ledger_after(moves);
        assert_eq!((ledger.counts.deleted, ledger.counts.lost, ledger.violations()), (deleted, lost, violations));
    }

    #[test]
    fn what_a_full_disk_took_is_reported_apart() {
        check(&[(0, true), (2, true)], 2, 0, 0);
        check(&[(1, true), (1, false), (2, true)], 2, 0, 0);
    }

    #[test]
    fn a_begin_that_moved_while_the_disk_was_not_full_is_a_loss() {
        check(&[(2, false)], 0, 2, 3);
        // Nor does a later deletion that was allowed excuse it.
        check(&[(1, false), (2, true)], 0, 2, 3);
    }

    #[test]
    fn a_deletion_excuses_only_what_stood_before_the_begin() {
        check(&[(1, true)], 1, 1, 1);
        check(&[], 0, 2, 2);
    }

    #[test]
    fn a_begin_goes_neither_back_nor_behind_the_end() {
        check(&[(2, true), (1, true)], 2, 0, 1);
        check(&[(5, true)], 0, 2, 3);
    }
}
