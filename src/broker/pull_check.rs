//! Everything that can be said of a pull without looking at its queue: whether it may be, and what it asks for.
//!
//! The order of checks, codes and remarks is the original's (remoting-protocol §5, code 11).
//! Before: `broker::pull`; after: `broker::subscription`.

use ringmq_shards::group::{GroupLookup, SubscriptionGroupConfig};
use ringmq_shards::runtime;
use ringmq_shards::runtime::reader::PullRequest;

use super::client::id_of;
use super::core::Core;
use super::pull::PullFrom;
use super::response::Refusal;
use super::subscription::{self, Selector};
use crate::net::Connection;
use crate::remoting::Header;
use crate::remoting::code::{FAQ, RequestCode, ResponseCode};
use crate::remoting::request::pull::{PullMessage, forbidden};
use crate::remoting::sysflag::pull as flag;

/// The pull, its topic's and its group's flags, and whether the group comes into being by it.
pub fn check(core: &Core, connection: &Connection, header: &Header<'_>) -> Result<(PullFrom, i32, i32, bool), Refusal> {
    let request = PullMessage::decode(header)?;
    if !core.permission().is_readable() {
        let remark = format!("the broker[{}] pulling message is forbidden", core.identity.address.ip());
        return Err(no_permission(remark, forbidden::BROKER));
    }
    let settings = core.settings.borrow();
    if header.code == RequestCode::LitePullMessage.number() && !settings.lite_pull {
        let remark = format!("the broker[{}] for lite pull consumer is forbidden", core.identity.address.ip());
        return Err(no_permission(remark, forbidden::BROKER));
    }
    let shard = core.live.state.borrow();
    // A group that may be created is as good as there.
    let created;
    let mut new_group = false;
    let group = match shard.groups.find(request.consumer_group, runtime::now()) {
        GroupLookup::Known(group) => group,
        GroupLookup::Create(_) => {
            new_group = true;
            created = SubscriptionGroupConfig::new(request.consumer_group);
            &created
        }
        GroupLookup::Missing => {
            let remark = format!("subscription group [{}] does not exist, {FAQ}", request.consumer_group);
            return Err(Refusal::new(ResponseCode::SubscriptionGroupNotExist, remark));
        }
    };
    if !group.consume_enable {
        let remark = format!("subscription group no permission, {}", request.consumer_group);
        return Err(no_permission(remark, forbidden::GROUP));
    }
    let Some(topic) = shard.topics.get(request.topic) else {
        let remark = format!("topic[{}] not exist, apply first please! {FAQ}", request.topic);
        return Err(Refusal::new(ResponseCode::TopicNotExist, remark));
    };
    if !topic.perm.is_readable() {
        let remark = format!("the topic[{}] pulling message is forbidden", request.topic);
        return Err(no_permission(remark, forbidden::TOPIC));
    }
    let queue_id =
        u32::try_from(request.queue_id).ok().filter(|queue_id| *queue_id < topic.read_queue_nums).ok_or_else(|| {
            let remark = format!(
                "queueId[{}] is illegal, topic:[{}] topicConfig.readQueueNums:[{}] consumer:[/{}]",
                request.queue_id, request.topic, topic.read_queue_nums, connection.peer
            );
            Refusal::new(ResponseCode::InvalidParameter, remark)
        })?;
    let Selector { tags, properties } = subscription::of_pull(core, &request, group)?;
    let holds = request.sys_flag & flag::SUSPEND != 0;
    let hold_millis = match (holds, settings.long_polling) {
        (false, _) => 0,
        (true, true) => request.suspend_timeout_millis.max(0),
        (true, false) => settings.short_polling_ms,
    };
    let pull = PullFrom {
        request: PullRequest {
            topic: request.topic.to_owned(),
            queue_id,
            offset: request.queue_offset,
            messages_max: u32::try_from(request.max_msg_nums).unwrap_or(0).clamp(1, settings.pull_messages_max),
            bytes_max: settings.pull_bytes_max,
            filter: tags,
            properties,
            hold_millis,
        },
        group: request.consumer_group.to_owned(),
        client: id_of(core, connection),
        commit_offset: request.commit_offset.filter(|_| request.sys_flag & flag::COMMIT_OFFSET != 0),
    };
    Ok((pull, topic.sys_flag, group.group_sys_flag, new_group))
}

/// Clients are told who forbids it.
pub fn no_permission(remark: String, forbidden: i32) -> Refusal {
    Refusal::new(ResponseCode::NoPermission, remark).with_field("forbiddenType", forbidden.to_string())
}
