//! How far groups have read: 208 GET_CONSUME_STATS, 303 QUERY_CONSUME_TIME_SPAN, 317 GET_BROKER_CONSUME_STATS; who reads what:
//! 300 QUERY_TOPIC_CONSUME_BY_WHO, 343 QUERY_TOPICS_BY_CONSUMER, 345 QUERY_SUBSCRIPTION_BY_CONSUMER.

use ringmq_shards::filter::SubscriptionData;

use super::{queue, subscription};
use crate::remoting::json::{Dialect, Writer};

fields! {
    /// 208. 5.3 sends several topics at once.
    pub struct GetConsumeStats<'a> {
        consumer_group: &'a str = required "consumerGroup",
        topic: Option<&'a str> = optional "topic",
        topic_list: Option<&'a str> = optional "topicList",
    }
}

impl<'a> GetConsumeStats<'a> {
    /// The topics of `topicList`, if it names any.
    pub fn topics(&self) -> Vec<&'a str> {
        let list = self.topic_list.unwrap_or_default();
        list.split(';').map(str::trim).filter(|topic| !topic.is_empty()).collect()
    }
}

fields! {
    /// 303
    pub struct QueryConsumeTimeSpan<'a> {
        topic: &'a str = required "topic",
        group: &'a str = required "group",
    }
}

fields! {
    /// 317
    pub struct GetConsumeStatsInBroker {
        is_order: bool = default(false) "isOrder",
    }
}

fields! {
    /// 300
    pub struct QueryTopicConsumeByWho<'a> {
        topic: &'a str = required "topic",
    }
}

fields! {
    /// 343
    pub struct QueryTopicsByConsumer<'a> {
        group: &'a str = required "group",
    }
}

fields! {
    /// 345
    pub struct QuerySubscriptionByConsumer<'a> {
        group: &'a str = required "group",
        topic: &'a str = required "topic",
    }
}

/// `OffsetWrapper`: a queue and how far it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueProgress {
    pub queue_id: i32,
    pub broker_offset: i64,
    pub consumer_offset: i64,
    /// How far it was pulled.
    pub pull_offset: i64,
    /// When the last consumed message was stored; 0: none was.
    pub last_timestamp: i64,
}

/// `ConsumeStats`: the topics with their queues.
pub fn write_stats(broker_name: &str, topics: &[(String, Vec<QueueProgress>)], tps: f64, json: &mut Writer<'_>) {
    json.object(|json| {
        json.key("consumeTps").double(tps);
        json.key("offsetTable").object(|json| {
            for (topic, queues) in topics {
                for queue in queues {
                    json.object_key(|json| queue::write_members(topic, broker_name, queue.queue_id, json)).object(|json| {
                        json.key("brokerOffset").number(queue.broker_offset);
                        json.key("consumerOffset").number(queue.consumer_offset);
                        json.key("lastTimestamp").number(queue.last_timestamp);
                        json.key("pullOffset").number(queue.pull_offset);
                    });
                }
            }
        });
    });
}

/// A group's reading of each of its topics, with its rate.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupProgress {
    pub group: String,
    pub topics: Vec<(String, Vec<QueueProgress>, f64)>,
}

/// `ConsumeStatsList`: the body that answers 317.
pub fn write_broker_stats(broker_address: &str, broker_name: &str, groups: &[GroupProgress], body: &mut Vec<u8>) {
    let sum = |of: fn(&QueueProgress) -> i64| -> i64 {
        groups.iter().flat_map(|group| &group.topics).flat_map(|(_, queues, _)| queues).map(of).sum()
    };
    Writer::new(body, Dialect::Fastjson).object(|json| {
        json.key("brokerAddr").string(broker_address);
        json.key("consumeStatsList").array(|json| {
            for group in groups {
                json.object(|json| {
                    json.key(&group.group).array(|json| {
                        for (topic, queues, tps) in &group.topics {
                            write_stats(broker_name, &[(topic.clone(), queues.clone())], *tps, json);
                        }
                    });
                });
            }
        });
        json.key("totalDiff").number(sum(|queue| queue.broker_offset - queue.consumer_offset));
        json.key("totalInflightDiff").number(sum(|queue| queue.pull_offset - queue.consumer_offset));
    });
}

