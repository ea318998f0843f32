//! The topic that some cores have and others have not yet.
//!
//! A new topic reaches the cores one after the other, and a message may go from any core to any other. So until all have
//! the topic none sends to it: for senders it is not there, and whoever makes it then waits for its turn at the home, which
//! is over when everybody knows. There is one at most: the home makes one change at a time.
//!
//! A core whose log has failed takes no change any more. Others have and use what it does not know, so it says that it
//! cannot serve, never that a topic or a group is not there.
//!
//! Before: `broker::changes`, which says when; after: everything here that stores messages or refuses to.

use std::cell::RefCell;

use ringmq_shards::shard::Shard;
use ringmq_shards::topic::TopicConfig;

use super::core::Core;
use super::response::Refusal;
use crate::remoting::code::ResponseCode;

#[derive(Default)]
pub struct Settling(RefCell<Option<String>>);

impl Settling {
    pub fn begins(&self, topic: &str) {
        *self.0.borrow_mut() = Some(topic.to_owned());
    }

    pub fn ends(&self) {
        *self.0.borrow_mut() = None;
    }

    fn is(&self, topic: &str) -> bool {
        self.0.borrow().as_deref() == Some(topic)
    }
}

impl Core {
    /// The topic, if a message for it may go to any core now.
    pub fn topic_to_send<'s>(&self, shard: &'s Shard, topic: &str) -> Option<&'s TopicConfig> {
        if self.settling.is(topic) { None } else { shard.topics.get(topic) }
    }

    pub fn can_send_to(&self, topic: &str) -> bool {
        self.topic_to_send(&self.live.state.borrow(), topic).is_some()
    }

    /// The refusal as a client may hear it: of what is not known here only while this core hears of everything.
    pub fn sure(&self, refusal: Refusal) -> Refusal {
        match refusal.code {
            ResponseCode::TopicNotExist | ResponseCode::SubscriptionGroupNotExist => {
                self.live.state.borrow().can_log().err().map_or(refusal, Refusal::from)
            }
            _ => refusal,
        }
    }
}
