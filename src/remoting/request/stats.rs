//! 315 VIEW_BROKER_STATS_DATA, 321 QUERY_CONSUME_QUEUE, 328 GET_ALL_PRODUCER_INFO: what tools show.

use ringmq_shards::filter::SubscriptionData;
use ringmq_shards::group::Member;

use super::subscription;
use crate::remoting::Language;
use crate::remoting::json::{Dialect, Writer};

fields! {
    /// 315
    pub struct ViewBrokerStatsData<'a> {
        stats_name: &'a str = required "statsName",
        stats_key: &'a str = required "statsKey",
    }
}

/// `BrokerStatsItem`
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StatsItem {
    pub sum: u64,
    pub per_second: f64,
    /// Of one send or pull.
    pub average: f64,
}

/// `BrokerStatsData`
pub fn write_stats_data(minute: StatsItem, hour: StatsItem, day: StatsItem, body: &mut Vec<u8>) {
    Writer::new(body, Dialect::Fastjson).object(|json| {
        for (name, item) in [("statsDay", day), ("statsHour", hour), ("statsMinute", minute)] {
            json.key(name).object(|json| {
                json.key("avgpt").double(item.average);
                json.key("sum").number(item.sum);
                json.key("tps").double(item.per_second);
            });
        }
    });
}

fields! {
    /// 321. Java takes 0 for a number that is missing.
    pub struct QueryConsumeQueue<'a> {
        topic: &'a str = required "topic",
        queue_id: i32 = default(0) "queueId",
        index: i64 = default(0) "index",
        count: i32 = default(0) "count",
        consumer_group: Option<&'a str> = optional "consumerGroup",
    }
}

/// `ConsumeQueueData`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumeQueueEntry {
    pub physical_offset: i64,
    pub size: u32,
    pub tags_code: i64,
}

/// What a group that was asked about has to do with the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    None,
    Subscribed(SubscriptionData),
    /// The words that stand for the missing filter.
    NotOnline(String),
}

/// `QueryConsumeQueueResponseBody`
pub fn write_consume_queue(min: i64, max: i64, entries: &[ConsumeQueueEntry], filter: &Filter, body: &mut Vec<u8>) {
    Writer::new(body, Dialect::Fastjson).object(|json| {
        match filter {
            Filter::None => {}
            // Filters are not compiled to bit maps here, which is what this would show.
            Filter::Subscribed(_) => json.key("filterData").string("null"),
            Filter::NotOnline(words) => json.key("filterData").string(words),
        }
        json.key("maxQueueIndex").number(max);
        json.key("minQueueIndex").number(min);
        json.key("queueData").array(|json| {
            for entry in entries {
                json.object(|json| {
                    json.key("eval").bool(false);
                    json.key("physicOffset").number(entry.physical_offset);
                    json.key("physicSize").number(entry.size);
                    json.key("tagsCode").number(entry.tags_code);
                });
            }
        });
        if let Filter::Subscribed(data) = filter {
            json.key("subscriptionData");
            subscription::write(data, json);
        }
    });
}

/// `ProducerTableInfo`: groups and their producers.
pub fn write_producers(groups: &[(String, Vec<Member>)], body: &mut Vec<u8>) {
    Writer::new(body, Dialect::Fastjson).object(|json| {
        json.key("data").object(|json| {
            for (group, members) in groups {
                json.key(group).array(|json| {
                    for member in members {
                        json.object(|json| {
                            json.key("clientId").string(&member.client_id);
                            json.key("language").string(Language::from_number(member.language.into()).name());
                            json.key("lastUpdateTimestamp").number(member.last_heartbeat.0);
                            // As Java prints a socket's address.
                            json.key("remoteIP").string(&format!("/{}", member.address));
                            json.key("version").number(member.version);
                        });
                    }
                });
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringmq_shards::group::{Client, ConnectionId};
    use ringmq_shards::types::Millis;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut body = Vec::new();
        write(&mut body);
        String::from_utf8(body).expect("JSON")
    }

    /// As RocketMQ 5.3.3 answers.
    #[test]
    fn bodies_are_the_originals() {
        let minute = StatsItem { sum: 5930, per_second: 593.0, average: 296.5 };
        assert_eq!(
            text(|body| write_stats_data(minute, StatsItem::default(), StatsItem::default(), body)),
            r#"{"statsDay":{"avgpt":0.0,"sum":0,"tps":0.0},"statsHour":{"avgpt":0.0,"sum":0,"tps":0.0},"statsMinute":{"avgpt":296.5,"sum":5930,"tps":593.0}}"#
        );
        let entry = ConsumeQueueEntry { physical_offset: 4708, size: 304, tags_code: 65 };
        assert_eq!(
            text(|body| write_consume_queue(0, 5, &[entry], &Filter::None, body)),
            r#"{"maxQueueIndex":5,"minQueueIndex":0,"queueData":[{"eval":false,"physicOffset":4708,"physicSize":304,"tagsCode":65}]}"#
        );
        assert_eq!(
            text(|body| write_consume_queue(0, 5, &[], &Filter::NotOnline("g@T1 is not online!".into()), body)),
            r#"{"filterData":"g@T1 is not online!","maxQueueIndex":5,"minQueueIndex":0,"queueData":[]}"#
        );
        let client = Client {
            connection: ConnectionId { core: 0, number: 1 },
            client_id: "live@1",
            address: "127.0.0.1:48210".parse().expect("an address"),
            language: 0,
            version: 479,
        };
        let member = Member::new(&client, Millis(1795289791274));
        assert_eq!(
            text(|body| write_producers(&[("pg".into(), vec![member])], body)),
            r#"{"data":{"pg":[{"clientId":"live@1","language":"JAVA","lastUpdateTimestamp":1795289791274,"remoteIP":"/127.0.0.1:48210","version":479}]}}"#
        );
    }
}
