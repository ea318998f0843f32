//! 400 QUERY_ASSIGNMENT, 401 SET_MESSAGE_REQUEST_MODE, 402 GET_ALL_MESSAGE_REQUEST_MODE: bodies only.

use super::BadRequest;
use super::queue::{self, MessageQueue};
use crate::remoting::json::{Dialect, Object, Writer};

/// `QueryAssignmentRequestBody`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryAssignment {
    pub topic: String,
    pub group: String,
    pub client_id: String,
    pub strategy: String,
    pub is_broadcasting: bool,
}

impl QueryAssignment {
    pub fn decode(body: &[u8]) -> Result<QueryAssignment, BadRequest> {
        const WHAT: &str = "a query for queues";
        let value = queue::parse(body, WHAT)?;
        let object = Object::of(&value).ok_or(BadRequest::Body { what: WHAT, why: "it is not an object" })?;
        let text = |name, why| object.text(name).ok_or(BadRequest::Body { what: WHAT, why });
        Ok(QueryAssignment {
            topic: text("topic", "it has no topic")?,
            group: text("consumerGroup", "it has no consumerGroup")?,
            client_id: text("clientId", "it has no clientId")?,
            strategy: object.text("strategyName").unwrap_or_default(),
            is_broadcasting: object.text("messageModel").as_deref() == Some("BROADCASTING"),
        })
    }
}

/// The body that answers 400; `None` when there is nobody to divide queues among.
pub fn write_assignments(queues: Option<&[MessageQueue]>, mode: &str, body: &mut Vec<u8>) {
    Writer::new(body, Dialect::Fastjson).object(|json| {
        let Some(queues) = queues else { return };
        json.key("messageQueueAssignments").array(|json| {
            for queue in queues {
                json.object(|json| {
                    json.key("messageQueue");
                    queue.write(json);
                    json.key("mode").string(mode);
                });
            }
        });
    });
}

/// `SetMessageRequestModeRequestBody`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetMessageRequestMode {
    pub topic: String,
    pub group: String,
    pub mode: String,
    pub pop_share_queue_num: i32,
}

impl SetMessageRequestMode {
    pub fn decode(body: &[u8]) -> Result<SetMessageRequestMode, BadRequest> {
        const WHAT: &str = "a message request mode";
        let value = queue::parse(body, WHAT)?;
        let object = Object::of(&value).ok_or(BadRequest::Body { what: WHAT, why: "it is not an object" })?;
        Ok(SetMessageRequestMode {
            topic: object.text("topic").unwrap_or_default(),
            group: object.text("consumerGroup").unwrap_or_default(),
            mode: object.text("mode").unwrap_or_else(|| "PULL".to_owned()),
            pop_share_queue_num: object.int("popShareQueueNum").unwrap_or_default(),
        })
    }

    fn write(&self, json: &mut Writer<'_>) {
        json.object(|json| {
            json.key("consumerGroup").string(&self.group);
            json.key("mode").string(&self.mode);
            json.key("popShareQueueNum").number(self.pop_share_queue_num);
            json.key("topic").string(&self.topic);
        });
    }
}

/// The body that answers 402. `modes` come in the order of their topics.
pub fn write_modes(modes: &[SetMessageRequestMode], body: &mut Vec<u8>) {
    Writer::new(body, Dialect::Fastjson).object(|json| {
        json.key("messageRequestModeMap").object(|json| {
            for of_topic in modes.chunk_by(|one, other| one.topic == other.topic) {
                json.key(&of_topic[0].topic).object(|json| {
                    for mode in of_topic {
                        json.key(&mode.group);
                        mode.write(json);
                    }
                });
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read() {
        let body = br#"{"clientId":"c@1","consumerGroup":"g","messageModel":"CLUSTERING","strategyName":"AVG","topic":"T"}"#;
        let query = QueryAssignment::decode(body).unwrap();
        assert_eq!((query.topic.as_str(), query.group.as_str(), query.client_id.as_str()), ("T", "g", "c@1"));
        assert_eq!((query.strategy.as_str(), query.is_broadcasting), ("AVG", false));
        assert!(QueryAssignment::decode(b"").is_err());
        assert!(QueryAssignment::decode(br#"{"topic":"T"}"#).is_err());
    }

    #[test]
    fn answers_are_written() {
        let queue = MessageQueue { broker_name: "b".into(), queue_id: -1, topic: "T".into() };
        let mut body = Vec::new();
        write_assignments(Some(&[queue]), "POP", &mut body);
        let expected =
            r#"{"messageQueueAssignments":[{"messageQueue":{"brokerName":"b","queueId":-1,"topic":"T"},"mode":"POP"}]}"#;
        assert_eq!(String::from_utf8(body).unwrap(), expected);
        let mut body = Vec::new();
        write_assignments(None, "POP", &mut body);
        assert_eq!(body, b"{}");
    }

    #[test]
    fn modes_are_read_and_listed() {
        let set = br#"{"consumerGroup":"g","mode":"POP","popShareQueueNum":8,"topic":"T"}"#;
        let mode = SetMessageRequestMode::decode(set).unwrap();
        let other = SetMessageRequestMode { group: "h".into(), ..mode.clone() };
        let mut body = Vec::new();
        write_modes(&[mode, other], &mut body);
        let expected = r#"{"messageRequestModeMap":{"T":{"g":{"consumerGroup":"g","mode":"POP","popShareQueueNum":8,"topic":"T"},"h":{"consumerGroup":"h","mode":"POP","popShareQueueNum":8,"topic":"T"}}}}"#;
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }
}
