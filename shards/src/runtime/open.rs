//! Opens a shard: its snapshot, then its log from there on, then it is at work.
//!
//! Invariant: what is served afterwards is what the log says. A snapshot only shortens the replay; without one the whole log
//! is replayed, and a damaged one is refused when the log's beginning is gone.
//!
//! Before: `node::core`; after: `runtime::recover`, `runtime::live`.

use std::path::Path;
use std::rc::Rc;

use super::index_files::{self, index_entry};
use super::live::{LiveLimits, LiveShard};
use super::recover::{self, Recovery, Replayed};
use super::store_error::StoreError;
use super::{fs, now};
use crate::entry::{Control, Entry, entries};
use crate::group::{GroupRules, Groups};
use crate::log::{BlockKind, LogOptions, segment};
use crate::offsets::ConsumerOffsets;
use crate::placement::Placement;
use crate::pop::{PopLimits, Pops, RequestModes};
use crate::queue::{QueueLimits, Queues, Seal, TailCache, is_queued, key_hash};
use crate::record::{IndexedProperties, Record};
use crate::resets::Resets;
use crate::shard::{Change, Shard, Tables};
use crate::snapshot::{self, Section};
use crate::timer::{Timers, Wait};
use crate::topic::{TopicRules, Topics};
use crate::transaction::{HALF_TOPIC, HALVES_MAX, Half, HalfMessages};
use crate::types::{LogPosition, Millis};
use crate::wire::Reader;

const DAMAGED: &str = "restore the shard's folder from a backup, or run `ringmq store check` to see what is readable";

/// Everything a shard is opened with.
#[derive(Clone, Debug)]
pub struct ShardOptions {
    pub log: LogOptions,
    pub placement: Placement,
    pub topics: TopicRules,
    pub groups: GroupRules,
    pub queues: QueueLimits,
    pub tail_bytes_max: usize,
    /// What is kept of what was read from the disk.
    pub cold_bytes_max: usize,
    pub offsets_max: usize,
    pub pulls_max: usize,
    /// Messages that wait for their time.
    pub timers_max: usize,
}

/// The tables while they are read back.
struct Restoring<'o> {
    options: &'o ShardOptions,
    position: LogPosition,
    replay_from: LogPosition,
    active_segment: LogPosition,
    topics: Topics,
    groups: Groups,
    offsets: ConsumerOffsets,
    halves: HalfMessages,
    pops: Pops,
    request_modes: RequestModes,
    queues: Queues,
    timers: Timers,
    store_time: Millis,
    /// Index files of segments that were rotated past during a long replay.
    indexes: Vec<(LogPosition, Vec<u8>)>,
    failed: Option<(LogPosition, String)>,
}

pub async fn open(options: ShardOptions) -> Result<(Rc<LiveShard>, Recovery), StoreError> {
    let dir = options.log.dir.clone();
    let mut restoring = Restoring::load(&options).await?;
    let names = fs::list(&dir).map_err(|error| StoreError::io(&dir, "listing the folder", &error))?;
    for first in names.iter().filter_map(|name| segment::first(name)) {
        if first < restoring.replay_from {
            restoring.queues.add_sealed(first);
        }
    }
    let from = restoring.replay_from;
    let opened = recover::open(options.log.clone(), from, &mut |block| restoring.replay(block)).await?;
    if let Some((position, found)) = restoring.failed {
        return Err(StoreError::new(&dir, found, DAMAGED).at(position));
    }
    let end = opened.recovery.end;
    restoring.queues.replay_done(end).map_err(|gap| StoreError::new(&dir, gap.to_string(), DAMAGED).at(gap.position))?;
    for (segment, bytes) in std::mem::take(&mut restoring.indexes) {
        let path = index_files::path(&options.log, segment);
        fs::write_durable(&path, bytes).await.map_err(|error| StoreError::io(&path, "writing", &error))?;
    }
    let shard = Shard {
        id: options.log.shard,
        placement: options.placement,
        log: opened.commits,
        queues: restoring.queues,
        tail: TailCache::new(options.tail_bytes_max),
        topics: restoring.topics,
        groups: restoring.groups,
        offsets: restoring.offsets,
        halves: restoring.halves,
        pops: restoring.pops,
        request_modes: restoring.request_modes,
        timers: restoring.timers,
        segment_bytes: options.log.segment_bytes,
        active_segment: restoring.active_segment,
        store_time: restoring.store_time,
        refusing: None,
        no_next_segment: None,
        scratch: Vec::new(),
    };
    let loaded = (restoring.position, restoring.replay_from);
    let limits = LiveLimits { pulls_max: options.pulls_max, cold_bytes_max: options.cold_bytes_max };
    Ok((LiveShard::start(shard, opened.log, loaded, limits), opened.recovery))
}

