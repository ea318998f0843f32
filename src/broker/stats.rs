//! GET_TOPIC_STATS_INFO (202) and GET_BROKER_RUNTIME_INFO (28): what queues hold, and how the broker is doing.
//!
//! Every core knows its own part; the parts are asked for at once and summed. Keys of 28 that stand for something which does
//! not exist here (thread pools, page cache locks) have the value that means "nothing waits": tools fail without them.
//!
//! Before: `broker::dispatch`; after: `broker::rates`, `broker::counters`, `shards::queue`.

use std::collections::BTreeMap;
use std::rc::Rc;

use ringmq_shards::runtime::mesh::Request;
use ringmq_shards::runtime::{self, Lane, fs};
use ringmq_shards::types::{LogPosition, ShardId};

use super::core::Core;
use super::dispatch::Call;
use super::everywhere::{ask_all, ask_each};
use super::put_times::Times;
use super::rates::{SAMPLE_INTERVAL, Totals, WINDOWS};
use super::response::{Refusal, Response};
use super::view_stats;
use super::waiting::Waiting;
use crate::remoting::code::ResponseCode;
use crate::remoting::request::broker::write_kv_table;
use crate::remoting::request::topic::{GetTopicStatsInfo, QueueStats, write_stats};
use crate::remoting::version;

/// Queues of a core whose first message is looked at for the broker's earliest one.
const EARLIEST_QUEUES_MAX: usize = 256;

/// As often as the original begins its put times anew.
const PUT_TIMES_SECONDS: u64 = 60;

/// Java's value for what has no bound, or no pool.
const UNBOUNDED: &str = "2147483647";

/// Samples the counters for as long as the core runs.
pub fn start(core: &Rc<Core>) {
    let core = core.clone();
    let _detached = runtime::spawn(Lane::Background, async move {
        for seconds in 1u64.. {
            if core.stopping.get() {
                return;
            }
            core.rates.borrow_mut().sample(runtime::uptime(), runtime::now(), core.counters.totals());
            runtime::sleep(SAMPLE_INTERVAL).await;
            if seconds.is_multiple_of(PUT_TIMES_SECONDS) {
                core.put_times.turn();
            }
        }
    });
}

pub async fn topic(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let topic = GetTopicStatsInfo::decode(&call.header())?.topic.to_owned();
    let queues = core.live.state.borrow().topics.get(&topic).map(|topic| topic.queues());
    let Some(queues) = queues else {
        return Err(Refusal::new(ResponseCode::TopicNotExist, format!("topic[{topic}] not exist")));
    };
    let mut asks: BTreeMap<ShardId, OfQueues> = BTreeMap::new();
    for queue_id in 0..queues {
        let owner = core.placement.queue(&topic, queue_id, core.id);
        let ask = asks.entry(owner).or_insert_with(|| OfQueues { topic: topic.clone(), queue_ids: Vec::new() });
        ask.queue_ids.push(queue_id);
    }
    let answering = asks.len();
    let parts = ask_each(core, asks).await;
    if parts.len() < answering {
        return Err(Refusal::stopping());
    }
    let put_tps = parts.iter().map(|(_, rate)| rate).sum();
    let mut stats: Vec<_> = parts.into_iter().flat_map(|(stats, _)| stats).collect();
    stats.sort_unstable_by_key(|(queue_id, _)| *queue_id);
    let mut body = Vec::new();
    write_stats(&topic, &core.identity.name, stats, put_tps, &mut body);
    Ok(Response::success().with_body(body))
}

/// What queues of one topic hold, at their core.
struct OfQueues {
    topic: String,
    queue_ids: Vec<u32>,
}

impl Request<Core> for OfQueues {
    /// With the messages a second that they have got lately.
    type Reply = (Vec<(i32, QueueStats)>, f64);

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let shard = core.live.state.borrow();
        let stats = |queue_id: &u32| {
            let slot = shard.queues.slot(&self.topic, *queue_id);
            let stats = slot.map(|slot| QueueStats {
                min_offset: shard.queues.min(slot).0,
                max_offset: shard.queues.max_visible(slot).0,
                last_update_timestamp: shard.queues.last_store_time(slot).map_or(0, |time| time.0),
            });
            (*queue_id as i32, stats.unwrap_or_default())
        };
        (self.queue_ids.iter().map(stats).collect(), view_stats::put_rate(&core, &self.topic))
    }
}

pub async fn runtime(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let parts = ask_all(core, AskPart).await;
    let all = parts.into_iter().reduce(Part::plus).ok_or_else(Refusal::stopping)?;
    let mut body = Vec::new();
    write_kv_table(table(core, &all), &mut body);
    Ok(Response::success().with_body(body))
}

