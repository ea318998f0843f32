//! Messages as clients make and see them: their properties, batches of them, the records they become, and their ids.
//!
//! - `properties`: the stored form `name 01 value 02 ...`, read and changed in place;
//! - `batch`: the body of a batch, and taking it apart;
//! - `id`: the ids that name a message: by its place, and by its maker.
//! - `pop`: the names of popped messages;

pub mod batch;
pub mod id;
pub mod pop;
pub mod properties;

use ringmq_shards::record::{BadRecord, Record};

/// The records of a pull's, view's or query's body, up to the first that is none.
pub fn records(body: &[u8]) -> impl Iterator<Item = Result<Record<'_>, BadRecord>> {
    let mut left = body;
    std::iter::from_fn(move || {
        if left.is_empty() {
            return None;
        }
        let record = Record::parse(left);
        left = record.as_ref().map_or(&[], |record| &left[record.bytes().len()..]);
        Some(record)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remoting::golden::Garbage;
    use ringmq_shards::record::NewMessage;
    use ringmq_shards::types::{Millis, QueueOffset};

    fn pulled() -> Vec<u8> {
        let mut out = Vec::new();
        for (number, body) in [&b"one"[..], b"", b"three"].into_iter().enumerate() {
            let message = NewMessage {
                topic: "T",
                queue_id: 1,
                flag: 0,
                sys_flag: 0,
                born_timestamp: 5,
                born_host: "10.0.0.1:1".parse().unwrap(),
                store_host: "[::1]:10911".parse().unwrap(),
                reconsume_times: 0,
                prepared_transaction_offset: 0,
                body,
                properties: b"TAGS\x01a\x02",
            };
            let at = out.len();
            out.resize(at + message.encoded_len(), 0);
            message.encode(QueueOffset(number as i64), at as i64, Millis(7), &mut out[at..]);
        }
        out
    }

    #[test]
    fn a_pulls_body_is_records() {
        let body = pulled();
        let found: Vec<_> = records(&body).map(|record| record.unwrap()).map(|r| (r.queue_offset().0, r.body())).collect();
        assert_eq!(found, [(0, &b"one"[..]), (1, b""), (2, b"three")]);
        assert_eq!(records(&body[..body.len() - 1]).map(|record| record.is_ok()).collect::<Vec<_>>(), [true, true, false]);
        assert_eq!(records(b"").count(), 0);
    }

    #[test]
    fn garbage_never_panics() {
        let good = [pulled(), batch::tests::two()];
        let mut garbage = Garbage(0x3e55);
        for _ in 0..20_000 {
            let mut bytes = good[garbage.below(2)].clone();
            garbage.damage(&mut bytes);
            for record in records(&bytes).flatten() {
                properties::iter(record.properties()).count();
            }
            batch::messages(&bytes).count();
        }
    }
}
