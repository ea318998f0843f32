//! What the broker adds to a message's properties, and what of them decides where it goes.
//!
//! Works on the encoded form `name 0x01 value 0x02 ...` (storage-formats §1.3), as sent and as stored.
//! Invariant: the client's properties come first and unchanged, except that `POP_CK` is left out.

use super::delay;
use crate::remoting::message::properties::{self, name};

/// A client's properties, read in one pass: every message comes through here.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    bytes: &'a [u8],
    unique_key: Option<&'a [u8]>,
    has_pop_ck: bool,
    is_transactional: bool,
    asks_for_later: bool,
    is_delayed: bool,
}

impl<'a> Sent<'a> {
    pub fn of(bytes: &'a [u8]) -> Sent<'a> {
        let (unique_key, has_pop_ck) = (None, false);
        let mut sent = Sent { bytes, unique_key, has_pop_ck, is_transactional: false, asks_for_later: false, is_delayed: false };
        for (found, value) in properties::iter(bytes) {
            match std::str::from_utf8(found).unwrap_or_default() {
                name::UNIQ_KEY => sent.unique_key = Some(value),
                name::POP_CK => sent.has_pop_ck = true,
                name::TRAN_MSG => sent.is_transactional = value.eq_ignore_ascii_case(b"true"),
                name if delay::asks_for_later(name) => {
                    sent.asks_for_later = true;
                    // A level may be 0, which is none.
                    let level = std::str::from_utf8(value).ok().and_then(|level| level.parse::<i32>().ok());
                    sent.is_delayed |= name != name::DELAY || level.is_some_and(|level| level > 0);
                }
                _ => {}
            }
        }
        sent
    }

    pub fn unique_key(&self) -> Option<&'a str> {
        std::str::from_utf8(self.unique_key?).ok()
    }

    /// Whether the message becomes a half message. A consumer of before 4.6.1 that sends a message back itself leaves the mark
    /// of the transaction that it once was.
    pub fn is_half(&self, reconsume_times: i32) -> bool {
        self.is_transactional && !(reconsume_times > 0 && self.is_delayed)
    }

    /// By a level or by a timer.
    pub fn is_delayed(&self) -> bool {
        self.is_delayed
    }

    /// Whether it may have to wait: see `broker::delay`.
    pub fn asks_for_later(&self) -> bool {
        self.asks_for_later
    }

    /// Writes into `out` what is stored: the client's properties and the broker's own.
    pub fn compose(&self, added: &[(&str, &str)], out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(self.bytes);
        if self.has_pop_ck {
            properties::remove(out, name::POP_CK);
        }
        for (name, value) in added {
            properties::append(out, name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(text: &str) -> Vec<u8> {
        text.replace('=', "\u{1}").replace(';', "\u{2}").into_bytes()
    }

    #[test]
    fn a_message_that_may_have_to_wait_says_so() {
        for (sent, asks) in [
            ("DELAY=3", true),
            ("DELAY=0;A=b;", true),
            ("TIMER_DELAY_MS=1;", true),
            ("TIMER_DELIVER_MS=1;", true),
            ("TIMER_DELAY_SEC=;", false),
            ("A=DELAY;", false),
        ] {
            assert_eq!(Sent::of(&stored(sent)).asks_for_later(), asks, "{sent}");
        }
    }

    #[test]
    fn a_half_message_says_so() {
        for (sent, reconsume_times, is_half) in [
            ("TRAN_MSG=TRUE;", 0, true),
            ("TRAN_MSG=true;TRAN_MSG=false;", 0, false),
            ("TRAN_MSG=1;", 0, false),
            ("TRAN_MSG=true;DELAY=3;", 0, true),
            ("TRAN_MSG=true;DELAY=3;", 1, false),
            ("TRAN_MSG=true;", 1, true),
        ] {
            assert_eq!(Sent::of(&stored(sent)).is_half(reconsume_times), is_half, "{sent} {reconsume_times}");
        }
    }

    #[test]
    fn what_is_stored_is_what_was_sent_and_the_brokers_own_behind_it() {
        for (sent, composed, key) in [
            ("", "R=x;", None),
            ("A=b", "A=b;R=x;", None),
            ("UNIQ_KEY=1;POP_CK=9;A=b;UNIQ_KEY=2;", "UNIQ_KEY=1;A=b;UNIQ_KEY=2;R=x;", Some("2")),
            ("POP_CK=;", "POP_CK=;R=x;", None),
        ] {
            let (sent, mut out) = (stored(sent), Vec::new());
            let read = Sent::of(&sent);
            read.compose(&[("R", "x")], &mut out);
            assert_eq!(out, stored(composed));
            assert_eq!(read.unique_key(), key);
        }
    }
}