/// One core's part of the runtime information.
#[derive(Clone, Debug, Default)]
struct Part {
    rates: [Totals; WINDOWS.len()],
    totals: Totals,
    yesterday_morning: Totals,
    today_morning: Totals,
    bytes_in: u64,
    failed: u64,
    acks_waiting: usize,
    unflushed_bytes: u64,
    min_offset: i64,
    max_offset: i64,
    earliest: Option<i64>,
    waiting: Waiting,
    put_times: Times,
    pull_longest: i64,
}

impl Part {
    fn plus(self, other: Part) -> Part {
        Part {
            rates: std::array::from_fn(|window| self.rates[window].plus(other.rates[window])),
            totals: self.totals.plus(other.totals),
            yesterday_morning: self.yesterday_morning.plus(other.yesterday_morning),
            today_morning: self.today_morning.plus(other.today_morning),
            bytes_in: self.bytes_in + other.bytes_in,
            failed: self.failed + other.failed,
            acks_waiting: self.acks_waiting + other.acks_waiting,
            unflushed_bytes: self.unflushed_bytes + other.unflushed_bytes,
            min_offset: self.min_offset.min(other.min_offset),
            max_offset: self.max_offset.max(other.max_offset),
            earliest: [self.earliest, other.earliest].into_iter().flatten().min(),
            waiting: self.waiting.plus(other.waiting),
            put_times: self.put_times.plus(&other.put_times),
            pull_longest: self.pull_longest.max(other.pull_longest),
        }
    }
}

#[derive(Clone)]
struct AskPart;

impl Request<Core> for AskPart {
    type Reply = Part;

    async fn serve(self, core: Rc<Core>) -> Part {
        let earliest = earliest(&core).await;
        let waiting = Waiting::of(&core);
        let rates = core.rates.borrow();
        let shard = core.live.state.borrow();
        let offset = |position: LogPosition| core.placement.physical_offset(core.id, position);
        Part {
            rates: WINDOWS.map(|window| rates.per_second(window)),
            totals: core.counters.totals(),
            yesterday_morning: rates.yesterday_morning,
            today_morning: rates.today_morning,
            bytes_in: core.counters.bytes_in.get(),
            failed: core.counters.failed.get(),
            acks_waiting: core.acks.waiting(),
            unflushed_bytes: shard.log.appended().since(shard.log.durable()),
            min_offset: offset(core.live.log.first()),
            max_offset: offset(shard.log.durable()),
            earliest,
            waiting,
            put_times: core.put_times.figures(),
            pull_longest: core.pull_longest.get(),
        }
    }
}

/// When the earliest message here was stored, of as many queues as may be looked at.
async fn earliest(core: &Rc<Core>) -> Option<i64> {
    let queues: Vec<(String, u32)> = {
        let shard = core.live.state.borrow();
        let names = shard.queues.names().filter(|(topic, _, queue_id)| {
            shard.queues.slot(topic, *queue_id).is_some_and(|slot| shard.queues.max_visible(slot) > shard.queues.min(slot))
        });
        names.take(EARLIEST_QUEUES_MAX).map(|(topic, _, queue_id)| (topic.to_owned(), queue_id)).collect()
    };
    let mut earliest = None;
    for (topic, queue_id) in queues {
        let time = core.live.earliest_store_time(&topic, queue_id).await.ok().flatten();
        earliest = [earliest, time.map(|time| time.0)].into_iter().flatten().min();
    }
    earliest
}

