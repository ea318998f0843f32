//! 37 END_TRANSACTION, 39 CHECK_TRANSACTION_STATE, 323 RESUME_CHECK_HALF_MESSAGE. None has a body but 39: the half
//! message as a record, with its real topic and queue.

fields! {
    /// 37, nearly always one-way: a producer says what becomes of its half message.
    pub struct EndTransaction<'a> {
        producer_group: &'a str = required "producerGroup",
        /// The half message's offset in the queue of half messages.
        tran_state_table_offset: i64 = required "tranStateTableOffset",
        /// Its physical offset.
        commit_log_offset: i64 = required "commitLogOffset",
        /// One of the transaction values of a message's sys flag.
        commit_or_rollback: i32 = required "commitOrRollback",
        /// It answers a 39.
        from_transaction_check: bool = default(false) "fromTransactionCheck",
        msg_id: Option<&'a str> = optional "msgId",
        transaction_id: Option<&'a str> = optional "transactionId",
    }
}

fields! {
    /// 39, one-way, to one producer of the group: what has become of this transaction?
    pub struct CheckTransactionState<'a> {
        topic: &'a str = required "topic",
        tran_state_table_offset: i64 = required "tranStateTableOffset",
        commit_log_offset: i64 = required "commitLogOffset",
        msg_id: Option<&'a str> = optional "msgId",
        transaction_id: Option<&'a str> = optional "transactionId",
        offset_msg_id: Option<&'a str> = optional "offsetMsgId",
        broker_name: Option<&'a str> = optional "bname",
    }
}

fields! {
    /// 323: a half message that was given up is to be checked again.
    pub struct ResumeCheckHalfMessage<'a> {
        topic: Option<&'a str> = optional "topic",
        /// Of the message in TRANS_CHECK_MAX_TIME_TOPIC.
        msg_id: &'a str = required "msgId",
    }
}