impl<'o> Restoring<'o> {
    async fn load(options: &'o ShardOptions) -> Result<Restoring<'o>, StoreError> {
        let path = options.log.dir.join(snapshot::FILE_NAME);
        if !fs::exists(&path) {
            return Ok(Restoring::empty(options));
        }
        let bytes = fs::read(&path).await.map_err(|error| StoreError::io(&path, "reading", &error))?;
        Restoring::decode(options, &bytes).map_err(|found| StoreError::new(&path, found, DAMAGED))
    }

    fn empty(options: &'o ShardOptions) -> Restoring<'o> {
        let at = LogPosition::ZERO;
        Restoring {
            options,
            position: at,
            replay_from: at,
            active_segment: at,
            topics: Topics::new(options.topics.clone(), now()),
            groups: Groups::new(options.groups.clone(), now()),
            offsets: ConsumerOffsets::new(options.offsets_max),
            halves: HalfMessages::new(HALVES_MAX),
            pops: Pops::new(PopLimits::default()),
            request_modes: RequestModes::default(),
            queues: Queues::new(options.queues, at),
            timers: Timers::new(options.timers_max),
            store_time: Millis::default(),
            indexes: Vec::new(),
            failed: None,
        }
    }

    fn decode(options: &'o ShardOptions, bytes: &[u8]) -> Result<Restoring<'o>, String> {
        let (head, sections) = snapshot::decode(bytes, options.log.shard).map_err(|bad| bad.to_string())?;
        let mut restoring = Restoring::empty(options);
        restoring.position = head.position;
        restoring.replay_from = head.replay_from;
        restoring.active_segment = head.replay_from;
        restoring.store_time = head.store_time;
        restoring.queues = Queues::restoring(options.queues, head.replay_from, head.position);
        for (kind, bytes) in sections {
            match kind {
                Section::Topics => {
                    restoring.topics = Topics::decode(options.topics.clone(), bytes).map_err(|bad| bad.to_string())?;
                }
                Section::Groups => {
                    restoring.groups = Groups::decode(options.groups.clone(), bytes).map_err(|bad| bad.to_string())?;
                }
                Section::Offsets => restoring.offsets.load_slice(bytes, head.position).map_err(|bad| bad.to_string())?,
                Section::Halves => restoring.halves.load_slice(bytes).map_err(|bad| bad.to_string())?,
                Section::RequestModes => {
                    restoring.request_modes = RequestModes::decode(&mut Reader::new(bytes)).map_err(|bad| bad.to_string())?;
                }
                Section::Pops => restoring.pops.load_slice(bytes).map_err(|bad| bad.to_string())?,
                Section::Queues => restoring.queues.load_slice(bytes).map_err(|bad| bad.to_string())?,
                Section::Timers => restoring.timers.load_slice(bytes).map_err(|bad| bad.to_string())?,
                Section::Resets => {
                    *restoring.offsets.resets_mut() = Resets::decode(bytes, head.position).map_err(|bad| bad.to_string())?;
                }
            }
        }
        Ok(restoring)
    }

    fn replay(&mut self, block: Replayed<'_>) {
        if self.failed.is_some() || block.header.kind != BlockKind::Data {
            return;
        }
        let start = block.header.payload_position();
        let segment = self.options.log.segment_of(start);
        if segment != self.active_segment {
            self.rotate(segment);
        }
        for entry in entries(block.payload) {
            let replayed = match entry {
                Ok((at, Entry::Message(record))) => {
                    let position = start.advance(at as u64);
                    self.store_time = self.store_time.max(record.store_timestamp());
                    if !is_queued(&record) {
                        continue;
                    }
                    if record.topic() == HALF_TOPIC && position >= self.position {
                        let (born, stored) = (record.born_timestamp(), record.store_timestamp());
                        self.halves.add(position, Half::of(record.queue_offset(), born, stored, record.properties()));
                    }
                    let incarnation = self.topics.get(record.topic()).map(|topic| topic.incarnation);
                    let properties = IndexedProperties::of(record.properties());
                    let keys = properties.keys().map(|key| key_hash(record.topic(), key));
                    let entry = index_entry(position, &record);
                    let replayed =
                        self.queues.replay(record.topic(), incarnation, record.queue_id(), record.queue_offset(), entry, keys);
                    self.replay_wait(position, &record);
                    replayed.map(|_| ()).map_err(|gap| (position, gap.to_string()))
                }
                Ok((at, Entry::Control(control))) => {
                    let position = start.advance(at as u64);
                    if position < self.position { Ok(()) } else { self.replay_control(position, control) }
                }
                Err(bad) => Err((start.advance(bad.at as u64), bad.to_string())),
            };
            if let Err(failed) = replayed {
                self.failed = Some(failed);
                return;
            }
        }
    }

    /// The index of the segment before must be on its way to a file first; at most one waits.
    fn rotate(&mut self, segment: LogPosition) {
        if let Some(sealing) = self.queues.sealing() {
            let mut bytes = Vec::new();
            while let Seal::More = self.queues.seal_slice(&mut bytes, usize::MAX) {}
            while !self.queues.seal_finish(usize::MAX) {}
            self.indexes.push((sealing, bytes));
        }
        self.queues.replay_rotate(segment);
        self.active_segment = segment;
    }

    fn replay_change(&mut self, change: Change) {
        let Restoring { topics, groups, queues, offsets, pops, request_modes, .. } = self;
        crate::shard::apply(change, Tables { topics, groups, queues, offsets, pops, request_modes }, &mut |_| ());
    }

    /// What waited at the snapshot's position is in the snapshot.
    fn replay_wait(&mut self, position: LogPosition, record: &Record<'_>) {
        if position < self.position {
            return;
        }
        let parts = self.options.placement.parts();
        if let Some(wait) = Wait::of(record.topic(), record.queue_id(), parts, record.properties()) {
            self.timers.wait(&wait, position, record.bytes().len());
        }
    }

    fn replay_control(&mut self, position: LogPosition, control: Control<'_>) -> Result<(), (LogPosition, String)> {
        match control {
            Control::Topic(change) => self.replay_change(Change::Topic(change)),
            Control::Group(change) => self.replay_change(Change::Group(change)),
            Control::ConsumerOffsets(rows) => {
                for commit in rows.iter() {
                    self.offsets.replay(commit, position).map_err(|full| (position, full.to_string()))?;
                }
            }
            Control::OffsetsRemoved { topic, group } => match (topic, group) {
                (Some(topic), Some(group)) => _ = self.offsets.remove(topic, group),
                (Some(topic), None) => _ = self.offsets.remove_topic(topic),
                (None, Some(group)) => _ = self.offsets.remove_group(group),
                (None, None) => {}
            },
            Control::HalfEnded { position } => _ = self.halves.end(position),
            Control::HalfChecked { position, checks } => self.halves.checked(position, checks),
            Control::Pop(event) => self.pops.apply(&event, &mut self.offsets),
            Control::RequestMode(change) => self.replay_change(Change::RequestMode(change)),
            Control::TimerGone { deliver_at, position } => _ = self.timers.remove(deliver_at, position),
            Control::Reset(rows) => {
                for reset in rows.iter() {
                    self.offsets.reset(reset, position).map_err(|full| (position, full.to_string()))?;
                }
            }
            Control::ResetFollowed(rows) => {
                for row in rows.iter() {
                    self.offsets.reset_followed(row.topic, row.group, row.queue_id);
                }
            }
            Control::SettingsVersion(_) | Control::Unknown { .. } => {}
        }
        Ok(())
    }
}

/// Whether a folder already holds a shard.
pub fn exists(dir: &Path) -> bool {
    fs::list(dir).is_ok_and(|names| names.iter().any(|name| segment::first(name).is_some()))
}
