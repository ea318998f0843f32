//! Which messages a consumer wants: what its request carries, or what its group's heartbeats said.
//!
//! Runs on the connection's core, whose copies of the groups' views are complete; what comes out is plain data for the core
//! of the queue. Expressions are compiled on each core once, see `shards::filter`.
//!
//! Before: `broker::pull`, `broker::pop`, `broker::client`; after: `shards::runtime::reader`, `shards::runtime::pop`.

use ringmq_shards::filter::sql::BadExpression;
use ringmq_shards::filter::{ExpressionType, PropertyFilter, TagFilter};
use ringmq_shards::group::{GroupView, MessageModel, SubscriptionGroupConfig, ViewChange};
use ringmq_shards::topic::RETRY_PREFIX;

use super::core::Core;
use super::pull_check::no_permission;
use super::response::Refusal;
use crate::remoting::code::{FAQ, ResponseCode};
use crate::remoting::request::pull::{PullMessage, forbidden};
use crate::remoting::sysflag::pull as flag;

/// Which messages are wanted, as plain data that goes to the core of the queue.
#[derive(Clone, Debug)]
pub struct Selector {
    pub tags: TagFilter,
    pub properties: Option<PropertyFilter>,
}

/// Which messages the consumer wants: what the request carries, or what its group's heartbeats said.
pub fn of_pull(core: &Core, request: &PullMessage<'_>, group: &SubscriptionGroupConfig) -> Result<Selector, Refusal> {
    if request.sys_flag & flag::SUBSCRIPTION != 0 {
        let kind = ExpressionType::from_name(request.expression_type.unwrap_or(""));
        return carried(core, &kind, request.subscription);
    }
    let views = core.group_views.borrow();
    let Some(view) = views.get(request.consumer_group) else {
        let remark = format!("the consumer's group info not exist{FAQ}");
        return Err(Refusal::new(ResponseCode::SubscriptionNotExist, remark));
    };
    if !group.consume_broadcast_enable && view.message_model == MessageModel::Broadcasting {
        let remark = format!("the consumer group[{}] can not consume by broadcast way", request.consumer_group);
        return Err(no_permission(remark, forbidden::BROADCASTING_DISABLED));
    }
    let Some(subscription) = view.subscription(request.topic) else {
        let remark = format!("the consumer's subscription not exist{FAQ}");
        return Err(Refusal::new(ResponseCode::SubscriptionNotExist, remark));
    };
    if subscription.sub_version < request.sub_version {
        let remark = "the consumer's subscription not latest".to_owned();
        return Err(Refusal::new(ResponseCode::SubscriptionNotLatest, remark));
    }
    let properties = match &subscription.expression_type {
        ExpressionType::Tag => retried(core, request.topic, view),
        kind => {
            // Whatever is switched on: an expression that does not compile is told first.
            let filter = by_properties(core, kind, &subscription.sub_string).map_err(|_| {
                let remark = "The broker's consumer filter data is not exist!Your expression may be wrong!";
                Refusal::new(ResponseCode::FilterDataNotExist, remark.to_owned())
            })?;
            served(core, kind)?;
            Some(filter)
        }
    };
    Ok(Selector { tags: subscription.filter.clone(), properties })
}

/// What a request itself says. Where the expression cannot be read the original serves every message, matching or not; ours
/// says so.
pub fn carried(core: &Core, kind: &ExpressionType, expression: Option<&str>) -> Result<Selector, Refusal> {
    let bad = || Refusal::new(ResponseCode::SubscriptionParseFailed, "parse the consumer's subscription failed".to_owned());
    if let ExpressionType::Tag = kind {
        let tags = TagFilter::parse(expression.unwrap_or("*")).map_err(|_| bad())?;
        return Ok(Selector { tags, properties: None });
    }
    let expression = expression.filter(|expression| !expression.is_empty()).ok_or_else(bad)?;
    served(core, kind)?;
    let properties = by_properties(core, kind, expression).map_err(|_| bad())?;
    Ok(Selector { tags: TagFilter::ALL, properties: Some(properties) })
}

/// A filter of an expression that is not one of tags.
pub fn by_properties(core: &Core, kind: &ExpressionType, expression: &str) -> Result<PropertyFilter, BadExpression> {
    match kind {
        ExpressionType::Sql92 => PropertyFilter::matching(expression, &mut core.live.expressions.borrow_mut()),
        ExpressionType::Tag | ExpressionType::Other(_) => Err(BadExpression::unknown_kind(kind.name())),
    }
}

/// Whether filters of this type are switched on.
pub fn served(core: &Core, kind: &ExpressionType) -> Result<(), Refusal> {
    if core.settings.borrow().property_filter {
        return Ok(());
    }
    let remark = format!("The broker does not support consumer to filter message by {}", kind.name());
    Err(Refusal::new(ResponseCode::SystemError, remark))
}

/// filterSupportRetry: what a group wants of its topics is wanted of their retried messages too.
fn retried(core: &Core, topic: &str, view: &GroupView) -> Option<PropertyFilter> {
    if !topic.starts_with(RETRY_PREFIX) || !core.settings.borrow().filter_retries {
        return None;
    }
    let subscriptions = view.subscriptions().filter(|(_, subscription)| subscription.expression_type == ExpressionType::Sql92);
    let texts = subscriptions.map(|(topic, subscription)| (topic, subscription.sub_string.as_str()));
    Some(PropertyFilter::retried(texts, &mut core.live.expressions.borrow_mut()))
}

/// A heartbeat is taken whatever it says; that the group's pulls will be refused is told here, once for each change.
pub fn complain(core: &Core, views: &[ViewChange]) {
    for view in views {
        let ViewChange::Put(view) = view else { continue };
        for (topic, subscription) in view.subscriptions() {
            let (kind, expression) = (&subscription.expression_type, &subscription.sub_string);
            if *kind != ExpressionType::Tag
                && let Err(bad) = by_properties(core, kind, expression)
            {
                // What it wanted instead is told to whoever asks with code 46.
                let why = bad.to_string();
                let why = why.lines().next().unwrap_or_default();
                tracing::warn!(group = view.group, topic, "the group's pulls are refused: {why}");
            }
        }
    }
}
