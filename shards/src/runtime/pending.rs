//! Before a segment is deleted, what still waits in it is appended again at the log's end.
//!
//! Whatever keeps records of the log waiting (timers, half messages) is one `Waiting`; the mechanism is the same for all:
//! find them by slices, read each, append it again in one block with the entry that ends its old place.
//!
//! Invariant: a segment is given to deletion only when a whole look over what waits has found nothing in it. Nothing new can
//! come to wait in a segment that is not the last.
//!
//! Before: `runtime::housekeeping`; after: `timer`.

use std::ops::Range;

use super::live::LiveShard;
use super::{should_yield, timers, yield_now};
use crate::record::Record;
use crate::shard::{AppendError, Shard};
use crate::timer::Pending;
use crate::types::{LogPosition, Millis};

/// So many that wait are looked at before others get their turn.
const LOOKS_MAX: usize = 50_000;
/// So many are moved before they are looked for again.
const FOUND_MAX: usize = 65_536;

/// A kind of records that wait in the log.
trait Waiting {
    /// Appends to `found` some that lie in `range`; `at`: where to look, `i64::MIN` at first. Returns where to go on.
    fn find(&self, shard: &Shard, range: &Range<LogPosition>, at: i64, found: &mut Vec<Pending>) -> Option<i64>;

    /// Appends the record again. Nothing, if it waits no more.
    fn append_again(&self, shard: &mut Shard, now: Millis, pending: &Pending, record: &Record<'_>) -> Result<(), AppendError>;
}

/// All kinds there are.
const KINDS: [&dyn Waiting; 1] = [&Timers];

struct Timers;

impl Waiting for Timers {
    fn find(&self, shard: &Shard, range: &Range<LogPosition>, at: i64, found: &mut Vec<Pending>) -> Option<i64> {
        shard.timers.between(range.start, range.end, at, LOOKS_MAX, found)
    }

    fn append_again(&self, shard: &mut Shard, now: Millis, pending: &Pending, record: &Record<'_>) -> Result<(), AppendError> {
        shard.move_timer(now, pending, record)
    }
}

/// What became of a segment's waiting records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    /// None is left there.
    All,
    /// They could not be moved now; the segment must stay.
    NotNow,
}

/// How many bytes of a segment's records still wait.
pub(super) async fn waiting_bytes(live: &LiveShard, range: &Range<LogPosition>) -> u64 {
    let mut bytes = 0;
    for kind in KINDS {
        let mut at = Some(i64::MIN);
        while let Some(from) = at {
            let mut found = Vec::new();
            at = kind.find(&live.state.borrow(), range, from, &mut found);
            bytes += found.iter().map(|pending| u64::from(pending.size)).sum::<u64>();
            yield_now().await;
        }
    }
    bytes
}

/// Moves all that waits between two positions to the log's end.
pub(super) async fn move_all(live: &LiveShard, range: Range<LogPosition>) -> std::io::Result<Moved> {
    let mut moved = 0u64;
    for kind in KINDS {
        loop {
            let found = find(live, kind, &range).await;
            if found.is_empty() {
                break;
            }
            moved += found.len() as u64;
            for pending in found {
                if move_one(live, kind, &pending).await? == Moved::NotNow {
                    return Ok(Moved::NotNow);
                }
                if should_yield() {
                    yield_now().await;
                }
            }
        }
    }
    if moved > 0 {
        tracing::info!(moved, segment = range.start.0, "messages that still wait in an old segment were appended again");
    }
    Ok(Moved::All)
}

async fn find(live: &LiveShard, kind: &dyn Waiting, range: &Range<LogPosition>) -> Vec<Pending> {
    let mut found = Vec::new();
    let mut at = Some(i64::MIN);
    while let Some(from) = at.filter(|_| found.len() < FOUND_MAX) {
        at = kind.find(&live.state.borrow(), range, from, &mut found);
        yield_now().await;
    }
    // Reads of neighbours are cheaper, and it is the order in which they were appended.
    found.sort_unstable_by_key(|pending| pending.position);
    found
}

async fn move_one(live: &LiveShard, kind: &dyn Waiting, pending: &Pending) -> std::io::Result<Moved> {
    let bytes = timers::read_waiting(live, pending).await.map_err(std::io::Error::other)?;
    let record = Record::parse(&bytes).map_err(std::io::Error::other)?;
    loop {
        if live.is_stopping() {
            return Ok(Moved::NotNow);
        }
        let appended = kind.append_again(&mut live.state.borrow_mut(), super::now(), pending, &record);
        match appended {
            Ok(()) => {
                timers::add_one(&live.timers.moved);
                live.appended();
                return Ok(Moved::All);
            }
            Err(AppendError::NoRoom) => live.room().await,
            Err(error) => {
                tracing::warn!(%error, "messages that still wait in an old segment cannot be appended again yet; it is kept");
                return Ok(Moved::NotNow);
            }
        }
    }
}
