//! Reading the commit log from the disk for consumers that are behind the tail cache: whole extents that they share, or
//! alone what only one wants.
//!
//! Invariants:
//! - Reads under way are bounded, shared ones by `ExtentCache` and lone ones by turns, so that the log's writes never stand
//!   in a long line.
//! - The read of an extent belongs to nobody: whoever waits for it may go away.
//!
//! Before: `runtime::reader`; after: `queue::ExtentCache` (decides), `runtime::commit_log` (reads).

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::commit_log::{CommitLog, Piece};
use super::reader::ReadError;
use super::turns::Turns;
use super::{Buffer, Lane, SlotSetter, sleep, slot, spawn, uptime};
use crate::queue::{Extent, ExtentCache, Look, Next, QueueSlot};
use crate::types::LogPosition;

const LONE_READS_MAX: usize = 4;

/// How soon somebody who waits for others is looked after again.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// What one pull keeps of an extent, for as long as it is made.
pub type HeldExtent = Option<(Extent, Rc<Buffer>)>;

type Answer = Result<Rc<Buffer>, ReadError>;

/// Lives on its shard's core.
pub struct ColdReads {
    log: Rc<CommitLog>,
    extents: RefCell<ExtentCache<SlotSetter<Answer>>>,
    lone: Rc<Turns>,
    looks_again: Cell<bool>,
    pub counters: ColdCounters,
}

#[derive(Default)]
pub struct ColdCounters {
    pub extents: Cell<u64>,
    pub alone: Cell<u64>,
}

impl ColdReads {
    pub fn new(log: Rc<CommitLog>, bytes_max: usize) -> Rc<ColdReads> {
        let extents = ExtentCache::new(bytes_max, log.options.segment_bytes, log.options.block_unit);
        let extents = RefCell::new(extents);
        let (lone, looks_again) = (Turns::new(LONE_READS_MAX), Cell::new(false));
        Rc::new(ColdReads { log, extents, lone, looks_again, counters: ColdCounters::default() })
    }

    /// A queue is read from this position on.
    pub fn seen(&self, queue: QueueSlot, position: LogPosition) {
        self.extents.borrow_mut().seen(queue, position, uptime());
    }

    /// Appends the bytes at a position, which may lie in several extents. False when they are better read alone; then
    /// `out` may have got a part of them.
    /// `held`: where the last bytes came from, which is where the next mostly are.
    pub async fn append(
        self: &Rc<Self>,
        position: LogPosition,
        len: usize,
        settled: LogPosition,
        held: &mut HeldExtent,
        out: &mut Vec<u8>,
    ) -> Result<bool, ReadError> {
        let end = position.advance(len as u64);
        let mut at = position;
        while at < end {
            let (extent, buffer) = match held.take().filter(|(extent, _)| extent.first <= at && at < extent.end()) {
                Some(held) => held,
                None => {
                    let extent = self.extents.borrow().extent_of(at);
                    let Some(buffer) = self.extent(extent, settled).await? else { return Ok(false) };
                    (extent, buffer)
                }
            };
            let stop = end.min(extent.end());
            let range = at.since(extent.first) as usize..stop.since(extent.first) as usize;
            out.extend_from_slice(&buffer.as_slice()[range]);
            at = stop;
            *held = Some((extent, buffer));
        }
        Ok(true)
    }

    async fn extent(self: &Rc<Self>, extent: Extent, settled: LogPosition) -> Result<Option<Rc<Buffer>>, ReadError> {
        let (look, waiter) = {
            let mut extents = self.extents.borrow_mut();
            let look = extents.look(extent, settled);
            let waiter = matches!(look, Look::Wait).then(|| {
                let (setter, waiter) = slot();
                extents.park(extent, setter);
                waiter
            });
            (look, waiter)
        };
        self.read_wanted();
        match (look, waiter) {
            (Look::Here(buffer), _) => Ok(Some(buffer)),
            (Look::Alone, _) => Ok(None),
            (Look::Wait, waiter) => {
                let answer = waiter.expect("parked above").await;
                answer.expect("a read that was begun is answered").map(Some)
            }
        }
    }

    /// Starts what may be read now.
    fn read_wanted(self: &Rc<Self>) {
        loop {
            let next = self.extents.borrow_mut().next_read(uptime());
            let extent = match next {
                Next::Read(extent) => extent,
                Next::Blocked => return self.look_again(),
                Next::Nothing => return,
            };
            self.counters.extents.set(self.counters.extents.get() + 1);
            let cold = self.clone();
            let _detached = spawn(Lane::Background, async move {
                let answer = cold.read(extent.first, extent.bytes).await.map(|piece| piece.buffer);
                let waiters = cold.extents.borrow_mut().finish(extent, answer.as_ref().ok().cloned());
                for waiter in waiters {
                    waiter.set(answer.clone());
                }
                cold.read_wanted();
            });
        }
    }

    /// Whoever moves on looks too; this is for the case that nobody does.
    fn look_again(self: &Rc<Self>) {
        if self.looks_again.replace(true) {
            return;
        }
        let cold = self.clone();
        let _detached = spawn(Lane::Background, async move {
            sleep(LOOK_AGAIN).await;
            cold.looks_again.set(false);
            cold.read_wanted();
        });
    }

    /// Up to where a reader alone reads at once.
    pub fn end_of_extent(&self, position: LogPosition) -> LogPosition {
        self.extents.borrow().extent_of(position).end()
    }

    /// Exactly these bytes, for one reader.
    pub async fn read_alone(&self, position: LogPosition, len: usize) -> Result<Piece, ReadError> {
        let _turn = self.lone.take().await;
        self.counters.alone.set(self.counters.alone.get() + 1);
        self.read(position, len).await
    }

    /// Gives up what is held between two positions: it is damaged, or its segment is gone.
    pub fn forget(&self, from: LogPosition, to: LogPosition) {
        let mut extents = self.extents.borrow_mut();
        let from = extents.extent_of(from).first;
        extents.forget(from, to);
    }

    async fn read(&self, position: LogPosition, len: usize) -> Result<Piece, ReadError> {
        self.log.read(position, len).await.map_err(|error| {
            if error.kind() == std::io::ErrorKind::NotFound {
                return ReadError::Gone;
            }
            let path = self.log.path(self.log.options.segment_of(position));
            let what = format!("reading {} at position {position} failed: {error}", path.display());
            tracing::error!("{what}");
            ReadError::Disk { what }
        })
    }
}
