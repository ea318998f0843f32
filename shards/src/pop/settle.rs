//! Acks and longer invisible times: what a shard does with a consumer's word about what it holds.
//!
//! What the shard knows nothing of is no error: the message was acked before, or its time is over. But whoever says so again is
//! told only when what was said before is durable.

use super::event::{Handed, PopEvent, PopStep, Settled};
use crate::entry::Control;
use crate::shard::{AppendError, Shard};
use crate::types::{LogPosition, Millis, QueueOffset};

/// What became of acks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckOutcome {
    /// To be told when the log is durable up to here. `freed`: a queue that was held in order, or a full one, may be popped again.
    Done { end: LogPosition, freed: bool },
    /// The batch that is held in order does not have this message.
    NotInBatch { offset: QueueOffset },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extended {
    pub end: LogPosition,
    /// Whether the message was still held by this pop.
    pub is_held: bool,
}

impl Shard {
    /// Messages of one queue that a group has consumed.
    pub fn pop_ack(&mut self, topic: &str, group: &str, queue_id: u32, messages: &[Handed]) -> Result<AckOutcome, AppendError> {
        self.settle(topic, group, queue_id, messages, Settled::Acked)
    }

    /// Messages that are in the retry topic now, durably, or in no log any more.
    pub fn pop_revived(
        &mut self,
        topic: &str,
        group: &str,
        queue_id: u32,
        messages: &[Handed],
    ) -> Result<AckOutcome, AppendError> {
        self.settle(topic, group, queue_id, messages, Settled::Revived)
    }

    fn settle(
        &mut self,
        topic: &str,
        group: &str,
        queue_id: u32,
        messages: &[Handed],
        how: Settled,
    ) -> Result<AckOutcome, AppendError> {
        let known = self.log.appended();
        let Some(queue) = self.pops.get(topic, group, queue_id) else { return Ok(AckOutcome::Done { end: known, freed: false }) };
        let mut held = Vec::with_capacity(messages.len());
        for message in messages {
            let is_in_flight = queue.flights.get(*message).is_some();
            let batch = queue.orderly.as_ref().filter(|batch| batch.pop_time == message.pop_time);
            let ordered = batch.and_then(|batch| batch.find(message.offset));
            if is_in_flight || ordered.is_some_and(|ordered| !ordered.is_acked) {
                held.push(*message);
            } else if batch.is_some_and(|batch| ordered.is_none() && Some(message.offset) >= batch.first()) {
                return Ok(AckOutcome::NotInBatch { offset: message.offset });
            }
        }
        if held.is_empty() {
            return Ok(AckOutcome::Done { end: known, freed: false });
        }
        let was_orderly = queue.orderly.is_some();
        let event = PopEvent { topic, group, queue_id, step: PopStep::Settled { how, messages: held } };
        let end = self.pop_event(event)?;
        let freed = was_orderly && self.pops.orderly(topic, group, queue_id).is_none();
        Ok(AckOutcome::Done { end, freed })
    }

    /// A consumer wants to hold a message until `visible_at`; it holds it by `pop_time` from then on.
    pub fn pop_extend(
        &mut self,
        topic: &str,
        group: &str,
        queue_id: u32,
        message: Handed,
        pop_time: Millis,
        visible_at: Millis,
    ) -> Result<Extended, AppendError> {
        let queue = self.pops.get(topic, group, queue_id);
        let in_flight = queue.is_some_and(|queue| queue.flights.get(message).is_some());
        let ordered = queue.and_then(|queue| queue.orderly.as_ref()).filter(|batch| batch.pop_time == message.pop_time);
        let ordered = ordered.and_then(|batch| batch.find(message.offset)).is_some_and(|ordered| !ordered.is_acked);
        if !in_flight && !ordered {
            return Ok(Extended { end: self.log.appended(), is_held: false });
        }
        let event = PopEvent { topic, group, queue_id, step: PopStep::Extended { message, pop_time, visible_at } };
        Ok(Extended { end: self.pop_event(event)?, is_held: true })
    }

    /// Logs a step and makes it.
    pub(super) fn pop_event(&mut self, event: PopEvent<'_>) -> Result<LogPosition, AppendError> {
        let control = Control::Pop(event);
        let end = self.append_control(&control)?;
        let Control::Pop(event) = &control else { unreachable!("made above") };
        self.pops.apply(event, &mut self.offsets);
        Ok(end)
    }
}
