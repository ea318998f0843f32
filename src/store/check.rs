//! Verifies every block, every entry in it, every index file and every snapshot, and says what is wrong and where.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use ringmq_shards::entry::{Entry, entries};
use ringmq_shards::log::{BlockKind, StoreMeta, Verdict};
use ringmq_shards::queue::verify_index;
use ringmq_shards::types::{LogPosition, ShardId};
use ringmq_shards::{log::segment, snapshot};

use super::walk::{self, ShardLog};

#[derive(Default)]
struct Counts {
    blocks: u64,
    messages: u64,
    controls: u64,
    bytes: u64,
}

/// The report; an error is one that names the defects.
pub fn check(dir: &Path) -> Result<String, String> {
    let meta = walk::meta(dir)?;
    let mut report = String::new();
    let mut defects = Vec::new();
    for shard in (0..meta.shards).map(ShardId) {
        check_shard(dir, &meta, shard, &mut report, &mut defects)?;
    }
    if defects.is_empty() {
        report.push_str("nothing is wrong\n");
        return Ok(report);
    }
    Err(format!("{report}{} defect(s):\n  {}", defects.len(), defects.join("\n  ")))
}

fn check_shard(
    dir: &Path,
    meta: &StoreMeta,
    shard: ShardId,
    report: &mut String,
    defects: &mut Vec<String>,
) -> Result<(), String> {
    let log = ShardLog::open(dir, meta, shard)?;
    for pair in log.segments.windows(2) {
        if pair[1].0 - pair[0].0 != meta.segment_bytes {
            let missing = LogPosition(pair[0].0 + meta.segment_bytes);
            defects.push(format!("{}: the segment is missing", log.path(missing).display()));
        }
    }
    let mut counts = Counts::default();
    let verdict = if defects.is_empty() {
        log.blocks(|header, payload| {
            counts.blocks += 1;
            counts.bytes += header.block_bytes(meta.block_unit);
            if header.kind == BlockKind::Data {
                check_payload(&log, header.payload_position(), payload, &mut counts, defects);
            }
            true
        })?
    } else {
        None
    };
    let Counts { blocks, messages, controls, bytes } = counts;
    let segments = log.segments.len();
    _ = writeln!(
        report,
        "shard {shard}: {segments} segment(s), {blocks} blocks, {bytes} bytes, {messages} messages, {controls} control entries"
    );
    match verdict {
        None => {}
        Some(Verdict::Good { resume, torn: false, .. }) => {
            _ = writeln!(report, "shard {shard}: the log ends at {}", resume.position)
        }
        Some(Verdict::Good { resume, torn: true, .. }) => {
            let end = resume.position;
            _ = writeln!(
                report,
                "shard {shard}: the log ends at {end}; behind it is a torn tail that nobody was told about, the next start cuts it"
            );
        }
        Some(Verdict::Corrupt { position, bad, mark, mark_at }) => defects.push(format!(
            "{} at position {position}: {bad}, though the block at {mark_at} says that everything before {mark} was durable",
            log.path(position).display()
        )),
    }
    check_beside(&log, shard, report, defects)
}

fn check_payload(log: &ShardLog, start: LogPosition, payload: &[u8], counts: &mut Counts, defects: &mut Vec<String>) {
    for entry in entries(payload) {
        match entry {
            Ok((at, Entry::Message(record))) => {
                counts.messages += 1;
                if let Err(bad) = record.verify_crc() {
                    let position = start.advance(at as u64);
                    defects.push(format!("{} at position {position}: {bad}", log.path(position).display()));
                }
            }
            Ok((_, Entry::Control(_))) => counts.controls += 1,
            Err(bad) => {
                let position = start.advance(bad.at as u64);
                defects.push(format!("{} at position {position}: {bad}", log.path(position).display()));
            }
        }
    }
}

/// Index files and the snapshot.
fn check_beside(log: &ShardLog, shard: ShardId, report: &mut String, defects: &mut Vec<String>) -> Result<(), String> {
    let mut indexes = 0;
    for first in &log.segments {
        let path = log.dir().join(format!("{}.index", segment::name(*first)));
        let Ok(bytes) = fs::read(&path) else { continue };
        indexes += 1;
        if let Err(bad) = verify_index(&bytes, *first) {
            defects.push(format!("{}: {bad}; remove it, it is made again from its segment", path.display()));
        }
    }
    let path = log.dir().join(snapshot::FILE_NAME);
    let snapshot = match fs::read(&path) {
        Err(_) => "no snapshot".to_owned(),
        Ok(bytes) => match snapshot::decode(&bytes, shard) {
            Ok((head, _)) => format!("snapshot at {}, replay from {}", head.position, head.replay_from),
            Err(bad) => {
                defects.push(format!("{}: {bad}", path.display()));
                "a damaged snapshot".to_owned()
            }
        },
    };
    _ = writeln!(report, "shard {shard}: {indexes} index file(s), {snapshot}");
    Ok(())
}
