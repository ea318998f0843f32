//! Who is in which group: what the core of a group does with heartbeats, departures and silence.
//!
//! A change of a group is first known to every core of the broker, which filters pulls by it, and only then told to the
//! members (NOTIFY_CONSUMER_IDS_CHANGED), who react with pulls on any core. Who joins is told last, see [`ANSWER_FIRST`].
//!
//! Before: `broker::client`, on the connection's core; after: `shards::group`.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use ringmq_shards::group::{Change, Clash, Client, ConnectionId, ConsumerHeartbeat, Departed, RegistryFull, ViewChange};
use ringmq_shards::runtime::{self, Lane, mesh::Request};
use ringmq_shards::types::ShardId;

use super::busy::Busy;
use super::core::Core;
use super::everywhere::{ask_all, ask_each};
use super::response::Refusal;
use super::subscription;
use crate::net::ConnectionNumber;
use crate::remoting::code::RequestCode;
use crate::remoting::request::client::NotifyConsumerIdsChanged;
use crate::remoting::request::heartbeat::Consumer;
use crate::remoting::{Encoding, RequestWriter};

/// How long after the others a client hears of its own joining. It answers that word with a heartbeat of its new
/// subscriptions, but only if the heartbeat that made it join has been answered; otherwise it leaves it out, and its pulls
/// are refused (SUBSCRIPTION_NOT_LATEST) until the next one, by default 30 s later.
const ANSWER_FIRST: Duration = Duration::from_millis(20);

/// Who sends a heartbeat, as plain data that crosses cores.
#[derive(Clone, Debug)]
pub struct Sender {
    pub connection: ConnectionId,
    pub client_id: String,
    pub address: std::net::SocketAddr,
    pub language: u8,
    pub version: i32,
}

/// A heartbeat's part for the groups of one core.
pub struct Join {
    pub sender: Sender,
    pub consumers: Vec<Consumer>,
    pub producers: Vec<String>,
    pub fingerprint: i32,
    pub without_sub: bool,
}

impl Request<Core> for Join {
    /// Whether the client must send its subscriptions once more.
    type Reply = Result<bool, Refusal>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        // Registered before the first await: a departure that comes later finds what it has to remove.
        let newcomer = self.sender.connection;
        let (mut changes, joined) = self.register(&core);
        let own = own_words(&mut changes, newcomer);
        publish(&core, changes).await;
        if !own.is_empty() {
            let _detached = runtime::spawn(Lane::Network, async move {
                runtime::sleep(ANSWER_FIRST).await;
                for group in own {
                    tell(&core, group, vec![newcomer]).await;
                }
            });
        }
        joined
    }
}

impl Join {
    fn register(self, core: &Core) -> (Vec<Departed>, Result<bool, Refusal>) {
        let Join { sender, consumers, producers, fingerprint, without_sub } = self;
        let now = runtime::now();
        let mut members = core.members.borrow_mut();
        let client = Client {
            connection: sender.connection,
            client_id: &sender.client_id,
            address: sender.address,
            language: sender.language,
            version: sender.version,
        };
        let mut changes = Vec::new();
        let mut sub_change = false;
        for producer in &producers {
            if let Err(full) = members.register_producer(producer, client, now) {
                return (changes, Err(full.into()));
            }
        }
        for consumer in consumers {
            let is_new = members.consumer_group(&consumer.group).is_none();
            let heartbeat = ConsumerHeartbeat {
                group: &consumer.group,
                client,
                consume_type: consumer.consume_type,
                message_model: consumer.message_model,
                consume_from_where: consumer.consume_from_where,
                subscriptions: (!without_sub).then_some(consumer.subscriptions),
                fingerprint,
            };
            match members.register_consumer(heartbeat, notifies(core, &consumer.group), now) {
                Ok(change) => {
                    if let Some(clash) = &change.clash {
                        report(core, &consumer.group, sender.client_id.as_str(), clash);
                    }
                    // A group that is new here lacks its subscriptions if this heartbeat left them out.
                    sub_change |= if is_new { without_sub } else { change.fingerprint };
                    changes.push(Departed { group: consumer.group, change });
                }
                Err(full) => return (changes, Err(full.into())),
            }
        }
        (changes, Ok(sub_change))
    }
}

/// Takes the one who joins out of those to be told at once: the groups of which it is to hear later.
fn own_words(changes: &mut [Departed], newcomer: ConnectionId) -> Vec<String> {
    let mut own = Vec::new();
    for Departed { group, change } in changes {
        let told = change.notify.len();
        change.notify.retain(|connection| *connection != newcomer);
        if change.notify.len() < told {
            own.push(group.clone());
        }
    }
    own
}

/// Members of one group do not subscribe to the same.
fn report(core: &Core, group: &str, client: &str, clash: &Clash) {
    core.counters.subscriptions_clashed();
    if let Some(left_out) = core.clashes.pass() {
        let Clash { topic, other_client } = clash;
        tracing::warn!(
            group,
            topic,
            client,
            other_client,
            left_out,
            "two consumers of one group subscribe to different things, so messages may be left lying: give both the same \
             topics and expressions, or each a group of its own"
        );
    }
}

