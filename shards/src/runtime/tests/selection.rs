//! Pulls by properties: all that matches and nothing else, however far apart; and held until something matches.

use super::on_both;

on_both!(what_matches_is_found_however_far_away, a_held_pull_ends_with_what_matches);

mod bodies {
    use super::super::shard::{message, shard_options};
    use crate::filter::{PropertyFilter, TagFilter};
    use crate::queue::PullStatus;
    use crate::record::Record;
    use crate::runtime::live::LiveShard;
    use crate::runtime::open::{ShardOptions, open};
    use crate::runtime::reader::{PullRequest, steady};
    use crate::runtime::{Lane, fs, now, sleep, spawn};
    use std::cell::Cell;
    use std::path::{Path, PathBuf};
    use std::rc::Rc;
    use std::time::Duration;

    /// A topic that is always there.
    const TOPIC: &str = "TBW102";

    async fn empty(folder: &Path) -> Rc<LiveShard> {
        fs::create_dir_all(folder).unwrap();
        let options = ShardOptions { cold_bytes_max: 512 << 10, ..shard_options(folder.to_path_buf()) };
        open(options).await.unwrap().0
    }

    /// Messages whose property `n` and body are their number.
    async fn append(live: &LiveShard, numbers: std::ops::Range<u32>, body_bytes: usize) {
        for number in numbers {
            let mut body = number.to_be_bytes().to_vec();
            body.resize(body_bytes.max(4), 7);
            let properties = format!("UNIQ_KEY\u{1}key\u{2}n\u{1}{number}\u{2}");
            let message = message(TOPIC, 0, &body, properties.as_bytes());
            loop {
                match live.append(now(), &message) {
                    Ok(appended) => {
                        if number % 50 == 0 {
                            live.durable(appended.end).await.unwrap();
                        }
                        break;
                    }
                    Err(_) => live.room().await,
                }
            }
        }
        let end = live.state.borrow().log.appended();
        live.durable(end).await.unwrap();
    }

    fn request(live: &LiveShard, expression: &str, offset: i64) -> PullRequest {
        let filter = PropertyFilter::matching(expression, &mut live.expressions.borrow_mut()).unwrap();
        PullRequest {
            topic: TOPIC.to_owned(),
            queue_id: 0,
            offset,
            messages_max: 32,
            bytes_max: 256 << 10,
            filter: TagFilter::ALL,
            properties: Some(filter),
            hold_millis: 1,
        }
    }

    /// Pulls to the end of the queue: the numbers that came, and how many pulls that took.
    async fn selected(live: &LiveShard, expression: &str) -> (Vec<u32>, usize) {
        let (mut numbers, mut pulls, mut offset) = (Vec::new(), 0, 0);
        loop {
            let pulled = live.pull(&request(live, expression, offset)).await.unwrap();
            if pulled.waits {
                return (numbers, pulls);
            }
            pulls += 1;
            assert!(pulled.next_offset > offset, "it gets on");
            assert!(pulled.next_offset - offset <= 800, "a pull looks at so many at most");
            assert!(pulled.messages <= 32);
            assert_eq!(pulled.status == PullStatus::Found, pulled.messages > 0);
            offset = pulled.next_offset;
            let mut rest = pulled.body.as_slice();
            let before = numbers.len();
            while !rest.is_empty() {
                let record = Record::parse(rest).unwrap();
                numbers.push(u32::from_be_bytes(record.body()[..4].try_into().unwrap()));
                rest = &rest[record.bytes().len()..];
            }
            assert_eq!(numbers.len() - before, pulled.messages as usize);
        }
    }

    pub async fn what_matches_is_found_however_far_away(folder: PathBuf) {
        let live = empty(&folder).await;
        append(&live, 0..2500, 0).await;
        let (numbers, pulls) = selected(&live, "n = 3 OR n = 1700 OR n = 2499").await;
        assert_eq!(numbers, [3, 1700, 2499]);
        assert_eq!(pulls, 4, "800 at a time");
        let (numbers, _) = selected(&live, "n BETWEEN 100 AND 1299").await;
        assert_eq!(numbers, Vec::from_iter(100..1300));
        let (numbers, _) = selected(&live, "n > 2450").await;
        assert_eq!(numbers, Vec::from_iter(2451..2500));
        assert_eq!(selected(&live, "m = 1").await, (vec![], 4));

        // Of large messages a pull looks at fewer, and it takes no more than it was asked for.
        append(&live, 2500..2600, 50_000).await;
        let (numbers, pulls) = selected(&live, "n > 2580").await;
        assert_eq!(numbers, Vec::from_iter(2581..2600));
        assert!(pulls > 4, "{pulls} pulls");
        let nothing = live.pull(&request(&live, "m = 1", 2500)).await.unwrap();
        assert!((2500 + 80..2500 + 90).contains(&nothing.next_offset), "4 MiB further: {}", nothing.next_offset);
        let far = live.pull(&request(&live, "n > 1", i64::MAX)).await.unwrap();
        assert_eq!((far.status, far.next_offset), (PullStatus::OffsetOverflowBadly, 2600));
        let before = live.pull(&request(&live, "n > 1", -1)).await.unwrap();
        assert_eq!((before.status, before.next_offset), (PullStatus::OffsetTooSmall, 0));
    }

    pub async fn a_held_pull_ends_with_what_matches(folder: PathBuf) {
        let live = empty(&folder).await;
        append(&live, 0..3, 0).await;
        let woken = Rc::new(Cell::new(false));
        let held = spawn(Lane::Network, {
            let (live, woken) = (live.clone(), woken.clone());
            async move {
                let deadline = steady().plus(60_000);
                assert_eq!(live.hold(&request(&live, "n > 5", 3), deadline).await, Ok(true));
                woken.set(true);
            }
        });
        sleep(Duration::from_millis(50)).await;
        append(&live, 3..6, 0).await;
        sleep(Duration::from_millis(200)).await;
        assert!(!woken.get(), "none of them matches");
        append(&live, 6..7, 0).await;
        held.join().await;
        let pulled = live.pull(&request(&live, "n > 5", 3)).await.unwrap();
        assert_eq!((pulled.status, pulled.messages, pulled.next_offset), (PullStatus::Found, 1, 7));

        // Without one it ends with its time, and the client is told to go on behind what was there.
        let begin = steady();
        assert_eq!(live.hold(&request(&live, "n > 50", 7), begin.plus(100)).await, Ok(true));
        assert!(steady() >= begin.plus(100));
        append(&live, 7..8, 0).await;
        let pulled = live.pull(&request(&live, "n > 50", 7)).await.unwrap();
        assert_eq!((pulled.status, pulled.waits, pulled.next_offset), (PullStatus::NoMatchedMessage, false, 8));
    }
}
