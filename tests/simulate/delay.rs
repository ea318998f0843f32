//! Delayed messages in a simulated world: levels and timers, across crashes and while the broker's clock jumps.
//!
//! The oracle: an acknowledged message comes exactly once, to its real queue; one that nobody answered for at most once; none
//! before its time, with its properties as they were sent; and once the clock has passed them all, all are there soon. What is
//! known of each is kept in `letters`.

use std::rc::Rc;
use std::time::Duration;

use ringmq::remoting::message::records;
use ringmq::remoting::request::pull::PullMessage;
use ringmq::remoting::request::send::SendMessage;
use ringmq_shards::record::Record;
use ringmq_shards::runtime::{sleep, uptime};

use crate::clients::{ANSWER, QUEUES, Shared, below, chance};
use crate::letters::{Known, LEVELS_MILLIS, Letter, Letters, Wish, moment};
use crate::wire::{Reply, Wire};

const TOPIC: &str = "Letters";
const BORN: i64 = 1_767_225_600_123;
const TIMER_MILLIS_MAX: u64 = 30_000;
/// What the clock is set forward by in the end: longer than any message waits, however the clock has jumped before.
pub const LEAP_MILLIS: i64 = 2_000_000;
/// So long after its time a message is there, on a node that is well.
const LATE: Duration = Duration::from_secs(2);

fn body(number: usize) -> Vec<u8> {
    format!("letter {number}").into_bytes()
}

fn number_of(body: &[u8]) -> usize {
    let number = std::str::from_utf8(body).ok().and_then(|text| text.strip_prefix("letter ")?.parse().ok());
    number.unwrap_or_else(|| panic!("{TOPIC} has a body that nobody has sent: {body:?}"))
}

/// A client that sends messages for later, and looks at what has come.
pub async fn correspond(shared: Rc<Shared>) {
    while !shared.stopping.get() {
        let Some(wire) = shared.connect().await else { continue };
        while wire.is_open() && !shared.stopping.get() {
            match below(10) {
                0..=5 => post(&shared, &wire).await,
                _ => look(&shared, &wire, below(u64::from(QUEUES)) as u32).await,
            }
            sleep(Duration::from_micros(200 + below(8_000))).await;
            if chance(1) {
                break;
            }
        }
        wire.close();
    }
}

async fn post(shared: &Shared, wire: &Wire) {
    let (queue, sent) = (below(u64::from(QUEUES)) as u32, moment());
    let wish = match below(3) {
        0 => Wish::Level(1 + below(LEVELS_MILLIS.len() as u64) as usize),
        kind => {
            let most = [10, 500, TIMER_MILLIS_MAX][below(3) as usize];
            let delay = 1 + below(most) as i64;
            let (ahead, _) = shared.letters.borrow().clock.ahead(sent.up, sent.up);
            // Some are for a time that has passed, and come at once.
            if kind == 1 { Wish::In(delay) } else { Wish::At(sent.wall + ahead + delay - below(50) as i64) }
        }
    };
    let (number, is_hasty) = {
        let mut letters = shared.letters.borrow_mut();
        letters.letters.push(Letter { queue, wish, sent, answered: None, known: Known::Unsure, seen: None });
        (letters.letters.len() - 1, letters.hasty && chance(10))
    };
    let wish = match wish {
        Wish::In(delay) if is_hasty => Wish::In(delay / 2),
        wish => wish,
    };
    let later = match wish {
        // A level above the last stands for the last.
        Wish::Level(level) if level == LEVELS_MILLIS.len() => format!("DELAY\u{1}{}", level + below(3) as usize),
        Wish::Level(level) => format!("DELAY\u{1}{level}"),
        Wish::In(delay) => format!("TIMER_DELAY_MS\u{1}{delay}"),
        Wish::At(when) => format!("TIMER_DELIVER_MS\u{1}{when}"),
    };
    let properties =
        format!("KEYS\u{1}k{number}\u{2}{later}\u{2}UNIQ_KEY\u{1}letter-{number}\u{2}from\u{1}me\u{2}TAGS\u{1}t\u{2}");
    let request = SendMessage {
        default_topic_queue_nums: QUEUES as i32,
        flag: number as i32,
        properties: &properties,
        ..SendMessage::plain("writers", TOPIC, queue as i32, BORN)
    };
    if chance(10) {
        let mut out = Vec::new();
        wire.put_oneway(&mut out, 310, |writer| request.encode_v2(writer).body(&body(number)));
        return wire.send(&out).await;
    }
    let reply = match wire.call(310, ANSWER, |writer| request.encode_v2(writer).body(&body(number))).await {
        Ok(reply) => reply,
        Err(_) => return shared.silent("a delayed message", wire, sent.up),
    };
    let known = match reply.code {
        0 => Known::Acknowledged,
        2 | 17 => Known::Refused,
        1 | 14 => Known::Unsure,
        code => panic!("a delayed message was answered {code} {:?}", reply.remark),
    };
    if known != Known::Acknowledged {
        shared.refused(&reply);
    }
    let mut letters = shared.letters.borrow_mut();
    let letter = &mut letters.letters[number];
    assert!(known != Known::Refused || letter.seen.is_none(), "letter {number} was refused, and has come");
    (letter.known, letter.answered) = (known, Some(moment()));
}

