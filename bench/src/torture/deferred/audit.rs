//! Reads what became of the promises when all are due, and judges each.
//!
//! A message is late when it is delivered later than its time although the node was up; between kills nobody can say when it was
//! up long enough, so lateness is judged only for what became due after the last start.

use std::time::Duration;

use ringmq::remoting::message;

use super::item::{Item, Kind};
use super::{Deferred, HEAD_BYTES, LEVEL_MILLIS, QUEUES, TOPIC};
use crate::connection::Connection;
use crate::drive::target;
use crate::setup::{self, FOUND};

const PULL_COUNT: i32 = 256;
/// After the last due time everything must be there within this.
const SLACK_MILLIS: i64 = 5_000;
const SHOWN: usize = 20;

impl Deferred {
    /// Waits until all is due, reads everything, and says what is wrong. `ready`: when the node was last started.
    pub fn audit(&mut self, connection: &mut Connection, ready: i64) -> Result<(), String> {
        let last_due = self.items.iter().map(Item::due).max().unwrap_or(ready).max(ready + LEVEL_MILLIS[0]);
        let wait = (last_due + SLACK_MILLIS - setup::millis()).max(0);
        println!("   delayed messages: the last is due in {} s at most", wait / 1000);
        std::thread::sleep(Duration::from_millis(wait as u64));
        let mut late = Late { ready, most: 0, early: Vec::new() };
        for queue in 0..QUEUES {
            self.read_queue(connection, TOPIC, queue, &mut late, |item| &mut item.found)?;
        }
        let retry = format!("%RETRY%{}", setup::GROUP);
        self.read_queue(connection, &retry, 0, &mut late, |item| &mut item.found_again)?;
        self.violations.append(&mut late.early);
        if late.most > SLACK_MILLIS {
            self.violations.push(format!("a message came {} ms late though the node was up", late.most));
        }
        self.judge();
        self.print(late.most);
        Ok(())
    }

    fn read_queue(
        &mut self,
        connection: &mut Connection,
        topic: &str,
        queue: u32,
        late: &mut Late,
        count: fn(&mut Item) -> &mut u32,
    ) -> Result<(), String> {
        let mut offset = target::min_offset(connection, topic, queue)?;
        if offset > 0 {
            self.violations
                .push(format!("{topic} {queue} begins at {offset}: retention has taken messages, nothing can be said"));
        }
        let end = setup::max_offset(connection, topic, queue)?;
        while offset < end {
            let answer = setup::pull(connection, topic, queue, offset, PULL_COUNT)?;
            let before = offset;
            for record in message::records(&answer.body).take_while(|_| answer.code == FOUND) {
                let record = record.map_err(|bad| format!("{topic} {queue} at {offset}: {bad:?}"))?;
                offset += 1;
                let body = record.body();
                let (seed, number) = (word(body, 0), word(body, 8));
                let known = number.and_then(|number| self.items.get_mut(number as usize)).filter(|_| seed == Some(self.seed));
                let Some(item) = known.filter(|_| body.len() >= HEAD_BYTES) else {
                    self.violations.push(format!("{topic} {queue} at {}: a message that nobody sent", offset - 1));
                    continue;
                };
                *count(item) += 1;
                late.look(item, record.store_timestamp().0, number.unwrap_or_default());
            }
            if offset == before {
                self.violations.push(format!("{topic} {queue} at {offset} of {end}: code {}, {}", answer.code, answer.remark));
                return Ok(());
            }
        }
        Ok(())
    }

    fn judge(&mut self) {
        for (number, item) in self.items.iter().enumerate() {
            for (found, expected, place) in
                [(item.found, item.expected(), "its topic"), (item.found_again, item.expected_again(), "the retry topic")]
            {
                if !expected.contains(&found) {
                    self.violations.push(format!(
                        "message {number}, {:?} at {:?}: {found} times in {place} instead of {expected:?}",
                        item.kind, item.stage
                    ));
                }
            }
        }
    }

    fn print(&self, late_most: i64) {
        let count = |which: fn(&Kind) -> bool| self.items.iter().filter(|item| which(&item.kind)).count();
        let read = self.items.iter().map(|item| u64::from(item.found + item.found_again)).sum::<u64>();
        for (what, count) in [
            ("delayed by level", count(|kind| matches!(kind, Kind::Level { .. })) as u64),
            ("delayed by timer", count(|kind| matches!(kind, Kind::Timer { .. })) as u64),
            ("transactions", count(|kind| matches!(kind, Kind::Transaction(_))) as u64),
            ("sent back", count(|kind| matches!(kind, Kind::SentBack)) as u64),
            ("refused of these", self.refused),
            ("read of these", read),
            ("latest, node up, ms", late_most.max(0) as u64),
            ("violations of these", self.violations.len() as u64),
        ] {
            println!("   {what:<25} {count}");
        }
        for violation in self.violations.iter().take(SHOWN) {
            println!("   VIOLATION {violation}");
        }
    }

    pub fn violations(&self) -> u64 {
        self.violations.len() as u64
    }
}

struct Late {
    ready: i64,
    most: i64,
    early: Vec<String>,
}

impl Late {
    fn look(&mut self, item: &Item, stored: i64, number: u64) {
        if !matches!(item.kind, Kind::Level { .. } | Kind::Timer { .. }) {
            return;
        }
        if stored < item.due() {
            self.early.push(format!("message {number}, {:?}: delivered {} ms early", item.kind, item.due() - stored));
        }
        if item.due() >= self.ready {
            self.most = self.most.max(stored - item.due());
        }
    }
}

fn word(body: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(*body.get(at..)?.first_chunk()?))
}
