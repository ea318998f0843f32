//! A shard at work: its state, the log it writes, and everybody who waits for one of its positions.
//!
//! Invariants:
//! - The state is borrowed only between awaits.
//! - Whoever waits for a position is told exactly once: that it is durable, or that the log has failed. A log that has
//!   failed tells all at once, so that no client runs into its time-out.
//!
//! Before: the broker's handlers; after: `shard` (decides), `runtime::commit_log` (does).

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::cold::ColdReads;
use super::commit_log::{CommitLog, LogOwner};
use super::housekeeping::{Housekeeping, Retention};
use super::index_files::IndexFiles;
use super::pop::PopWatches;
use super::reader::{Pulls, steady};
use super::timers::TimerCounters;
use super::{Lane, sleep, spawn, timeout};
use super::{Signal, SlotSetter, slot};
use crate::entry::Control;
use crate::filter::{Expressions, RecordFilter};
use crate::log::{BlockWrite, Flush, WriteId};
use crate::offsets::{Kept, OffsetCommit};
use crate::queue::Visible;
use crate::record::NewMessage;
use crate::shard::{AppendError, Appended, Change, DiskFull, Shard};
use crate::types::{LogPosition, Millis};

/// Consumer offsets are logged at least this often when there are new ones.
const OFFSETS_INTERVAL: Duration = Duration::from_secs(1);
/// Whoever waits for room looks again after this, whatever happens.
const ROOM_RETRY: Duration = Duration::from_millis(20);

/// Told when more of the log may be acknowledged, or none ever again.
pub trait Observer {
    fn acknowledged(&self, position: LogPosition);
    fn failed(&self, error: &AppendError);
}

/// Lives on its shard's core.
pub struct LiveShard {
    pub state: RefCell<Shard>,
    pub log: Rc<CommitLog>,
    waiting: RefCell<VecDeque<Waiting>>,
    observer: RefCell<Option<Rc<dyn Observer>>>,
    room: Signal,
    stopping: Cell<bool>,
    /// Queues that have just got visible messages; kept for its memory.
    changed: RefCell<Vec<Visible>>,
    pub(super) pulls: RefCell<Pulls>,
    pub(super) watches: PopWatches,
    /// Compiled expressions, for the pulls that arrive on this core and those of its queues.
    pub expressions: RefCell<Expressions>,
    /// Resets that this process has made: whoever waits asks again when there was one.
    pub(super) resets_made: Cell<u64>,
    pub(super) indexes: IndexFiles,
    pub(super) cold: Rc<ColdReads>,
    pub timers: TimerCounters,
    /// Raised when something came that is due before all else.
    pub(super) timer_nearer: Signal,
    /// Its own tasks keep it alive: it holds the shard, and a circle would never be freed.
    pub(super) housekeeping: RefCell<Weak<Housekeeping>>,
}

/// What a shard at work may keep.
pub(super) struct LiveLimits {
    pub pulls_max: usize,
    pub cold_bytes_max: usize,
}

struct Waiting {
    end: LogPosition,
    setter: SlotSetter<Result<(), AppendError>>,
}

impl LiveShard {
    /// Starts the log's tasks and this shard's own. `loaded`: the position of the snapshot, and what it replays from.
    pub(super) fn start(state: Shard, log: CommitLog, loaded: (LogPosition, LogPosition), limits: LiveLimits) -> Rc<LiveShard> {
        let log = Rc::new(log);
        let live = Rc::new(LiveShard {
            state: RefCell::new(state),
            cold: ColdReads::new(log.clone(), limits.cold_bytes_max),
            log,
            waiting: RefCell::default(),
            observer: RefCell::default(),
            room: Signal::new(),
            stopping: Cell::new(false),
            changed: RefCell::default(),
            pulls: RefCell::new(Pulls::new(limits.pulls_max, steady())),
            watches: PopWatches::default(),
            expressions: RefCell::default(),
            resets_made: Cell::new(0),
            indexes: IndexFiles::default(),
            timers: TimerCounters::default(),
            timer_nearer: Signal::new(),
            housekeeping: RefCell::default(),
        });
        *live.housekeeping.borrow_mut() = Rc::downgrade(&Housekeeping::start(&live, loaded));
        live.log.run(live.clone());
        let offsets = live.clone();
        let _detached = spawn(Lane::Background, async move {
            loop {
                sleep(OFFSETS_INTERVAL).await;
                offsets.log_offsets();
            }
        });
        super::reader::sweep(live.clone());
        super::timers::start(&live);
        live
    }