/// Pulls from the end of what has been seen of a queue, or from a random place.
async fn look(shared: &Shared, wire: &Wire, queue: u32) {
    let known = seen_of(shared, queue);
    let from = if chance(80) { known } else { below(known as u64 + 1) as i64 };
    let asked = uptime();
    let pull = PullMessage::of_all_tags("readers", TOPIC, queue as i32, from, 32);
    match wire.call(11, ANSWER, |writer| pull.encode(writer)).await {
        Ok(reply) if reply.code == 0 => _ = saw(shared, queue, from, &reply),
        Ok(_) => {}
        Err(_) => shared.silent("a pull", wire, asked),
    }
}

fn seen_of(shared: &Shared, queue: u32) -> i64 {
    shared.letters.borrow().seen.range((queue, 0)..=(queue, i64::MAX)).count() as i64
}

/// What a pull has found; returns how many.
fn saw(shared: &Shared, queue: u32, from: i64, reply: &Reply) -> i64 {
    let mut letters = shared.letters.borrow_mut();
    let mut found = 0;
    for record in records(&reply.body) {
        let record = record.expect("a pull's body is whole records");
        record.verify_crc().expect("what is pulled has its own bytes");
        let (number, offset) = (number_of(record.body()), record.queue_offset().0);
        assert_eq!(offset, from + found, "a pull of queue {queue} of {TOPIC} from {from} returns others");
        found += 1;
        let Letters { letters, seen, clock, .. } = &mut *letters;
        let before = seen.insert((queue, offset), number);
        assert!(
            before.is_none_or(|before| before == number),
            "offset {offset} of queue {queue} had letter {before:?}, now {number}"
        );
        let letter = letters.get_mut(number).unwrap_or_else(|| panic!("letter {number} was never sent"));
        assert_ne!(letter.known, Known::Refused, "letter {number} was refused, and comes at {offset} of queue {queue}");
        let first = letter.seen.replace(offset).is_none_or(|seen| seen == offset);
        assert!(first, "letter {number} comes twice, the second time at {offset} of queue {queue}");
        let (stored, (earliest, _)) = (record.store_timestamp().0, letter.due(clock));
        let wish = letter.wish;
        assert!(stored >= earliest, "letter {number} ({wish:?}) comes at {stored}, {} ms early", earliest - stored);
        as_sent(&record, number, letter);
    }
    assert!(found > 0, "FOUND without a message");
    found
}

fn as_sent(record: &Record<'_>, number: usize, letter: &Letter) {
    assert_eq!((record.topic(), record.queue_id()), (TOPIC, letter.queue), "letter {number} is in another queue");
    assert_eq!((record.flag(), record.born_timestamp(), record.reconsume_times()), (number as i32, BORN, 0));
    let property = |name| record.property(name).map(String::from_utf8_lossy);
    let (key, id) = (format!("k{number}"), format!("letter-{number}"));
    for (name, sent) in [("KEYS", key.as_str()), ("UNIQ_KEY", &id), ("from", "me"), ("TAGS", "t")] {
        assert_eq!(property(name).as_deref(), Some(sent), "{name} of letter {number}");
    }
    assert_eq!(property("__DELIVER_MS"), None, "letter {number} has what it waited with");
}

/// On a node that is well: what must have come is there, and each queue reads as it always did. `all`: the clock was set
/// forward past everything.
pub async fn audit(shared: &Shared, all: bool) {
    if shared.letters.borrow().letters.iter().all(|letter| letter.known != Known::Acknowledged) {
        return;
    }
    let (began, calm_since) = (uptime(), moment());
    sleep(LATE).await;
    for queue in 0..QUEUES {
        let end = shared.read_through("readers", TOPIC, queue, |from, reply| saw(shared, queue, from, reply)).await;
        let seen = seen_of(shared, queue);
        assert_eq!(end, seen, "queue {queue} of {TOPIC} ends at {end}; {seen} letters were seen in it");
    }
    let letters = shared.letters.borrow();
    let clock = calm_since.wall + letters.clock.ahead(began, began).0;
    for (number, letter) in letters.letters.iter().enumerate() {
        let (earliest, latest) = letter.due(&letters.clock);
        let must = letter.known == Known::Acknowledged && (all || latest <= clock);
        let Letter { wish, queue, .. } = letter;
        assert!(
            !must || letter.seen.is_some(),
            "letter {number} ({wish:?}) to queue {queue}, due from {earliest} to {latest}, has not come at {clock} and {LATE:?} more"
        );
    }
}
