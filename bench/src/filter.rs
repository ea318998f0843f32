//! What an SQL92 filter costs a message that it does not want: the record's properties found and the expression evaluated,
//! as a pull does it for each record that it looks at.

use std::hint::black_box;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use ringmq_shards::filter::{Expressions, PropertyFilter, RecordFilter};
use ringmq_shards::record::NewMessage;
use ringmq_shards::types::{Millis, QueueOffset};

/// Nothing of them matches, and none is decided by its first word.
const EXPRESSIONS: [(&str, &str); 3] = [
    ("a > 5 AND b = 'x'", "two clauses"),
    ("TAGS IN ('paid', 'shipped', 'returned', 'lost', 'found', 'stuck', 'late', 'early', 'never')", "IN of nine"),
    ("a > 5 AND region = 'eu-west' AND amount BETWEEN 100 AND 900 AND (kind = 'q' OR b IS NULL)", "five clauses"),
];

pub fn run(messages: u64) {
    for (layout, properties) in [("8 properties", properties(false)), ("500 bytes of properties", properties(true))] {
        let record = record(&properties);
        for (expression, what) in EXPRESSIONS {
            let filter = filter(expression);
            assert!(!filter.wants_record(&record), "{expression} is to match nothing");
            let begun = Instant::now();
            for _ in 0..messages {
                black_box(filter.wants_record(black_box(&record)));
            }
            let each = begun.elapsed().as_nanos() as f64 / messages as f64;
            println!("filter {what:<12} {layout:<24}  {each:>8.1} ns/message  {:>6.2} M messages/s", 1_000.0 / each);
        }
    }
}

fn filter(expression: &str) -> RecordFilter {
    let mut expressions = Expressions::default();
    PropertyFilter::matching(expression, &mut expressions).expect("a good expression").compiled(&mut expressions)
}

/// As the stock client and an application send them, and more of the application's when `long`.
fn properties(long: bool) -> Vec<u8> {
    let mut text = String::new();
    let mut put = |name: &str, value: &str| text.push_str(&format!("{name}\u{1}{value}\u{2}"));
    put("UNIQ_KEY", "0A0102032345CAFEF00D47B794000000");
    put("WAIT", "true");
    put("TAGS", "created");
    put("KEYS", "order-1700000000000-42");
    put("a", "7");
    put("b", "y");
    put("region", "eu-west");
    put("amount", "250");
    for number in 0..if long { 12 } else { 0 } {
        put(&format!("attribute{number:02}"), "some-value-of-it");
    }
    text.into_bytes()
}

/// 500 bytes of body, which a filter passes over.
fn record(properties: &[u8]) -> Rc<[u8]> {
    let host: SocketAddr = "10.0.0.1:10911".parse().expect("an address");
    let message = NewMessage {
        topic: "Bench",
        queue_id: 1,
        flag: 0,
        sys_flag: 0,
        born_timestamp: 1_700_000_000_000,
        born_host: host,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: &[7; 500],
        properties,
    };
    let mut out = vec![0; message.encoded_len()];
    message.encode(QueueOffset(6), 512, Millis(11), &mut out);
    out.into()
}
