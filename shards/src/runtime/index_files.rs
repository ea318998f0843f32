//! Index files on disk: read in parts, written when a segment is sealed, made again when one is lost or damaged.
//!
//! Before: `runtime::reader`, `runtime::housekeeping`; after: `queue`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use super::live::LiveShard;
use super::pace::Slice;
use super::reader::ReadError;
use super::{File, NewFile, Open, fs, should_yield, yield_now};
use crate::entry::{Entry, entries};
use crate::log::block::{BlockHeader, HEADER_BYTES};
use crate::log::{BlockKind, LogOptions, segment};
use crate::queue::{IndexEntry, IndexRead, Rebuild, Seal, is_queued, key_hash};
use crate::record::{IndexedProperties, Record};
use crate::types::LogPosition;

/// Pages that are put together before others get their turn.
const PAGES_PER_SLICE: usize = 8;
/// One write of an index file: enough to go fast, little enough for a block of the log not to wait long behind it.
const WRITE_BYTES: usize = 256 * 1024;
const RUNS_PER_SLICE: usize = 1024;

#[derive(Default)]
pub struct IndexFiles {
    open: RefCell<BTreeMap<LogPosition, Rc<File>>>,
}

pub fn path(options: &LogOptions, segment: LogPosition) -> PathBuf {
    options.dir.join(format!("{}.index", segment::name(segment)))
}

impl IndexFiles {
    /// Loads a part of an index file. One that is lost or damaged is made again first. A segment that is deleted meanwhile has
    /// no file any more, and nothing is wrong: whoever asks again leaves it out.
    pub async fn load(&self, live: &LiveShard, read: IndexRead) -> Result<(), ReadError> {
        let loaded = self.load_or_rebuild(live, read).await;
        if loaded.is_err() && !live.state.borrow().queues.is_sealed(read.segment) { Ok(()) } else { loaded }
    }

    async fn load_or_rebuild(&self, live: &LiveShard, read: IndexRead) -> Result<(), ReadError> {
        for again in [false, true] {
            if again {
                self.rebuild(live, read.segment).await?;
            }
            if let Some(bytes) = self.read(&live.log.options, read).await {
                let loaded = live.state.borrow_mut().queues.loaded(read, &bytes);
                match loaded {
                    Ok(()) => return Ok(()),
                    Err(bad) => {
                        tracing::warn!(path = %path(&live.log.options, read.segment).display(), %bad, "the index file is damaged and is made again")
                    }
                }
            }
        }
        let what = format!("the index file {} cannot be read", path(&live.log.options, read.segment).display());
        Err(ReadError::Disk { what })
    }

    async fn read(&self, options: &LogOptions, read: IndexRead) -> Option<Vec<u8>> {
        let known = self.open.borrow().get(&read.segment).cloned();
        let file = match known {
            Some(file) => file,
            None => {
                let file = Rc::new(File::open(&path(options, read.segment), Open::Read).await.ok()?);
                self.open.borrow_mut().insert(read.segment, file.clone());
                file
            }
        };
        let buffer = file.read_at(read.offset, read.len).await.ok()?;
        Some(buffer.as_slice()[..read.len.min(buffer.len())].to_vec())
    }

    /// Writes the file of the segment that was rotated out last, if it is complete on disk.
    pub async fn seal(&self, live: &LiveShard) -> std::io::Result<()> {
        let Some(sealing) = live.state.borrow().queues.sealing() else { return Ok(()) };
        live.state.borrow_mut().queues.seal_again();
        let mut making = Making::create(&live.log.options, sealing).await?;
        loop {
            let slice = Slice::begin();
            let sealed = live.state.borrow_mut().queues.seal_slice(&mut making.pages, PAGES_PER_SLICE);
            match sealed {
                Seal::Idle => return Ok(()),
                Seal::Wait(end) => {
                    if live.durable(end).await.is_err() {
                        return Ok(());
                    }
                }
                Seal::More => {
                    // Until this file is made the log cannot go on into another segment.
                    slice.rest(live.hurries()).await;
                    making.write_if_enough().await?;
                }
                Seal::Built => break,
            }
        }
        // The next segment must have begun for good, or a crash could let the log go on in this one.
        if live.durable_so_far().await.is_err() {
            return Ok(());
        }
        self.publish(making, sealing).await?;
        while !{ live.state.borrow_mut().queues.seal_finish(RUNS_PER_SLICE) } {
            yield_now().await;
        }
        Ok(())
    }

