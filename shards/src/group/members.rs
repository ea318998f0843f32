//! Who is there: the consumers and producers of the groups whose core this is.
//!
//! Registered by heartbeats, removed by UNREGISTER_CLIENT, by the end of their connection, or after 120 s without a
//! heartbeat. In memory only. Always true: a connection is in `by_connection` with exactly the groups it is a member
//! of; a group without members does not exist; `memberships` is their number.
//!
//! Before: `broker::heartbeat` and `net::connection`'s end, over the mesh; after: NOTIFY_CONSUMER_IDS_CHANGED to the
//! connections of `Change::notify`, and `Change::view` to the other cores.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;

use super::consumers::{Change, ConsumerGroup, Manner};
use super::member::{Client, ConnectionId, ConsumeFromWhere, ConsumeType, Member, MessageModel};
use super::view::ViewChange;
use crate::filter::SubscriptionData;
use crate::types::Millis;

/// Without a heartbeat for longer than this a member is gone: clients send one every 30 s.
pub const EXPIRY_MS: i64 = 120_000;

/// What a core's registry holds at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A client in a group counts once, however many groups it is in.
    pub memberships_max: usize,
    /// Topics of one consumer group.
    pub subscriptions_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { memberships_max: 200_000, subscriptions_max: 10_000 }
    }
}

/// One consumer group's part of a HEART_BEAT.
#[derive(Clone, Debug)]
pub struct ConsumerHeartbeat<'a> {
    pub group: &'a str,
    pub client: Client<'a>,
    pub consume_type: ConsumeType,
    pub message_model: MessageModel,
    pub consume_from_where: ConsumeFromWhere,
    /// `None`: the heartbeat leaves them out because they have not changed (`withoutSub`).
    pub subscriptions: Option<Vec<SubscriptionData>>,
    pub fingerprint: i32,
}

/// A consumer group that lost members.
#[derive(Clone, Debug, PartialEq)]
pub struct Departed {
    pub group: String,
    pub change: Change,
}

/// No room for another member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistryFull {
    Memberships { max: usize },
    Subscriptions { max: usize },
}

impl fmt::Display for RegistryFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegistryFull::Memberships { max } => write!(f, "{max} clients of groups are registered here, the most there may be"),
            RegistryFull::Subscriptions { max } => write!(f, "a consumer group may subscribe to {max} topics at most"),
        }
    }
}

impl std::error::Error for RegistryFull {}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Role {
    Consumer(Rc<str>),
    Producer(Rc<str>),
}

/// Lives on one core, for the groups it owns.
#[derive(Debug)]
pub struct Members {
    limits: Limits,
    consumers: BTreeMap<Rc<str>, ConsumerGroup>,
    producers: BTreeMap<Rc<str>, BTreeMap<ConnectionId, Member>>,
    by_connection: BTreeMap<ConnectionId, Vec<Role>>,
    memberships: usize,
    /// The number of the last view that was sent.
    view_version: u64,
}

impl Members {
    pub fn new(limits: Limits) -> Members {
        Members {
            limits,
            consumers: BTreeMap::new(),
            producers: BTreeMap::new(),
            by_connection: BTreeMap::new(),
            memberships: 0,
            view_version: 0,
        }
    }

