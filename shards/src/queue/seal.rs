//! From the active segment's index to the file beside the sealed segment.
//!
//! 1. `rotate`: the log goes on in the next segment. The old index stays in memory, and its runs are read from there.
//! 2. `seal_slice`, again and again: the file's bytes, once the log is durable up to the next segment: before that a crash
//!    could cut the old one, and the log would go on in it. The caller writes them under a temporary name, makes them
//!    durable, renames, makes the name durable.
//! 3. `seal_finish`, again and again: queues learn that their runs are in the file, and the memory is free again.
//!
//! At most one segment is between 1 and 3; until then `rotate` must not be called again (`can_rotate`), so a disk that
//! cannot keep up holds producers back. A crash in between loses nothing: the index is replayed from the log, because
//! `replay_from` moves on only when all is done.
//!
//! One driver does sealing, snapshots and retention, one after the other: a snapshot must not see half of step 3.
//!
//! Before: `queues`; after: the driver that writes the file, `sealed`.

use super::build::Build;
use super::chain::{Link, Links};
use super::layout::IndexHeader;
use super::queues::{Queues, RunRef};
use super::segment_index::{Run, SegmentIndex};
use crate::types::{LogPosition, Millis};

/// The segment between `rotate` and the end of `seal_finish`.
#[derive(Debug)]
pub(super) struct Sealing {
    pub index: SegmentIndex,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// Boxed: it is much larger than the rest.
    Build(Box<Build>),
    Built(IndexHeader),
    /// The file is in its place.
    Finish,
}

/// What `seal_slice` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// No segment waits for its file.
    Idle,
    /// The log must be durable up to there first.
    Wait(LogPosition),
    /// There is more to come.
    More,
    /// With these bytes the file is complete; `seal_finish` follows when it is in its place.
    Built,
}

impl Queues {
    /// Whether the segment before the active one has its file already.
    pub fn can_rotate(&self) -> bool {
        self.sealing.is_none()
    }

    /// The next record is in the segment that begins at `first`.
    pub fn rotate(&mut self, first: LogPosition) {
        assert!(self.can_rotate(), "two segments would wait for their index");
        assert!(self.active.end <= first, "segments follow each other");
        assert!(self.active.first < first);
        let index = std::mem::replace(&mut self.active, SegmentIndex::new(first));
        let step = Step::Build(Box::new(Build::new(&index)));
        self.sealing = Some(Sealing { index, step });
        self.sequence += 1;
        self.spare.rotated();
    }

    /// The segment whose file is to be made.
    pub fn sealing(&self) -> Option<LogPosition> {
        self.sealing.as_ref().map(|sealing| sealing.index.first)
    }

    /// The first position from which a replay must begin to have all of the index in memory again.
    pub fn replay_from(&self) -> LogPosition {
        self.sealing().unwrap_or(self.active.first)
    }

    /// Whether some queues know already that their runs are in the file, and others not yet.
    pub(super) fn is_finishing(&self) -> bool {
        self.sealing.as_ref().is_some_and(|sealing| matches!(sealing.step, Step::Finish))
    }

    /// The file begins anew, because an attempt to write it may have failed half-way.
    pub fn seal_again(&mut self) {
        if let Some(sealing) = self.sealing.as_mut().filter(|sealing| !matches!(sealing.step, Step::Finish)) {
            sealing.step = Step::Build(Box::new(Build::new(&sealing.index)));
        }
    }

    /// Appends about `pages_max` pages of the file to `out`.
    pub fn seal_slice(&mut self, out: &mut Vec<u8>, pages_max: usize) -> Seal {
        let Some(mut sealing) = self.sealing.take() else { return Seal::Idle };
        let state = match &mut sealing.step {
            Step::Build(_) if self.durable < self.active.first => Seal::Wait(self.active.first),
            Step::Build(build) => {
                let links = |run: &Run| {
                    let queue = run.slot.and_then(|slot| self.get(slot));
                    queue.map_or(Links::START, |queue| queue.chain.links())
                };
                if build.slice(&mut sealing.index, links, out, pages_max) {
                    sealing.step = Step::Built(build.built());
                    Seal::Built
                } else {
                    Seal::More
                }
            }
            Step::Built(_) | Step::Finish => Seal::Built,
        };
        self.sealing = Some(sealing);
        state
    }

    /// The file of the segment that was rotated out is in its place, either just made or found at start. Does the rest
    /// for about `runs_max` queues; true when all is done.
    pub fn seal_finish(&mut self, runs_max: usize) -> bool {
        let Some(mut sealing) = self.sealing.take() else { return true };
        let segment = sealing.index.first;
        assert!(self.durable >= self.active.first, "a file tells only what is durable and complete");
        match sealing.step {
            Step::Finish => {}
            Step::Build(_) => self.sealed.add(segment, None),
            Step::Built(header) => self.sealed.add(segment, Some(header)),
        }
        sealing.step = Step::Finish;
        for chunk in sealing.index.key_chunks.drain(..) {
            self.spare.keep_key_chunk(chunk);
        }
        for _ in 0..runs_max.max(1) {
            let Some(run) = sealing.index.runs.pop() else { return true };
            if let Some(slot) = run.slot.filter(|slot| self.get(*slot).is_some()) {
                let queue = self.queues[slot.index as usize].as_mut().expect("just checked");
                let first_time = Millis(run.entries.first().expect("a run has entries").store_time);
                queue.sealed_time = Millis(run.entries.last().expect("a run has entries").store_time);
                queue.runs[(self.sequence.wrapping_sub(1) & 1) as usize] = RunRef::NONE;
                queue.chain.push(Link { segment, first: run.first, first_time });
            }
            self.spare.keep_entries(run.entries);
        }
        self.sealing = Some(sealing);
        false
    }
}
