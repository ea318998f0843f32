//! One small shard, a plain message, and retention without patience, for tests that need no other.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use crate::group::GroupRules;
use crate::log::{Flush, LogOptions, SyncMethod};
use crate::placement::{Placement, Routing};
use crate::queue::QueueLimits;
use crate::record::NewMessage;
use crate::runtime::housekeeping::Retention;
use crate::runtime::live::LiveShard;
use crate::runtime::open::{ShardOptions, open};
use crate::runtime::{fs, now};
use crate::shard::{AppendError, Appended};
use crate::topic::TopicRules;
use crate::types::ShardId;

pub(super) const SEGMENT_BYTES: u64 = 1 << 20;

/// A shard with small segments, caches and bounds, alone in its folder.
pub(super) fn shard_options(dir: PathBuf) -> ShardOptions {
    ShardOptions {
        log: LogOptions {
            dir,
            shard: ShardId(0),
            block_unit: 4096,
            segment_bytes: SEGMENT_BYTES,
            block_bytes_max: 32 << 10,
            entry_bytes_max: 64 << 10,
            pipeline_depth: 2,
            pending_bytes_max: 128 << 10,
            zero_ahead_bytes: 0,
            flush: Flush::Sync,
            sync: SyncMethod::WriteThenSync,
        },
        placement: Placement::new(1, Routing::Mesh),
        topics: TopicRules::new("DefaultCluster", "broker-a"),
        groups: GroupRules::default(),
        queues: QueueLimits { index_bytes_max: 1 << 20, page_bytes_max: 1 << 20 },
        tail_bytes_max: 64 << 10,
        cold_bytes_max: 1 << 20,
        offsets_max: 100,
        pulls_max: 100,
        timers_max: 1_000,
    }
}

/// A shard of this kind in a folder that a power cut leaves.
pub(super) async fn opened() -> Rc<LiveShard> {
    let dir = PathBuf::from("/work");
    fs::create_dir_all(&dir).unwrap();
    fs::sync_dir(Path::new("/")).await.unwrap();
    open(shard_options(dir)).await.unwrap().0
}

/// Stores a message as soon as there is room; returns when it is durable.
pub(super) async fn stored(live: &LiveShard, message: &NewMessage<'_>) -> Appended {
    let appended = loop {
        match live.append(now(), message) {
            Err(AppendError::NoRoom) => live.room().await,
            appended => break appended.unwrap(),
        }
    };
    live.durable(appended.end).await.unwrap();
    appended
}

pub(super) fn expires_at_once() -> Retention {
    Retention {
        reserved_millis: -1,
        hours: (0..24).collect(),
        used_max: 75,
        clean_forcibly: 85,
        clean_forcibly_enabled: true,
        refuse: 100,
        interval: Duration::from_millis(50),
        utc_offset_minutes: 0,
    }
}

/// A message of nobody in particular.
pub(super) fn message<'a>(topic: &'a str, queue_id: u32, body: &'a [u8], properties: &'a [u8]) -> NewMessage<'a> {
    let host = "127.0.0.1:1".parse().expect("an address");
    NewMessage {
        topic,
        queue_id,
        flag: 0,
        sys_flag: 0,
        born_timestamp: 0,
        born_host: host,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body,
        properties,
    }
}
