//! What the broker adds to a message's properties, and what of them it cannot serve yet.
//!
//! Works on the encoded form `name 0x01 value 0x02 ...` (storage-formats §1.3), as sent and as stored.
//! Invariant: the client's properties come first and unchanged, except that `POP_CK` is left out.

use crate::remoting::message::properties::{self, name};

/// Why a message cannot be taken yet: features whose absence must be said instead of losing their promise.
pub fn unserved(sent: &[u8]) -> Option<&'static str> {
    let text = |name| properties::get(sent, name).and_then(|value| std::str::from_utf8(value).ok());
    if text(name::TRAN_MSG).is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Some("transactional messages are not served yet");
    }
    if text(name::DELAY).and_then(|level| level.parse::<i32>().ok()).is_some_and(|level| level > 0) {
        return Some("delayed messages are not served yet");
    }
    if [name::TIMER_DELAY_SEC, name::TIMER_DELAY_MS, name::TIMER_DELIVER_MS].into_iter().any(|name| text(name).is_some()) {
        return Some("timer messages are not served yet");
    }
    None
}

/// Writes into `out` what is stored: the client's properties and the broker's own.
pub fn compose(sent: &[u8], added: &[(&str, &str)], out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(sent);
    properties::remove(out, name::POP_CK);
    for (name, value) in added {
        properties::append(out, name, value);
    }
}
