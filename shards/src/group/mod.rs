//! Consumer groups (and producer groups): their settings, who is in them, who holds which queue.
//!
//! - `config`: one group's settings and their bytes;
//! - `policy`: what of them is kept for others than the broker;
//! - `table`: all groups' settings, decided about at the home of settings and replicated like topics;
//! - `change`: one change of that table;
//! - `member`: a client as a group sees it, and what consumers say about themselves;
//! - `consumers`: one consumer group's members and subscriptions, and who must hear of a change;
//! - `members`: all groups whose core this is, with producers; heartbeats, departures, expiry;
//! - `view`: what the other cores know of a consumer group, for filtering pulls;
//! - `locks`: which consumer may read which queue of an ordered group.
//!
//! Members and locks live on the group's core (`placement::group`) and only in memory: clients say it all again within
//! 30 s. Settings are logged.

mod change;
mod clash;
mod config;
mod consumers;
mod locks;
mod member;
mod members;
mod policy;
mod table;
#[cfg(test)]
mod tests;
mod view;

pub use change::GroupChange;
pub use clash::Clash;
pub use config::SubscriptionGroupConfig;
pub use consumers::{Change, ConsumerGroup};
pub use locks::{LocksFull, QueueLocks, QueueName};
pub use member::{Client, ConnectionId, ConsumeFromWhere, ConsumeType, Member, MessageModel};
pub use members::{ConsumerHeartbeat, Departed, EXPIRY_MS, Limits, Members, RegistryFull};
pub use policy::{
    CustomizedRetry, ExponentialRetry, GroupPolicy, GroupRetryPolicy, POLICY_BYTES_MAX, RetryPolicyType, SimpleSubscription,
};
pub use table::{BadGroupUpdate, GroupLookup, GroupRules, Groups};
pub use view::{GroupView, GroupViews, Subscription, ViewChange};
