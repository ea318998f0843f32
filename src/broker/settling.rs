//! The topic that some cores have and others have not yet.
//!
//! A new topic reaches the cores one after the other, and a message may go from any core to any other. So until all have
//! the topic none sends to it: for senders it is not there, and whoever makes it then waits for its turn at the home, which
//! is over when everybody knows. There is one at most: the home makes one change at a time.
//!
//! Before: `broker::changes`, which says when; after: everything here that stores messages.

use std::cell::RefCell;

use ringmq_shards::shard::Shard;
use ringmq_shards::topic::TopicConfig;

use super::core::Core;

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
}
