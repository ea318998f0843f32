//! Changes of topic and group settings, across the cores of a broker.
//!
//! The home shard decides each change, one at a time, logs it, waits until that is durable, tells every other shard, and only
//! then answers. So no message anywhere depends on a topic that a crash could forget (law 1), and whoever got the answer
//! finds the topic on every core. Nobody sends to a new topic before (`broker::settling`). Every shard logs what it is told
//! before it uses it: its own log explains its own queues.
//!
//! Before: `broker::topic`, `broker::group`, `broker::send` (auto-creation); after: `shards::shard`, `broker::registrar`.

use std::rc::Rc;

use ringmq_shards::group::{BadGroupUpdate, GroupLookup, SubscriptionGroupConfig};
use ringmq_shards::pop::ModeChange;
use ringmq_shards::runtime::{self, mesh::Request};
use ringmq_shards::shard::{Change, Shard};
use ringmq_shards::topic::{
    BadTopicUpdate, FirstSend, TopicChange, TopicConfig, TopicFilterType, TopicName, TopicUpdate, TopicsFull,
};
use ringmq_shards::types::Millis;

use super::busy::Busy;
use super::core::Core;
use super::everywhere::{ask_all, ask_each};
use super::response::Refusal;
use crate::remoting::code::ResponseCode;

/// What somebody wants changed, as it crosses to the home.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// The topic of a first send.
    FirstSend {
        topic: String,
        default_topic: String,
        default_queue_nums: i32,
        unit_mode: bool,
    },
    Topic(TopicWanted),
    /// One that the broker itself fills, if there is none yet.
    OwnTopic(TopicConfig),
    TopicGone {
        topic: String,
    },
    /// A consumer's group and its retry topic.
    Group {
        group: String,
        has_order_topic: bool,
        unit_mode: bool,
    },
    /// The retry topic of a group that sends messages back without ever having sent a heartbeat.
    RetryTopic {
        group: String,
        queue_nums: i32,
        unit_mode: bool,
    },
    /// Where the messages go that a group has given up.
    DeadLetterTopic {
        group: String,
    },
    GroupSettings {
        settings: SubscriptionGroupConfig,
        attributes: Vec<(String, String)>,
    },
    GroupGone {
        group: String,
        clean_offsets: bool,
    },
    /// A group that somebody uses; one that is there already stays as it is.
    GroupUsed {
        group: String,
    },
    RequestMode(ModeChange),
}

/// UPDATE_AND_CREATE_TOPIC, owned.
#[derive(Clone, Debug)]
pub struct TopicWanted {
    pub topic: String,
    pub read_queue_nums: i32,
    pub write_queue_nums: i32,
    pub perm: i32,
    pub filter_type: TopicFilterType,
    pub sys_flag: i32,
    pub order: bool,
    pub attributes: String,
}

impl Wanted {
    /// Asks the home of settings for this, and returns when it is durable and known on every core that still logs. This one
    /// does, or it refuses: it would never find here what was made, and ask for it again and again.
    pub async fn make(self, core: &Rc<Core>) -> Result<(), Refusal> {
        core.live.state.borrow().can_log()?;
        let home = core.placement.settings(core.id);
        core.mesh.ask(home, core, self).await.unwrap_or_else(|| Err(Refusal::stopping()))
    }

    /// Whether it could be made as things are here now.
    pub fn check(&self, core: &Core) -> Result<(), Refusal> {
        self.decide(&core.live.state.borrow(), runtime::now()).map(drop)
    }

    /// The changes that are still to be made, given what is.
    fn decide(&self, shard: &Shard, now: Millis) -> Result<Vec<Change>, Refusal> {
        let change = match self {
            Wanted::FirstSend { topic, default_topic, default_queue_nums, unit_mode } => {
                let topic = TopicName::parse(topic)?;
                let send =
                    FirstSend { topic, default_topic, default_topic_queue_nums: *default_queue_nums, unit_mode: *unit_mode };
                shard.topics.create_on_send(send, now)?.map(Change::Topic)
            }
            Wanted::Topic(wanted) => shard.topics.update(&wanted.update()?, now)?.map(Change::Topic),
            Wanted::OwnTopic(topic) => shard.topics.create_if_absent(topic.clone(), now)?.map(Change::Topic),
            Wanted::TopicGone { topic } => shard.topics.delete(topic, now)?.map(Change::Topic),
            Wanted::Group { group, has_order_topic, unit_mode } => {
                return group_of_consumer(shard, group, *has_order_topic, *unit_mode, now);
            }
            Wanted::RetryTopic { group, queue_nums, unit_mode } => {
                let retry = shard.topics.retry_if_absent(group, *queue_nums, *unit_mode, now);
                retry.map_err(no_room_for_topic)?.map(Change::Topic)
            }
            Wanted::DeadLetterTopic { group } => shard.topics.dlq(group, now).map_err(no_room_for_topic)?.map(Change::Topic),
            Wanted::GroupUsed { group } => match shard.groups.find(group, now) {
                GroupLookup::Create(change) => Some(Change::Group(change)),
                GroupLookup::Known(_) | GroupLookup::Missing => None,
            },
            Wanted::RequestMode(wanted) => {
                let change = shard.request_modes.change(wanted.clone());
                change.map_err(|bad| Refusal::new(ResponseCode::SystemError, bad.to_string()))?.map(Change::RequestMode)
            }
            Wanted::GroupSettings { settings, attributes } => {
                let attributes: Vec<(&str, &str)> =
                    attributes.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
                shard.groups.update(settings.clone(), &attributes, now)?.map(Change::Group)
            }
            Wanted::GroupGone { group, clean_offsets } => shard.groups.delete(group, *clean_offsets, now).map(Change::Group),
        };
        Ok(change.into_iter().collect())
    }
}

