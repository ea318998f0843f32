//! What did not work, grouped by code and remark: a broker that refuses a million times says so in one line.

use std::collections::BTreeMap;

use serde::Serialize;

/// Remarks that differ in their numbers only (times, offsets) are one group; still there are never more than these.
const GROUPS_MAX: usize = 64;

/// As RocketMQ's benchmark tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It could not be sent, or no answer came.
    Send,
    /// The answer was a refusal.
    Response,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    pub kind: Kind,
    pub code: i32,
    /// The first one of its group.
    pub remark: String,
    pub count: u64,
}

/// A code that no broker answers with.
pub const NO_ANSWER: i32 = -1;

#[derive(Clone, Debug, Default)]
pub struct Failures {
    groups: BTreeMap<(Kind, i32, String), Failure>,
}

impl Failures {
    pub fn add(&mut self, kind: Kind, code: i32, remark: &str, count: u64) {
        let mut key = (kind, code, pattern(remark));
        let mut remark = remark;
        if !self.groups.contains_key(&key) && self.groups.len() >= GROUPS_MAX {
            remark = "and others, which are too many to tell apart";
            key.2 = String::new();
        }
        let new = || Failure { kind, code, remark: remark.to_string(), count: 0 };
        self.groups.entry(key).or_insert_with(new).count += count;
    }

    pub fn merge(&mut self, other: &Failures) {
        for failure in other.groups.values() {
            self.add(failure.kind, failure.code, &failure.remark, failure.count);
        }
    }

    pub fn total(&self) -> u64 {
        self.groups.values().map(|failure| failure.count).sum()
    }

    /// The most frequent first.
    pub fn list(&self) -> Vec<Failure> {
        let mut list: Vec<Failure> = self.groups.values().cloned().collect();
        list.sort_by_key(|failure| std::cmp::Reverse(failure.count));
        list
    }
}

/// The remark with one # for each run of digits.
fn pattern(remark: &str) -> String {
    let mut out = String::with_capacity(remark.len());
    for letter in remark.chars() {
        match letter.is_ascii_digit() {
            true if out.ends_with('#') => {}
            true => out.push('#'),
            false => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_that_differ_in_numbers_are_one_group() {
        let mut failures = Failures::default();
        failures.add(Kind::Response, 2, "broker busy, period in queue: 203ms, size of queue: 12", 1);
        failures.add(Kind::Response, 2, "broker busy, period in queue: 9ms, size of queue: 1", 4);
        failures.add(Kind::Response, 13, "the message is illegal", 1);
        let list = failures.list();
        assert_eq!(list.len(), 2);
        assert_eq!(list[0].remark, "broker busy, period in queue: 203ms, size of queue: 12");
        assert_eq!((list[0].count, failures.total()), (5, 6));
    }

    #[test]
    fn groups_have_a_limit_and_nothing_is_lost() {
        let mut failures = Failures::default();
        for number in 0..200u8 {
            failures.add(Kind::Response, 1, &"x".repeat(usize::from(number) + 1), 1);
        }
        let mut sum = Failures::default();
        sum.merge(&failures);
        sum.merge(&failures);
        assert_eq!(sum.list().len(), GROUPS_MAX + 1);
        assert_eq!(sum.total(), 400);
    }
}
