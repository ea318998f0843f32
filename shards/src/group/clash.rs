//! Members of one group that subscribe to different things.
//!
//! The last heartbeat speaks for the whole group, so such members take turns in dropping each other's topics, and messages
//! are left lying or filtered wrongly: the commonest mistake in operating consumers, and one that nobody sees. Nothing is
//! refused, since every rolling change of an application does it for a while; it is said.
//!
//! Before: `consumers`; after: `broker::membership`, which counts and logs it.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::filter::SubscriptionData;

/// Two clients of a group do not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    /// One of the topics that make the difference.
    pub topic: String,
    pub other_client: String,
}

/// The same for the same topics with the same expressions, in whatever order and version.
pub(super) fn subscribed(subscriptions: &[SubscriptionData]) -> u64 {
    let hash = |one: &SubscriptionData| {
        let mut hasher = DefaultHasher::new();
        (&one.topic, &one.sub_string, one.expression_type.name()).hash(&mut hasher);
        hasher.finish()
    };
    subscriptions.iter().map(hash).fold(0, u64::wrapping_add)
}

/// A topic that only one side has, or has otherwise.
pub(super) fn first_difference<'a>(
    known: &'a BTreeMap<String, SubscriptionData>,
    said: &'a [SubscriptionData],
) -> Option<&'a str> {
    let is_same = |one: &SubscriptionData, other: &SubscriptionData| {
        (&one.sub_string, &one.expression_type) == (&other.sub_string, &other.expression_type)
    };
    let new = said.iter().find(|one| known.get(&one.topic).is_none_or(|other| !is_same(one, other)));
    let dropped = || known.values().find(|one| !said.iter().any(|other| other.topic == one.topic));
    new.or_else(dropped).map(|one| one.topic.as_str())
}
