//! What one core has done, counted. Plain cells: only this core writes, others ask over the mesh.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use super::ack::Outcome;
use super::rates::Totals;
use crate::remoting::code::ResponseCode;

#[derive(Default)]
pub struct Counters {
    pub messages_in: Cell<u64>,
    pub bytes_in: Cell<u64>,
    pub messages_out: Cell<u64>,
    pub bytes_out: Cell<u64>,
    pub pulls_found: Cell<u64>,
    pub pulls_missed: Cell<u64>,
    pub failed: Cell<u64>,
    /// How often a consumer was found to subscribe otherwise than another one of its group.
    pub subscription_clashes: Cell<u64>,
    refused: RefCell<BTreeMap<i32, u64>>,
    /// By group and topic.
    dead_letters: RefCell<BTreeMap<(String, String), u64>>,
}

/// Pairs of a group and a topic whose dead letters are counted by themselves; those of others are counted as one.
const DEAD_LETTER_ROWS_MAX: usize = 10_000;

impl Counters {
    pub fn received(&self, bytes: usize) {
        self.bytes_in.set(self.bytes_in.get() + bytes as u64);
    }

    pub fn sent(&self, result: &Outcome) {
        match result {
            Ok(stored) => {
                let messages = stored.batch.as_ref().map_or(1, |batch| batch.len() as u64);
                self.messages_in.set(self.messages_in.get() + messages);
            }
            Err(_) => self.failed.set(self.failed.get() + 1),
        }
    }

    pub fn pulled(&self, messages: u32, bytes: usize) {
        let pulls = if messages == 0 { &self.pulls_missed } else { &self.pulls_found };
        pulls.set(pulls.get() + 1);
        self.messages_out.set(self.messages_out.get() + u64::from(messages));
        self.bytes_out.set(self.bytes_out.get() + bytes as u64);
    }

    pub fn subscriptions_clashed(&self) {
        self.subscription_clashes.set(self.subscription_clashes.get() + 1);
    }

    pub fn refused(&self, code: ResponseCode) {
        *self.refused.borrow_mut().entry(code.number()).or_default() += 1;
    }
}

impl Counters {
    /// `rocketmq_send_to_dlq_messages_total`: one more message that a group has given up.
    pub fn dead_letter(&self, group: &str, topic: &str) {
        let mut rows = self.dead_letters.borrow_mut();
        let row = (group.to_owned(), topic.to_owned());
        let row = if rows.len() < DEAD_LETTER_ROWS_MAX || rows.contains_key(&row) { row } else { Default::default() };
        *rows.entry(row).or_default() += 1;
    }

    /// Group, topic and how many messages were given up; in the row without names, those beyond the bound.
    pub fn dead_letters(&self) -> Vec<(String, String, u64)> {
        let rows = self.dead_letters.borrow();
        rows.iter().map(|((group, topic), count)| (group.clone(), topic.clone(), *count)).collect()
    }

    /// What rates are made of.
    pub fn totals(&self) -> Totals {
        Totals {
            messages_in: self.messages_in.get() as f64,
            messages_out: self.messages_out.get() as f64,
            pulls_found: self.pulls_found.get() as f64,
            pulls_missed: self.pulls_missed.get() as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_letters_are_counted_by_group_and_topic_within_a_bound() {
        let counters = Counters::default();
        for number in 0..DEAD_LETTER_ROWS_MAX + 2 {
            counters.dead_letter("g", &format!("t{number}"));
        }
        counters.dead_letter("g", "t0");
        let rows = counters.dead_letters();
        let count = |group: &str, topic: &str| rows.iter().find(|row| row.0 == group && row.1 == topic).map(|row| row.2);
        assert_eq!((count("g", "t0"), count("g", "t1"), count("", "")), (Some(2), Some(1), Some(2)));
        assert_eq!(rows.len(), DEAD_LETTER_ROWS_MAX + 1);
    }
}