    async fn publish(&self, making: Making, segment: LogPosition) -> std::io::Result<()> {
        making.publish().await?;
        self.open.borrow_mut().remove(&segment);
        Ok(())
    }

    /// From the segment's records.
    async fn rebuild(&self, live: &LiveShard, segment: LogPosition) -> Result<(), ReadError> {
        let options = &live.log.options;
        let mut rebuild = Rebuild::new(segment);
        let mut at = segment;
        loop {
            let block = live.log.read(at, options.block_unit as usize).await.map_err(|error| disk(&error))?;
            let (header, _) = BlockHeader::decode(block.bytes(), options.shard, at).map_err(|bad| disk(&bad))?;
            if header.kind == BlockKind::Seal {
                break;
            }
            let len = HEADER_BYTES + header.payload_bytes as usize;
            let block = live.log.read(at, len).await.map_err(|error| disk(&error))?;
            let payload = &block.bytes()[HEADER_BYTES..];
            header.verify_payload(payload).map_err(|bad| disk(&bad))?;
            push_records(&mut rebuild, live, header.payload_position(), payload).map_err(|bad| disk(&bad))?;
            at = at.advance(header.block_bytes(options.block_unit));
            if should_yield() {
                yield_now().await;
            }
        }
        let mut making = Making::create(options, segment).await.map_err(|error| disk(&error))?;
        while !rebuild.slice(&mut making.pages, PAGES_PER_SLICE) {
            making.write_if_enough().await.map_err(|error| disk(&error))?;
            yield_now().await;
        }
        // A topic whose deletion could still be lost would come back without its entries.
        live.durable_so_far().await.map_err(|error| disk(&error))?;
        self.publish(making, segment).await.map_err(|error| disk(&error))?;
        live.state.borrow_mut().queues.index_replaced(segment);
        if !live.state.borrow().queues.is_sealed(segment) {
            // It was deleted while its index was made, and nobody else would remove this file.
            self.remove(options, segment).await.map_err(|error| disk(&error))?;
        }
        Ok(())
    }

    pub async fn remove(&self, options: &LogOptions, segment: LogPosition) -> std::io::Result<()> {
        self.open.borrow_mut().remove(&segment);
        let path = path(options, segment);
        if fs::exists(&path) { fs::remove_large(&path).await } else { Ok(()) }
    }
}

/// An index file that is being made: pages are written whenever there are enough for one write.
struct Making {
    file: NewFile,
    pages: Vec<u8>,
}

impl Making {
    async fn create(options: &LogOptions, segment: LogPosition) -> std::io::Result<Making> {
        Ok(Making { file: NewFile::create(&path(options, segment)).await?, pages: Vec::new() })
    }

    async fn write_if_enough(&mut self) -> std::io::Result<()> {
        if self.pages.len() >= WRITE_BYTES { self.write().await } else { Ok(()) }
    }

    async fn write(&mut self) -> std::io::Result<()> {
        self.file.append(&self.pages).await?;
        self.pages.clear();
        Ok(())
    }

    async fn publish(mut self) -> std::io::Result<()> {
        if !self.pages.is_empty() {
            self.write().await?;
        }
        self.file.publish().await
    }
}

fn disk(error: &dyn std::fmt::Display) -> ReadError {
    ReadError::Disk { what: format!("an index file cannot be made again: {error}") }
}

fn push_records(
    rebuild: &mut Rebuild,
    live: &LiveShard,
    start: LogPosition,
    payload: &[u8],
) -> Result<(), crate::entry::BadEntry> {
    let state = live.state.borrow();
    for entry in entries(payload) {
        let (at, Entry::Message(record)) = entry? else { continue };
        if !is_queued(&record) {
            continue;
        }
        let position = start.advance(at as u64);
        let properties = IndexedProperties::of(record.properties());
        let keys = properties.keys().map(|key| key_hash(record.topic(), key));
        rebuild.push(
            &state.queues,
            record.topic(),
            record.queue_id(),
            record.queue_offset(),
            index_entry(position, &record),
            keys,
        );
    }
    Ok(())
}

pub fn index_entry(position: LogPosition, record: &Record<'_>) -> IndexEntry {
    IndexEntry::of(position, record)
}
