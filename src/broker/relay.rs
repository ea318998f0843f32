//! What administrators ask of clients through the broker: INVOKE_BROKER_TO_GET_CONSUMER_STATUS (223, which asks members with
//! 221), GET_CONSUMER_RUNNING_INFO (307), CONSUME_MESSAGE_DIRECTLY (309).
//!
//! 307 and 309 reach the client with the administrator's own fields; its answer's code, remark and body come back.
//!
//! Before: `broker::dispatch`; after: `broker::client_calls`, on the core of the client's connection.

use std::rc::Rc;
use std::time::Duration;

use ringmq_shards::group::{ConnectionId, Member};
use ringmq_shards::runtime::mesh::Request;

use super::client_calls::{ClientAnswer, ClientCall, NoAnswer};
use super::core::Core;
use super::dispatch::Call;
use super::everywhere::at_once;
use super::response::{Refusal, Response};
use super::view::record_named;
use crate::remoting::code::{RequestCode, ResponseCode};
use crate::remoting::message::id::OffsetMessageId;
use crate::remoting::request::BadRequest;
use crate::remoting::request::relay::{ConsumeMessageDirectly, GetConsumerRunningInfo};
use crate::remoting::request::reset::{GetConsumerStatus, QueueOffsets, client_offsets, write_consumer_status};
use crate::remoting::version;

/// As the original: a listener may take its time with a message that it is given directly.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
const STATUS_LIMIT: Duration = Duration::from_secs(5);
/// Members of one group that are asked side by side.
const ASKED_AT_ONCE: usize = 64;

/// What Java says where nobody has set a remark.
pub(super) const NO_REMARK: &str = "not set any response code";

pub async fn running_info(call: Call) -> Result<Response, Refusal> {
    let (group, client_id) = {
        let header = call.header();
        let request = GetConsumerRunningInfo::decode(&header)?;
        (request.consumer_group.to_owned(), request.client_id.to_owned())
    };
    let ask = ClientCall { code: RequestCode::GetConsumerRunningInfo, fields: fields(&call), body: call.body().to_vec() };
    relay(&call.core, &group, &client_id, ask).await
}

pub async fn consume_directly(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let mut fields = fields(&call);
    let (group, client_id, topic, id) = {
        let header = call.header();
        let request = ConsumeMessageDirectly::decode(&header)?;
        let id = request.msg_id.ok_or(BadRequest::Missing { field: "msgId" })?;
        let bad = |_| Refusal::new(ResponseCode::SystemError, format!("the field msgId is no offset message id: {}", short(id)));
        let id: OffsetMessageId = id.parse().map_err(bad)?;
        let owned = |text: Option<&str>| text.unwrap_or_default().to_owned();
        (request.consumer_group.to_owned(), owned(request.client_id), owned(request.topic), id)
    };
    // The client first: who is not there needs no message.
    let client = find(core, &group, &client_id).await?;
    let mut put = |name: &str, value: String| {
        fields.retain(|(found, _)| found != name);
        fields.push((name.to_owned(), value));
    };
    put("brokerName", core.identity.name.clone());
    {
        let shard = core.live.state.borrow();
        if let Some(topic) = shard.topics.get(&topic) {
            put("topicSysFlag", topic.sys_flag.to_string());
        }
        if let Some(group) = shard.groups.get(&group) {
            put("groupSysFlag", group.group_sys_flag.to_string());
        }
    }
    let record = record_named(core, id.physical_offset).await?;
    let ask = ClientCall { code: RequestCode::ConsumeMessageDirectly, fields, body: record };
    answer(core, &group, &client_id, client, ask).await
}

pub async fn consumer_status(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let (topic, group, only) = {
        let header = call.header();
        let request = GetConsumerStatus::decode(&header)?;
        let only = request.client_addr.filter(|id| !id.trim().is_empty()).map(str::to_owned);
        (request.topic.to_owned(), request.group.to_owned(), only)
    };
    let members = members(core, &group).await?;
    if members.is_empty() {
        let remark = format!("No Any Consumer online in the consumer group: [{group}]");
        return Err(Refusal::new(ResponseCode::SystemError, remark));
    }
    if let Some((_, old)) = members.iter().find(|(_, member)| member.version < version::V3_0_7_SNAPSHOT) {
        return Err(unsupported(old.version));
    }
    let asked = members.into_iter().filter(|(_, member)| only.as_ref().is_none_or(|only| *only == member.client_id));
    let ask = ClientCall {
        code: RequestCode::GetConsumerStatusFromClient,
        fields: vec![("topic".to_owned(), topic), ("group".to_owned(), group)],
        body: Vec::new(),
    };
    let asked: Vec<_> = asked.collect();
    let mut statuses: Vec<(String, QueueOffsets)> = Vec::new();
    for some in asked.chunks(ASKED_AT_ONCE) {
        let asks = some.iter().map(|(connection, member)| {
            let (core, ask, client_id, connection) = (core.clone(), ask.clone(), member.client_id.clone(), *connection);
            async move { (client_id, core.ask_client(connection, ask, STATUS_LIMIT).await) }
        });
        for (client_id, answer) in at_once(asks).await {
            // Who does not answer, or badly, is left out, as ever.
            let Ok(ClientAnswer { code: 0, body, .. }) = answer else { continue };
            if let Ok(offsets) = client_offsets(&body) {
                statuses.push((client_id, offsets));
            }
        }
    }
    let mut body = Vec::new();
    write_consumer_status(&statuses, &mut body);
    Ok(Response::success().with_remark(NO_REMARK).with_body(body))
}

