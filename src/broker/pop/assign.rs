//! QUERY_ASSIGNMENT (400), SET_MESSAGE_REQUEST_MODE (401), GET_ALL_MESSAGE_REQUEST_MODE (402).
//!
//! A client that leaves the rebalance to the broker asks for its queues every 20 s. The topic's queues on all brokers are divided, so the
//! name server is asked which there are; what it said is kept for a while. The members are those that the group's core knows.
//!
//! Before: `broker::dispatch`; after: `pop::allocate`, `broker::changes` (modes), `net::client` (routes).

use std::collections::BTreeMap;
use std::net::ToSocketAddrs;
use std::rc::Rc;
use std::time::Duration;

use ringmq_shards::pop::{ModeChange, RequestMode};
use ringmq_shards::runtime::{self, mesh::Request};
use ringmq_shards::topic::RETRY_PREFIX;

use super::allocate::{Strategy, allocate_for_pop};
use crate::broker::changes::Wanted;
use crate::broker::core::Core;
use crate::broker::dispatch::Call;
use crate::broker::response::{Refusal, Response};
use crate::net::client::Client;
use crate::remoting::code::{RequestCode, ResponseCode};
use crate::remoting::request::assignment::{QueryAssignment, SetMessageRequestMode, write_assignments, write_modes};
use crate::remoting::request::queue::MessageQueue;
use crate::remoting::request::route::{GetRouteInfo, TopicRoute};
use crate::remoting::{Encoding, Header, RequestWriter, split};

/// A route that was asked for is believed for so long.
const ROUTE_AGE_MAX: Duration = Duration::from_secs(10);
const ROUTES_MAX: usize = 10_000;
const CALL_LIMIT: Duration = Duration::from_secs(1);
const PERM_READ: i32 = 4;

/// Routes that name servers gave lately. Lives on its core.
#[derive(Default)]
pub struct Routes {
    known: BTreeMap<String, (Duration, Vec<MessageQueue>)>,
}

pub async fn query(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let query = QueryAssignment::decode(call.body())?;
    let (mode, share) = mode_of(core, &query.topic, &query.group);
    let queues = assigned(core, &query, mode, share).await;
    let mut body = Vec::new();
    write_assignments(queues.as_deref(), mode.name(), &mut body);
    Ok(Response::success().with_body(body))
}

/// How a group consumes a topic, and with how many neighbours it shares queues.
fn mode_of(core: &Core, topic: &str, group: &str) -> (RequestMode, i32) {
    if let Some(mode) = core.live.state.borrow().request_modes.get(topic, group) {
        return mode;
    }
    let settings = core.settings.borrow();
    match settings.pop.is_default && !topic.starts_with(RETRY_PREFIX) {
        true => (RequestMode::Pop, settings.pop.default_share_queue_nums),
        false => (RequestMode::Pull, 0),
    }
}

async fn assigned(core: &Rc<Core>, query: &QueryAssignment, mode: RequestMode, share: i32) -> Option<Vec<MessageQueue>> {
    let queues = queues_of(core, &query.topic).await?;
    if query.is_broadcasting || !core.settings.borrow().pop.divides_queues {
        return Some(queues);
    }
    let home = core.placement.group(&query.group, core.id);
    let members = core.mesh.ask(home, core, ClientIds { group: query.group.clone() }).await??;
    let strategy = Strategy::from_name(&query.strategy)?;
    Some(match mode {
        RequestMode::Pull => strategy.allocate(&query.client_id, &queues, &members),
        RequestMode::Pop => allocate_for_pop(strategy, &query.client_id, &queues, &members, share),
    })
}

/// At the group's core: its members' ids, sorted. `None`: there is no such group.
struct ClientIds {
    group: String,
}

impl Request<Core> for ClientIds {
    type Reply = Option<Vec<String>>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let members = core.members.borrow();
        Some(members.consumer_group(&self.group)?.client_ids().into_iter().map(str::to_owned).collect())
    }
}

/// The readable queues of a topic, sorted. `None`: there is no such topic.
async fn queues_of(core: &Rc<Core>, topic: &str) -> Option<Vec<MessageQueue>> {
    let servers = core.settings.borrow().namesrv.clone();
    if servers.is_empty() {
        return own_queues(core, topic);
    }
    if let Some((asked, queues)) = core.routes.borrow().known.get(topic)
        && runtime::uptime().saturating_sub(*asked) < ROUTE_AGE_MAX
    {
        return Some(queues.clone());
    }
    for server in &servers {
        match ask_route(server, topic).await {
            Ok(Some(queues)) => {
                let mut routes = core.routes.borrow_mut();
                if routes.known.len() >= ROUTES_MAX {
                    routes.known.clear();
                }
                routes.known.insert(topic.to_owned(), (runtime::uptime(), queues.clone()));
                return Some(queues);
            }
            Ok(None) => return own_queues(core, topic),
            Err(error) => tracing::warn!(server, topic, "a topic's route is not known: {error}"),
        }
    }
    // Better an old answer than queues that nobody consumes.
    let known = core.routes.borrow().known.get(topic).map(|(_, queues)| queues.clone());
    known.or_else(|| own_queues(core, topic))
}

