//! Reads a log back, block by block, and tells what a crash may leave from what it may not.
//!
//! Fed with bytes in order of position, whole block units at a time; keeps no more than the header it looks at. Good blocks
//! are whole, in their place, and chained to the one before. At the first bad one the good part ends, and the scan
//! only looks on for durable marks:
//! - a later block whose mark lies above the bad one proves that the bad one was durable once: **corruption**;
//! - otherwise the bad block is the **torn tail** of writes that nobody was told about, and is cut.
//!
//! Crash scenario that needs the look-ahead: blocks A, B, C are in flight, B's and C's writes reach the disk and A's does not. Nothing
//! was acknowledged, C's mark is below A: a torn tail. If instead a bit of A rots a week later, some block after it says
//! `durable mark > A`.

use super::block::{BadBlock, BlockHeader, BlockKind, HEADER_BYTES};
use super::{LogOptions, Resume};
use crate::types::LogPosition;

/// What stands at the position that the scan has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A good block of this many bytes; its entries are at `HEADER_BYTES..HEADER_BYTES + payload`.
    Block { header: BlockHeader, bytes: u64 },
    /// More bytes are needed: the block at the position is this long.
    Need { bytes: u64 },
    /// The good part has ended here or before; one unit was looked at.
    Beyond,
}

/// How a scan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The log is good up to here. `torn`: bytes behind it that are no longer part of it. Below `mark` a block says that
    /// everything was durable.
    Good { resume: Resume, torn: bool, mark: LogPosition },
    /// What was durable is damaged.
    Corrupt { position: LogPosition, bad: BadBlock, mark: LogPosition, mark_at: LogPosition },
}

pub struct Scan<'o> {
    options: &'o LogOptions,
    /// Where the next bytes belong.
    position: LogPosition,
    chain: Option<Chain>,
    first_bad: Option<(LogPosition, BadBlock)>,
    highest_mark: Option<(LogPosition, LogPosition)>,
    /// Something that is not zero stands behind the good part.
    leftover: bool,
    incarnation: u64,
}

#[derive(Clone, Copy)]
struct Chain {
    sequence: u64,
    crc: u32,
    incarnation: u64,
}

impl<'o> Scan<'o> {
    /// From `position`, which is the start of a segment.
    pub fn new(options: &'o LogOptions, position: LogPosition) -> Scan<'o> {
        assert!(options.segment_of(position) == position, "scans start with a segment");
        Scan { options, position, chain: None, first_bad: None, highest_mark: None, leftover: false, incarnation: 0 }
    }

    pub fn position(&self) -> LogPosition {
        self.position
    }

    pub fn good_has_ended(&self) -> bool {
        self.first_bad.is_some()
    }

    /// Looks at `bytes`, which stand at `position` and reach at least one unit further, and moves on when it can.
    pub fn look(&mut self, bytes: &[u8]) -> Found {
        let unit = u64::from(self.options.block_unit);
        assert!(bytes.len() as u64 >= unit, "at least one unit");
        let decoded = BlockHeader::decode(bytes, self.options.shard, self.position);
        if self.first_bad.is_some() {
            self.leftover |= !matches!(decoded, Err(BadBlock::Zero));
            if let Ok((header, _)) = decoded {
                self.note_mark(&header);
            }
            self.position = self.position.advance(unit);
            return Found::Beyond;
        }
        let (header, crc) = match decoded {
            Ok(decoded) => decoded,
            Err(bad) => return self.end(bad),
        };
        let block_bytes = header.block_bytes(self.options.block_unit);
        let segment_end = self.options.segment_of(self.position).0 + self.options.segment_bytes;
        if self.position.0 + block_bytes > segment_end {
            return self.end(BadBlock::Length(header.payload_bytes));
        }
        if !self.chain.is_none_or(|chain| chain.precedes(&header)) {
            return self.end(BadBlock::Unchained);
        }
        if (bytes.len() as u64) < block_bytes {
            return Found::Need { bytes: block_bytes };
        }
        let payload = &bytes[HEADER_BYTES..HEADER_BYTES + header.payload_bytes as usize];
        if let Err(bad) = header.verify_payload(payload) {
            return self.end(bad);
        }
        self.note_mark(&header);
        self.chain = Some(Chain { sequence: header.sequence, crc, incarnation: header.incarnation });
        self.incarnation = header.incarnation;
        self.position = match header.kind {
            BlockKind::Seal => LogPosition(segment_end),
            BlockKind::Data | BlockKind::Mark | BlockKind::Start => self.position.advance(block_bytes),
        };
        Found::Block { header, bytes: block_bytes }
    }

    /// The good part ends at the current position; called also where the files end.
    fn end(&mut self, bad: BadBlock) -> Found {
        self.first_bad = Some((self.position, bad));
        self.leftover |= bad != BadBlock::Zero;
        // A whole block in its place still says how far the log was durable, even if its payload is damaged.
        self.position = self.position.advance(u64::from(self.options.block_unit));
        Found::Beyond
    }

    /// Nothing was ever written from the position to `to`: zeroes, which end nothing and tell nothing.
    pub fn skip_unwritten(&mut self, to: LogPosition) {
        assert!(self.good_has_ended() && to > self.position, "only what lies behind the good part is skipped");
        self.position = to;
    }

    fn note_mark(&mut self, header: &BlockHeader) {
        if self.highest_mark.is_none_or(|(mark, _)| header.durable_mark > mark) {
            self.highest_mark = Some((header.durable_mark, header.position));
        }
    }

    /// All files have been looked at.
    pub fn finish(self) -> Verdict {
        let (end, bad) = self.first_bad.unwrap_or((self.position, BadBlock::Zero));
        if let Some((mark, mark_at)) = self.highest_mark.filter(|(mark, _)| *mark > end) {
            return Verdict::Corrupt { position: end, bad, mark, mark_at };
        }
        let resume = Resume {
            position: end,
            incarnation: self.incarnation + 1,
            sequence: self.chain.map_or(0, |chain| chain.sequence + 1),
            previous_crc: self.chain.map_or(0, |chain| chain.crc),
        };
        let mark = self.highest_mark.map_or(LogPosition::ZERO, |(mark, _)| mark);
        Verdict::Good { resume, torn: self.leftover, mark }
    }
}

impl Chain {
    fn precedes(&self, next: &BlockHeader) -> bool {
        next.previous_crc == self.crc && next.sequence == self.sequence + 1 && next.incarnation >= self.incarnation
    }
}
