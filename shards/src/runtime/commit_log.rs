//! The commit log at work: its segment files, and the tasks that write, sync, prepare and read them.
//!
//! Invariants:
//! - Every segment file that may be written is locked (flock) from before it is read until it is closed. After a SIGKILL the
//!   kernel may still finish writes of the dead process; that lock is held until they are done.
//! - A segment takes a block only after its name is durable.
//! - From the first failed write or sync on nothing is reported durable: see `GroupCommit::poison`.
//!
//! Before: `runtime::live`, which owns the state; after: the disk.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use super::Signal;
use super::{Buffer, File, Lane, Open, fs, sleep, spawn, uptime};
use crate::log::{BlockWrite, LogOptions, WriteId, segment};
use crate::shard::DiskFull;
use crate::types::{LogPosition, Millis};

/// An idle log is marked after this.
const IDLE: Duration = Duration::from_millis(100);
/// The next segment is made when less than this part of the current one is left.
const PREPARE_PART: u64 = 2;
/// Zeroes are written in pieces of this size, one at a time.
const ZERO_BYTES: usize = 1 << 20;
/// How long a piece of zeroes rests, so that filling takes a small part of the disk's rate.
const ZERO_REST: Duration = Duration::from_millis(2);
/// How soon after a write it is seen that more zeroes are wanted.
const ZERO_LOOK: Duration = Duration::from_millis(20);
/// How often a full disk is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Whoever owns the `GroupCommit` that this log writes for.
pub trait LogOwner {
    fn next_write(&self) -> Option<BlockWrite>;
    fn synced(&self, id: WriteId);
    fn failed(&self, reason: String);
    fn segments_ready(&self, end: LogPosition);
    /// The disk has no room for the next segment (`Some`), or has it again.
    fn no_next_segment(&self, full: Option<DiskFull>);
    /// Puts a mark when the log is idle and needs one.
    fn mark_if_idle(&self) -> bool;
    /// Where the next block will start, and where free ground begins behind it.
    fn next_block(&self) -> LogPosition;
    fn free_from(&self) -> LogPosition;
    /// Keeps blocks below a position for a moment.
    fn fence(&self, fence: Option<LogPosition>);
    fn is_idle(&self) -> bool;
}

pub struct CommitLog {
    pub options: LogOptions,
    segments: RefCell<BTreeMap<LogPosition, Segment>>,
    work: Signal,
    done: Signal,
    last_write: Cell<Duration>,
    stopping: Cell<bool>,
    zeroed_to: Cell<LogPosition>,
    pub counters: LogCounters,
}

#[derive(Default)]
pub struct LogCounters {
    pub blocks: Cell<u64>,
    pub bytes: Cell<u64>,
    pub sync_micros: Cell<u64>,
}

#[derive(Clone)]
struct Segment {
    /// Opened when somebody first reads from a segment that was sealed before the start.
    file: Option<Rc<File>>,
}

/// A segment as retention sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    pub first: LogPosition,
    pub end: LogPosition,
    pub modified: Millis,
}

impl CommitLog {
    /// Over files that `recover` has opened and locked.
    pub(super) fn new(options: LogOptions, files: BTreeMap<LogPosition, Option<Rc<File>>>, zeroed_to: LogPosition) -> CommitLog {
        let segments = files.into_iter().map(|(first, file)| (first, Segment { file })).collect();
        CommitLog {
            options,
            segments: RefCell::new(segments),
            work: Signal::new(),
            done: Signal::new(),
            last_write: Cell::new(uptime()),
            stopping: Cell::new(false),
            zeroed_to: Cell::new(zeroed_to),
            counters: LogCounters::default(),
        }
    }

    /// Something may be ready to be written.
    pub fn wake(&self) {
        self.work.raise();
    }

    /// Starts the log's tasks.
    pub fn run(self: &Rc<Self>, owner: Rc<dyn LogOwner>) {
        for _ in 0..self.options.pipeline_depth {
            let (log, own) = (self.clone(), owner.clone());
            let _detached = spawn(Lane::Commit, async move { log.write_blocks(own).await });
        }
        let (log, own) = (self.clone(), owner.clone());
        let _detached = spawn(Lane::Background, async move { log.prepare_segments(own).await });
        let (log, own) = (self.clone(), owner.clone());
        let _detached = spawn(Lane::Background, async move { log.zero_ahead(own).await });
        let log = self.clone();
        let _detached = spawn(Lane::Background, async move { log.mark_when_idle(owner).await });
    }