    pub fn observe(&self, observer: Rc<dyn Observer>) {
        *self.observer.borrow_mut() = Some(observer);
    }

    pub fn append(&self, now: Millis, message: &NewMessage<'_>) -> Result<Appended, AppendError> {
        let appended = self.state.borrow_mut().append(now, message)?;
        self.appended();
        Ok(appended)
    }

    /// A message and the control entry in front of it: see `Shard::append_after`.
    pub fn append_after(&self, now: Millis, control: &Control<'_>, message: &NewMessage<'_>) -> Result<Appended, AppendError> {
        let appended = self.state.borrow_mut().append_after(now, control, message)?;
        self.appended();
        Ok(appended)
    }

    /// A control entry alone; returns where the log must be durable for it.
    pub fn append_control(&self, control: &Control<'_>) -> Result<LogPosition, AppendError> {
        let end = self.state.borrow_mut().append_control(control)?;
        self.appended();
        Ok(end)
    }

    pub fn append_batch(&self, now: Millis, envelope: &NewMessage<'_>, offsets: &mut Vec<i64>) -> Result<Appended, AppendError> {
        let appended = self.state.borrow_mut().append_batch(now, envelope, offsets)?;
        self.appended();
        Ok(appended)
    }

    pub(super) fn appended(&self) {
        self.log.wake();
        if self.state.borrow_mut().timers.take_nearer() {
            self.timer_nearer.raise();
        }
        if self.log.options.flush == Flush::Async {
            self.advance();
        }
    }

    /// Returns when there may be room again for what was refused with `NoRoom`.
    pub async fn room(&self) {
        let _raised_or_not = timeout(ROOM_RETRY, self.room.wait()).await;
    }

    /// Logs a change of settings and makes it; returns when it is durable.
    pub async fn change(&self, change: Change) -> Result<(), AppendError> {
        let end = self.change_in_memory(change).await?;
        self.durable(end).await
    }

    /// The same for a change that is durable at its home already: it is so, and is taken as soon as the disk lets it.
    pub async fn change_told(&self, change: Change) -> Result<(), AppendError> {
        loop {
            match self.change_in_memory(change.clone()).await {
                Err(AppendError::DiskFull(_)) if !self.is_stopping() => self.room().await,
                made => return made.map(drop),
            }
        }
    }

    async fn change_in_memory(&self, change: Change) -> Result<LogPosition, AppendError> {
        let (end, removed) = self.when_there_is_room(|shard| shard.change(change.clone())).await?;
        self.log.wake();
        for queue in removed {
            self.pulls.borrow_mut().close(queue, |setter| setter.set(()));
        }
        self.watches.raise_all();
        Ok(end)
    }

    /// Does what needs room in the log, as soon as there is some. The writer is for the caller to wake.
    pub(super) async fn when_there_is_room<T>(
        &self,
        mut change: impl FnMut(&mut Shard) -> Result<T, AppendError>,
    ) -> Result<T, AppendError> {
        loop {
            let changed = change(&mut self.state.borrow_mut());
            match changed {
                Err(AppendError::NoRoom) => self.room().await,
                changed => return changed,
            }
        }
    }

    /// Whether everything before `end` is on disk; an error: it never will be.
    pub fn is_durable(&self, end: LogPosition) -> Result<bool, AppendError> {
        let state = self.state.borrow();
        let durable = state.log.durable() >= end;
        if !durable {
            state.can_log()?;
        }
        Ok(durable)
    }