    /// A consumer says that it is there. `notify`: whether the group's and the broker's settings want members told.
    pub fn register_consumer(
        &mut self,
        heartbeat: ConsumerHeartbeat<'_>,
        notify: bool,
        now: Millis,
    ) -> Result<Change, RegistryFull> {
        let ConsumerHeartbeat { group, client, consume_type, message_model, consume_from_where, subscriptions, fingerprint } =
            heartbeat;
        let subscriptions_max = self.limits.subscriptions_max;
        if subscriptions.as_ref().is_some_and(|subscriptions| subscriptions.len() > subscriptions_max) {
            return Err(RegistryFull::Subscriptions { max: subscriptions_max });
        }
        let known = self.consumers.get(group).is_some_and(|found| found.members.contains_key(&client.connection));
        if !known {
            self.join(client.connection, Role::Consumer(self.consumer_name(group)))?;
        }
        let manner = Manner { consume_type, message_model, consume_from_where };
        let new_group = !self.consumers.contains_key(group);
        if new_group {
            self.consumers.insert(Rc::from(group), ConsumerGroup::new(manner));
        }
        let found = self.consumers.get_mut(group).expect("it was inserted above");
        let touched = found.heartbeat(&client, manner, subscriptions, fingerprint, now);
        let view = if touched.view || new_group {
            self.view_version += 1;
            Some(ViewChange::Put(found.view(group, self.view_version)))
        } else {
            None
        };
        let told = notify && (touched.members || touched.topics);
        Ok(Change {
            members: touched.members,
            subscriptions: touched.topics,
            fingerprint: touched.fingerprint,
            notify: if told { found.to_notify() } else { Vec::new() },
            view,
            clash: touched.clash,
        })
    }

    /// A producer says that it is there.
    pub fn register_producer(&mut self, group: &str, client: Client<'_>, now: Millis) -> Result<(), RegistryFull> {
        if let Some(member) = self.producers.get_mut(group).and_then(|group| group.get_mut(&client.connection)) {
            if member.client_id != client.client_id {
                *member = Member::new(&client, now);
            }
            member.last_heartbeat = now;
            return Ok(());
        }
        let name = self.producers.get_key_value(group).map_or_else(|| Rc::from(group), |(name, _)| Rc::clone(name));
        self.join(client.connection, Role::Producer(Rc::clone(&name)))?;
        self.producers.entry(name).or_default().insert(client.connection, Member::new(&client, now));
        Ok(())
    }

    /// UNREGISTER_CLIENT of a consumer.
    pub fn unregister_consumer(&mut self, group: &str, connection: ConnectionId, notify: bool) -> Change {
        self.leave(connection, &Role::Consumer(Rc::from(group)));
        self.remove_consumer(group, connection, notify)
    }

    /// UNREGISTER_CLIENT of a producer.
    pub fn unregister_producer(&mut self, group: &str, connection: ConnectionId) {
        self.leave(connection, &Role::Producer(Rc::from(group)));
        self.remove_producer(group, connection);
    }

    /// The connection ended: its client leaves all groups that it was in over it.
    pub fn connection_closed(&mut self, connection: ConnectionId, notify: impl Fn(&str) -> bool) -> Vec<Departed> {
        let roles = self.by_connection.remove(&connection).unwrap_or_default();
        self.memberships -= roles.len();
        let mut departed = Vec::new();
        for role in roles {
            match role {
                Role::Producer(group) => self.remove_producer(&group, connection),
                Role::Consumer(group) => {
                    let change = self.remove_consumer(&group, connection, notify(&group));
                    departed.push(Departed { group: group.to_string(), change });
                }
            }
        }
        departed
    }

    /// Removes who has been silent for too long, and says which connections are to be closed for it. Called every 10 s.
    pub fn expire(&mut self, now: Millis, notify: impl Fn(&str) -> bool) -> (Vec<Departed>, BTreeSet<ConnectionId>) {
        let is_expired = |member: &Member| now.since(member.last_heartbeat) > EXPIRY_MS;
        let mut roles: Vec<(ConnectionId, Role)> = Vec::new();
        for (name, group) in &self.consumers {
            let silent = group.members.iter().filter(|(_, member)| is_expired(member));
            roles.extend(silent.map(|(connection, _)| (*connection, Role::Consumer(Rc::clone(name)))));
        }
        for (name, group) in &self.producers {
            let silent = group.iter().filter(|(_, member)| is_expired(member));
            roles.extend(silent.map(|(connection, _)| (*connection, Role::Producer(Rc::clone(name)))));
        }
        let mut departed: Vec<Departed> = Vec::new();
        let mut connections = BTreeSet::new();
        for (connection, role) in roles {
            self.leave(connection, &role);
            connections.insert(connection);
            match role {
                Role::Producer(group) => self.remove_producer(&group, connection),
                Role::Consumer(group) => {
                    let change = self.remove_consumer(&group, connection, notify(&group));
                    // Several may have left one group: what its last departure says holds.
                    match departed.last_mut() {
                        Some(last) if *last.group == *group => last.change = change,
                        _ => departed.push(Departed { group: group.to_string(), change }),
                    }
                }
            }
        }
        (departed, connections)
    }

