//! What administrators ask of one client, through the broker: 307 GET_CONSUMER_RUNNING_INFO, 309 CONSUME_MESSAGE_DIRECTLY.
//! The client gets the administrator's fields as they are.

fields! {
    /// 307
    pub struct GetConsumerRunningInfo<'a> {
        consumer_group: &'a str = required "consumerGroup",
        client_id: &'a str = required "clientId",
        jstack_enable: bool = default(false) "jstackEnable",
    }
}

fields! {
    /// 309. The client gets the message as the body.
    pub struct ConsumeMessageDirectly<'a> {
        consumer_group: &'a str = required "consumerGroup",
        client_id: Option<&'a str> = optional "clientId",
        /// An offset message id.
        msg_id: Option<&'a str> = optional "msgId",
        broker_name: Option<&'a str> = optional "brokerName",
        topic: Option<&'a str> = optional "topic",
        topic_sys_flag: Option<i32> = optional "topicSysFlag",
        group_sys_flag: Option<i32> = optional "groupSysFlag",
    }
}