/// `QueueTimeSpan`: store times of a queue's first, last and last consumed message; -1 without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeSpan {
    pub queue_id: i32,
    pub min: i64,
    pub max: i64,
    pub consumed: i64,
    /// For how long the next message has waited.
    pub delay_millis: i64,
}

/// `QueryConsumeTimeSpanBody`. Clients make the times' texts themselves.
pub fn write_time_spans(topic: &str, broker_name: &str, spans: &[TimeSpan], body: &mut Vec<u8>) {
    Writer::new(body, Dialect::Fastjson).object(|json| {
        json.key("consumeTimeSpanSet").array(|json| {
            for span in spans {
                json.object(|json| {
                    json.key("consumeTimeStamp").number(span.consumed);
                    json.key("delayTime").number(span.delay_millis);
                    json.key("maxTimeStamp").number(span.max);
                    json.key("messageQueue").object(|json| queue::write_members(topic, broker_name, span.queue_id, json));
                    json.key("minTimeStamp").number(span.min);
                });
            }
        });
    });
}

/// `GroupList`
pub fn write_groups<'g>(groups: impl IntoIterator<Item = &'g str>, body: &mut Vec<u8>) {
    Writer::new(body, Dialect::Fastjson).object(|json| json.key("groupList").strings(groups));
}

/// `QuerySubscriptionResponseBody`
pub fn write_subscription(group: &str, topic: &str, found: Option<&SubscriptionData>, body: &mut Vec<u8>) {
    Writer::new(body, Dialect::Fastjson).object(|json| {
        json.key("group").string(group);
        if let Some(found) = found {
            json.key("subscriptionData");
            subscription::write(found, json);
        }
        json.key("topic").string(topic);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut body = Vec::new();
        write(&mut body);
        String::from_utf8(body).expect("JSON")
    }

    const QUEUE: QueueProgress =
        QueueProgress { queue_id: 1, broker_offset: 5, consumer_offset: 2, pull_offset: 3, last_timestamp: 1795289790070 };

    /// As RocketMQ 5.3.3 answers.
    #[test]
    fn bodies_are_the_originals() {
        let topics = [("T1".to_owned(), vec![QUEUE])];
        assert_eq!(
            text(|body| write_stats("broker-a", &topics, 0.0, &mut Writer::new(body, Dialect::Fastjson))),
            r#"{"consumeTps":0.0,"offsetTable":{{"brokerName":"broker-a","queueId":1,"topic":"T1"}:{"brokerOffset":5,"consumerOffset":2,"lastTimestamp":1795289790070,"pullOffset":3}}}"#
        );
        let idle = GroupProgress { group: "GE".to_owned(), topics: Vec::new() };
        let reading = GroupProgress { group: "G1".to_owned(), topics: vec![("T1".to_owned(), vec![QUEUE], 0.5)] };
        assert_eq!(
            text(|body| write_broker_stats("127.0.0.1:22010", "broker-a", &[idle, reading], body)),
            r#"{"brokerAddr":"127.0.0.1:22010","consumeStatsList":[{"GE":[]},{"G1":[{"consumeTps":0.5,"offsetTable":{{"brokerName":"broker-a","queueId":1,"topic":"T1"}:{"brokerOffset":5,"consumerOffset":2,"lastTimestamp":1795289790070,"pullOffset":3}}}]}],"totalDiff":3,"totalInflightDiff":1}"#
        );
        assert_eq!(text(|body| write_groups(["G1", "G2"], body)), r#"{"groupList":["G1","G2"]}"#);
        assert_eq!(text(|body| write_subscription("G1", "T2", None, body)), r#"{"group":"G1","topic":"T2"}"#);
        let span = TimeSpan { queue_id: 0, min: 1, max: 9, consumed: 3, delay_millis: 7 };
        assert_eq!(
            text(|body| write_time_spans("T1", "broker-a", &[span], body)),
            r#"{"consumeTimeSpanSet":[{"consumeTimeStamp":3,"delayTime":7,"maxTimeStamp":9,"messageQueue":{"brokerName":"broker-a","queueId":0,"topic":"T1"},"minTimeStamp":1}]}"#
        );
    }

    #[test]
    fn lists_of_topics_are_split() {
        let topics = |list| GetConsumeStats { consumer_group: "g", topic: None, topic_list: list }.topics();
        assert_eq!(topics(Some("T1; T2;;")), ["T1", "T2"]);
        assert_eq!(topics(None), [""; 0]);
    }
}
