//! One consumer group: its members, and what it subscribes to.
//!
//! A member is a connection; the client id is what it calls itself. So a client that comes back over a new connection
//! is not thrown out when its old one closes at last. The last heartbeat speaks for the whole group: how it consumes
//! and which topics it has; of one topic the newer subscription stays (§8 of the behaviour reference).

use std::collections::{BTreeMap, BTreeSet};

use super::clash::{Clash, first_difference, subscribed};
use super::member::{Client, ConnectionId, ConsumeFromWhere, ConsumeType, Member, MessageModel};
use super::view::{GroupView, ViewChange};
use crate::filter::SubscriptionData;
use crate::types::Millis;

/// Lives on the group's core; there is none without members.
#[derive(Clone, Debug)]
pub struct ConsumerGroup {
    pub(super) members: BTreeMap<ConnectionId, Member>,
    consume_type: ConsumeType,
    message_model: MessageModel,
    consume_from_where: ConsumeFromWhere,
    subscriptions: BTreeMap<String, SubscriptionData>,
    /// Of the heartbeat's subscriptions, as newer clients send it; 0 from older ones.
    fingerprint: Option<i32>,
}

/// What a heartbeat or a departure changed in a group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// Members came or went.
    pub members: bool,
    /// Topics were added or dropped.
    pub subscriptions: bool,
    /// The client's fingerprint differs from the one that was known, so it should send its subscriptions.
    pub fingerprint: bool,
    /// Whom to send NOTIFY_CONSUMER_IDS_CHANGED: all members, the new one too; nobody when broadcasting, or when the
    /// group's or the broker's settings do not want it.
    pub notify: Vec<ConnectionId>,
    /// What the other cores must hear.
    pub view: Option<ViewChange>,
    /// The client has just said subscriptions that are not those of another member.
    pub clash: Option<Clash>,
}

/// What a heartbeat says about the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manner {
    pub consume_type: ConsumeType,
    pub message_model: MessageModel,
    pub consume_from_where: ConsumeFromWhere,
}

/// Which parts of a group a heartbeat changed.
#[derive(Clone, Debug, Default)]
pub(super) struct Touched {
    pub members: bool,
    pub topics: bool,
    pub view: bool,
    pub fingerprint: bool,
    pub clash: Option<Clash>,
}

impl ConsumerGroup {
    pub(super) fn new(manner: Manner) -> ConsumerGroup {
        ConsumerGroup {
            members: BTreeMap::new(),
            consume_type: manner.consume_type,
            message_model: manner.message_model,
            consume_from_where: manner.consume_from_where,
            subscriptions: BTreeMap::new(),
            fingerprint: None,
        }
    }

    pub fn consume_type(&self) -> ConsumeType {
        self.consume_type
    }

    pub fn message_model(&self) -> MessageModel {
        self.message_model
    }

    pub fn consume_from_where(&self) -> ConsumeFromWhere {
        self.consume_from_where
    }

    /// In the order of topics.
    pub fn subscriptions(&self) -> impl Iterator<Item = &SubscriptionData> {
        self.subscriptions.values()
    }

    pub fn subscription(&self, topic: &str) -> Option<&SubscriptionData> {
        self.subscriptions.get(topic)
    }

    pub fn members(&self) -> impl Iterator<Item = (ConnectionId, &Member)> {
        self.members.iter().map(|(connection, member)| (*connection, member))
    }

    /// Each once, in order, however many connections a client has.
    pub fn client_ids(&self) -> BTreeSet<&str> {
        self.members.values().map(|member| member.client_id.as_str()).collect()
    }

    pub fn find_client(&self, client_id: &str) -> Option<(ConnectionId, &Member)> {
        self.members().find(|(_, member)| member.client_id == client_id)
    }

    /// Takes what a heartbeat says. Allocates only for what is new.
    pub(super) fn heartbeat(
        &mut self,
        client: &Client<'_>,
        manner: Manner,
        subscriptions: Option<Vec<SubscriptionData>>,
        fingerprint: i32,
        now: Millis,
    ) -> Touched {
        let mut touched = Touched::default();
        let known = Manner {
            consume_type: self.consume_type,
            message_model: self.message_model,
            consume_from_where: self.consume_from_where,
        };
        if known != manner {
            self.consume_type = manner.consume_type;
            self.message_model = manner.message_model;
            self.consume_from_where = manner.consume_from_where;
            touched.view = true;
        }
        touched.fingerprint = self.fingerprint.replace(fingerprint) != Some(fingerprint);
        match self.members.get_mut(&client.connection) {
            Some(member) if member.client_id == client.client_id => {
                member.language = client.language;
                member.version = client.version;
                member.last_heartbeat = now;
            }
            _ => {
                touched.members = true;
                self.members.insert(client.connection, Member::new(client, now));
            }
        }
        if let Some(subscriptions) = subscriptions {
            touched.clash = self.clash(client, &subscriptions);
            self.subscribe(subscriptions, &mut touched);
        }
        touched
    }

    /// Whether the client now subscribes otherwise than another one. Said once for each set that a client comes with; of two
    /// connections of one client the older may still have the older set.
    fn clash(&mut self, client: &Client<'_>, subscriptions: &[SubscriptionData]) -> Option<Clash> {
        let set = Some(subscribed(subscriptions));
        let member = self.members.get_mut(&client.connection).expect("it was registered before");
        if member.subscribed == set {
            return None;
        }
        member.subscribed = set;
        let mut others = self.members.values().filter(|other| other.client_id != client.client_id);
        let other = others.find(|other| other.subscribed.is_some() && other.subscribed != set)?;
        let topic = first_difference(&self.subscriptions, subscriptions)?;
        Some(Clash { topic: topic.to_owned(), other_client: other.client_id.clone() })
    }

    /// Topics that are not in the new set are dropped; of topics in both the newer subscription stays.
    fn subscribe(&mut self, subscriptions: Vec<SubscriptionData>, touched: &mut Touched) {
        let dropped = |topic: &String| !subscriptions.iter().any(|subscription| subscription.topic == *topic);
        let before = self.subscriptions.len();
        self.subscriptions.retain(|topic, _| !dropped(topic));
        touched.topics |= self.subscriptions.len() != before;
        for subscription in subscriptions {
            match self.subscriptions.get_mut(&subscription.topic) {
                Some(old) if subscription.sub_version > old.sub_version => {
                    *old = subscription;
                    touched.view = true;
                }
                Some(_) => {}
                None => {
                    self.subscriptions.insert(subscription.topic.clone(), subscription);
                    touched.topics = true;
                }
            }
        }
        touched.view |= touched.topics;
    }

    /// Whom a change concerns.
    pub(super) fn to_notify(&self) -> Vec<ConnectionId> {
        match self.message_model {
            MessageModel::Broadcasting => Vec::new(),
            MessageModel::Clustering => self.members.keys().copied().collect(),
        }
    }

    pub(super) fn view(&self, group: &str, version: u64) -> GroupView {
        GroupView::new(group, version, self)
    }
}
