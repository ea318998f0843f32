//! The mapping of a static topic's logical queues to one broker's own, as Java brokers register it. Passed through: this
//! name server only keeps it and shows it to clients.
//!
//! Before: `body`; after: `routes`, `bodies`.

use std::collections::BTreeMap;

/// `TopicQueueMappingInfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueMapping {
    pub topic: String,
    pub scope: String,
    pub total_queues: i32,
    /// `bname`: who hosts the queues.
    pub broker: String,
    pub epoch: i64,
    pub dirty: bool,
    /// Logical queue id → queue id on that broker.
    pub current_ids: BTreeMap<i32, i32>,
}
