//! What a shard does beside serving: index files for sealed segments, snapshots, and the deletion of what has expired.
//!
//! Invariants:
//! - A segment is deleted only when its index file exists, a snapshot that knows the new minima is durable, and the
//!   replay of that snapshot begins behind it.
//! - And only when nothing waits in it any more: see `runtime::pending`.
//! - A snapshot at p is published only when the log is durable up to p, and up to all that its slices have seen.
//!
//! Before: `runtime::live`; after: `queue::retention`, `snapshot`.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::live::LiveShard;
use super::pending::{self, Moved};
use super::turns::Turns;
use super::{Lane, fs, now, sleep, spawn, uptime, yield_now};
use crate::queue::Retire;
use crate::shard::DiskFull;
use crate::snapshot::{FILE_NAME, Section, SnapshotHead, SnapshotWriter};
use crate::types::LogPosition;

const LOOK: Duration = Duration::from_millis(100);
/// A snapshot is made after so much log, when a segment is sealed, and at a stop.
const SNAPSHOT_LOG_BYTES: u64 = 128 << 20;
/// And not more often than this, unless the next start would replay more than two segments.
const SNAPSHOT_REST: Duration = Duration::from_secs(5);
const SLICE_BYTES: usize = 256 * 1024;

/// The properties of retention; replaced as a whole when one is changed.
#[derive(Clone, Debug)]
pub struct Retention {
    /// fileReservedTime, in milliseconds.
    pub reserved_millis: i64,
    /// deleteWhen: hours of the local day.
    pub hours: Vec<u8>,
    /// diskMaxUsedSpaceRatio: above it expired segments go at any hour.
    pub used_max: u8,
    /// diskSpaceCleanForciblyRatio: above it the oldest segments go though they have not expired.
    pub clean_forcibly: u8,
    pub clean_forcibly_enabled: bool,
    /// diskSpaceWarningLevelRatio: above it messages are refused.
    pub refuse: u8,
    pub interval: Duration,
    /// Minutes by which local time is ahead of UTC.
    pub utc_offset_minutes: i64,
}

pub struct Housekeeping {
    live: Rc<LiveShard>,
    snapshot_at: Cell<LogPosition>,
    /// When this process made its last one.
    snapshot_time: Cell<Option<Duration>>,
    /// What the snapshot on disk replays from: nothing from here on may be deleted.
    replay_from: Cell<LogPosition>,
    /// Sealing, snapshots and deletions are never under way at the same time: a snapshot must not see half of a seal.
    turns: Rc<Turns>,
    /// Expired segments go at the next look, whatever the hour.
    expire_now: Cell<bool>,
}

impl Housekeeping {
    /// Starts the tasks. `loaded`: the position of the snapshot that was loaded, and what it replays from.
    pub(super) fn start(live: &Rc<LiveShard>, loaded: (LogPosition, LogPosition)) -> Rc<Housekeeping> {
        let keeping = Rc::new(Housekeeping {
            live: live.clone(),
            snapshot_at: Cell::new(loaded.0),
            snapshot_time: Cell::new(None),
            replay_from: Cell::new(loaded.1),
            turns: Turns::one(),
            expire_now: Cell::new(false),
        });
        let seals = keeping.clone();
        let _detached = spawn(Lane::Background, async move { seals.seal_and_snapshot().await });
        keeping
    }

    async fn seal_and_snapshot(self: Rc<Self>) {
        loop {
            sleep(LOOK).await;
            let sealing = self.live.state.borrow().queues.sealing().is_some();
            if sealing {
                let sealed = {
                    let _turn = self.turns.take().await;
                    self.live.indexes.seal(&self.live).await
                };
                if let Err(error) = sealed {
                    tracing::warn!(%error, "the index file of a sealed segment cannot be written yet");
                    sleep(Duration::from_secs(1)).await;
                    continue;
                }
                self.live.room_raised();
            }
            let (appended, could_replay_from) = {
                let state = self.live.state.borrow();
                (state.log.appended(), state.queues.replay_from())
            };
            let due = sealing || appended.since(self.snapshot_at.get()) >= SNAPSHOT_LOG_BYTES;
            let rested = self.snapshot_time.get().is_none_or(|made| uptime().saturating_sub(made) >= SNAPSHOT_REST);
            let long_replay = appended.since(self.replay_from.get()) >= 2 * self.live.log.options.segment_bytes
                && could_replay_from > self.replay_from.get();
            if long_replay || (due && rested) {
                self.snapshot_or_say().await;
            }
        }
    }

    async fn snapshot_or_say(&self) {
        if let Err(error) = self.snapshot().await {
            tracing::warn!(%error, "a snapshot cannot be written; the next start replays more of the log");
        }
    }

    /// Writes the tables beside the log.
    pub async fn snapshot(&self) -> std::io::Result<()> {
        let _turn = self.turns.take().await;
        self.snapshot_in_turn().await
    }

