//! The mapping of a static topic's logical queues to one broker's own, as Java brokers register it. Passed through: this
//! name server only keeps it and shows it to clients.
//!
//! Before: `body`; after: `routes`, `bodies`.

use std::collections::BTreeMap;

use crate::remoting::json::Object;

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

impl QueueMapping {
    /// None without a topic and a broker.
    pub fn from_json(value: Object<'_>) -> Option<QueueMapping> {
        let ids = value.object("currIdMap").into_iter().flat_map(|ids| ids.members());
        let id = |text: &str| text.parse::<i32>().ok();
        Some(QueueMapping {
            topic: value.text("topic")?,
            scope: value.text("scope").unwrap_or_else(|| "__global__".to_string()),
            total_queues: value.int("totalQueues").unwrap_or(0),
            broker: value.text("bname")?,
            epoch: value.long("epoch").unwrap_or(0),
            dirty: value.flag("dirty").unwrap_or(false),
            current_ids: ids.filter_map(|(logical, own)| Some((id(logical)?, i32::try_from(own.as_i64()?).ok()?))).collect(),
        })
    }
}
