//! 12 QUERY_MESSAGE. The body of the answer is records back to back.

fields! {
    pub struct QueryMessage<'a> {
        topic: &'a str = required "topic",
        key: &'a str = required "key",
        max_num: i32 = required "maxNum",
        /// Store times, both included.
        begin: i64 = required "beginTimestamp",
        end: i64 = required "endTimestamp",
        /// The key is a message's own, not one of its KEYS. Java puts this beside the header's fields.
        unique: bool = default(false) "_UNIQUE_KEY_QUERY",
    }
}
