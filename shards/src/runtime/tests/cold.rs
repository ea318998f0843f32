//! Eight readers of one log that is no longer in memory: they share what they read, and damage is told to all of them.

use super::on_both;

on_both!(readers_behind_share_what_they_read, damage_is_told_and_not_kept);

mod bodies {
    use super::super::shard::{message, shard_options};
    use crate::filter::TagFilter;
    use crate::record::Record;
    use crate::runtime::live::LiveShard;
    use crate::runtime::open::{ShardOptions, open};
    use crate::runtime::reader::{PullRequest, Pulled, ReadError};
    use crate::runtime::{File, Lane, Open, fs, now, spawn};
    use crate::types::LogPosition;
    use std::path::{Path, PathBuf};
    use std::rc::Rc;

    const QUEUES: u32 = 8;
    const MESSAGES: u32 = 300;
    const BODY_BYTES: usize = 3000;
    const EXTENT_BYTES: u64 = 64 << 10;

    /// A topic that is always there.
    const TOPIC: &str = "TBW102";

    async fn filled(folder: &Path) -> Rc<LiveShard> {
        fs::create_dir_all(folder).unwrap();
        let options = ShardOptions { cold_bytes_max: 8 * EXTENT_BYTES as usize, ..shard_options(folder.to_path_buf()) };
        let (live, _) = open(options).await.unwrap();
        for number in 0..MESSAGES {
            let end = append(&live, number).await;
            if number % 10 == 9 {
                live.durable(end).await.unwrap();
            }
        }
        live
    }

    async fn append(live: &LiveShard, number: u32) -> LogPosition {
        let body = body(number);
        let message = message(TOPIC, number % QUEUES, &body, &[]);
        loop {
            match live.append(now(), &message) {
                Ok(appended) => return appended.end,
                Err(_) => live.room().await,
            }
        }
    }

    fn body(number: u32) -> Vec<u8> {
        vec![number as u8 ^ 0x5a; BODY_BYTES + number as usize]
    }

    async fn pull(live: &LiveShard, queue_id: u32, offset: i64) -> Result<Pulled, ReadError> {
        let request = PullRequest {
            topic: TOPIC.to_owned(),
            queue_id,
            offset,
            messages_max: 5,
            bytes_max: 1 << 20,
            filter: TagFilter::ALL,
            properties: None,
            hold_millis: 0,
        };
        live.pull(&request).await
    }

    /// Reads a queue as far as it was filled.
    async fn read_queue(live: &LiveShard, queue: u32) {
        let mut number = queue;
        let mut offset = 0;
        while number < MESSAGES {
            let pulled = pull(live, queue, offset).await.unwrap();
            assert!(pulled.messages > 0, "queue {queue} at {offset}");
            let mut rest = pulled.body.as_slice();
            while !rest.is_empty() {
                let record = Record::parse(rest).unwrap();
                assert_eq!(record.body(), body(number), "message {number}");
                rest = &rest[record.bytes().len()..];
                number += QUEUES;
            }
            offset = pulled.next_offset;
        }
    }

    pub async fn readers_behind_share_what_they_read(folder: PathBuf) {
        let live = filled(&folder).await;
        let written = live.acknowledged().0;
        let readers = (0..QUEUES).map(|queue| {
            let live = live.clone();
            spawn(Lane::Network, async move { read_queue(&live, queue).await })
        });
        for reader in readers.collect::<Vec<_>>() {
            reader.join().await;
        }
        let (extents, alone) = (live.cold.counters.extents.get(), live.cold.counters.alone.get());
        assert!(extents >= written / EXTENT_BYTES / 2, "{extents} extents of {written} bytes");
        assert!(extents <= written / EXTENT_BYTES + 4, "{extents} extents of {written} bytes: some were read twice");
        assert!(alone <= u64::from(QUEUES) * 4, "{alone} reads alone");
    }

    pub async fn damage_is_told_and_not_kept(folder: PathBuf) {
        let live = filled(&folder).await;
        let pulled = pull(&live, 3, 0).await.unwrap();
        let position = Record::parse(&pulled.body).unwrap().physical_offset() as u64;
        let segment = File::open(&live.log.path(LogPosition(0)), Open::ReadWrite).await.unwrap();
        // Now it is held, before the damage.
        for _ in 0..2 {
            pull(&live, 3, 0).await.unwrap();
        }
        assert!(live.cold.counters.extents.get() > 0);
        live.cold.forget(LogPosition(0), live.acknowledged());
        flip(&segment, position + 1000).await;
        for _ in 0..3 {
            let damaged = pull(&live, 3, 0).await.unwrap_err().to_string();
            assert!(damaged.contains("is damaged"), "{damaged}");
            assert!(damaged.contains(&format!("position {position}")), "{damaged}");
        }
        assert!(pull(&live, 4, 0).await.is_ok(), "its neighbours are not");
        // What was damaged on the way and not on the disk is well again.
        flip(&segment, position + 1000).await;
        assert_eq!(pull(&live, 3, 0).await.unwrap().body, pulled.body);
    }

    async fn flip(file: &File, at: u64) {
        let start = at / 4096 * 4096;
        let mut block = file.read_at(start, 4096).await.unwrap();
        block.as_mut_slice()[(at - start) as usize] ^= 0xff;
        file.write_at(&Rc::new(block), start).await.unwrap();
    }
}
