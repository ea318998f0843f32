//! What a consumer wants of a topic: its subscription, and the filter that follows from it.
//!
//! - `tag`: the tag expression `a || b` as a set of hash codes, as the consume queue stores them;
//! - `subscription`: what a heartbeat or a pull says about one topic;
//! - `sql`: SQL92 expressions over a message's properties;
//! - `properties`: such an expression as it crosses cores with a pull, and ready to be used.
//!
//! Tags are decided here only by hash: clients compare the text again, as with RocketMQ, whose broker does not compare
//! it anywhere either.

mod properties;
pub mod sql;
mod subscription;
mod tag;

pub use properties::{Expressions, PropertyFilter, RecordFilter, wants};
pub use subscription::{ExpressionType, SubscriptionData};
pub use tag::{BadTagExpression, TagFilter, java_hash, tags_code};
