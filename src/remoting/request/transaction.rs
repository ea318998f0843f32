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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remoting::request::BadRequest;
    use crate::remoting::{Encoding, Header, RequestWriter, split};

    fn end(fields: &[(&str, &str)]) -> Result<(i64, i64, i32, bool), BadRequest> {
        let mut out = Vec::new();
        let writer = RequestWriter::new(&mut out, Encoding::Json, 1, 37);
        fields.iter().fold(writer, |writer, (name, value)| writer.field(name, value)).finish().unwrap();
        let (frame, _) = split(&out).unwrap().unwrap();
        let header = Header::parse(&frame).unwrap();
        EndTransaction::decode(&header)
            .map(|end| (end.tran_state_table_offset, end.commit_log_offset, end.commit_or_rollback, end.from_transaction_check))
    }

    #[test]
    fn an_end_names_its_group_its_place_and_what_becomes_of_it() {
        let all = [("producerGroup", "g"), ("tranStateTableOffset", "3"), ("commitLogOffset", "77"), ("commitOrRollback", "8")];
        assert_eq!(end(&all), Ok((3, 77, 8, false)));
        let answer = [&all[..], &[("fromTransactionCheck", "true"), ("msgId", "m"), ("bname", "broker-a")]].concat();
        assert_eq!(end(&answer), Ok((3, 77, 8, true)));
        for (missing, (field, _)) in all.iter().enumerate() {
            let others: Vec<_> = all.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, field)| *field).collect();
            assert_eq!(end(&others), Err(BadRequest::Missing { field }), "{field}");
        }
        let nonsense = [("commitOrRollback", "commit"), all[0], all[1], all[2]];
        assert!(end(&nonsense).is_err());
    }
}
