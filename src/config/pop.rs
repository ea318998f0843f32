//! The settings of POP consumption.

use super::layers::Values;

#[derive(Clone, Debug)]
pub struct PopSettings {
    /// Groups pop a topic for which nothing else is said.
    pub is_default: bool,
    pub default_share_queue_nums: i32,
    pub divides_queues: bool,
    pub revive_queues: u32,
    /// Messages of a queue that a group may have in flight.
    pub in_flight_max: usize,
    pub retry_topic_v2: bool,
    pub retry_topic_v1_too: bool,
    pub retry_first_percent: u8,
    pub actual_retry_topic: bool,
    /// Pops that wait on one core, of one key and in all.
    pub waiting_key_max: usize,
    pub waiting_max: usize,
}

impl PopSettings {
    pub(super) fn from_values(v: &Values) -> PopSettings {
        let threshold = v.number::<i64>("popInflightMessageThreshold");
        let limited = v.flag("enablePopMessageThreshold");
        PopSettings {
            is_default: v.text("defaultMessageRequestMode") == "POP",
            default_share_queue_nums: v.number("defaultPopShareQueueNum"),
            divides_queues: v.flag("serverLoadBalancerEnable"),
            revive_queues: v.number("reviveQueueNum"),
            in_flight_max: if limited { usize::try_from(threshold).unwrap_or(usize::MAX) } else { usize::MAX },
            retry_topic_v2: v.flag("enableRetryTopicV2"),
            retry_topic_v1_too: v.flag("retrieveMessageFromPopRetryTopicV1"),
            retry_first_percent: v.number("popFromRetryProbability"),
            actual_retry_topic: v.flag("popResponseReturnActualRetryTopic"),
            waiting_key_max: v.number("popPollingSize"),
            waiting_max: v.number("maxPopPollingSize"),
        }
    }
}
