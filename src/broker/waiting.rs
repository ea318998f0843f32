//! What waits for its time, as tools ask for it: GET_ALL_DELAY_OFFSET (45), GET_TIMER_CHECK_POINT (60), GET_TIMER_METRICS
//! (61), and the keys of GET_BROKER_RUNTIME_INFO (28).
//!
//! Every shard has its part of each level's queue; tools see the sums. How far a level has been delivered is its queue's
//! length less what waits, since a level's messages are delivered in their order.
//!
//! Before: `broker::dispatch`, `broker::stats`; after: `shards::timer`.

use std::collections::BTreeMap;
use std::rc::Rc;

use ringmq_shards::runtime::{self, mesh::Request};
use ringmq_shards::shard::Shard;
use ringmq_shards::timer::{LEVEL_LANE_MAX, SCHEDULE_TOPIC, TIMER_TOPIC};

use super::core::Core;
use super::dispatch::Call;
use super::everywhere::ask_all;
use super::response::{Refusal, Response};
use crate::remoting::request::delay::{TimerCheckPoint, write_delay_offsets, write_timer_metrics};

/// Of one core, or of all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Of each level whose queue has had messages: how far it has been delivered, and its length.
    pub levels: BTreeMap<u32, Level>,
    pub timers: u64,
    /// The length of the timers' queue.
    pub timers_end: i64,
    pub delivered: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    pub delivered: i64,
    pub end: i64,
}

impl Waiting {
    pub fn of(core: &Core) -> Waiting {
        let shard = core.live.state.borrow();
        let mut waiting = Waiting { delivered: core.live.timers.delivered.get(), ..Waiting::default() };
        let levels = core.settings.borrow().delay_levels.len() as u32;
        let mut of_levels: u64 = 0;
        for (index, waits) in (0..levels.min(LEVEL_LANE_MAX)).zip(shard.timers.levels()) {
            let end = end(core, &shard, SCHEDULE_TOPIC, index);
            of_levels += waits;
            if end > 0 {
                // What waits may not be visible yet.
                waiting.levels.insert(index + 1, Level { delivered: (end - waits as i64).max(0), end });
            }
        }
        waiting.timers = shard.timers.len() as u64 - of_levels.min(shard.timers.len() as u64);
        waiting.timers_end = end(core, &shard, TIMER_TOPIC, 0);
        waiting
    }

    pub fn plus(mut self, other: Waiting) -> Waiting {
        for (level, part) in other.levels {
            let sum = self.levels.entry(level).or_default();
            sum.delivered += part.delivered;
            sum.end += part.end;
        }
        Waiting {
            levels: self.levels,
            timers: self.timers + other.timers,
            timers_end: self.timers_end + other.timers_end,
            delivered: self.delivered + other.delivered,
        }
    }

    /// The keys of 28.
    pub fn write(&self, mut put: impl FnMut(&str, String)) {
        for (level, Level { delivered, end }) in &self.levels {
            put(&format!("scheduleMessageOffset_{level}"), format!("{delivered},{end}"));
        }
        // A timer waits as soon as it is stored, and is delivered within milliseconds of its time.
        put("timerReadBehind", "0".to_owned());
        put("timerOffsetBehind", "0".to_owned());
        put("timerCongestNum", self.timers.to_string());
    }
}

fn end(core: &Core, shard: &Shard, topic: &str, index: u32) -> i64 {
    let part = core.placement.part(topic, index, core.id);
    shard.queues.slot(topic, part).map_or(0, |slot| shard.queues.max_visible(slot).0)
}

async fn everywhere(core: &Rc<Core>) -> Result<Waiting, Refusal> {
    ask_all(core, AskWaiting).await.into_iter().reduce(Waiting::plus).ok_or_else(Refusal::stopping)
}

pub async fn delay_offsets(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let waiting = everywhere(core).await?;
    let mut body = Vec::new();
    let levels = waiting.levels.iter().map(|(level, Level { delivered, .. })| (*level, *delivered));
    write_delay_offsets(core.identity.started, levels, &mut body);
    Ok(Response::success().with_body(body))
}

pub async fn check_point(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let waiting = everywhere(core).await?;
    let now = runtime::now().0;
    let check_point = TimerCheckPoint {
        last_read: now,
        last_log_flush: 0,
        queue_offset: waiting.timers_end,
        timestamp: core.identity.started,
        counter: 0,
    };
    Ok(Response::success().with_body(check_point.encode()))
}

pub async fn metrics(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let mut topics: BTreeMap<String, u64> = BTreeMap::new();
    for (topic, count) in ask_all(core, AskTopics).await.into_iter().flatten() {
        *topics.entry(topic).or_default() += count;
    }
    let delivered = everywhere(core).await?.delivered;
    let mut body = Vec::new();
    let topics = topics.iter().map(|(topic, count)| (topic.as_str(), *count));
    write_timer_metrics(delivered, runtime::now().0, topics, &mut body);
    Ok(Response::success().with_body(body))
}

#[derive(Clone)]
struct AskWaiting;

impl Request<Core> for AskWaiting {
    type Reply = Waiting;

    async fn serve(self, core: Rc<Core>) -> Waiting {
        Waiting::of(&core)
    }
}

#[derive(Clone)]
struct AskTopics;

impl Request<Core> for AskTopics {
    type Reply = Vec<(String, u64)>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let shard = core.live.state.borrow();
        shard.timers.topics().map(|(topic, count)| (topic.to_owned(), count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_cores_are_summed() {
        let part = |level, delivered, end| Waiting {
            levels: BTreeMap::from([(level, Level { delivered, end })]),
            timers: 2,
            timers_end: 5,
            delivered: 1,
        };
        let mut written = Vec::new();
        part(1, 3, 4).plus(part(1, 0, 10)).plus(part(18, 0, 1)).write(|name, value| written.push(format!("{name}={value}")));
        let expected = [
            "scheduleMessageOffset_1=3,14",
            "scheduleMessageOffset_18=0,1",
            "timerReadBehind=0",
            "timerOffsetBehind=0",
            "timerCongestNum=6",
        ];
        assert_eq!(written, expected);
    }
}
