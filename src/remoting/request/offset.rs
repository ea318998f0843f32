//! 14 QUERY_CONSUMER_OFFSET, 15 UPDATE_CONSUMER_OFFSET, 29 SEARCH_OFFSET_BY_TIMESTAMP, 30 GET_MAX_OFFSET,
//! 31 GET_MIN_OFFSET, 32 GET_EARLIEST_MSG_STORETIME.

fields! {
    /// 14
    pub struct QueryConsumerOffset<'a> {
        consumer_group: &'a str = required "consumerGroup",
        topic: &'a str = required "topic",
        queue_id: i32 = required "queueId",
        set_zero_if_not_found: bool = default(true) "setZeroIfNotFound",
    }
}

fields! {
    /// 15, mostly one-way. The broker has a sentence for each of these that is missing.
    pub struct UpdateConsumerOffset<'a> {
        consumer_group: &'a str = default("") "consumerGroup",
        topic: &'a str = default("") "topic",
        queue_id: Option<i32> = optional "queueId",
        commit_offset: Option<i64> = optional "commitOffset",
    }
}

fields! {
    /// 29
    pub struct SearchOffset<'a> {
        topic: &'a str = required "topic",
        queue_id: i32 = required "queueId",
        timestamp: i64 = required "timestamp",
        boundary_type: Option<&'a str> = optional "boundaryType",
    }
}

/// Which of the messages around a time is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary {
    /// The first one at or after it.
    Lower,
    /// The last one at or before it.
    Upper,
}

impl SearchOffset<'_> {
    pub fn boundary(&self) -> Boundary {
        match self.boundary_type {
            Some(name) if name.eq_ignore_ascii_case("upper") => Boundary::Upper,
            _ => Boundary::Lower,
        }
    }
}

fields! {
    /// 30
    pub struct GetMaxOffset<'a> {
        topic: &'a str = required "topic",
        queue_id: i32 = required "queueId",
        committed: bool = default(true) "committed",
    }
}

fields! {
    /// 31, 32
    pub struct GetMinOffset<'a> {
        topic: &'a str = required "topic",
        queue_id: i32 = required "queueId",
    }
}

fields! {
    /// Answers 14, 29, 30, 31.
    pub struct OffsetResponse {
        offset: i64 = required "offset",
    }
}

fields! {
    /// Answers 32.
    pub struct TimestampResponse {
        timestamp: i64 = required "timestamp",
    }
}