    /// Returns when everything before `end` is on disk.
    pub async fn durable(&self, end: LogPosition) -> Result<(), AppendError> {
        if self.is_durable(end)? {
            return Ok(());
        }
        let waiter = {
            let (setter, waiter) = slot();
            let mut waiting = self.waiting.borrow_mut();
            let place = waiting.partition_point(|one| one.end <= end);
            waiting.insert(place, Waiting { end, setter });
            waiter
        };
        let stopped = || AppendError::Poisoned { reason: "the broker is stopping".into() };
        waiter.await.unwrap_or_else(|| Err(stopped()))
    }

    /// Waits until all that is appended by now is on disk. What is written beside the log may tell of any of it, so it gets
    /// its name only then; also where acknowledgements do not wait for the disk.
    pub(super) async fn durable_so_far(&self) -> Result<(), AppendError> {
        let appended = self.state.borrow().log.appended();
        self.durable(appended).await
    }

    /// Remembers how far a group has read; it is logged within a second.
    pub fn commit_offset(&self, commit: OffsetCommit<'_>) -> Result<Kept, crate::offsets::OffsetsFull> {
        self.state.borrow_mut().offsets.commit(commit)
    }

    fn log_offsets(&self) {
        let mut state = self.state.borrow_mut();
        if state.offsets.dirty_len() == 0 {
            return;
        }
        // Without room they wait for the next time.
        if state.log_offsets().is_ok() {
            drop(state);
            self.log.wake();
        }
    }

    /// How far a group has read, once that is durable; so a crash cannot take back what was told.
    pub async fn offset(&self, topic: &str, group: &str, queue_id: u32) -> Result<Option<i64>, AppendError> {
        loop {
            let committed = self.state.borrow().offsets.get(topic, group, queue_id);
            let Some(committed) = committed else { return Ok(None) };
            match committed.logged {
                Some(end) => {
                    self.durable(end).await?;
                    return Ok(Some(committed.offset.0));
                }
                None => match self.log_offsets_now() {
                    Ok(()) => {}
                    Err(AppendError::NoRoom) => self.room().await,
                    Err(error) => return Err(error),
                },
            }
        }
    }

    /// Logs what offsets there are, and waits until they are durable.
    pub async fn offsets_durable(&self) -> Result<(), AppendError> {
        loop {
            match self.log_offsets_now() {
                Ok(()) => {
                    let end = self.state.borrow().log.appended();
                    return self.durable(end).await;
                }
                Err(AppendError::NoRoom) => self.room().await,
                Err(error) => return Err(error),
            }
        }
    }

    fn log_offsets_now(&self) -> Result<(), AppendError> {
        let result = self.state.borrow_mut().log_offsets();
        self.log.wake();
        result.map(|_| ())
    }

    /// Tells everybody what may be seen and acknowledged now.
    fn advance(&self) {
        let mut changed = self.changed.take();
        let acknowledged = self.state.borrow_mut().advance(&mut changed);
        {
            let state = self.state.borrow();
            let mut pulls = self.pulls.borrow_mut();
            // What is no longer in memory is taken for wanted: the pull looks itself.
            let matches = |wanted: &RecordFilter, visible: Visible| {
                state.queues.places(visible).any(|(position, size)| match state.tail.get(position, size as usize) {
                    Some((buffer, range)) => wanted.wants_record(&buffer.as_slice()[range]),
                    None => true,
                })
            };
            for visible in changed.drain(..) {
                pulls.advanced(&state.queues, visible, matches, |setter| setter.set(()));
                self.watches.raise(visible.slot);
            }
        }
        self.changed.replace(changed);
        let durable = self.state.borrow().log.durable();
        while let Some(waiting) = self.take_waiting(durable) {
            waiting.setter.set(Ok(()));
        }
        let observer = self.observer.borrow().clone();
        if let Some(observer) = observer {
            observer.acknowledged(acknowledged);
        }
        self.room.raise();
    }

