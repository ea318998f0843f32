//! Start reading here: which request goes to which handler.
//!
//! Sends, pulls, pops, acks and the ends of transactions are served inline, from the borrowed frame. Everything else is rare: its frame is copied, and its
//! handler runs as a task of its own, free to ask other cores.
//!
//! Before: `net::connection`; after: one file per request family beside this one.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use ringmq_shards::runtime::{self, Lane};

use super::core::Core;
use super::pop::{assign, look, settle, take};
use super::response::{Refusal, Response};
use super::{
    clean, client, config, connections, consume_queue, group, group_offsets, lock, offset, progress, pull, query, readers,
    recall, relay, reply, reset, retry, send, stats, topic, transaction, view, view_stats, waiting,
};
use crate::net::connection::InFlight;
use crate::net::owned_frame::OwnedFrame;
use crate::net::{Connection, Flow};
use crate::remoting::code::{RequestCode, ResponseCode};
use crate::remoting::{Encoding, Frame, Header};

/// A request off the hot path: its own copy of the frame, and whom to ask and answer.
pub struct Call {
    pub core: Rc<Core>,
    pub in_flight: InFlight,
    frame: OwnedFrame,
}

impl Call {
    pub fn connection(&self) -> &Rc<Connection> {
        self.in_flight.connection()
    }

    pub fn header(&self) -> Header<'_> {
        Header::parse(&self.frame.frame()).expect("was parsed before it was copied")
    }

    pub fn body(&self) -> &[u8] {
        self.frame.frame().body
    }
}

pub type Answer = Pin<Box<dyn Future<Output = Result<Response, Refusal>>>>;

pub enum Handler {
    /// Served from the borrowed frame; writes its own reply.
    Inline(fn(&Rc<Core>, &Rc<Connection>, &Frame<'_>, &Header<'_>) -> Flow),
    /// Served by a task.
    Task(fn(Call) -> Answer),
}

/// The dispatch table. `None`: not served (yet); `docs/protocol.md` says why, and a test compares the two.
pub fn handler(code: RequestCode) -> Option<Handler> {
    use Handler::{Inline, Task};
    Some(match code {
        RequestCode::SendMessage | RequestCode::SendMessageV2 | RequestCode::SendBatchMessage => Inline(send::send),
        RequestCode::PullMessage | RequestCode::LitePullMessage => Inline(pull::pull),

        RequestCode::PopMessage => Inline(take::pop),
        RequestCode::AckMessage => Inline(settle::ack),
        RequestCode::BatchAckMessage => Inline(settle::ack_batch),
        RequestCode::ChangeMessageInvisibletime => Task(|call| Box::pin(settle::change_invisible_time(call))),
        RequestCode::PeekMessage => Task(|call| Box::pin(look::peek(call))),
        RequestCode::Notification => Task(|call| Box::pin(look::notification(call))),
        RequestCode::PollingInfo => Task(|call| Box::pin(look::polling_info(call))),
        RequestCode::QueryAssignment => Task(|call| Box::pin(assign::query(call))),
        RequestCode::SetMessageRequestMode => Task(|call| Box::pin(assign::set_mode(call))),
        RequestCode::GetAllMessageRequestMode => Task(|call| Box::pin(assign::modes(call))),
        RequestCode::RecallMessage => Task(|call| Box::pin(recall::recall(call))),
        RequestCode::GetAllDelayOffset => Task(|call| Box::pin(waiting::delay_offsets(call))),
        RequestCode::GetTimerCheckPoint => Task(|call| Box::pin(waiting::check_point(call))),
        RequestCode::GetTimerMetrics => Task(|call| Box::pin(waiting::metrics(call))),

        RequestCode::HeartBeat => Task(|call| Box::pin(client::heartbeat(call))),
        RequestCode::UnregisterClient => Task(|call| Box::pin(client::unregister(call))),
        RequestCode::GetConsumerListByGroup => Task(|call| Box::pin(client::consumer_list(call))),
        RequestCode::GetConsumerConnectionList => Task(|call| Box::pin(connections::consumers(call))),
        RequestCode::GetProducerConnectionList => Task(|call| Box::pin(connections::producers(call))),
        RequestCode::GetAllProducerInfo => Task(|call| Box::pin(connections::all_producers(call))),
        RequestCode::CheckClientConfig => Task(|call| Box::pin(client::check_config(call))),

        RequestCode::QueryConsumerOffset => Task(|call| Box::pin(offset::query(call))),
        RequestCode::UpdateConsumerOffset => Task(|call| Box::pin(offset::update(call))),
        RequestCode::SearchOffsetByTimestamp => Task(|call| Box::pin(offset::search(call))),
        RequestCode::GetMaxOffset => Task(|call| Box::pin(offset::max(call))),
        RequestCode::GetMinOffset => Task(|call| Box::pin(offset::min(call))),
        RequestCode::GetEarliestMsgStoretime => Task(|call| Box::pin(offset::earliest(call))),
        RequestCode::InvokeBrokerToResetOffset => Task(|call| Box::pin(reset::reset(call))),
        RequestCode::GetAllConsumerOffset => Task(|call| Box::pin(group_offsets::all(call))),
        RequestCode::QueryCorrectionOffset => Task(|call| Box::pin(group_offsets::correction(call))),
        RequestCode::CloneGroupOffset => Task(|call| Box::pin(group_offsets::clone(call))),
        RequestCode::InvokeBrokerToGetConsumerStatus => Task(|call| Box::pin(relay::consumer_status(call))),
        RequestCode::GetConsumerRunningInfo => Task(|call| Box::pin(relay::running_info(call))),
        RequestCode::ConsumeMessageDirectly => Task(|call| Box::pin(relay::consume_directly(call))),
        RequestCode::QueryMessage => Task(|call| Box::pin(query::by_key(call))),
        RequestCode::ViewMessageById => Task(|call| Box::pin(view::by_id(call))),

        RequestCode::SendReplyMessage | RequestCode::SendReplyMessageV2 => Task(|call| Box::pin(reply::reply(call))),
        RequestCode::ConsumerSendMsgBack => Task(|call| Box::pin(retry::send_back(call))),

        RequestCode::UpdateAndCreateTopic => Task(|call| Box::pin(topic::put(call))),
        RequestCode::UpdateAndCreateTopicList => Task(|call| Box::pin(topic::put_list(call))),
        RequestCode::DeleteTopicInBroker => Task(|call| Box::pin(topic::delete(call))),
        RequestCode::GetAllTopicConfig => Task(|call| Box::pin(topic::all(call))),
        RequestCode::GetTopicConfig => Task(|call| Box::pin(topic::get(call))),
        RequestCode::GetSystemTopicListFromBroker => Task(|call| Box::pin(topic::system(call))),
        RequestCode::GetTopicStatsInfo => Task(|call| Box::pin(stats::topic(call))),

        RequestCode::UpdateAndCreateSubscriptiongroup => Task(|call| Box::pin(group::put(call))),
        RequestCode::UpdateAndCreateSubscriptiongroupList => Task(|call| Box::pin(group::put_list(call))),
        RequestCode::GetAllSubscriptiongroupConfig => Task(|call| Box::pin(group::all(call))),
        RequestCode::GetSubscriptiongroupConfig => Task(|call| Box::pin(group::get(call))),
        RequestCode::DeleteSubscriptiongroup => Task(|call| Box::pin(group::delete(call))),

        RequestCode::GetConsumeStats => Task(|call| Box::pin(progress::of_group(call))),
        RequestCode::GetBrokerConsumeStats => Task(|call| Box::pin(progress::of_broker(call))),
        RequestCode::QueryConsumeTimeSpan => Task(|call| Box::pin(progress::time_span(call))),
        RequestCode::QueryTopicConsumeByWho => Task(|call| Box::pin(readers::groups(call))),
        RequestCode::QueryTopicsByConsumer => Task(|call| Box::pin(readers::topics(call))),
        RequestCode::QuerySubscriptionByConsumer => Task(|call| Box::pin(readers::subscription(call))),
        RequestCode::QueryConsumeQueue => Task(|call| Box::pin(consume_queue::show(call))),
        RequestCode::ViewBrokerStatsData => Task(|call| Box::pin(view_stats::view(call))),

        RequestCode::CleanExpiredConsumequeue | RequestCode::CleanUnusedTopic => Task(|call| Box::pin(clean::nothing_left(call))),
        RequestCode::DeleteExpiredCommitlog => Task(|call| Box::pin(clean::expired_segments(call))),

        RequestCode::LockBatchMq => Task(|call| Box::pin(lock::lock(call))),
        RequestCode::UnlockBatchMq => Task(|call| Box::pin(lock::unlock(call))),

        RequestCode::EndTransaction => Inline(transaction::end),
        RequestCode::ResumeCheckHalfMessage => Task(|call| Box::pin(transaction::resume(call))),

        RequestCode::UpdateBrokerConfig => Task(|call| Box::pin(config::update(call))),
        RequestCode::GetBrokerConfig => Task(|call| Box::pin(config::get(call))),
        RequestCode::GetBrokerRuntimeInfo => Task(|call| Box::pin(stats::runtime(call))),

        _ => return None,
    })
}