fn table(core: &Core, part: &Part) -> Vec<(String, String)> {
    let mut table: Vec<(String, String)> = Vec::new();
    let mut put = |name: &str, value: String| table.push((name.to_owned(), value));
    let three = |of: fn(&Totals) -> f64| part.rates.each_ref().map(|rate| of(rate).to_string()).join(" ");
    let count = |of: f64| format!("{of:.0}");
    put("brokerVersionDesc", version::Name(version::OURS).to_string());
    put("brokerVersion", version::OURS.to_string());
    put("brokerActive", (!core.stopping.get()).to_string());
    put("bootTimestamp", core.identity.started.to_string());
    put("runtime", runtime_text(runtime::now().0.saturating_sub(core.identity.started).max(0)));
    put("startAcceptSendRequestTimeStamp", core.settings.borrow().accept_sends_from.to_string());

    put("putTps", three(|rate| rate.messages_in));
    put("getTransferredTps", three(|rate| rate.messages_out));
    // As 4.x spells it; its clusterList fails without.
    put("getTransferedTps", three(|rate| rate.messages_out));
    put("getFoundTps", three(|rate| rate.pulls_found));
    put("getMissTps", three(|rate| rate.pulls_missed));
    put("getTotalTps", three(|rate| rate.pulls_found + rate.pulls_missed));
    put("putMessageTimesTotal", count(part.totals.messages_in));
    put("putMessageFailedTimes", part.failed.to_string());
    put("putMessageSizeTotal", part.bytes_in.to_string());
    put("putMessageAverageSize", (part.bytes_in as f64 / part.totals.messages_in.max(1.0)).to_string());
    for (when, totals) in [
        ("TotalYesterdayMorning", part.yesterday_morning),
        ("TotalTodayMorning", part.today_morning),
        ("TotalTodayNow", part.totals),
    ] {
        put(&format!("msgPut{when}"), count(totals.messages_in));
        put(&format!("msgGet{when}"), count(totals.messages_out));
    }

    put("commitLogMinOffset", part.min_offset.to_string());
    put("commitLogMaxOffset", part.max_offset.to_string());
    put("earliestMessageTimeStamp", part.earliest.unwrap_or(-1).to_string());
    // A message is found as soon as it may be acknowledged.
    put("dispatchBehindBytes", "0".to_owned());
    put("dispatchMaxBuffer", "0".to_owned());
    put("remainHowManyDataToFlush", bytes_text(part.unflushed_bytes));
    let dir = &core.live.log.options.dir;
    if let Ok(usage) = fs::usage(dir) {
        let used = 1.0 - usage.available as f64 / usage.total.max(1) as f64;
        put("commitLogDiskRatio", format!("{used:.4}"));
        put(&format!("commitLogDiskRatio_{}", dir.display()), format!("{used:.4}"));
        put("consumeQueueDiskRatio", format!("{used:.4}"));
        put("commitLogDirCapacity", format!("Total : {}, Free : {}.", bytes_text(usage.total), bytes_text(usage.available)));
    }

    put("sendThreadPoolQueueSize", part.acks_waiting.to_string());
    put("EndTransactionQueueSize", "0".to_owned());
    put("EndTransactionThreadPoolQueueCapacity", UNBOUNDED.to_owned());
    put("pageCacheLockTimeMills", "0".to_owned());
    for pool in ["pull", "litePull", "query", "ack"] {
        put(&format!("{pool}ThreadPoolQueueSize"), "0".to_owned());
    }
    for pool in ["send", "pull", "litePull", "query", "ack"] {
        put(&format!("{pool}ThreadPoolQueueHeadWaitTimeMills"), "0".to_owned());
        put(&format!("{pool}ThreadPoolQueueCapacity"), UNBOUNDED.to_owned());
    }
    part.waiting.write(&mut put);
    put("remainTransientStoreBufferNumbs", UNBOUNDED.to_owned());
    put("putMessageEntireTimeMax", part.put_times.longest.to_string());
    put("getMessageEntireTimeMax", part.pull_longest.to_string());
    put("putLatency99", format!("{:.2}", part.put_times.percentile(0.99)));
    put("putLatency999", format!("{:.2}", part.put_times.percentile(0.999)));
    put("putMessageDistributeTime", part.put_times.spans_text());
    // Not measured: exporters fail without them.
    for timer in ["timerEnqueueTps", "timerDequeueTps"] {
        put(timer, "0.0".to_owned());
    }
    table
}

fn runtime_text(millis: i64) -> String {
    let seconds = millis / 1000;
    let (days, hours, minutes, seconds) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("[ {days} days, {hours} hours, {minutes} minutes, {seconds} seconds ]")
}

/// As RocketMQ writes sizes: `252.0 GiB`.
fn bytes_text(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut size = bytes as f64;
    let mut unit = "B";
    for larger in UNITS {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        unit = larger;
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{size:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_read_as_in_rocketmq() {
        assert_eq!(runtime_text(35_999), "[ 0 days, 0 hours, 0 minutes, 35 seconds ]");
        assert_eq!(runtime_text(90_061_000), "[ 1 days, 1 hours, 1 minutes, 1 seconds ]");
        assert_eq!((bytes_text(0).as_str(), bytes_text(1023).as_str()), ("0 B", "1023 B"));
        assert_eq!(bytes_text(252 << 30), "252.0 GiB");
    }

    #[test]
    fn parts_of_cores_are_summed() {
        let part = |earliest, max_offset| Part { earliest, max_offset, acks_waiting: 2, ..Part::default() };
        let sum = part(None, 7).plus(part(Some(5), 3));
        assert_eq!((sum.earliest, sum.max_offset, sum.acks_waiting), (Some(5), 7, 4));
    }
}
