//! The bytes a connection has read and not yet taken.
//!
//! Starts small, so that tens of thousands of idle connections cost little; doubles while reads fill it, up to
//! `PASS_BYTES_MAX`, or to the size of a frame that is larger; falls back when the connection has gone quiet.
//! Invariant: `start <= end <= bytes.len()`.

use super::budget::{Budget, Grant};
use std::rc::Rc;

const BYTES_MIN: usize = 2 * 1024;
/// What one read asks for at most; enough for some hundreds of small messages.
const PASS_BYTES_MAX: usize = 256 * 1024;

pub struct ReadBuffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// The last read took all the room there was: more may be waiting than the buffer holds.
    was_full: bool,
    /// The share of the core's network memory that `bytes` counts against.
    grant: Grant,
}

impl ReadBuffer {
    pub fn new(budget: &Rc<Budget>) -> ReadBuffer {
        ReadBuffer { bytes: vec![0; BYTES_MIN], start: 0, end: 0, was_full: false, grant: budget.force(BYTES_MIN) }
    }

    /// What is read and not taken.
    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub fn take(&mut self, bytes: usize) {
        assert!(bytes <= self.end - self.start, "takes only what was read");
        self.start += bytes;
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Room for the next read, never empty. `frame_bytes`: the size of the frame that has begun, where known.
    /// `None`: the core's network memory is used up.
    pub fn room(&mut self, frame_bytes: usize) -> Option<&mut [u8]> {
        if self.start > 0 && (self.end == self.bytes.len() || self.bytes.len() - self.start < frame_bytes) {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let wanted = if self.was_full { (self.bytes.len() * 2).min(PASS_BYTES_MAX) } else { 0 };
        let wanted = wanted.max(frame_bytes);
        if wanted > self.bytes.len() && !self.resize(wanted) && self.end == self.bytes.len() {
            return None;
        }
        Some(&mut self.bytes[self.end..])
    }

    pub fn filled(&mut self, bytes: usize) {
        self.end += bytes;
        assert!(self.end <= self.bytes.len(), "a read fills at most the room it was given");
        self.was_full = self.end == self.bytes.len();
    }

    /// Whether there is anything for `shrink` to give back.
    pub fn can_shrink(&self) -> bool {
        self.start == self.end && self.bytes.len() > BYTES_MIN
    }

    /// The connection has been quiet: gives memory back when nothing is waiting in it.
    pub fn shrink(&mut self) {
        if self.can_shrink() {
            self.bytes = vec![0; BYTES_MIN];
            self.start = 0;
            self.end = 0;
            self.was_full = false;
            self.grant.resize_down(BYTES_MIN);
        }
    }

    /// A buffer that grew for one large frame falls back to what ordinary passes use.
    pub fn trim(&mut self) {
        if self.start == self.end && self.bytes.len() > PASS_BYTES_MAX {
            self.bytes = vec![0; PASS_BYTES_MAX];
            self.grant.resize_down(PASS_BYTES_MAX);
        }
    }

    fn resize(&mut self, len: usize) -> bool {
        if !self.grant.resize_up(len) {
            return false;
        }
        self.bytes.resize(len, 0);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(buffer: &mut ReadBuffer, bytes: &[u8], frame_bytes: usize) {
        let room = buffer.room(frame_bytes).expect("the budget is large");
        room[..bytes.len()].copy_from_slice(bytes);
        buffer.filled(bytes.len());
    }

    #[test]
    fn keeps_the_part_of_a_frame_that_has_come() {
        let budget = Budget::new(1 << 20);
        let mut buffer = ReadBuffer::new(&budget);
        read(&mut buffer, b"first|sec", 0);
        buffer.take(6);
        read(&mut buffer, b"ond", 0);
        assert_eq!(buffer.unread(), b"second");
    }

    /// A client that sends many frames at once is read in few calls, also when each read ends within a frame.
    #[test]
    fn grows_while_reads_fill_it() {
        let budget = Budget::new(1 << 20);
        let mut buffer = ReadBuffer::new(&budget);
        let mut rooms = Vec::new();
        for _ in 0..5 {
            let room = buffer.room(700).expect("the budget is large").len();
            rooms.push(room);
            buffer.filled(room);
            buffer.take(buffer.unread().len() / 700 * 700);
        }
        assert_eq!(rooms, [2048, 4096 - 648, 8192 - 596, 16384 - 492, 32768 - 284]);
    }

    #[test]
    fn grows_for_a_large_frame_and_falls_back() {
        let budget = Budget::new(1 << 20);
        let mut buffer = ReadBuffer::new(&budget);
        read(&mut buffer, b"begun", 500_000);
        assert!(buffer.room(500_000).expect("granted").len() >= 500_000 - 5);
        assert_eq!(buffer.unread(), b"begun");
        assert!(budget.used() >= 500_000);
        buffer.take(5);
        buffer.trim();
        buffer.shrink();
        assert_eq!(budget.used(), BYTES_MIN);
    }

    #[test]
    fn a_used_up_budget_gives_no_room_for_a_large_frame() {
        let budget = Budget::new(4096);
        let mut buffer = ReadBuffer::new(&budget);
        let all = buffer.room(0).expect("the first bytes are always granted").len();
        read(&mut buffer, &vec![1; all], 0);
        assert!(buffer.room(1 << 20).is_none());
    }
}
