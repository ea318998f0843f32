//! 36 CONSUMER_SEND_MSG_BACK: a consumer could not handle a message and wants it again later. No bodies.

fields! {
    pub struct SendMessageBack<'a> {
        /// The physical offset of the message's record.
        offset: i64 = required "offset",
        group: &'a str = required "group",
        /// 0: the broker decides by how often it was tried; below 0: nobody wants it again.
        delay_level: i32 = required "delayLevel",
        origin_msg_id: Option<&'a str> = optional "originMsgId",
        origin_topic: Option<&'a str> = optional "originTopic",
        unit_mode: bool = default(false) "unitMode",
        max_reconsume_times: Option<i32> = optional "maxReconsumeTimes",
    }
}
