//! Every block of a shard's log, in order, with what is wrong.
//!
//! Reads as recovery does (`log::scan`), so both say the same of the same bytes.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use ringmq_shards::log::meta::FILE_NAME;
use ringmq_shards::log::{BlockHeader, Flush, Found, HEADER_BYTES, LogOptions, Scan, StoreMeta, SyncMethod, Verdict, segment};
use ringmq_shards::types::{LogPosition, ShardId};

/// What one read asks for.
const READ_BYTES: usize = 4 << 20;

pub fn meta(dir: &Path) -> Result<StoreMeta, String> {
    let path = dir.join(FILE_NAME);
    let bytes = fs::read(&path).map_err(|error| format!("{}: {error}; is this the folder of a store?", path.display()))?;
    StoreMeta::decode(&bytes).map_err(|bad| format!("{}: {bad}", path.display()))
}

/// One shard's log, closed.
pub struct ShardLog {
    options: LogOptions,
    pub segments: Vec<LogPosition>,
}

impl ShardLog {
    pub fn open(dir: &Path, meta: &StoreMeta, shard: ShardId) -> Result<ShardLog, String> {
        let dir = ringmq_shards::log::meta::shard_dir(dir, shard);
        let entries = fs::read_dir(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let mut segments = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| format!("{}: {error}", dir.display()))?;
            segments.extend(segment::first(&entry.file_name().to_string_lossy()));
        }
        segments.sort();
        let options = LogOptions {
            dir,
            shard,
            block_unit: meta.block_unit,
            segment_bytes: meta.segment_bytes,
            block_bytes_max: 0,
            entry_bytes_max: 0,
            pipeline_depth: 1,
            pending_bytes_max: 0,
            zero_ahead_bytes: 0,
            flush: Flush::Sync,
            sync: SyncMethod::WriteThenSync,
        };
        Ok(ShardLog { options, segments })
    }

    pub fn path(&self, position: LogPosition) -> PathBuf {
        self.options.dir.join(segment::name(self.options.segment_of(position)))
    }

    pub fn dir(&self) -> &Path {
        &self.options.dir
    }

    /// Hands every good block to `each` until it says enough, and tells how the log ends; `None` without any segment.
    pub fn blocks(&self, mut each: impl FnMut(&BlockHeader, &[u8]) -> bool) -> Result<Option<Verdict>, String> {
        let (Some(first), Some(last)) = (self.segments.first(), self.segments.last()) else { return Ok(None) };
        let end = LogPosition(last.0 + self.options.segment_bytes);
        let mut scan = Scan::new(&self.options, *first);
        let mut part = Part::default();
        while scan.position() < end {
            let position = scan.position();
            self.fill(&mut part, position, self.options.block_unit as usize)?;
            let mut found = scan.look(part.from(position));
            if let Found::Need { bytes } = found {
                self.fill(&mut part, position, bytes as usize)?;
                found = scan.look(part.from(position));
            }
            if let Found::Block { header, .. } = found {
                let payload = &part.from(position)[HEADER_BYTES..HEADER_BYTES + header.payload_bytes as usize];
                if !each(&header, payload) {
                    return Ok(None);
                }
            }
        }
        Ok(Some(scan.finish()))
    }

    /// Makes `part` hold `bytes` from `position` on. What a file lacks at its end counts as zeroes.
    fn fill(&self, part: &mut Part, position: LogPosition, bytes: usize) -> Result<(), String> {
        if part.holds(position, bytes) {
            return Ok(());
        }
        let path = self.path(position);
        let name = |error: std::io::Error| format!("{}: {error}", path.display());
        let start = self.options.segment_of(position);
        let left = (start.0 + self.options.segment_bytes - position.0) as usize;
        part.start = position;
        part.bytes.clear();
        part.bytes.resize(READ_BYTES.max(bytes).min(left), 0);
        let mut file = File::open(&path).map_err(name)?;
        file.seek(SeekFrom::Start(position.since(start))).map_err(name)?;
        let mut filled = 0;
        while filled < part.bytes.len() {
            match file.read(&mut part.bytes[filled..]).map_err(name)? {
                0 => break,
                read => filled += read,
            }
        }
        Ok(())
    }
}

/// The bytes that were read last.
#[derive(Default)]
struct Part {
    start: LogPosition,
    bytes: Vec<u8>,
}

impl Part {
    fn holds(&self, position: LogPosition, bytes: usize) -> bool {
        position >= self.start && position.0 + bytes as u64 <= self.start.0 + self.bytes.len() as u64
    }

    fn from(&self, position: LogPosition) -> &[u8] {
        &self.bytes[position.since(self.start) as usize..]
    }
}
