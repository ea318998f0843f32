//! POP by properties at work: reads ahead what a pop of one queue may get, and says of each record whether it is wanted.
//!
//! What is read is kept until the pop has taken, so that nothing is read twice.
//!
//! Before: `runtime::pop`; after: `pop::select` (decides), `runtime::reader` (reads).

use std::collections::BTreeMap;

use super::live::LiveShard;
use super::pop::{PopFailed, Popped};
use super::selection::Selection;
use super::{now, yield_now};
use crate::filter::RecordFilter;
use crate::pop::{LookBudget, PopAhead, PopError, PopRequest, Selected};
use crate::queue::{PlannedRead, QueueSlot};
use crate::record::Record;
use crate::shard::AppendError;
use crate::types::LogPosition;

/// Records that are wanted, by where they lie.
type Wanted = BTreeMap<LogPosition, Vec<u8>>;

impl LiveShard {
    /// One queue's share of a pop, and where the log ends that tells of it.
    pub(super) async fn take_selected(
        &self,
        request: &PopRequest<'_>,
        filter: &RecordFilter,
        budget: &mut LookBudget,
    ) -> Result<(Popped, Option<LogPosition>), PopFailed> {
        let mut ahead = PopAhead::new(*budget);
        let mut wanted = Wanted::new();
        loop {
            let selected = self.popping(|state| state.pop_selected(now(), request, &mut ahead));
            match selected {
                Ok(Selected::Done { taken, is_cut }) => {
                    *budget = ahead.budget;
                    let offsets = taken.reads.iter().map(|read| read.queue_offset).collect();
                    let mut body = Vec::new();
                    for read in &taken.reads {
                        body.extend_from_slice(wanted.get(&read.position).expect("what is taken was wanted"));
                    }
                    let (start, counts, rest) = (taken.start, taken.counts, taken.rest);
                    let popped = Popped { queue_id: request.queue_id, start, offsets, counts, rest, is_cut, body };
                    return Ok((popped, taken.end));
                }
                Ok(Selected::Look { slot, reads }) => {
                    self.look_ahead(slot, &reads, filter, &mut wanted).await?;
                    ahead.looked(request, &reads, |read| wanted.contains_key(&read.position));
                }
                Ok(Selected::More) => yield_now().await,
                Ok(Selected::Need(read)) => self.load_index(read).await?,
                Err(PopError::Append(AppendError::NoRoom)) => self.room().await,
                Err(error) => return Err(PopFailed::Pop(error)),
            }
        }
    }

    async fn look_ahead(
        &self,
        slot: QueueSlot,
        reads: &[PlannedRead],
        filter: &RecordFilter,
        wanted: &mut Wanted,
    ) -> Result<(), PopFailed> {
        let mut selection = Selection::of_wanted(filter);
        self.read_all(slot, reads, &mut selection).await?;
        let mut rest = &selection.body[..];
        for read in reads {
            let Ok(record) = Record::parse(rest) else { break };
            if record.queue_offset() == read.queue_offset {
                wanted.insert(read.position, record.bytes().to_vec());
                rest = &rest[record.bytes().len()..];
            }
        }
        Ok(())
    }
}