/// Whether the group's and the broker's settings want members told.
fn notifies(core: &Core, group: &str) -> bool {
    let shard = core.live.state.borrow();
    let group_wants = shard.groups.get(group).is_none_or(|group| group.notify_consumer_ids_changed_enable);
    group_wants && core.settings.borrow().notify_members
}

/// UNREGISTER_CLIENT, for the groups of one core.
pub struct Leave {
    pub connection: ConnectionId,
    pub consumer: Option<String>,
    pub producer: Option<String>,
}

impl Request<Core> for Leave {
    type Reply = ();

    async fn serve(self, core: Rc<Core>) {
        if let Some(group) = &self.producer {
            core.members.borrow_mut().unregister_producer(group, self.connection);
        }
        if let Some(group) = self.consumer {
            let notify = notifies(&core, &group);
            let change = core.members.borrow_mut().unregister_consumer(&group, self.connection, notify);
            publish(&core, vec![Departed { group, change }]).await;
        }
    }
}

/// A connection has ended: it leaves all groups of one core.
#[derive(Clone)]
pub struct Gone(pub ConnectionId);

impl Request<Core> for Gone {
    type Reply = ();

    async fn serve(self, core: Rc<Core>) {
        let departed = core.members.borrow_mut().connection_closed(self.0, |group| notifies(&core, group));
        publish(&core, departed).await;
    }
}

/// Removes who has been silent for too long, and ends their connections.
pub async fn expire(core: &Rc<Core>) {
    let now = runtime::now();
    core.locks.borrow_mut().expire(now);
    let (departed, silent) = core.members.borrow_mut().expire(now, |group| notifies(core, group));
    publish(core, departed).await;
    let asks = by_core(silent).into_iter().map(|(shard, connections)| (shard, Close(connections)));
    ask_each(core, asks).await;
}

/// Tells the broker's cores what has become of the groups, then their members.
async fn publish(core: &Rc<Core>, changes: Vec<Departed>) {
    let views: Vec<ViewChange> = changes.iter().filter_map(|departed| departed.change.view.clone()).collect();
    if !views.is_empty() {
        subscription::complain(core, &views);
        ask_all(core, Views(views)).await;
    }
    for Departed { group, change: Change { notify, .. } } in changes {
        tell(core, group, notify).await;
    }
}

/// Tells these connections that the group's members have changed.
async fn tell(core: &Rc<Core>, group: String, connections: Vec<ConnectionId>) {
    let asks = by_core(connections).into_iter().map(|(shard, connections)| (shard, Notify { group: group.clone(), connections }));
    ask_each(core, asks).await;
}

fn by_core(connections: impl IntoIterator<Item = ConnectionId>) -> BTreeMap<ShardId, Vec<ConnectionNumber>> {
    let mut cores: BTreeMap<ShardId, Vec<ConnectionNumber>> = BTreeMap::new();
    for connection in connections {
        cores.entry(ShardId(connection.core)).or_default().push(ConnectionNumber(connection.number));
    }
    cores
}

/// At every core: what has changed in groups of another one.
#[derive(Clone)]
struct Views(Vec<ViewChange>);

impl Request<Core> for Views {
    type Reply = ();

    async fn serve(self, core: Rc<Core>) {
        let mut views = core.group_views.borrow_mut();
        for view in self.0 {
            views.apply(view);
        }
    }
}

/// At the core of the connections: NOTIFY_CONSUMER_IDS_CHANGED for each of them.
struct Notify {
    group: String,
    connections: Vec<ConnectionNumber>,
}

impl Request<Core> for Notify {
    type Reply = ();

    async fn serve(self, core: Rc<Core>) {
        for number in self.connections {
            let Some(connection) = core.net.connections.get(number) else { continue };
            let opaque = core.next_opaque();
            connection.reply(|out| {
                let request =
                    RequestWriter::new(out, Encoding::Json, opaque, RequestCode::NotifyConsumerIdsChanged.number()).oneway();
                let written = NotifyConsumerIdsChanged { consumer_group: &self.group }.encode(request).finish();
                assert!(written.is_ok(), "a group's name fits a frame");
            });
        }
    }
}

/// At the core of the connections: they end.
struct Close(Vec<ConnectionNumber>);

impl Request<Core> for Close {
    type Reply = ();

    async fn serve(self, core: Rc<Core>) {
        for number in self.0 {
            if let Some(connection) = core.net.connections.get(number) {
                tracing::info!(peer = %connection.peer, "closed: no heartbeat for two minutes");
                connection.close();
            }
        }
    }
}

impl From<RegistryFull> for Refusal {
    fn from(full: RegistryFull) -> Refusal {
        Busy::quota().refusal(full)
    }
}