    /// One of the pipeline's writers: takes the next block when it has written one.
    async fn write_blocks(self: Rc<Self>, owner: Rc<dyn LogOwner>) {
        loop {
            match owner.next_write() {
                Some(write) => self.write_block(write, &*owner).await,
                None => self.work.wait().await,
            }
        }
    }

    async fn write_block(&self, write: BlockWrite, owner: &dyn LogOwner) {
        self.last_write.set(uptime());
        let first = self.options.segment_of(write.position);
        let started = uptime();
        match self.write_now(&write).await {
            Ok(()) => {
                self.counters.blocks.set(self.counters.blocks.get() + 1);
                self.counters.bytes.set(self.counters.bytes.get() + write.buffer.len() as u64);
                let micros = uptime().saturating_sub(started).as_micros() as u64;
                self.counters.sync_micros.set(self.counters.sync_micros.get() + micros);
                drop(write.buffer);
                owner.synced(write.id);
            }
            Err(error) => {
                let path = self.path(first);
                tracing::error!(path = %path.display(), position = %write.position, %error, "the commit log cannot be written");
                owner.failed(format!("writing {} at position {} failed: {error}", path.display(), write.position));
            }
        }
        self.done.raise();
    }

    /// Writes one block and the sync that covers it.
    pub(super) async fn write_now(&self, write: &BlockWrite) -> std::io::Result<()> {
        let first = self.options.segment_of(write.position);
        let file = self.segments.borrow().get(&first).and_then(|segment| segment.file.clone());
        let file = file.expect("blocks go into segments that are ready");
        file.write_durable_at(&write.buffer, write.position.since(first), self.options.sync).await
    }

    /// Keeps the segment after the current one ready.
    async fn prepare_segments(self: Rc<Self>, owner: Rc<dyn LogOwner>) {
        let mut said = false;
        while !self.stopping.get() {
            let last = self.last_segment();
            let end = LogPosition(last.0 + self.options.segment_bytes);
            if end.0.saturating_sub(owner.next_block().0) > self.options.segment_bytes / PREPARE_PART {
                sleep(Duration::from_millis(50)).await;
                continue;
            }
            match self.create_segment(end).await {
                Ok(()) => {
                    owner.segments_ready(LogPosition(end.0 + self.options.segment_bytes));
                    owner.no_next_segment(None);
                    self.work.raise();
                    if std::mem::take(&mut said) {
                        tracing::info!(path = %self.options.dir.display(), "there is room for the next segment again");
                    }
                }
                Err(error) => {
                    let used_percent = fs::usage(&self.options.dir).map_or(100, |usage| usage.used_percent());
                    if !std::mem::replace(&mut said, true) {
                        let (path, bytes) = (self.options.dir.display(), self.options.segment_bytes);
                        tracing::warn!(%path, bytes, used_percent, %error, "no room for the next segment");
                    }
                    owner.no_next_segment(Some(DiskFull {
                        path: self.options.dir.display().to_string(),
                        used_percent,
                        limit_percent: 100,
                        property: "mappedFileSizeCommitLog",
                    }));
                    sleep(RETRY).await;
                }
            }
        }
    }

    async fn create_segment(&self, first: LogPosition) -> std::io::Result<()> {
        let path = self.path(first);
        if fs::exists(&path) {
            fs::remove_large(&path).await?;
        }
        let file = File::open_for(&path, Open::CreateNew, self.options.sync).await?;
        let made = async {
            file.allocate(self.options.segment_bytes).await?;
            if !file.try_lock()? {
                return Err(std::io::Error::other("another process has locked the new segment"));
            }
            file.sync().await?;
            fs::sync_dir(&self.options.dir).await
        };
        if let Err(error) = made.await {
            // The room it took may be what somebody else needs.
            let _ = file.close().await;
            let _ = fs::remove(&path);
            return Err(error);
        }
        self.segments.borrow_mut().insert(first, Segment { file: Some(Rc::new(file)) });
        Ok(())
    }

