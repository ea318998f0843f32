//! How a pop waits: asleep on its connection's core until a shard has something for what it asks for.
//!
//! While anybody waits for a key, each shard of the broker holds one question of this core about it, however many wait. A shard that
//! answers has something: the first waiter is woken and looks; when it has looked, the shard is asked again for the next one.
//! So a burst of messages wakes as many as find something, and one message wakes one.
//!
//! Before: `pop::take`, `pop::look`; after: `shards::runtime::pop::pop_watch`.

use std::rc::Rc;
use std::time::Duration;

use ringmq_shards::runtime::mesh::Request;
use ringmq_shards::runtime::pop::WatchedQueue;
use ringmq_shards::runtime::reader::{HOLD_MILLIS_MAX, steady};
use ringmq_shards::runtime::{self, Lane, slot};
use ringmq_shards::types::Millis;

use super::polls::PollKey;
use super::visit::retry_topics;
use crate::broker::core::Core;
use crate::net::Connection;

/// A shard's word that there is something is given up after so long, and asked for again.
const WATCH_MILLIS: i64 = 30_000;
/// A client stops waiting for an answer a little after its poll time.
const EARLY_MILLIS: i64 = 50;
/// Who was woken for nothing looks again no sooner.
const FUTILE: Duration = Duration::from_millis(5);

/// How long a request may wait.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    deadline: Option<Millis>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// Look again.
    Woken,
    TimeOver,
    /// There is no room for another waiter.
    Full,
    /// The client is gone.
    Gone,
}

impl Patience {
    /// By the client's clock it asked at `born` and waits for `poll` milliseconds.
    pub fn of(born: i64, poll: i64) -> Patience {
        if poll <= 0 {
            return Patience { deadline: None };
        }
        let left = born.saturating_add(poll).saturating_sub(runtime::now().0);
        Patience { deadline: Some(steady().plus(left.min(HOLD_MILLIS_MAX))) }
    }

    pub fn is_left(self) -> bool {
        self.left().is_some()
    }

    fn left(self) -> Option<Duration> {
        let left = self.deadline?.since(steady());
        (left > EARLY_MILLIS).then(|| Duration::from_millis(left as u64))
    }
}

/// Whether a client has given up before its request was looked at.
pub fn is_too_late(born: i64, poll: i64) -> bool {
    const LATE_MILLIS: i64 = 500;
    runtime::now().0.saturating_sub(born).saturating_sub(poll) > LATE_MILLIS
}

/// Waits for a message. `futile`: the last look, after a wake, found nothing.
pub async fn wait(core: &Rc<Core>, connection: &Connection, key: &PollKey, patience: Patience, futile: bool) -> Waited {
    if futile {
        runtime::sleep(FUTILE).await;
    }
    let Some(left) = patience.left() else { return Waited::TimeOver };
    let (setter, waiter) = slot();
    let (key_max, max) = {
        let settings = core.settings.borrow();
        (settings.pop.waiting_key_max, settings.pop.waiting_max)
    };
    let parked = core.polls.borrow_mut().park(key, connection.number, setter, key_max, max);
    let Ok(number) = parked else { return Waited::Full };
    if !connection.is_open() {
        core.polls.borrow_mut().leave(key, number);
        return Waited::Gone;
    }
    ask_shards(core, key);
    match runtime::timeout(left, waiter).await {
        Some(Some(())) => Waited::Woken,
        Some(None) => Waited::Gone,
        None => {
            core.polls.borrow_mut().leave(key, number);
            Waited::TimeOver
        }
    }
}

/// Someone who was woken has looked: the next one may be woken.
pub fn looked(core: &Rc<Core>, key: &PollKey) {
    ask_shards(core, key);
}

pub fn connection_closed(core: &Core, connection: &Connection) {
    let mut polls = core.polls.borrow_mut();
    if !polls.is_empty() {
        polls.connection_closed(connection.number);
    }
}

fn ask_shards(core: &Rc<Core>, key: &PollKey) {
    for shard in core.placement.broker(core.id) {
        if !core.polls.borrow_mut().watch(key, shard) {
            continue;
        }
        let (core, key) = (core.clone(), key.clone());
        let _detached = runtime::spawn(Lane::Network, async move {
            loop {
                let found = core.mesh.ask(shard, &core, Watch { key: key.clone() }).await;
                core.polls.borrow_mut().watched(&key, shard);
                match found {
                    Some(true) => return core.polls.borrow_mut().wake_one(&key),
                    Some(false) if core.polls.borrow_mut().watch(&key, shard) => {}
                    Some(false) | None => return,
                }
            }
        });
    }
}

/// At a shard: answers when it has something for the key.
struct Watch {
    key: PollKey,
}

impl Request<Core> for Watch {
    type Reply = bool;

    async fn serve(self, core: Rc<Core>) -> bool {
        let in_flight_max = core.settings.borrow().pop.in_flight_max;
        let deadline = steady().plus(WATCH_MILLIS);
        core.live.pop_watch(&self.key.group, || queues_here(&core, &self.key), in_flight_max, deadline).await
    }
}

/// The queues of this shard that a key means, those of the retry topics among them.
pub(super) fn queues_here(core: &Core, key: &PollKey) -> Vec<WatchedQueue> {
    let shard = core.live.state.borrow();
    let of_topic = |topic: &str, only: Option<u32>| {
        let nums = shard.topics.get(topic).map_or(0, |topic| topic.read_queue_nums);
        let is_here = |queue_id: &u32| {
            only.is_none_or(|only| only == *queue_id) && core.placement.queue(topic, *queue_id, core.id) == core.id
        };
        let queues = (0..nums).filter(is_here);
        queues.map(|queue_id| WatchedQueue { topic: topic.to_owned(), queue_id }).collect::<Vec<_>>()
    };
    let mut queues = of_topic(&key.topic, u32::try_from(key.queue_id).ok());
    for (_, topic) in retry_topics(&core.settings.borrow().pop, &key.topic, &key.group) {
        queues.extend(of_topic(&topic, None));
    }
    queues
}
