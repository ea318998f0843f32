//! Prints the records of a log, one line each.

use std::io::{self, Write};
use std::path::Path;

use ringmq_shards::entry::{Entry, entries};
use ringmq_shards::log::BlockKind;
use ringmq_shards::types::{LogPosition, ShardId};

use super::walk::{self, ShardLog};

/// Bytes of a body that are shown.
const BODY_SHOWN: usize = 60;

/// Records from position `from` on, at most `count`.
pub fn dump(dir: &Path, only: Option<u16>, from: u64, count: Option<u64>, out: &mut dyn Write) -> Result<(), String> {
    let meta = walk::meta(dir)?;
    if let Some(shard) = only.filter(|shard| *shard >= meta.shards) {
        return Err(format!("there is no shard {shard}: the store has shards 0 to {}", meta.shards - 1));
    }
    let mut left = count.unwrap_or(u64::MAX);
    for shard in (0..meta.shards).filter(|shard| only.is_none_or(|only| only == *shard)).map(ShardId) {
        let log = ShardLog::open(dir, &meta, shard)?;
        let mut failed = None;
        log.blocks(|header, payload| {
            if header.kind != BlockKind::Data || left == 0 {
                return left > 0;
            }
            match print(shard, header.payload_position(), payload, from, &mut left, out) {
                Ok(()) => true,
                Err(error) => {
                    failed = Some(error);
                    false
                }
            }
        })?;
        match failed {
            // Whoever reads our output has enough.
            Some(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Some(error) => return Err(error.to_string()),
            None => {}
        }
    }
    Ok(())
}

fn print(shard: ShardId, start: LogPosition, payload: &[u8], from: u64, left: &mut u64, out: &mut dyn Write) -> io::Result<()> {
    for entry in entries(payload) {
        let Ok((at, entry)) = entry else { return Ok(()) };
        let position = start.advance(at as u64);
        if position.0 < from {
            continue;
        }
        if *left == 0 {
            return Ok(());
        }
        *left -= 1;
        match entry {
            Entry::Message(record) => {
                let body = record.body();
                let shown = String::from_utf8_lossy(&body[..body.len().min(BODY_SHOWN)]).escape_debug().to_string();
                let more = if body.len() > BODY_SHOWN { "..." } else { "" };
                writeln!(
                    out,
                    "shard {shard} position {position} topic {} queue {} offset {} stored {} from {} body {} bytes \"{shown}{more}\"",
                    record.topic(),
                    record.queue_id(),
                    record.queue_offset(),
                    record.store_timestamp().0,
                    record.born_host(),
                    body.len(),
                )?;
            }
            Entry::Control(control) => writeln!(out, "shard {shard} position {position} {control:?}")?,
        }
    }
    Ok(())
}