impl TopicWanted {
    fn update(&self) -> Result<TopicUpdate<'_>, Refusal> {
        Ok(TopicUpdate {
            topic: TopicName::parse(&self.topic)?,
            read_queue_nums: self.read_queue_nums,
            write_queue_nums: self.write_queue_nums,
            perm: self.perm,
            filter_type: self.filter_type,
            sys_flag: self.sys_flag,
            order: self.order,
            attributes: &self.attributes,
        })
    }
}

fn group_of_consumer(
    shard: &Shard,
    group: &str,
    has_order_topic: bool,
    unit_mode: bool,
    now: Millis,
) -> Result<Vec<Change>, Refusal> {
    let mut changes = Vec::new();
    let retry_queue_nums = match shard.groups.find(group, now) {
        GroupLookup::Known(known) => known.retry_queue_nums,
        GroupLookup::Create(change) => {
            changes.push(Change::Group(change));
            SubscriptionGroupConfig::new(group).retry_queue_nums
        }
        GroupLookup::Missing => {
            let remark = format!("subscription group [{group}] does not exist");
            return Err(Refusal::new(ResponseCode::SubscriptionGroupNotExist, remark));
        }
    };
    if retry_queue_nums > 0 {
        let retry = shard.topics.retry(group, retry_queue_nums, has_order_topic, unit_mode, now);
        changes.extend(retry.map_err(no_room_for_topic)?.map(Change::Topic));
    }
    Ok(changes)
}

fn no_room_for_topic(full: TopicsFull) -> Refusal {
    Busy::quota().refusal_with(ResponseCode::SystemError, full)
}

/// At the home: one wish at a time, so that every core sees the same changes in the same order.
impl Request<Core> for Wanted {
    type Reply = Result<(), Refusal>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let _turn = core.changes_turns.take().await;
        let decided = {
            let shard = core.live.state.borrow();
            // The tables of a log that failed may be ahead of it, and of every other core.
            shard.can_log()?;
            self.decide(&shard, runtime::now())?
        };
        for change in decided {
            let new_topic = begins_to_settle(&core, &change);
            // Where this fails the topic is in the home's memory only, and stays unsettled there.
            core.live.change(change.clone()).await?;
            let others = core.placement.broker(core.id).filter(|shard| *shard != core.id);
            let told = ask_each(&core, others.map(|shard| (shard, Told(change.clone())))).await;
            if new_topic {
                // Also when a core could not take it: that core answers for itself.
                ask_all(&core, Settled).await;
            }
            // It is made, so name servers are to know: a core that could not take it is only what the one who asked hears of.
            core.settings_changed(&change);
            told.into_iter().collect::<Result<(), Refusal>>()?;
        }
        Ok(())
    }
}

/// Whether the change makes a topic that is not here yet.
fn begins_to_settle(core: &Core, change: &Change) -> bool {
    let Change::Topic(TopicChange::Put { topic, .. }) = change else { return false };
    let is_new = core.live.state.borrow().topics.get(&topic.name).is_none();
    if is_new {
        core.settling.begins(&topic.name);
    }
    is_new
}

/// At every other core: a change that is durable at the home.
struct Told(Change);

impl Request<Core> for Told {
    type Reply = Result<(), Refusal>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        begins_to_settle(&core, &self.0);
        core.live.change_told(self.0).await?;
        Ok(())
    }
}

/// At every core: all have what they were told last.
#[derive(Clone)]
struct Settled;

impl Request<Core> for Settled {
    type Reply = ();

    async fn serve(self, core: Rc<Core>) {
        core.settling.ends();
    }
}

impl From<TopicsFull> for Refusal {
    fn from(full: TopicsFull) -> Refusal {
        Refusal::new(ResponseCode::SystemError, full.to_string())
    }
}

impl From<BadTopicUpdate> for Refusal {
    fn from(bad: BadTopicUpdate) -> Refusal {
        let code = match &bad {
            BadTopicUpdate::Full(full) => return no_room_for_topic(*full),
            BadTopicUpdate::System(_) | BadTopicUpdate::MixedMessageType => ResponseCode::InvalidParameter,
            BadTopicUpdate::Perm(_) | BadTopicUpdate::Queues(_) => ResponseCode::InvalidParameter,
            BadTopicUpdate::Attributes(_) => ResponseCode::SystemError,
        };
        Refusal::new(code, bad.to_string())
    }
}

impl From<BadGroupUpdate> for Refusal {
    fn from(bad: BadGroupUpdate) -> Refusal {
        let code = match &bad {
            BadGroupUpdate::Name(_) => ResponseCode::InvalidParameter,
            BadGroupUpdate::Full { .. } => return Busy::quota().refusal_with(ResponseCode::SystemError, &bad),
            BadGroupUpdate::Attributes(_) | BadGroupUpdate::PolicyTooLarge { .. } => ResponseCode::SystemError,
        };
        Refusal::new(code, bad.to_string())
    }
}
