//! Delivers what has waited long enough.
//!
//! One task for each shard. It sleeps until the first message is due, or until one that is due sooner is appended; reads what
//! is due by batches, from the tail cache or the disk; and appends each to its queue, in one block with the entry that ends
//! its waiting. So a crash leaves it waiting or delivered, never both or neither.
//!
//! Invariants:
//! - Nothing goes before its time, nor before its waiting record is durable.
//! - What cannot be delivered now (no room, a full disk, a record that the disk does not give) waits on; what can never be (no
//!   such topic, a damaged record) is dropped, with a counter and a line in the log.
//! - A record that the disk does not give holds up none of another segment, and those of its own for a moment only: see
//!   `timer::Unreadable`.
//!
//! Before: `runtime::live` (append); after: `runtime::waiting_reads`, `timer` (decides), `shard` (appends).

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::live::LiveShard;
use super::waiting_reads::{Unread, read_batch};
use super::{Lane, now, should_yield, sleep, spawn, timeout, uptime, yield_now};
use crate::record::{NewMessage, Record};
use crate::shard::AppendError;
use crate::timer::{Pending, Unreadable, restore};
use crate::types::Millis;

/// So much is read and appended before it is looked again who is due.
const BATCH_MAX: usize = 512;
const BATCH_BYTES_MAX: usize = 1 << 20;
/// The wall clock may be set forward while one sleeps: nobody is later than this for it.
const SLEEP_MAX: Duration = Duration::from_millis(500);
/// A full disk is asked again after this.
const REST: Duration = Duration::from_millis(500);

/// Since the start.
#[derive(Debug, Default)]
pub struct TimerCounters {
    pub delivered: Cell<u64>,
    /// They could not be delivered, ever.
    pub dropped: Cell<u64>,
    pub taken_back: Cell<u64>,
    /// Appended again because their segment was to be deleted.
    pub moved: Cell<u64>,
}

pub(super) fn add_one(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}

pub(super) fn start(live: &Rc<LiveShard>) {
    let live = live.clone();
    let _detached = spawn(Lane::Network, async move { deliver(&live).await });
}

async fn deliver(live: &Rc<LiveShard>) {
    let mut batch = Vec::new();
    let mut properties = Vec::new();
    let mut unreadable = Unreadable::new(live.log.options.segment_bytes);
    while !live.is_stopping() {
        batch.clear();
        let (blocked, next, again) = {
            let (mut state, since_start) = (live.state.borrow_mut(), uptime());
            // Also where acknowledgements do not wait for the disk: what is read there must be there.
            let durable = state.log.durable();
            let rests = |position| unreadable.rests(position, since_start);
            let due = state.timers.due(now(), durable, rests, BATCH_MAX, BATCH_BYTES_MAX, &mut batch);
            (due.blocked, state.timers.wait_for_next(rests), unreadable.next(since_start))
        };
        if batch.is_empty() {
            match blocked {
                Some(end) => {
                    if live.durable(end).await.is_err() {
                        return;
                    }
                }
                None => wait(live, next, again).await,
            }
            continue;
        }
        if deliver_batch(live, &batch, &mut unreadable, &mut properties).await.is_err() {
            return;
        }
    }
}

/// `again`: when the disk is to be asked again for what it did not give, since the start.
async fn wait(live: &LiveShard, next: Option<Millis>, again: Option<Duration>) {
    let next = next.map(|at| Duration::from_millis(at.since(now()) as u64));
    let again = again.map(|at| at.saturating_sub(uptime()));
    match [next, again].into_iter().flatten().min() {
        None => live.timer_nearer.wait().await,
        Some(left) => {
            let left = left.clamp(Duration::from_millis(1), SLEEP_MAX);
            let _sooner_or_not = timeout(left, live.timer_nearer.wait()).await;
        }
    }
}

/// The log takes nothing more: only a restart goes on.
struct Ended;

async fn deliver_batch(
    live: &Rc<LiveShard>,
    batch: &[Pending],
    unreadable: &mut Unreadable,
    properties: &mut Vec<u8>,
) -> Result<(), Ended> {
    let read = read_batch(live, batch).await;
    for due in batch {
        if unreadable.rests(due.position, uptime()) {
            // Its segment has failed since the batch was made.
            continue;
        }
        match read.record(live, due).await {
            Ok(bytes) => {
                unreadable.was_read(due.position);
                deliver_one(live, due, &bytes, properties).await?;
            }
            Err(Unread::Damaged(why)) => {
                unreadable.was_read(due.position);
                drop_one(live, due, &why).await?;
            }
            Err(Unread::Disk(error)) => {
                if unreadable.failed(due.position, uptime()) {
                    let position = due.position.0;
                    tracing::error!(position, %error, "a delayed message cannot be read; it waits on and is tried again");
                }
            }
        }
        if should_yield() {
            yield_now().await;
        }
    }
    Ok(())
}

async fn deliver_one(live: &LiveShard, due: &Pending, bytes: &[u8], properties: &mut Vec<u8>) -> Result<(), Ended> {
    let owner_of = {
        let state = live.state.borrow();
        let (id, placement) = (state.id, state.placement);
        move |topic: &str, queue_id| placement.queue(topic, queue_id, id) == id
    };
    let record = Record::parse(bytes).expect("checked where it was read");
    loop {
        let now = now();
        let Some(to) = restore(&record, now, properties) else {
            return drop_one(live, due, "its record does not say to which topic and queue it goes").await;
        };
        if !owner_of(to.topic, to.queue_id) {
            let why = format!("queue {} of topic {} is not of this shard", to.queue_id, to.topic);
            return drop_one(live, due, &why).await;
        }
        let message = NewMessage { topic: to.topic, queue_id: to.queue_id, properties, ..record.as_new_message() };
        if live.is_stopping() || now < due.deliver_at {
            // The clock was set back: it waits on.
            return Ok(());
        }
        match live.release_timer(now, due, &message) {
            Ok(released) => {
                if released {
                    add_one(&live.timers.delivered);
                }
                return Ok(());
            }
            Err(AppendError::NoRoom) => live.room().await,
            Err(AppendError::DiskFull(_)) => sleep(REST).await,
            Err(AppendError::Poisoned { .. }) => return Err(Ended),
            Err(never @ (AppendError::NoTopic { .. } | AppendError::TooLarge { .. })) => {
                return drop_one(live, due, &never.to_string()).await;
            }
            Err(other @ (AppendError::BadBatch(_) | AppendError::TimersFull { .. } | AppendError::HalvesFull { .. })) => {
                panic!("{other} is said of what clients send")
            }
        }
    }
}

async fn drop_one(live: &LiveShard, due: &Pending, why: &str) -> Result<(), Ended> {
    loop {
        if live.is_stopping() {
            return Ok(());
        }
        let dropped = live.state.borrow_mut().drop_timer(due);
        match dropped {
            Ok(None) => return Ok(()),
            Ok(Some(_)) => {
                live.log.wake();
                add_one(&live.timers.dropped);
                tracing::warn!(position = due.position.0, "a delayed message is dropped: {why}");
                return Ok(());
            }
            Err(AppendError::NoRoom) => live.room().await,
            Err(AppendError::Poisoned { .. }) => return Err(Ended),
            Err(_) => sleep(REST).await,
        }
    }
}

impl LiveShard {
    /// A message whose time has come; false: it does not wait any more.
    fn release_timer(&self, now: Millis, due: &Pending, message: &NewMessage<'_>) -> Result<bool, AppendError> {
        let released = self.state.borrow_mut().release_timer(now, due, message)?;
        if released.is_some() {
            self.appended();
        }
        Ok(released.is_some())
    }
}
