//! Where queues begin by now, and whether the broker was allowed to delete what stood before.
//!
//! A broker deletes its oldest segments when the disk is fuller than `diskSpaceCleanForciblyRatio`. Whether it was, is
//! seen here by asking the file system, not by believing the broker. A begin that moves without that is a violation, and
//! what stood before it counts as lost.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ringmq_shards::runtime::fs;

const LOOK_EVERY: Duration = Duration::from_millis(20);
/// So near to the ratio a run is told at its start what may come.
const NEAR_PERCENT: u8 = 3;

/// How full the disk has been since somebody asked last.
pub struct DiskWatch {
    folder: PathBuf,
    ratio: u8,
    most: u8,
    looked: Instant,
}

impl DiskWatch {
    pub fn new(folder: &Path, ratio: u8) -> Result<DiskWatch, String> {
        let mut watch = DiskWatch { folder: folder.to_path_buf(), ratio, most: 0, looked: Instant::now() };
        watch.look_now()?;
        Ok(watch)
    }

    /// Looks when it is time again.
    pub fn look(&mut self) -> Result<(), String> {
        if self.looked.elapsed() < LOOK_EVERY {
            return Ok(());
        }
        self.look_now()
    }

    pub fn look_now(&mut self) -> Result<(), String> {
        self.looked = Instant::now();
        let used = fs::usage(&self.folder).map_err(|error| format!("{}: {error}", self.folder.display()))?.used_percent();
        self.most = self.most.max(used);
        Ok(())
    }

    /// Whether a deletion was allowed since the last call.
    pub fn was_over(&mut self) -> Result<bool, String> {
        let before = std::mem::take(&mut self.most);
        self.look_now()?;
        Ok(before.max(self.most) > self.ratio)
    }

    /// What a run should know before it begins.
    pub fn warning(&self) -> Option<String> {
        (self.most.saturating_add(NEAR_PERCENT) > self.ratio).then(|| {
            format!(
                "the disk of {} is {} % full: over {} % the broker deletes its oldest segments, which is counted but tests less; \
                 free some space for a full test",
                self.folder.display(),
                self.most,
                self.ratio
            )
        })
    }
}

/// Each queue's first offset, as far as it was allowed to move.
pub struct Begins {
    allowed: Vec<i64>,
    seen: Vec<i64>,
}

impl Begins {
    pub fn new(queues: usize) -> Begins {
        Begins { allowed: vec![0; queues], seen: vec![0; queues] }
    }

    /// The broker says that a queue begins at `begin`; `end`: where it ends. Err: what is wrong.
    pub fn moved(&mut self, queue: usize, begin: i64, end: i64, may_delete: bool) -> Result<(), String> {
        let before = std::mem::replace(&mut self.seen[queue], begin);
        if begin < before {
            return Err(format!("queue {queue} begins at {begin} again, it began at {before}"));
        }
        if begin == before {
            return Ok(());
        }
        if !may_delete {
            return Err(format!("queue {queue} begins at {begin} instead of {before}, and the disk was not full"));
        }
        if begin > end {
            return Err(format!("queue {queue} begins at {begin}, behind its end at {end}"));
        }
        // What an earlier move took without being allowed stays lost; a later one does not excuse it.
        if self.allowed[queue] == before {
            self.allowed[queue] = begin;
        }
        Ok(())
    }

    /// Where reading begins.
    pub fn begin(&self, queue: usize) -> i64 {
        self.seen[queue]
    }

    /// Whether it was deleted by a broker that was allowed to.
    pub fn is_deleted(&self, queue: usize, offset: i64) -> bool {
        offset < self.allowed[queue]
    }
}