    fn take_waiting(&self, durable: LogPosition) -> Option<Waiting> {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.front()?.end > durable {
            return None;
        }
        waiting.pop_front()
    }

    /// Where messages may be acknowledged up to.
    pub fn acknowledged(&self) -> LogPosition {
        self.state.borrow().log.acknowledged()
    }

    /// Refuses messages, or takes them again: the disk's watermark.
    pub fn refuse(&self, full: Option<DiskFull>) {
        self.state.borrow_mut().refusing = full;
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    pub(super) fn room_raised(&self) {
        self.room.raise();
    }

    /// Deletes what has expired from now on.
    pub fn retain(&self, retention: impl Fn() -> Retention + 'static) {
        let housekeeping = self.housekeeping.borrow().upgrade();
        housekeeping.expect("started with the shard").retain(retention);
    }

    /// Segments that have expired are deleted at the next look, whatever the hour.
    pub fn expire_now(&self) {
        if let Some(housekeeping) = self.housekeeping.borrow().upgrade() {
            housekeeping.expire_now();
        }
    }

    /// Writes all there is and a mark; nothing may be appended any more.
    pub async fn stop(self: &Rc<Self>) {
        self.stopping.set(true);
        self.log_offsets();
        let housekeeping = self.housekeeping.borrow().upgrade();
        if let Some(housekeeping) = housekeeping
            && let Err(error) = housekeeping.snapshot().await
        {
            tracing::warn!(%error, "no snapshot at the stop; the next start replays more of the log");
        }
        let owner: Rc<dyn LogOwner> = self.clone();
        self.log.stop(&*owner).await;
    }
}

impl LiveShard {
    /// Whether the index file of the segment before this one must be made soon: producers wait for it at the end of this one.
    pub(super) fn hurries(&self) -> bool {
        let (next, options) = (self.state.borrow().log.next_block(), &self.log.options);
        self.stopping.get() || next.since(options.segment_of(next)) > options.segment_bytes / 2
    }
}

impl LogOwner for LiveShard {
    fn next_write(&self) -> Option<BlockWrite> {
        let write = self.state.borrow_mut().next_write();
        if write.is_some() {
            self.room.raise();
        }
        write
    }

    fn synced(&self, id: WriteId) {
        self.state.borrow_mut().log.synced(id);
        self.advance();
    }

    fn failed(&self, reason: String) {
        self.state.borrow_mut().log.poison(reason.clone());
        let error = AppendError::Poisoned { reason };
        while let Some(waiting) = { self.waiting.borrow_mut().pop_front() } {
            waiting.setter.set(Err(error.clone()));
        }
        let observer = self.observer.borrow().clone();
        if let Some(observer) = observer {
            observer.failed(&error);
        }
        self.room.raise();
    }

    fn segments_ready(&self, end: LogPosition) {
        self.state.borrow_mut().log.segments_ready(end);
        self.room.raise();
    }

    fn no_next_segment(&self, full: Option<DiskFull>) {
        self.state.borrow_mut().no_next_segment = full;
        self.room.raise();
    }

    fn mark_if_idle(&self) -> bool {
        let mut state = self.state.borrow_mut();
        state.log.is_idle() && state.log.mark()
    }

    fn next_block(&self) -> LogPosition {
        self.state.borrow().log.next_block()
    }

    fn free_from(&self) -> LogPosition {
        self.state.borrow().log.free_from()
    }

    fn fence(&self, fence: Option<LogPosition>) {
        self.state.borrow_mut().log.set_fence(fence);
        self.room.raise();
    }

    fn is_idle(&self) -> bool {
        let state = self.state.borrow();
        // What a failed log still has is written by nobody: a stop must not wait for it.
        state.log.is_idle() || state.log.poisoned().is_some()
    }
}