    pub fn consumer_group(&self, group: &str) -> Option<&ConsumerGroup> {
        self.consumers.get(group)
    }

    /// All consumer groups with members, in name order.
    pub fn consumer_groups(&self) -> impl Iterator<Item = (&str, &ConsumerGroup)> {
        self.consumers.iter().map(|(name, group)| (&**name, group))
    }

    /// All producers, by group in name order.
    pub fn producers(&self) -> impl Iterator<Item = (&str, ConnectionId, &Member)> {
        self.producers
            .iter()
            .flat_map(|(name, group)| group.iter().map(move |(connection, member)| (&**name, *connection, member)))
    }

    pub fn producers_of(&self, group: &str) -> impl Iterator<Item = (ConnectionId, &Member)> {
        self.producers.get(group).into_iter().flatten().map(|(connection, member)| (*connection, member))
    }

    /// One producer of the group, another one each turn: whom to ask about a transaction.
    pub fn producer_in_turn(&self, group: &str, turn: usize) -> Option<ConnectionId> {
        let members = self.producers.get(group)?;
        members.keys().nth(turn % members.len()).copied()
    }

    /// Views of all groups, for a core that starts later or has lost count.
    pub fn views(&mut self) -> Vec<ViewChange> {
        let mut views = Vec::with_capacity(self.consumers.len());
        for (name, group) in &self.consumers {
            self.view_version += 1;
            views.push(ViewChange::Put(group.view(name, self.view_version)));
        }
        views
    }

    pub fn memberships(&self) -> usize {
        self.memberships
    }

    fn consumer_name(&self, group: &str) -> Rc<str> {
        self.consumers.get_key_value(group).map_or_else(|| Rc::from(group), |(name, _)| Rc::clone(name))
    }

    fn join(&mut self, connection: ConnectionId, role: Role) -> Result<(), RegistryFull> {
        if self.memberships >= self.limits.memberships_max {
            return Err(RegistryFull::Memberships { max: self.limits.memberships_max });
        }
        self.memberships += 1;
        self.by_connection.entry(connection).or_default().push(role);
        Ok(())
    }

    fn leave(&mut self, connection: ConnectionId, role: &Role) {
        let Some(roles) = self.by_connection.get_mut(&connection) else { return };
        let before = roles.len();
        roles.retain(|other| other != role);
        self.memberships -= before - roles.len();
        if roles.is_empty() {
            self.by_connection.remove(&connection);
        }
    }

    fn remove_producer(&mut self, group: &str, connection: ConnectionId) {
        let Some(members) = self.producers.get_mut(group) else { return };
        members.remove(&connection);
        if members.is_empty() {
            self.producers.remove(group);
        }
    }

    fn remove_consumer(&mut self, group: &str, connection: ConnectionId, notify: bool) -> Change {
        let Some(found) = self.consumers.get_mut(group) else { return Change::default() };
        if found.members.remove(&connection).is_none() {
            return Change::default();
        }
        let mut change = Change { members: true, ..Change::default() };
        if found.members.is_empty() {
            self.consumers.remove(group);
            self.view_version += 1;
            change.view = Some(ViewChange::Gone { group: group.to_owned(), version: self.view_version });
        } else if notify {
            change.notify = found.to_notify();
        }
        change
    }
}
