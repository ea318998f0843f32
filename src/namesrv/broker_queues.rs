//! One topic's queues on each broker that has it.
//!
//! Nearly always on one or a few, and there may be a million topics: so it is a sorted slice without room to spare, and the
//! brokers' names are shared. A map of its own for each topic would take ten times as much.
//!
//! Always true: the names are in order, and each is there once.
//!
//! Before: `routes`.

use std::rc::Rc;

use super::routes::QueueData;

#[derive(Debug, Default)]
pub struct BrokerQueues(Box<[(Rc<str>, QueueData)]>);

impl BrokerQueues {
    /// In the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &QueueData)> {
        self.0.iter().map(|(broker, queues)| (&**broker, queues))
    }

    pub fn get(&self, broker: &str) -> Option<&QueueData> {
        self.find(broker).ok().map(|at| &self.0[at].1)
    }

    pub fn get_mut(&mut self, broker: &str) -> Option<&mut QueueData> {
        self.find(broker).ok().map(|at| &mut self.0[at].1)
    }

    /// A broker that is not here yet.
    pub fn insert(&mut self, broker: Rc<str>, queues: QueueData) {
        let at = self.find(&broker).expect_err("a broker has one entry for a topic");
        let mut longer = Vec::with_capacity(self.0.len() + 1);
        longer.extend(std::mem::take(&mut self.0));
        longer.insert(at, (broker, queues));
        self.0 = longer.into();
    }

    /// Whether it was here.
    pub fn remove(&mut self, broker: &str) -> bool {
        let Ok(at) = self.find(broker) else { return false };
        let mut shorter = std::mem::take(&mut self.0).into_vec();
        shorter.remove(at);
        self.0 = shorter.into();
        true
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn find(&self, broker: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(name, _)| (**name).cmp(broker))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_are_in_order_and_each_is_there_once() {
        let queues = |read_queue_nums| QueueData { read_queue_nums, write_queue_nums: 1, perm: 6, topic_sys_flag: 0 };
        let mut brokers = BrokerQueues::default();
        for (name, read) in [("b", 2), ("c", 3), ("a", 1)] {
            brokers.insert(name.into(), queues(read));
        }
        let shown: Vec<_> = brokers.iter().map(|(name, queues)| (name, queues.read_queue_nums)).collect();
        assert_eq!(shown, [("a", 1), ("b", 2), ("c", 3)]);
        brokers.get_mut("b").expect("it is here").read_queue_nums = 5;
        assert_eq!(brokers.get("b"), Some(&queues(5)));
        assert!(brokers.remove("a"));
        assert!(!brokers.remove("a"));
        assert_eq!((brokers.len(), brokers.get("c")), (2, Some(&queues(3))));
    }
}
