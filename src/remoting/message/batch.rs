//! The body of a batch send, as a client makes it, and a record with `NEED_UNWRAP`, as a client takes it apart.
//!
//! | bytes | of each message |
//! |---|---|
//! | 4 | size of this entry |
//! | 4 | magic, 0 |
//! | 4 | CRC, 0: the broker computes it |
//! | 4 | flag |
//! | 4 + n | body |
//! | 2 + n | properties |
//!
//! The broker's own reader, which turns a batch into records, is `ringmq_shards::record::Batch`.

use super::properties::PROPERTIES_BYTES_MAX;

const FIXED_BYTES: usize = 4 + 4 + 4 + 4 + 4 + 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InnerMessage<'a> {
    pub flag: i32,
    pub body: &'a [u8],
    /// In their stored form.
    pub properties: &'a [u8],
}

/// The sizes of an entry do not add up, at this byte of the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadBatch {
    pub at: usize,
}

impl std::fmt::Display for BadBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the sizes of the batch's message at byte {} do not add up", self.at)
    }
}

impl std::error::Error for BadBatch {}

impl InnerMessage<'_> {
    /// Appends it to a batch.
    pub fn encode(&self, batch: &mut Vec<u8>) {
        assert!(self.properties.len() <= PROPERTIES_BYTES_MAX, "properties are checked before they are sent");
        let size = FIXED_BYTES + self.body.len() + self.properties.len();
        let length = |bytes: usize| u32::try_from(bytes).expect("a body is far below 4 GiB").to_be_bytes();
        batch.extend_from_slice(&length(size));
        batch.extend_from_slice(&[0; 8]);
        batch.extend_from_slice(&self.flag.to_be_bytes());
        batch.extend_from_slice(&length(self.body.len()));
        batch.extend_from_slice(self.body);
        batch.extend_from_slice(&(self.properties.len() as u16).to_be_bytes());
        batch.extend_from_slice(self.properties);
    }
}

/// The messages of a batch, up to the first that is none.
pub fn messages(batch: &[u8]) -> impl Iterator<Item = Result<InnerMessage<'_>, BadBatch>> {
    let mut left = batch;
    std::iter::from_fn(move || {
        if left.is_empty() {
            return None;
        }
        let at = batch.len() - left.len();
        let (message, rest) = match take(left) {
            Some((message, rest)) => (Ok(message), rest),
            None => (Err(BadBatch { at }), &[][..]),
        };
        left = rest;
        Some(message)
    })
}

fn take(batch: &[u8]) -> Option<(InnerMessage<'_>, &[u8])> {
    let size = u32::from_be_bytes(*batch.first_chunk()?) as usize;
    let (entry, rest) = batch.split_at_checked(size)?;
    let flag = i32::from_be_bytes(*entry.get(12..)?.first_chunk()?);
    let body_bytes = u32::from_be_bytes(*entry.get(16..)?.first_chunk()?) as usize;
    let (body, tail) = entry.get(20..)?.split_at_checked(body_bytes)?;
    let (properties_bytes, properties) = tail.split_first_chunk::<2>()?;
    let whole = properties.len() == usize::from(u16::from_be_bytes(*properties_bytes));
    whole.then_some((InnerMessage { flag, body, properties }, rest))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// `MessageBatch.encode` of Java 5.3.3, with a message with key `k1` and tag `ta` and one without.
    const JAVAS: &str = "00000033000000000000000000000000000000036f6e65001a4b455953016b31025741495401747275650254414753017461\
                         02000000230000000000000000000000000000000374776f000a57414954017472756502";

    pub fn two() -> Vec<u8> {
        let mut out = Vec::new();
        InnerMessage { flag: 0, body: b"one", properties: b"KEYS\x01k1\x02WAIT\x01true\x02TAGS\x01ta\x02" }.encode(&mut out);
        InnerMessage { flag: 0, body: b"two", properties: b"WAIT\x01true\x02" }.encode(&mut out);
        out
    }

    #[test]
    fn a_batch_is_javas() {
        let hex: String = two().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, JAVAS.replace(' ', ""));
    }

    #[test]
    fn a_batch_is_taken_apart() {
        let batch = two();
        let found: Vec<_> = messages(&batch).map(|message| message.unwrap().body).collect();
        assert_eq!(found, [b"one", b"two"]);
        for cut in 1..batch.len() {
            let whole = messages(&batch[..cut]).filter(|message| message.is_ok()).count();
            assert_eq!(whole, usize::from(cut >= 0x33), "cut at {cut}");
        }
        let mut odd = batch.clone();
        odd[0x33 + 3] = 22;
        assert_eq!(messages(&odd).nth(1), Some(Err(BadBatch { at: 0x33 })));
        assert_eq!(messages(&[0; 8]).next(), Some(Err(BadBatch { at: 0 })));
    }
}