pub(super) fn unsupported(client_version: i32) -> Refusal {
    let remark = format!("the client does not support this feature. version={}", version::Name(client_version));
    Refusal::new(ResponseCode::SystemError, remark)
}

/// The administrator's fields, for the client.
fn fields(call: &Call) -> Vec<(String, String)> {
    call.header().fields().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn short(text: &str) -> String {
    text.chars().take(64).collect()
}

async fn relay(core: &Rc<Core>, group: &str, client_id: &str, ask: ClientCall) -> Result<Response, Refusal> {
    let client = find(core, group, client_id).await?;
    answer(core, group, client_id, client, ask).await
}

/// The client's connection, if it is online and knows such questions.
async fn find(core: &Rc<Core>, group: &str, client_id: &str) -> Result<ConnectionId, Refusal> {
    let refuse = |remark: String| Err(Refusal::new(ResponseCode::SystemError, remark));
    let members = members(core, group).await?;
    let Some((connection, member)) = members.into_iter().find(|(_, member)| member.client_id == client_id) else {
        return refuse(format!("The Consumer <{group}> <{client_id}> not online"));
    };
    if member.version < version::V3_1_8_SNAPSHOT {
        let found = version::Name(member.version);
        return refuse(format!(
            "The Consumer <{client_id}> Version <{found}> too low to finish, please upgrade it to V3_1_8_SNAPSHOT"
        ));
    }
    Ok(connection)
}

async fn answer(
    core: &Rc<Core>,
    group: &str,
    client_id: &str,
    client: ConnectionId,
    ask: ClientCall,
) -> Result<Response, Refusal> {
    let refuse = |code, why: &str| Err(Refusal::new(code, why.to_owned()));
    match core.ask_client(client, ask, ANSWER_LIMIT).await {
        Ok(answer) => Ok(answer.into()),
        Err(NoAnswer::TimedOut) => refuse(
            ResponseCode::ConsumeMsgTimeout,
            &format!("consumer <{group}> <{client_id}> Timeout: no answer within {} s", ANSWER_LIMIT.as_secs()),
        ),
        // The original waits for ten seconds and calls this a time-out too; the asker need not.
        Err(NoAnswer::Gone) => refuse(
            ResponseCode::ConsumeMsgTimeout,
            &format!("consumer <{group}> <{client_id}> has gone without an answer; ask it again when it is back"),
        ),
        Err(NoAnswer::Full) => refuse(
            ResponseCode::SystemBusy,
            &format!("invoke consumer <{group}> <{client_id}>: too many questions to clients are unanswered; ask again later"),
        ),
        Err(NoAnswer::TooLong) => refuse(
            ResponseCode::SystemError,
            &format!("invoke consumer <{group}> <{client_id}>: the question does not fit a frame"),
        ),
    }
}

/// Its fields are left out: clients give none.
impl From<ClientAnswer> for Response {
    fn from(answer: ClientAnswer) -> Response {
        let ClientAnswer { code, remark, body } = answer;
        let known = ResponseCode::from_number(code);
        let remark = if known.is_some() {
            remark
        } else {
            Some(format!("the client has answered {code}: {}", remark.unwrap_or_default()))
        };
        Response { code: known.unwrap_or(ResponseCode::SystemError), remark, fields: Vec::new(), body }
    }
}

/// The members of a group, from its core.
pub(super) async fn members(core: &Rc<Core>, group: &str) -> Result<Vec<(ConnectionId, Member)>, Refusal> {
    let home = core.placement.group(group, core.id);
    core.mesh.ask(home, core, Members(group.to_owned())).await.ok_or_else(Refusal::stopping)
}

struct Members(String);

impl Request<Core> for Members {
    type Reply = Vec<(ConnectionId, Member)>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let members = core.members.borrow();
        let group = members.consumer_group(&self.0);
        group.into_iter().flat_map(|group| group.members()).map(|(id, member)| (id, member.clone())).collect()
    }
}
