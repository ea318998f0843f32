//! Half messages as they are sent: TRAN_MSG=true turns a send into one.
//!
//! It is stored in the half topic, in the part of the shard that owns its real queue, so that its commit is one block with
//! the message that follows from it. Nothing of this touches a send without TRAN_MSG.
//!
//! Before: `broker::send`; after: `shards::transaction`, then `broker::transaction` for its end.

use ringmq_shards::transaction::HALF_TOPIC;

use super::core::Core;
use super::properties::Sent;
use super::response::Refusal;
use crate::remoting::code::ResponseCode;
use crate::remoting::message::properties::{self, name};

/// RocketMQ's own name for a transaction's id in a stored message.
const TRANSACTION_ID: &str = "__transactionId__";

/// What of a transactional message cannot be kept, or is not wanted here.
pub fn check(core: &Core, sent: &Sent<'_>) -> Result<(), Refusal> {
    if core.settings.borrow().reject_transactions {
        let remark = format!("the broker[{}] sending transaction message is forbidden", core.identity.address.ip());
        return Err(Refusal::new(ResponseCode::NoPermission, remark));
    }
    // The original loses such a message without a word when its delay is over.
    if sent.is_delayed() {
        let why = "a transactional message cannot be delayed; leave out TRAN_MSG, or DELAY and TIMER_*";
        return Err(Refusal::new(ResponseCode::MessageIllegal, why.to_owned()));
    }
    Ok(())
}

/// Turns the properties of a message into those of its half message. Returns the queue of the half topic.
pub fn divert(core: &Core, topic: &str, queue_id: u32, unique_key: &str, composed: &mut Vec<u8>) -> u32 {
    if !unique_key.is_empty() {
        properties::put(composed, TRANSACTION_ID, unique_key);
    }
    properties::put(composed, name::REAL_TOPIC, topic);
    properties::put(composed, name::REAL_QID, queue_id);
    core.placement.part(HALF_TOPIC, 0, core.placement.queue(topic, queue_id, core.id))
}
