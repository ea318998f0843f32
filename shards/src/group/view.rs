//! What cores that are not a group's own know of it: enough to check and filter its pulls.
//!
//! The group's core sends a new view whenever something in it changes, and says when the group is gone. Views are
//! numbered by their sender, so one that was overtaken does nothing.
//!
//! Before: `group::members` on the group's core, over the mesh; after: `broker::pull`.

use hashbrown::HashMap;

use super::consumers::ConsumerGroup;
use super::member::{ConsumeFromWhere, ConsumeType, MessageModel};
use crate::filter::{ExpressionType, SubscriptionData, TagFilter};

/// A consumer group with at least one member. Plain data: it crosses cores.
#[derive(Clone, Debug)]
pub struct GroupView {
    pub group: String,
    /// Higher than that of every earlier view from the same core, of whatever group.
    pub version: u64,
    pub consume_type: ConsumeType,
    pub message_model: MessageModel,
    pub consume_from_where: ConsumeFromWhere,
    subscriptions: HashMap<String, Subscription>,
}

/// What a pull needs of a subscription, made ready.
#[derive(Clone, Debug)]
pub struct Subscription {
    pub sub_version: i64,
    pub filter: TagFilter,
    pub expression_type: ExpressionType,
    /// The expression's text; tags are in the filter already.
    pub sub_string: String,
}

impl Subscription {
    pub fn new(data: &SubscriptionData) -> Subscription {
        Subscription {
            sub_version: data.sub_version,
            filter: data.tag_filter(),
            expression_type: data.expression_type.clone(),
            sub_string: data.sub_string.clone(),
        }
    }
}

impl GroupView {
    pub(super) fn new(group: &str, version: u64, from: &ConsumerGroup) -> GroupView {
        GroupView {
            group: group.to_owned(),
            version,
            consume_type: from.consume_type(),
            message_model: from.message_model(),
            consume_from_where: from.consume_from_where(),
            subscriptions: from.subscriptions().map(|data| (data.topic.clone(), Subscription::new(data))).collect(),
        }
    }

    pub fn subscription(&self, topic: &str) -> Option<&Subscription> {
        self.subscriptions.get(topic)
    }

    /// Topics and what the group wants of them.
    pub fn subscriptions(&self) -> impl Iterator<Item = (&str, &Subscription)> {
        self.subscriptions.iter().map(|(topic, subscription)| (topic.as_str(), subscription))
    }

    pub fn subscriptions_len(&self) -> usize {
        self.subscriptions.len()
    }
}

/// What one core tells the others about one of its groups.
#[derive(Clone, Debug)]
pub enum ViewChange {
    Put(GroupView),
    /// Its last member left.
    Gone {
        group: String,
        version: u64,
    },
}

impl PartialEq for ViewChange {
    /// Versions number views, so they tell them apart.
    fn eq(&self, other: &ViewChange) -> bool {
        match (self, other) {
            (ViewChange::Put(a), ViewChange::Put(b)) => a.version == b.version,
            (ViewChange::Gone { version: a, .. }, ViewChange::Gone { version: b, .. }) => a == b,
            (ViewChange::Put(_), ViewChange::Gone { .. }) | (ViewChange::Gone { .. }, ViewChange::Put(_)) => false,
        }
    }
}

/// All consumer groups that have members, as one core knows them.
#[derive(Clone, Debug, Default)]
pub struct GroupViews {
    table: HashMap<String, GroupView>,
}

impl GroupViews {
    pub fn new() -> GroupViews {
        GroupViews::default()
    }

    pub fn get(&self, group: &str) -> Option<&GroupView> {
        self.table.get(group)
    }

    pub fn apply(&mut self, change: ViewChange) {
        match change {
            ViewChange::Put(view) => match self.table.get_mut(&view.group) {
                Some(known) if known.version >= view.version => {}
                Some(known) => *known = view,
                None => {
                    self.table.insert(view.group.clone(), view);
                }
            },
            ViewChange::Gone { group, version } => {
                if self.table.get(&group).is_some_and(|known| known.version < version) {
                    self.table.remove(&group);
                }
            }
        }
    }
}
