//! At start: every core's settings become those of their home.
//!
//! A crash may have kept a change from a core that was told of it last. The home's own log has it, so the home's tables are
//! the truth: what differs is told again, and logged there, before any port opens.
//!
//! Before: `node::start`; after: `broker::changes`.

use std::rc::Rc;

use ringmq_shards::group::{GroupChange, SubscriptionGroupConfig};
use ringmq_shards::pop::ModeChange;
use ringmq_shards::runtime::mesh::Request;
use ringmq_shards::shard::{Change, Shard};
use ringmq_shards::topic::{TopicChange, TopicConfig};

use super::core::Core;
use super::response::Refusal;

/// Asks the home for its settings and takes what differs.
pub async fn start(core: &Rc<Core>) -> Result<(), Refusal> {
    let home = core.placement.settings(core.id);
    if home == core.id {
        return Ok(());
    }
    let Some((topics, groups, modes)) = core.mesh.ask(home, core, Everything).await else { return Err(Refusal::stopping()) };
    let mut changes = differences(&core.live.state.borrow(), &topics, &groups);
    let known = core.live.state.borrow().request_modes.clone();
    let mode = |mode| known.change(mode).ok().flatten().map(Change::RequestMode);
    changes.extend(modes.into_iter().filter_map(mode));
    for change in changes {
        core.live.change_told(change).await?;
    }
    Ok(())
}

struct Everything;

impl Request<Core> for Everything {
    type Reply = (Vec<TopicChange>, Vec<GroupChange>, Vec<ModeChange>);

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let shard = core.live.state.borrow();
        let topic = |topic: &TopicConfig| TopicChange::Put { topic: topic.clone(), version: shard.topics.version() };
        let group = |group: &SubscriptionGroupConfig| GroupChange::Put { group: group.clone(), version: shard.groups.version() };
        let topics = shard.topics.sorted().into_iter().map(topic).collect();
        let groups = shard.groups.sorted().into_iter().map(group).collect();
        let mode = |(topic, group, mode, share_queue_nums): (&str, &str, _, _)| ModeChange {
            topic: topic.to_owned(),
            group: group.to_owned(),
            mode,
            share_queue_nums,
        };
        (topics, groups, shard.request_modes.iter().map(mode).collect())
    }
}

/// Versions are not compared: only the home's is ever told to anybody.
fn differences(shard: &Shard, topics: &[TopicChange], groups: &[GroupChange]) -> Vec<Change> {
    let mut changes = Vec::new();
    for change in topics {
        let TopicChange::Put { topic, .. } = change else { continue };
        if shard.topics.get(&topic.name) != Some(topic) {
            changes.push(Change::Topic(change.clone()));
        }
    }
    for ours in shard.topics.sorted() {
        if !topics.iter().any(|change| change.name() == ours.name) {
            let (name, incarnation, version) = (ours.name.clone(), ours.incarnation, shard.topics.version());
            changes.push(Change::Topic(TopicChange::Deleted { name, incarnation, version }));
        }
    }
    for change in groups {
        let GroupChange::Put { group, .. } = change else { continue };
        if shard.groups.get(&group.name) != Some(group) {
            changes.push(Change::Group(change.clone()));
        }
    }
    for ours in shard.groups.sorted() {
        if !groups.iter().any(|change| change.name() == ours.name) {
            let (name, version) = (ours.name.clone(), shard.groups.version());
            changes.push(Change::Group(GroupChange::Deleted { name, clean_offsets: true, version }));
        }
    }
    changes
}
