//! Topics found by their names. The name is in the settings, and only there: a map with keys would keep it twice.
//!
//! Before: `table`.

use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;
use hashbrown::hash_table::{Entry, HashTable};

use super::config::TopicConfig;

#[derive(Clone, Debug, Default)]
pub(super) struct ByName {
    topics: HashTable<TopicConfig>,
    hasher: DefaultHashBuilder,
}

impl ByName {
    pub fn get(&self, name: &str) -> Option<&TopicConfig> {
        self.topics.find(self.hasher.hash_one(name), |topic| topic.name == name)
    }

    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Returns the topic of that name as it was.
    pub fn insert(&mut self, topic: TopicConfig) -> Option<TopicConfig> {
        let (hasher, name) = (&self.hasher, topic.name.as_str());
        let hash = hasher.hash_one(name);
        match self.topics.entry(hash, |other| other.name == name, |other| hasher.hash_one(other.name.as_str())) {
            Entry::Occupied(mut old) => Some(std::mem::replace(old.get_mut(), topic)),
            Entry::Vacant(place) => {
                place.insert(topic);
                None
            }
        }
    }

    pub fn remove(&mut self, name: &str) -> Option<TopicConfig> {
        let found = self.topics.find_entry(self.hasher.hash_one(name), |topic| topic.name == name).ok()?;
        Some(found.remove().0)
    }

    pub fn iter(&self) -> impl Iterator<Item = &TopicConfig> {
        self.topics.iter()
    }

    pub fn len(&self) -> usize {
        self.topics.len()
    }

    pub fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }
}

impl FromIterator<TopicConfig> for ByName {
    fn from_iter<I: IntoIterator<Item = TopicConfig>>(topics: I) -> ByName {
        let mut by_name = ByName::default();
        for topic in topics {
            by_name.insert(topic);
        }
        by_name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_one_of_a_name_takes_its_place() {
        let mut topics: ByName = ["a", "b"].into_iter().map(TopicConfig::new).collect();
        let before = topics.insert(TopicConfig::new("a").with_queues(3));
        assert_eq!(before, Some(TopicConfig::new("a")));
        assert_eq!(topics.get("a").map(TopicConfig::queues), Some(3));
        assert_eq!((topics.len(), topics.contains("c")), (2, false));
        assert_eq!(topics.remove("b"), Some(TopicConfig::new("b")));
        assert_eq!((topics.remove("b"), topics.len()), (None, 1));
    }
}
