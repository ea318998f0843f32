//! One promise of the broker that does not end with the answer to a send, and what must be read of it at the end.
//!
//! | | what was answered | must be read |
//! |---|---|---|
//! | delayed | the send | once, not before its time |
//! | transaction | the send, and the commit | once |
//! | | the send, not the commit that was asked for | once or never |
//! | | the send, and whatever but a commit | never |
//! | sent back | the send, and the sending back | once in its topic, once in the retry topic |
//!
//! What was never answered may be there or not, but not twice.

use std::ops::RangeInclusive;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// By one of the first levels of messageDelayLevel.
    Level {
        level: u8,
        delay_millis: i64,
    },
    /// By TIMER_DELIVER_MS.
    Timer {
        delay_millis: i64,
    },
    Transaction(Decision),
    SentBack,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Commit,
    /// A rollback follows the commit's answer; it comes too late and must change nothing.
    CommitThenRollback,
    Rollback,
    RollbackThenCommit,
    /// The producer never says.
    Nothing,
}

/// How far it has come. Each stage is entered by an answer or by a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The send is under way, or its answer was lost with the node.
    Sending,
    Stored,
    /// Its second request (an end, a sending back) is under way, or the answer to it was lost.
    Ending,
    Ended,
    /// Its contrary third request too.
    Contradicting,
    Refused,
}

#[derive(Clone, Debug)]
pub struct Item {
    pub kind: Kind,
    pub stage: Stage,
    pub born: i64,
    /// Where the answer to the send said that the record is.
    pub physical_offset: i64,
    pub queue_offset: i64,
    /// How often it was read in its topic, and in the retry topic.
    pub found: u32,
    pub found_again: u32,
}

impl Item {
    pub fn new(kind: Kind, born: i64) -> Item {
        Item { kind, stage: Stage::Sending, born, physical_offset: 0, queue_offset: 0, found: 0, found_again: 0 }
    }

    /// Before this it must not be read.
    pub fn due(&self) -> i64 {
        match self.kind {
            Kind::Level { delay_millis, .. } | Kind::Timer { delay_millis } => self.born + delay_millis,
            Kind::Transaction(_) | Kind::SentBack => self.born,
        }
    }

    /// How often it must be read in its topic.
    pub fn expected(&self) -> RangeInclusive<u32> {
        match (self.kind, self.stage) {
            (Kind::Transaction(decision), stage) => match (decision, stage) {
                (Decision::Commit | Decision::CommitThenRollback, Stage::Ended | Stage::Contradicting) => 1..=1,
                (Decision::Commit | Decision::CommitThenRollback, Stage::Ending) => 0..=1,
                (Decision::Commit | Decision::CommitThenRollback, Stage::Sending | Stage::Stored | Stage::Refused) => 0..=0,
                (Decision::Rollback | Decision::RollbackThenCommit | Decision::Nothing, _) => 0..=0,
            },
            (Kind::Level { .. } | Kind::Timer { .. } | Kind::SentBack, Stage::Sending | Stage::Refused) => 0..=1,
            (Kind::Level { .. } | Kind::Timer { .. } | Kind::SentBack, _) => 1..=1,
        }
    }

    /// How often it must be read in the retry topic.
    pub fn expected_again(&self) -> RangeInclusive<u32> {
        match (self.kind, self.stage) {
            (Kind::SentBack, Stage::Ended) => 1..=1,
            (Kind::SentBack, Stage::Ending) => 0..=1,
            _ => 0..=0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_be_read() {
        use Stage::{Contradicting, Ended, Ending, Sending, Stored};
        let check = |kind: Kind, stages: &[(Stage, RangeInclusive<u32>, RangeInclusive<u32>)]| {
            for (stage, here, again) in stages {
                let item = Item { stage: *stage, ..Item::new(kind, 5) };
                assert_eq!((item.expected(), item.expected_again()), (here.clone(), again.clone()), "{kind:?} {stage:?}");
            }
        };
        check(Kind::Timer { delay_millis: 7 }, &[(Sending, 0..=1, 0..=0), (Stored, 1..=1, 0..=0)]);
        check(
            Kind::Transaction(Decision::CommitThenRollback),
            &[(Sending, 0..=0, 0..=0), (Stored, 0..=0, 0..=0), (Ending, 0..=1, 0..=0), (Contradicting, 1..=1, 0..=0)],
        );
        check(Kind::Transaction(Decision::RollbackThenCommit), &[(Ending, 0..=0, 0..=0), (Contradicting, 0..=0, 0..=0)]);
        check(Kind::Transaction(Decision::Nothing), &[(Stored, 0..=0, 0..=0)]);
        check(Kind::SentBack, &[(Stored, 1..=1, 0..=0), (Ending, 1..=1, 0..=1), (Ended, 1..=1, 1..=1)]);
        assert_eq!(Item::new(Kind::Timer { delay_millis: 7 }, 5).due(), 12);
    }
}
