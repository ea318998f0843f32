//! VIEW_BROKER_STATS_DATA (315): how much a topic takes, a group reads or the broker does, over a minute, an hour and a day.
//!
//! Statistics by name, as the original has them; those that it keeps beside these (fall-behind sizes and times, how long sends
//! to one queue took, what is counted for billing) are answered as unknown: see docs/protocol.md.
//!
//! Before: `broker::dispatch`; after: `broker::traffic` on every core.

use std::rc::Rc;

use ringmq_shards::queue::Puts;
use ringmq_shards::runtime::mesh::Request;

use super::core::Core;
use super::dispatch::Call;
use super::everywhere::ask_all;
use super::response::{Refusal, Response};
use super::traffic::window::{Count, Figure, Span};
use super::traffic::{Figures, Subject};
use crate::remoting::code::ResponseCode;
use crate::remoting::request::stats::{StatsItem, ViewBrokerStatsData, write_stats_data};

pub async fn view(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let (asked, none) = {
        let header = call.header();
        let request = ViewBrokerStatsData::decode(&header)?;
        let (name, key) = (request.stats_name, request.stats_key);
        let none = Refusal::new(ResponseCode::SystemError, format!("The stats <{name}> <{key}> not exist"));
        (Asked::parse(name, key, &core.identity.cluster), none)
    };
    let Some((asked, measure)) = asked else { return Err(none) };
    let parts = ask_all(core, asked).await;
    let sum = |one: Figures, other: Figures| std::array::from_fn(|span| one[span].plus(other[span]));
    let figures = parts.into_iter().flatten().reduce(sum).ok_or(none)?;
    let [minute, hour, day] = figures.map(|figure| item(figure, measure));
    let mut body = Vec::new();
    write_stats_data(minute, hour, day, &mut body);
    Ok(Response::success().with_body(body))
}

type Measure = fn(Count) -> u64;

fn item(figure: Figure, measure: Measure) -> StatsItem {
    let (sum, times) = (measure(figure.count), figure.count.times);
    let average = if times == 0 { 0.0 } else { sum as f64 / times as f64 };
    StatsItem { sum, per_second: figure.per_second(measure), average }
}

/// A `Subject` that crosses cores.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    Sends,
    Pulls,
    Topic(String),
    Pulled { topic: String, group: String },
    PulledFrom { topic: String, group: String, queue_id: u32 },
    SentBack { topic: String, group: String },
}

impl Asked {
    fn parse(name: &str, key: &str, cluster: &str) -> Option<(Asked, Measure)> {
        let messages: Measure = |count| count.messages;
        let bytes: Measure = |count| count.bytes;
        let pair = || key.split_once('@').map(|(topic, group)| (topic.to_owned(), group.to_owned()));
        Some(match name {
            "TOPIC_PUT_NUMS" => (Asked::Topic(key.to_owned()), messages),
            "TOPIC_PUT_SIZE" => (Asked::Topic(key.to_owned()), bytes),
            "GROUP_GET_NUMS" | "GROUP_GET_SIZE" => {
                let (topic, group) = pair()?;
                (Asked::Pulled { topic, group }, if name == "GROUP_GET_NUMS" { messages } else { bytes })
            }
            "GROUP_GET_LATENCY" => {
                let (queue_id, rest) = key.split_once('@')?;
                let (topic, group) = rest.split_once('@')?;
                let queue_id = queue_id.parse().ok()?;
                (Asked::PulledFrom { topic: topic.to_owned(), group: group.to_owned(), queue_id }, |count| count.millis)
            }
            "SNDBCK_PUT_NUMS" => {
                let (topic, group) = pair()?;
                (Asked::SentBack { topic, group }, messages)
            }
            "BROKER_PUT_NUMS" if key == cluster => (Asked::Sends, messages),
            "BROKER_GET_NUMS" if key == cluster => (Asked::Pulls, messages),
            _ => return None,
        })
    }

