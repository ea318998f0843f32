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
    refused: RefCell<BTreeMap<i32, u64>>,
}

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

    pub fn refused(&self, code: ResponseCode) {
        *self.refused.borrow_mut().entry(code.number()).or_default() += 1;
    }
}

impl Counters {
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
