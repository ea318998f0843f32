//! What was sent and acknowledged, what was found, and the difference: pure.
//!
//! Must always be true: sequences of a producer have no gaps, so a bit for each says all. A message that was not
//! acknowledged may be there or not; all that is asked of it is that it is there once.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;

use super::body::Read;

/// One producer's messages.
#[derive(Clone, Default)]
pub struct Sent {
    acknowledged: Vec<bool>,
}

impl Sent {
    /// The sequence of the next message.
    pub fn send(&mut self) -> u64 {
        self.acknowledged.push(false);
        self.acknowledged.len() as u64 - 1
    }

    /// A request of so many messages, from this one on.
    pub fn acknowledge(&mut self, first: u64, messages: u64) {
        self.acknowledged[first as usize..(first + messages) as usize].fill(true);
    }
}

/// What reading has come upon.
pub struct Found {
    run_id: u64,
    sent: Vec<Sent>,
    /// By producer and sequence: how often.
    times: Vec<Vec<u8>>,
    /// By queue and producer: the last sequence.
    last: HashMap<(usize, u32), u64>,
    verdict: Verdict,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    pub sent: u64,
    pub acknowledged: u64,
    /// Messages of this run.
    pub read: u64,
    /// Acknowledged, and not there.
    pub lost: u64,
    /// There more than once; each time too many counts.
    pub duplicated: u64,
    /// Other bytes than were sent, or a CRC that does not hold, or a message that nobody sent.
    pub corrupted: u64,
    /// Behind a later one of the same producer, in one queue.
    pub out_of_order: u64,
    /// There without having been acknowledged, which is allowed.
    pub unacknowledged: u64,
    /// Not of this run.
    pub foreign: u64,
}

impl Found {
    pub fn new(run_id: u64, sent: Vec<Sent>) -> Found {
        let times = sent.iter().map(|one| vec![0; one.acknowledged.len()]).collect();
        Found { run_id, sent, times, last: HashMap::new(), verdict: Verdict::default() }
    }

    pub fn read(&mut self, queue: usize, read: Read, crc_holds: bool) {
        let verdict = &mut self.verdict;
        let content = match read {
            Read::Foreign => {
                verdict.foreign += 1;
                return;
            }
            Read::Whole(content) if content.run_id != self.run_id => {
                verdict.foreign += 1;
                return;
            }
            Read::Corrupt => {
                verdict.corrupted += 1;
                return;
            }
            Read::Whole(content) => content,
        };
        verdict.read += 1;
        let times = self.times.get_mut(content.producer as usize).and_then(|all| all.get_mut(content.sequence as usize));
        let Some(times) = times else {
            verdict.corrupted += 1;
            return;
        };
        verdict.corrupted += u64::from(!crc_holds);
        verdict.duplicated += u64::from(*times > 0);
        let again = *times > 0;
        *times = times.saturating_add(1);
        let last = self.last.entry((queue, content.producer)).or_insert(content.sequence);
        if content.sequence < *last && !again {
            verdict.out_of_order += 1;
        }
        *last = content.sequence.max(*last);
    }

    pub fn verdict(mut self) -> Verdict {
        for (sent, times) in self.sent.iter().zip(&self.times) {
            for (acknowledged, times) in sent.acknowledged.iter().zip(times) {
                self.verdict.sent += 1;
                self.verdict.acknowledged += u64::from(*acknowledged);
                self.verdict.lost += u64::from(*acknowledged && *times == 0);
                self.verdict.unacknowledged += u64::from(!*acknowledged && *times > 0);
            }
        }
        self.verdict
    }
}

impl Verdict {
    pub fn is_good(&self, any_order: bool) -> bool {
        self.lost + self.duplicated + self.corrupted == 0 && (any_order || self.out_of_order == 0)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "verify: {} sent, {} acknowledged, {} read; lost {}, duplicated {}, corrupted {}, out of order {}",
            self.sent, self.acknowledged, self.read, self.lost, self.duplicated, self.corrupted, self.out_of_order
        )?;
        if self.unacknowledged > 0 {
            write!(f, "; {} are there without having been acknowledged, which is allowed", self.unacknowledged)?;
        }
        if self.foreign > 0 {
            write!(f, "; {} of others", self.foreign)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::body::Content;

    /// Two producers with four messages each; of the second one the last is not acknowledged.
    fn found() -> Found {
        let mut sent = vec![Sent::default(), Sent::default()];
        for one in &mut sent {
            assert_eq!((0..4).map(|_| one.send()).collect::<Vec<_>>(), [0, 1, 2, 3]);
        }
        sent[0].acknowledge(0, 4);
        sent[1].acknowledge(0, 3);
        Found::new(7, sent)
    }

    fn verdict(read: &[(usize, u32, u64)]) -> Verdict {
        let mut found = found();
        for (queue, producer, sequence) in read {
            found.read(*queue, Read::Whole(Content { run_id: 7, producer: *producer, sequence: *sequence }), true);
        }
        found.verdict()
    }

    const ALL: [(usize, u32, u64); 7] = [(0, 0, 0), (0, 1, 1), (0, 0, 2), (1, 0, 1), (1, 0, 3), (1, 1, 0), (1, 1, 2)];

    #[test]
    fn all_there_once_and_in_order_is_good() {
        let verdict = verdict(&ALL);
        assert_eq!(verdict, Verdict { sent: 8, acknowledged: 7, read: 7, ..Verdict::default() });
        assert!(verdict.is_good(false));
    }

    #[test]
    fn each_wrong_is_counted() {
        let lost = verdict(&ALL[1..]);
        assert_eq!((lost.lost, lost.is_good(true)), (1, false));
        let twice = verdict(&[&ALL[..], &[(0, 0, 0)]].concat());
        assert_eq!((twice.duplicated, twice.out_of_order, twice.is_good(true)), (1, 0, false));
        let mut swapped = ALL;
        swapped.swap(0, 2);
        let swapped = verdict(&swapped);
        assert_eq!((swapped.out_of_order, swapped.is_good(false), swapped.is_good(true)), (1, false, true));
        let unknown = verdict(&[&ALL[..], &[(0, 1, 99)]].concat());
        assert_eq!((unknown.corrupted, unknown.is_good(true)), (1, false));
        let mut corrupt = found();
        corrupt.read(0, Read::Corrupt, true);
        corrupt.read(0, Read::Whole(Content { run_id: 7, producer: 0, sequence: 0 }), false);
        assert_eq!(corrupt.verdict().corrupted, 2);
    }

    #[test]
    fn what_was_not_acknowledged_may_be_there_and_others_may_send_too() {
        let verdict_with = verdict(&[&ALL[..], &[(2, 1, 3)]].concat());
        assert_eq!((verdict_with.unacknowledged, verdict_with.is_good(false)), (1, true));
        let mut others = found();
        others.read(0, Read::Foreign, true);
        others.read(0, Read::Whole(Content { run_id: 8, producer: 0, sequence: 0 }), true);
        assert_eq!((others.verdict.foreign, others.verdict.read), (2, 0));
    }
}