    async fn snapshot_in_turn(&self) -> std::io::Result<()> {
        let live = &self.live;
        self.snapshot_time.set(Some(uptime()));
        let (mut writer, position, replay_from) = {
            let state = live.state.borrow();
            if state.log.poisoned().is_some() {
                return Ok(());
            }
            let (position, replay_from) = (state.log.appended(), state.queues.replay_from());
            let mut writer =
                SnapshotWriter::new(SnapshotHead { shard: state.id, position, replay_from, store_time: state.store_time });
            writer.section(Section::Topics, |out| state.topics.encode(out));
            writer.section(Section::Groups, |out| state.groups.encode(out));
            writer.section(Section::RequestModes, |out| state.request_modes.encode(out));
            (writer, position, replay_from)
        };
        if live.durable(position).await.is_err() {
            return Ok(());
        }
        // Before the consumer offsets: what is acked between the two is in the offsets, and a queue that has left this table is
        // known only there.
        let mut from = Some(0);
        while let Some(at) = from {
            from = writer.section(Section::Pops, |out| live.state.borrow().pops.encode_slice(at, SLICE_BYTES, out));
            yield_now().await;
        }
        let mut from = Some(0);
        while let Some(at) = from {
            from = writer.section(Section::Offsets, |out| live.state.borrow().offsets.encode_slice(at, SLICE_BYTES, out));
            yield_now().await;
        }
        let mut from = Some(LogPosition::ZERO);
        while let Some(at) = from {
            from = writer.section(Section::Halves, |out| live.state.borrow().halves.encode_slice(at, SLICE_BYTES, out));
            yield_now().await;
        }
        let mut from = Some(0);
        while let Some(at) = from {
            // What is visible is durable, also where acknowledgements do not wait for the disk.
            from = writer.section(Section::Queues, |out| {
                live.state.borrow().queues.encode_slice(position, replay_from, at, SLICE_BYTES, out)
            });
            yield_now().await;
        }
        let mut from = Some(i64::MIN);
        while let Some(second) = from {
            from = writer
                .section(Section::Timers, |out| live.state.borrow().timers.encode_slice(position, second, SLICE_BYTES, out));
            yield_now().await;
        }
        writer.section(Section::Resets, |out| live.state.borrow().offsets.resets().encode(out));
        // The slices may tell of a topic's deletion that a crash could still lose: its records would come back without it.
        if live.durable_so_far().await.is_err() {
            return Ok(());
        }
        fs::write_durable(&live.log.options.dir.join(FILE_NAME), writer.finish()).await?;
        self.snapshot_at.set(position);
        self.replay_from.set(replay_from);
        Ok(())
    }

    /// Expired segments need not wait for the hour of deleteWhen, this once.
    pub fn expire_now(&self) {
        self.expire_now.set(true);
    }

    /// Deletes what has expired, and refuses or takes messages by the disk's watermark, for as long as the core runs.
    pub fn retain(self: &Rc<Self>, retention: impl Fn() -> Retention + 'static) {
        let keeping = self.clone();
        let _detached = spawn(Lane::Background, async move {
            loop {
                let retention = retention();
                if let Err(error) = keeping.retain_once(&retention).await {
                    tracing::warn!(%error, "expired segments cannot be deleted yet");
                }
                sleep(retention.interval).await;
            }
        });
    }

    async fn retain_once(&self, retention: &Retention) -> std::io::Result<()> {
        let log = &self.live.log;
        let any_hour = self.expire_now.take();
        loop {
            let used = fs::usage(&log.options.dir)?.used_percent();
            self.watermark(used, retention);
            let writer = self.live.state.borrow().log.next_block();
            let Some(oldest) = log.sealed_segments(writer).into_iter().next() else { return Ok(()) };
            let now = now();
            let minutes = now.0.div_euclid(60_000) + retention.utc_offset_minutes;
            let hour = minutes.div_euclid(60).rem_euclid(24) as u8;
            let expired = now.since(oldest.modified) > retention.reserved_millis;
            let due = expired && (any_hour || retention.hours.contains(&hour) || used > retention.used_max);
            let forced = retention.clean_forcibly_enabled && used > retention.clean_forcibly;
            if !due && !forced {
                return Ok(());
            }
            let end = oldest.first.advance(log.options.segment_bytes);
            if !expired && pending::waiting_bytes(&self.live, &(oldest.first..end)).await > log.options.segment_bytes / 2 {
                // To append them again would take more of the disk than the segment gives back soon.
                tracing::warn!(segment = oldest.first.0, "the oldest segment is mostly messages that still wait; it is kept");
                return Ok(());
            }
            // Without the turn: the log may need a seal, which needs it, before it takes what is moved.
            if pending::move_all(&self.live, oldest.first..end).await? == Moved::NotNow {
                return Ok(());
            }
            if !self.delete(oldest.first).await? {
                return Ok(());
            }
            let path = log.path(oldest.first);
            tracing::info!(path = %path.display(), used_percent = used, expired, "deleted a segment");
        }
    }

    fn watermark(&self, used: u8, retention: &Retention) {
        let full = (used > retention.refuse).then(|| DiskFull {
            path: self.live.log.options.dir.display().to_string(),
            used_percent: used,
            limit_percent: retention.refuse,
            property: "diskSpaceWarningLevelRatio",
        });
        self.live.refuse(full);
    }

    /// Nothing waits in the segment any more. False when it is still needed for a replay.
    async fn delete(&self, segment: LogPosition) -> std::io::Result<bool> {
        let _turn = self.turns.take().await;
        let oldest = self.live.state.borrow().queues.oldest_sealed();
        if oldest.is_some_and(|oldest| oldest <= segment) {
            loop {
                let retired = self.live.state.borrow_mut().queues.retire(segment);
                match retired {
                    Retire::Done => break,
                    Retire::More => yield_now().await,
                    Retire::Need(read) => self.live.load_index(read).await.map_err(std::io::Error::other)?,
                }
            }
        } else if segment >= self.live.state.borrow().queues.replay_from() {
            return Ok(false);
        }
        self.snapshot_in_turn().await?;
        if segment >= self.replay_from.get() {
            return Ok(false);
        }
        self.live.log.delete_segment(segment).await?;
        self.live.cold.forget(segment, segment.advance(self.live.log.options.segment_bytes));
        self.live.indexes.remove(&self.live.log.options, segment).await?;
        Ok(true)
    }
}