fn own_queues(core: &Core, topic: &str) -> Option<Vec<MessageQueue>> {
    let shard = core.live.state.borrow();
    let config = shard.topics.get(topic).filter(|config| config.perm.is_readable())?;
    Some(queues_on(topic, &core.identity.name, config.read_queue_nums as i32).collect())
}

fn queues_on(topic: &str, broker_name: &str, count: i32) -> impl Iterator<Item = MessageQueue> {
    (0..count).map(move |queue_id| MessageQueue { broker_name: broker_name.to_owned(), queue_id, topic: topic.to_owned() })
}

/// `None`: the name server knows no such topic.
async fn ask_route(server: &str, topic: &str) -> Result<Option<Vec<MessageQueue>>, String> {
    const OPAQUE: i32 = 1;
    let address =
        server.to_socket_addrs().map_err(|error| format!("{server} is no host:port that can be found: {error}"))?.next();
    let address = address.ok_or_else(|| format!("{server} has no address"))?;
    let mut client = Client::connect(address, CALL_LIMIT).await.map_err(|error| format!("cannot connect: {error}"))?;
    let mut request = Vec::new();
    let writer = RequestWriter::new(&mut request, Encoding::Json, OPAQUE, RequestCode::GetRouteinfoByTopic.number());
    let fields = GetRouteInfo { topic, accept_standard_json_only: Some(true) };
    fields.encode(writer).finish().map_err(|too_long| too_long.to_string())?;
    let reply = client.call(&request, OPAQUE, CALL_LIMIT).await.map_err(|error| error.to_string())?;
    let Ok(Some((frame, _))) = split(&reply) else { return Err("the answer is no frame".into()) };
    let header = Header::parse(&frame).map_err(|bad| bad.to_string())?;
    if header.code == ResponseCode::TopicNotExist.number() {
        return Ok(None);
    }
    if header.code != ResponseCode::Success.number() {
        return Err(format!("it answers code {}", header.code));
    }
    let route = TopicRoute::decode(frame.body).map_err(|bad| bad.to_string())?;
    let readable = route.queues.iter().filter(|queue| queue.perm & PERM_READ != 0);
    let mut queues: Vec<MessageQueue> =
        readable.flat_map(|queue| queues_on(topic, &queue.broker_name, queue.read_queue_nums)).collect();
    queues.sort();
    Ok(Some(queues))
}

pub async fn set_mode(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let wanted = SetMessageRequestMode::decode(call.body())?;
    if wanted.topic.starts_with(RETRY_PREFIX) {
        return Err(Refusal::new(ResponseCode::NoPermission, "retry topic is not allowed to set mode".to_owned()));
    }
    // A group need not be there yet.
    if core.live.state.borrow().topics.get(&wanted.topic).is_none() {
        return Err(Refusal::new(ResponseCode::TopicNotExist, format!("topic[{}] not exist", wanted.topic)));
    }
    let mode = RequestMode::from_name(&wanted.mode)
        .ok_or_else(|| Refusal::new(ResponseCode::SystemError, format!("the mode {} is neither PULL nor POP", wanted.mode)))?;
    let SetMessageRequestMode { topic, group, pop_share_queue_num: share_queue_nums, .. } = wanted;
    Wanted::RequestMode(ModeChange { topic, group, mode, share_queue_nums }).make(core).await?;
    Ok(Response::success())
}

pub async fn modes(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let home = core.placement.settings(core.id);
    let modes = core.mesh.ask(home, core, Modes).await.ok_or_else(Refusal::stopping)?;
    let mut body = Vec::new();
    write_modes(&modes, &mut body);
    Ok(Response::success().with_body(body))
}

/// At the home of settings.
struct Modes;

impl Request<Core> for Modes {
    type Reply = Vec<SetMessageRequestMode>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let shard = core.live.state.borrow();
        let mode = |(topic, group, mode, share): (&str, &str, RequestMode, i32)| SetMessageRequestMode {
            topic: topic.to_owned(),
            group: group.to_owned(),
            mode: mode.name().to_owned(),
            pop_share_queue_num: share,
        };
        shard.request_modes.iter().map(mode).collect()
    }
}