    /// Fills segments with zeroes ahead of the writer: a write into an extent that was never written makes its sync
    /// journal metadata.
    async fn zero_ahead(self: Rc<Self>, owner: Rc<dyn LogOwner>) {
        if self.options.zero_ahead_bytes == 0 {
            return;
        }
        let zeroes = Rc::new(Buffer::new(ZERO_BYTES));
        while !self.stopping.get() {
            let limit = LogPosition(owner.next_block().0 + self.options.zero_ahead_bytes);
            let from = self.zeroed_to.get().max(LogPosition(owner.free_from().0.next_multiple_of(ZERO_BYTES as u64)));
            let first = self.options.segment_of(from);
            let file = self.segments.borrow().get(&first).and_then(|segment| segment.file.clone());
            let Some(file) = file.filter(|_| from < limit) else {
                // A log that rests has its zeroes already; looking often would only wake an idle core.
                let rests = uptime().saturating_sub(self.last_write.get()) >= IDLE;
                sleep(if rests { IDLE } else { ZERO_LOOK }).await;
                continue;
            };
            // While the zeroes are under way no block may be placed where they land.
            owner.fence(Some(from));
            let written = file.write_at(&zeroes, from.since(first)).await;
            owner.fence(None);
            if let Err(error) = written {
                owner.failed(format!("filling {} failed: {error}", self.path(first).display()));
                return;
            }
            self.zeroed_to.set(from.advance(ZERO_BYTES as u64));
            sleep(ZERO_REST).await;
        }
    }

    async fn mark_when_idle(self: Rc<Self>, owner: Rc<dyn LogOwner>) {
        while !self.stopping.get() {
            sleep(IDLE / 2).await;
            if uptime().saturating_sub(self.last_write.get()) >= IDLE && owner.is_idle() && owner.mark_if_idle() {
                self.work.raise();
            }
        }
    }

    /// Writes and syncs what there is, then a mark. The log takes nothing more afterwards.
    pub async fn stop(&self, owner: &dyn LogOwner) {
        self.stopping.set(true);
        for marked in [false, true] {
            if marked && !owner.mark_if_idle() {
                return;
            }
            self.work.raise();
            while !owner.is_idle() {
                self.done.wait().await;
            }
        }
    }

    /// The bytes at a position, from the disk.
    pub async fn read(&self, position: LogPosition, len: usize) -> std::io::Result<Piece> {
        let first = self.options.segment_of(position);
        let file = self.file(first).await?;
        let unit = u64::from(self.options.block_unit);
        let offset = position.since(first);
        let start = offset / unit * unit;
        let end = (offset + len as u64).next_multiple_of(unit).min(self.options.segment_bytes);
        let buffer = file.read_at(start, (end - start) as usize).await?;
        let skip = (offset - start) as usize;
        if buffer.len() < skip + len {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Piece { buffer: Rc::new(buffer), range: skip..skip + len })
    }

    async fn file(&self, first: LogPosition) -> std::io::Result<Rc<File>> {
        let known = self.segments.borrow().get(&first).cloned().ok_or(std::io::ErrorKind::NotFound)?;
        if let Some(file) = known.file {
            return Ok(file);
        }
        let file = Rc::new(File::open(&self.path(first), Open::Read).await?);
        if let Some(segment) = self.segments.borrow_mut().get_mut(&first) {
            segment.file.get_or_insert(file.clone());
        }
        Ok(file)
    }

    pub fn first(&self) -> LogPosition {
        self.segments.borrow().keys().next().copied().unwrap_or_default()
    }

    fn last_segment(&self) -> LogPosition {
        self.segments.borrow().keys().next_back().copied().unwrap_or_default()
    }

    pub fn path(&self, first: LogPosition) -> PathBuf {
        self.options.dir.join(segment::name(first))
    }

    /// The segments before the one that is written, oldest first.
    pub fn sealed_segments(&self, writer: LogPosition) -> Vec<SegmentInfo> {
        let current = self.options.segment_of(writer);
        let segments = self.segments.borrow();
        segments
            .keys()
            .filter(|first| **first < current)
            .map(|first| SegmentInfo {
                first: *first,
                end: LogPosition(first.0 + self.options.segment_bytes),
                modified: fs::modified(&self.path(*first)).unwrap_or_default(),
            })
            .collect()
    }

    /// Removes a sealed segment and what stands beside it.
    pub async fn delete_segment(&self, first: LogPosition) -> std::io::Result<()> {
        fs::remove_large(&self.path(first)).await?;
        self.segments.borrow_mut().remove(&first);
        fs::sync_dir(&self.options.dir).await
    }
}

/// Bytes that were read, somewhere in an aligned buffer.
#[derive(Clone)]
pub struct Piece {
    pub buffer: Rc<Buffer>,
    pub range: std::ops::Range<usize>,
}

impl Piece {
    pub fn bytes(&self) -> &[u8] {
        &self.buffer.as_slice()[self.range.clone()]
    }
}
