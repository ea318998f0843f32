//! 33 VIEW_MESSAGE_BY_ID. The body of the answer is one record.

fields! {
    pub struct ViewMessage<'a> {
        /// Only 5.x clients send it.
        topic: Option<&'a str> = optional "topic",
        /// The physical offset that the message's id names.
        offset: i64 = required "offset",
    }
}
