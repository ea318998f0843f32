//! Before a segment is deleted, what still waits in it is appended again at the log's end.
//!
//! Whatever keeps records of the log waiting (timers, half messages) is one `Waiting`; the mechanism is the same for all:
//! find them by slices, read each, append it again in one block with the entry that ends its old place.
//!
//! Invariant: a segment is given to deletion only when a whole look over what waits has found nothing in it. Nothing new can
//! come to wait in a segment that is not the last.
//!
//! Before: `runtime::housekeeping`; after: `timer`, `transaction`.

use std::ops::Range;

use super::live::LiveShard;
use super::waiting_reads::{self, Unread};
use super::{now, should_yield, timers, yield_now};
use crate::record::{NewMessage, Record};
use crate::shard::{AppendError, Shard};
use crate::timer;
use crate::transaction::with_check_times;
use crate::types::LogPosition;

/// So many that wait are looked at before others get their turn.
const LOOKS_MAX: usize = 50_000;
/// So many are moved before they are looked for again.
const FOUND_MAX: usize = 65_536;

/// A kind of records that wait in the log.
trait Waiting {
    type Pending;

    /// Appends to `found` some that lie in `range`; `at`: where to look, `i64::MIN` at first. Returns where to go on.
    fn find(shard: &Shard, range: &Range<LogPosition>, at: i64, found: &mut Vec<Self::Pending>) -> Option<i64>;

    fn position(pending: &Self::Pending) -> LogPosition;

    /// How long its record is, where that is known without reading it.
    fn known_bytes(pending: &Self::Pending) -> u64;

    /// What is damaged is given up.
    async fn read(live: &LiveShard, pending: &Self::Pending) -> Result<Vec<u8>, Unread>;

    /// Appends the record again. Nothing, if it waits no more.
    fn append_again(shard: &mut Shard, pending: &Self::Pending, record: &Record<'_>) -> Result<(), AppendError>;

    fn give_up(shard: &mut Shard, pending: &Self::Pending) -> Result<(), AppendError>;

    fn count(live: &LiveShard, became: Became);
}

/// What was done with one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Became {
    Moved,
    GivenUp,
}

struct Timers;

impl Waiting for Timers {
    type Pending = timer::Pending;

    fn find(shard: &Shard, range: &Range<LogPosition>, at: i64, found: &mut Vec<timer::Pending>) -> Option<i64> {
        shard.timers.between(range.start, range.end, at, LOOKS_MAX, found)
    }

    fn position(pending: &timer::Pending) -> LogPosition {
        pending.position
    }

    fn known_bytes(pending: &timer::Pending) -> u64 {
        u64::from(pending.size)
    }

    async fn read(live: &LiveShard, pending: &timer::Pending) -> Result<Vec<u8>, Unread> {
        waiting_reads::read_waiting(live, pending).await
    }

    fn append_again(shard: &mut Shard, pending: &timer::Pending, record: &Record<'_>) -> Result<(), AppendError> {
        shard.move_timer(now(), pending, record)
    }

    fn give_up(shard: &mut Shard, pending: &timer::Pending) -> Result<(), AppendError> {
        shard.drop_timer(pending).map(|_| ())
    }

    fn count(live: &LiveShard, became: Became) {
        timers::add_one(match became {
            Became::Moved => &live.timers.moved,
            Became::GivenUp => &live.timers.dropped,
        });
    }
}

/// Half messages. Their producers learn the new place with the next check, as they do of RocketMQ with every check.
struct Halves;

impl Waiting for Halves {
    type Pending = LogPosition;

    fn find(shard: &Shard, range: &Range<LogPosition>, at: i64, found: &mut Vec<LogPosition>) -> Option<i64> {
        let from = u64::try_from(at).map_or(range.start, |at| range.start.max(LogPosition(at)));
        shard.halves.between(from, range.end, LOOKS_MAX, found).map(|position| position.0 as i64)
    }

    fn position(pending: &LogPosition) -> LogPosition {
        *pending
    }

    fn known_bytes(_: &LogPosition) -> u64 {
        0
    }

    async fn read(live: &LiveShard, pending: &LogPosition) -> Result<Vec<u8>, Unread> {
        let record = live.record(*pending).await.map_err(Unread::Disk)?;
        record.ok_or_else(|| Unread::Damaged(format!("what lies at position {pending} is no record any more")))
    }

