//! The memory that one core's connections may hold together, as grants that give themselves back.
//!
//! A bound, not an allocator: who wants bytes asks first. Lives on one core.

use std::cell::Cell;
use std::rc::Rc;

pub struct Budget {
    limit: usize,
    used: Cell<usize>,
}

impl Budget {
    pub fn new(limit: usize) -> Rc<Budget> {
        Rc::new(Budget { limit, used: Cell::new(0) })
    }

    pub fn used(&self) -> usize {
        self.used.get()
    }

    /// A grant whether or not it fits: the small first bytes of a connection, which are bounded by the number of connections.
    pub fn force(self: &Rc<Self>, bytes: usize) -> Grant {
        self.used.set(self.used.get() + bytes);
        Grant { budget: Some(self.clone()), bytes }
    }

    pub fn fits(&self, more: usize) -> bool {
        self.used.get() + more <= self.limit
    }
}

/// Bytes counted against a budget until dropped.
pub struct Grant {
    budget: Option<Rc<Budget>>,
    bytes: usize,
}

impl Grant {
    /// Counts against nothing: for what is empty and stays so.
    pub fn none() -> Grant {
        Grant { budget: None, bytes: 0 }
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// False, and nothing changed, when the budget has no room.
    pub fn resize_up(&mut self, bytes: usize) -> bool {
        assert!(bytes >= self.bytes, "grows");
        let more = bytes - self.bytes;
        if !self.budget.as_ref().is_some_and(|budget| budget.fits(more)) {
            return false;
        }
        self.set(bytes);
        true
    }

    pub fn resize_down(&mut self, bytes: usize) {
        assert!(bytes <= self.bytes, "shrinks");
        self.set(bytes);
    }

    /// Follows what has already happened, over the limit if need be.
    pub fn follow(&mut self, bytes: usize) {
        self.set(bytes);
    }

    fn set(&mut self, bytes: usize) {
        if let Some(budget) = &self.budget {
            budget.used.set(budget.used.get() - self.bytes + bytes);
            self.bytes = bytes;
        }
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.set(0);
    }
}