/// One frame from a client.
pub fn dispatch(core: &Rc<Core>, connection: &Rc<Connection>, frame: &Frame<'_>) -> Flow {
    let header = match Header::parse(frame) {
        Ok(header) => header,
        Err(bad) => {
            core.complain(connection, &bad);
            return Flow::Close;
        }
    };
    if header.is_response() {
        core.client_calls.answered(connection.number, &header, frame);
        return Flow::Taken;
    }
    match RequestCode::from_number(header.code).and_then(handler) {
        Some(Handler::Inline(serve)) => serve(core, connection, frame, &header),
        Some(Handler::Task(serve)) => {
            start(core, connection, frame, &header, serve);
            Flow::Taken
        }
        None => {
            not_supported(core, connection, frame.encoding, &header);
            Flow::Taken
        }
    }
}

/// Serves a copy of the frame in a task.
pub fn start(core: &Rc<Core>, connection: &Rc<Connection>, frame: &Frame<'_>, header: &Header<'_>, serve: fn(Call) -> Answer) {
    let call = Call { core: core.clone(), in_flight: connection.begin(), frame: OwnedFrame::copy(frame) };
    let connection = connection.clone();
    let (encoding, opaque, oneway) = (frame.encoding, header.opaque, header.is_oneway());
    let promise = connection.begin();
    let core = core.clone();
    let _detached = runtime::spawn(Lane::Network, async move {
        let response = serve(call).await.unwrap_or_else(|refusal| core.sure(refusal).into());
        if !oneway {
            connection.reply(|out| response.write(encoding, opaque, out));
        }
        drop(promise);
    });
}

fn not_supported(core: &Core, connection: &Connection, encoding: Encoding, header: &Header<'_>) {
    core.counters.refused(ResponseCode::RequestCodeNotSupported);
    if header.is_oneway() {
        return;
    }
    let name = RequestCode::from_number(header.code).map_or("unknown", RequestCode::name);
    let remark = format!(" request type {} not supported ({name}); docs/protocol.md lists what is served", header.code);
    let response = Response::from(Refusal::new(ResponseCode::RequestCodeNotSupported, remark));
    connection.reply(|out| response.write(encoding, header.opaque, out));
}