    fn append_again(shard: &mut Shard, pending: &LogPosition, record: &Record<'_>) -> Result<(), AppendError> {
        let checks = shard.halves.get(*pending).map_or(0, |half| half.checks);
        let properties = with_check_times(record.properties(), checks);
        let again = NewMessage { properties: &properties, ..record.as_new_message() };
        shard.move_half(now(), *pending, &again).map(|_| ())
    }

    fn give_up(shard: &mut Shard, pending: &LogPosition) -> Result<(), AppendError> {
        shard.end_half(*pending).map(|_| ())
    }

    fn count(_: &LiveShard, _: Became) {}
}

/// What became of a segment's waiting records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    /// None is left there.
    All,
    /// They could not be moved now; the segment must stay.
    NotNow,
}

/// How many bytes of a segment's records still wait, as far as that is known without reading them.
pub(super) async fn waiting_bytes(live: &LiveShard, range: &Range<LogPosition>) -> u64 {
    bytes_of::<Timers>(live, range).await + bytes_of::<Halves>(live, range).await
}

async fn bytes_of<K: Waiting>(live: &LiveShard, range: &Range<LogPosition>) -> u64 {
    let mut bytes = 0;
    let mut at = Some(i64::MIN);
    while let Some(from) = at {
        let mut found = Vec::new();
        at = K::find(&live.state.borrow(), range, from, &mut found);
        bytes += found.iter().map(K::known_bytes).sum::<u64>();
        yield_now().await;
    }
    bytes
}

/// Moves all that waits between two positions to the log's end.
pub(super) async fn move_all(live: &LiveShard, range: Range<LogPosition>) -> std::io::Result<Moved> {
    match move_kind::<Timers>(live, &range).await? {
        Moved::All => move_kind::<Halves>(live, &range).await,
        Moved::NotNow => Ok(Moved::NotNow),
    }
}

async fn move_kind<K: Waiting>(live: &LiveShard, range: &Range<LogPosition>) -> std::io::Result<Moved> {
    let mut moved = 0u64;
    loop {
        let found = find::<K>(live, range).await;
        if found.is_empty() {
            break;
        }
        moved += found.len() as u64;
        for pending in found {
            if move_one::<K>(live, &pending).await? == Moved::NotNow {
                return Ok(Moved::NotNow);
            }
            if should_yield() {
                yield_now().await;
            }
        }
    }
    if moved > 0 {
        tracing::info!(moved, segment = range.start.0, "messages that still wait in an old segment were appended again");
    }
    Ok(Moved::All)
}

async fn find<K: Waiting>(live: &LiveShard, range: &Range<LogPosition>) -> Vec<K::Pending> {
    let mut found = Vec::new();
    let mut at = Some(i64::MIN);
    while let Some(from) = at.filter(|_| found.len() < FOUND_MAX) {
        at = K::find(&live.state.borrow(), range, from, &mut found);
        yield_now().await;
    }
    // Reads of neighbours are cheaper, and it is the order in which they were appended.
    found.sort_unstable_by_key(K::position);
    found
}

async fn move_one<K: Waiting>(live: &LiveShard, pending: &K::Pending) -> std::io::Result<Moved> {
    let bytes = match K::read(live, pending).await {
        Ok(bytes) => Ok(bytes),
        Err(Unread::Damaged(why)) => Err(why),
        Err(Unread::Disk(error)) => return Err(std::io::Error::other(error)),
    };
    let record = bytes.as_deref().map(|bytes| Record::parse(bytes).expect("checked where it was read"));
    loop {
        if live.is_stopping() {
            return Ok(Moved::NotNow);
        }
        let appended = match &record {
            Ok(record) => K::append_again(&mut live.state.borrow_mut(), pending, record),
            Err(_) => K::give_up(&mut live.state.borrow_mut(), pending),
        };
        match appended {
            Ok(()) => {
                if let Err(why) = &record {
                    // Only a damaged disk leads here; the message cannot be saved, and need not keep the disk full.
                    tracing::error!("a message that waits goes with its segment: {why}; check the disk");
                }
                K::count(live, if record.is_ok() { Became::Moved } else { Became::GivenUp });
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
