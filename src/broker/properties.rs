//! What the broker adds to a message's properties and reads from them.
//!
//! Works on the encoded form `name 0x01 value 0x02 ...` (storage-formats §1.3), as sent and as stored.
//! Invariant: the client's properties come first and unchanged, except that `POP_CK` is left out.

use crate::remoting::message::properties;

pub const TAGS: &str = "TAGS";
pub const UNIQ_KEY: &str = "UNIQ_KEY";
const POP_CK: &str = "POP_CK";

/// Longest encoded properties, in bytes; a record keeps their length in 16 bits.
pub const BYTES_MAX: usize = 32_767;

/// Why a message cannot be taken yet: features whose absence must be said instead of losing their promise.
pub fn unserved(sent: &[u8]) -> Option<&'static str> {
    let is_set = |name| properties::get(sent, name).is_some_and(|value| !value.is_empty());
    if properties::get(sent, "TRAN_MSG").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Some("transactional messages are not served yet");
    }
    if properties::get(sent, "DELAY").and_then(|level| level.parse::<i32>().ok()).is_some_and(|level| level > 0) {
        return Some("delayed messages are not served yet");
    }
    if ["TIMER_DELAY_SEC", "TIMER_DELAY_MS", "TIMER_DELIVER_MS"].into_iter().any(is_set) {
        return Some("timer messages are not served yet");
    }
    None
}

/// Writes into `out` what is stored: the client's properties and the broker's own.
pub fn compose(sent: &[u8], added: &[(&str, &str)], out: &mut Vec<u8>) {
    out.clear();
    if properties::get(sent, POP_CK).is_some() {
        for (name, value) in properties::iter(sent).filter(|(name, _)| *name != POP_CK) {
            properties::put(out, name, value);
        }
    } else {
        out.extend_from_slice(sent);
        if out.last().is_some_and(|last| *last != properties::END) {
            out.push(properties::END);
        }
    }
    for (name, value) in added {
        properties::put(out, name, value);
    }
}