    fn subject(&self) -> Subject<'_> {
        match self {
            Asked::Sends => Subject::Sends,
            Asked::Pulls => Subject::Pulls,
            Asked::Topic(topic) => Subject::Topic(topic),
            Asked::Pulled { topic, group } => Subject::Pulled { topic, group },
            Asked::PulledFrom { topic, group, queue_id } => Subject::PulledFrom { topic, group, queue_id: *queue_id },
            Asked::SentBack { topic, group } => Subject::SentBack { topic, group },
        }
    }
}

impl Request<Core> for Asked {
    type Reply = Option<Figures>;

    async fn serve(self, core: Rc<Core>) -> Option<Figures> {
        let found = core.traffic.figures(self.subject());
        match &self {
            // Known from its first message on, and sampled within ten seconds.
            Asked::Topic(topic) if found.is_none() => (of_topic(&core, topic) != Puts::default()).then(Figures::default),
            _ => found,
        }
    }
}

/// What this core's queues of a topic have taken since the start.
fn of_topic(core: &Core, topic: &str) -> Puts {
    let shard = core.live.state.borrow();
    let queues = shard.topics.get(topic).map_or(0, |topic| topic.queues());
    let slots = (0..queues).filter_map(|queue_id| shard.queues.slot(topic, queue_id));
    slots.map(|slot| shard.queues.puts(slot)).fold(Puts::default(), Puts::plus)
}

/// Messages a second that came into a topic's queues of this core lately.
pub fn put_rate(core: &Core, topic: &str) -> f64 {
    rate(core, Subject::Topic(topic))
}

/// Messages a second that a group has read of this core's queues of a topic.
pub fn get_rate(core: &Core, topic: &str, group: &str) -> f64 {
    rate(core, Subject::Pulled { topic, group })
}

fn rate(core: &Core, subject: Subject<'_>) -> f64 {
    let figures = core.traffic.figures(subject);
    figures.map_or(0.0, |figures| figures[Span::Minute as usize].per_second(|count| count.messages))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_known_by_javas_names() {
        let parse = |name, key| Asked::parse(name, key, "C").map(|(asked, _)| asked);
        assert_eq!(parse("TOPIC_PUT_SIZE", "T"), Some(Asked::Topic("T".into())));
        assert_eq!(parse("GROUP_GET_NUMS", "T@g"), Some(Asked::Pulled { topic: "T".into(), group: "g".into() }));
        let from = Asked::PulledFrom { topic: "T".into(), group: "g".into(), queue_id: 3 };
        assert_eq!(parse("GROUP_GET_LATENCY", "3@T@g"), Some(from));
        assert_eq!(parse("GROUP_GET_LATENCY", "T@g"), None);
        assert_eq!(parse("SNDBCK_PUT_NUMS", "T@g"), Some(Asked::SentBack { topic: "T".into(), group: "g".into() }));
        assert_eq!(parse("BROKER_GET_NUMS", "C"), Some(Asked::Pulls));
        for (name, key) in [("GROUP_GET_NUMS", "T"), ("BROKER_PUT_NUMS", "other"), ("GROUP_GET_FALL_SIZE", "0@T@g"), ("", "")] {
            assert_eq!(parse(name, key), None);
        }
    }

    #[test]
    fn items_have_sum_rate_and_average() {
        let figure = Figure { count: Count { times: 20, messages: 20, bytes: 5930, millis: 0 }, millis: 10_000 };
        let expected = StatsItem { sum: 5930, per_second: 593.0, average: 296.5 };
        assert_eq!(item(figure, |count| count.bytes), expected);
        let broker = Figure { count: Count { times: 0, messages: 20, bytes: 0, millis: 0 }, millis: 10_000 };
        assert_eq!(item(broker, |count| count.messages), StatsItem { sum: 20, per_second: 2.0, average: 0.0 });
    }
}
