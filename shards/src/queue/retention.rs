//! The oldest segment leaves: its queues begin later.
//!
//! In this order: `retire` until done, a snapshot that knows the new minima, then the files of the segment and its index
//! are deleted. So the minima on disk never point into what is gone. Offsets are not given out again: a queue whose
//! messages have all expired keeps its end.
//!
//! Before: `log` (which segment is old enough); after: `state`.

use super::layout::{DirectoryRun, RUN_BYTES, RUNS_PER_PAGE};
use super::queues::Queues;
use super::sealed::{IndexRead, Miss, items_in};
use crate::types::LogPosition;

/// Pages of the directory that are loaded at once.
const PAGES_AHEAD: u32 = 15;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retire {
    /// Load this, hand it to `loaded`, ask again. If the index file is lost it must be rebuilt first.
    Need(IndexRead),
    /// A part is done; yield and ask again.
    More,
    /// Nobody finds anything in the segment any more.
    Done,
}

impl Queues {
    /// The oldest sealed segment, which is the next to leave.
    pub fn oldest_sealed(&self) -> Option<LogPosition> {
        // One whose sealing is not finished is in the list already, and would be replayed.
        self.sealed.oldest().filter(|oldest| *oldest < self.replay_from())
    }

    /// Takes the oldest sealed segment out, a page of its directory at a time.
    pub fn retire(&mut self, segment: LogPosition) -> Retire {
        assert_eq!(self.oldest_sealed(), Some(segment), "segments leave in their order");
        match self.retire_page(segment) {
            Ok(true) => {
                self.retiring = None;
                self.sealed.remove_oldest();
                Retire::Done
            }
            Ok(false) => Retire::More,
            Err(Miss::Need(read)) => Retire::Need(read),
            Err(Miss::Gone) => unreachable!("the segment is in the list"),
        }
    }

    fn retire_page(&mut self, segment: LogPosition) -> Result<bool, Miss> {
        let header = self.sealed.header(segment)?;
        let area = header.directory_area();
        let done = match self.retiring {
            Some((found, pages)) if found == segment => pages,
            Some(_) | None => 0,
        };
        if done == area.pages {
            return Ok(true);
        }
        let payload = self.sealed.page(segment, area.page + done, (area.pages - done - 1).min(PAGES_AHEAD))?;
        let count = items_in(header.runs, RUNS_PER_PAGE, done);
        let mut ends = [None; RUNS_PER_PAGE as usize];
        for (end, run) in ends.iter_mut().zip(payload.chunks_exact(RUN_BYTES).take(count)) {
            let run = DirectoryRun::decode(run);
            *end = Some((run.born, run.end()));
        }
        for (born, end) in ends.into_iter().flatten() {
            if let Some(index) = self.born_at(born) {
                let queue = self.queues[index as usize].as_mut().expect("births lead to queues");
                queue.min = queue.min.max(end);
                assert!(queue.min <= queue.visible, "sealed entries are visible");
            }
        }
        self.retiring = Some((segment, done + 1));
        Ok(done + 1 == area.pages)
    }
}
