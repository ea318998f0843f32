//! The file that a snapshot is kept in: a header and sections, each with its checksum.
//!
//! What a section means is its table's business; a table may come in several sections of one kind, in its order, so that
//! it can be written in slices. Written under a temporary name, made durable, renamed, and the name made durable: a
//! snapshot is whole or not there. It is published only when the log is durable up to where it was when the last section
//! was written, for a section may tell of that.
//!
//! | bytes | of the header |
//! |---|---|
//! | 8 | magic "RINGMQSN" |
//! | 2 | version, 1 |
//! | 2 | shard |
//! | 8 | position: settings are as the log has them up to there |
//! | 8 | replay from: the log must be read from there, for the index in memory |
//! | 4 | CRC-32 of the bytes before |
//!
//! | bytes | of a section |
//! |---|---|
//! | 2 | kind, see `SectionKind`; 0 at the end of the file, whose 4 bytes are the number of sections before |
//! | 4 | length |
//! | 4 | CRC-32 of kind, length and bytes |
//! | n | bytes |
//!
//! Before: `topic`, `group`, `offsets`, `queue` (what is in the sections); after: `runtime::fs`.

use std::fmt;

use crate::types::{LogPosition, ShardId};
use crate::wire::{BadBytes, Reader, Writer};

pub const SNAPSHOT_VERSION: u16 = 1;

const MAGIC: [u8; 8] = *b"RINGMQSN";
const HEADER_BYTES: usize = 32;
const SECTION_HEAD_BYTES: usize = 10;
const END: u16 = 0;

const _: () = assert!(HEADER_BYTES == 8 + 2 + 2 + 8 + 8 + 4);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotHeader {
    pub shard: ShardId,
    pub position: LogPosition,
    pub replay_from: LogPosition,
}

/// Which table wrote a section. A kind this program does not know is state it would lose, so it is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SectionKind {
    Topics,
    Groups,
    ConsumerOffsets,
    Queues,
    /// What the shard itself counts: settings version, store time.
    Shard,
}

impl SectionKind {
    const ALL: [SectionKind; 5] =
        [SectionKind::Topics, SectionKind::Groups, SectionKind::ConsumerOffsets, SectionKind::Queues, SectionKind::Shard];

    fn number(self) -> u16 {
        match self {
            SectionKind::Topics => 1,
            SectionKind::Groups => 2,
            SectionKind::ConsumerOffsets => 3,
            SectionKind::Queues => 4,
            SectionKind::Shard => 5,
        }
    }

    fn of_number(number: u16) -> Option<SectionKind> {
        SectionKind::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

/// Writes a snapshot into a vector, which the caller may empty into the file between sections.
#[derive(Debug)]
pub struct SnapshotWriter {
    sections: u32,
}

impl SnapshotWriter {
    pub fn begin(header: &SnapshotHeader, out: &mut Vec<u8>) -> SnapshotWriter {
        let begin = out.len();
        let mut writer = Writer::new(out);
        writer.bytes(&MAGIC);
        writer.u16(SNAPSHOT_VERSION);
        writer.u16(header.shard.0);
        writer.u64(header.position.0);
        writer.u64(header.replay_from.0);
        let crc = crc32fast::hash(&out[begin..]);
        Writer::new(out).u32(crc);
        SnapshotWriter { sections: 0 }
    }

    /// Appends a section with what `fill` appends.
    pub fn section<T>(&mut self, kind: SectionKind, out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        self.sections += 1;
        section(kind.number(), out, fill)
    }

    /// Without this the file is not a snapshot.
    pub fn finish(self, out: &mut Vec<u8>) {
        section(END, out, |out| Writer::new(out).u32(self.sections));
    }
}

fn section<T>(kind: u16, out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let begin = out.len();
    out.resize(begin + SECTION_HEAD_BYTES, 0);
    let filled = fill(out);
    let (head, bytes) = out[begin..].split_at_mut(SECTION_HEAD_BYTES);
    let len = u32::try_from(bytes.len()).expect("a section is a slice of a table");
    head[0..2].copy_from_slice(&kind.to_be_bytes());
    head[2..6].copy_from_slice(&len.to_be_bytes());
    let crc = section_crc(&head[..6], bytes);
    head[6..].copy_from_slice(&crc.to_be_bytes());
    filled
}

fn section_crc(head: &[u8], bytes: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(head);
    crc.update(bytes);
    crc.finalize()
}

/// A whole snapshot, every checksum compared.
#[derive(Clone, Debug)]
pub struct Snapshot<'a> {
    pub header: SnapshotHeader,
    sections: Vec<(SectionKind, &'a [u8])>,
}

/// Why a file is no snapshot that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadSnapshot {
    Magic,
    Version(u16),
    HeaderCrc,
    /// In the section that begins at this byte.
    Section {
        at: usize,
        why: BadSection,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadSection {
    Bytes(BadBytes),
    Crc,
    Kind(u16),
    /// Not as many sections as the end says.
    Count {
        found: usize,
        expected: u32,
    },
}

impl fmt::Display for BadSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadSnapshot::Magic => f.write_str("this is no snapshot"),
            BadSnapshot::Version(found) => {
                write!(f, "the snapshot has format version {found}; this program knows version {SNAPSHOT_VERSION}")
            }
            BadSnapshot::HeaderCrc => f.write_str("the snapshot's header does not match its CRC"),
            BadSnapshot::Section { at, why } => {
                write!(f, "the snapshot's section at byte {at}: ")?;
                match why {
                    BadSection::Bytes(bad) => bad.fmt(f),
                    BadSection::Crc => f.write_str("it does not match its CRC"),
                    BadSection::Kind(kind) => write!(f, "this program does not know sections of kind {kind}"),
                    BadSection::Count { found, expected } => write!(f, "{found} sections where {expected} were written"),
                }
            }
        }
    }
}

impl std::error::Error for BadSnapshot {}

impl<'a> Snapshot<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Snapshot<'a>, BadSnapshot> {
        let header = parse_header(bytes)?;
        let mut read = Reader::new(&bytes[HEADER_BYTES..]);
        let mut sections = Vec::new();
        loop {
            let at = bytes.len() - read.left();
            let bad = |why| BadSnapshot::Section { at, why };
            let (kind, content) = take_section(&mut read).map_err(bad)?;
            if kind == END {
                check_end(content, sections.len()).map_err(bad)?;
                read.finish().map_err(|why| bad(BadSection::Bytes(why)))?;
                return Ok(Snapshot { header, sections });
            }
            let kind = SectionKind::of_number(kind).ok_or(bad(BadSection::Kind(kind)))?;
            sections.push((kind, content));
        }
    }

    /// The sections of one kind, as they were written.
    pub fn sections(&self, kind: SectionKind) -> impl Iterator<Item = &'a [u8]> {
        self.sections.iter().filter(move |(found, _)| *found == kind).map(|(_, bytes)| *bytes)
    }
}

fn parse_header(bytes: &[u8]) -> Result<SnapshotHeader, BadSnapshot> {
    let bytes = bytes.get(..HEADER_BYTES).ok_or(BadSnapshot::Magic)?;
    let short = |_| BadSnapshot::Magic;
    let mut read = Reader::new(bytes);
    if read.bytes(8, "magic").map_err(short)? != MAGIC {
        return Err(BadSnapshot::Magic);
    }
    match read.u16("version").map_err(short)? {
        SNAPSHOT_VERSION => {}
        other => return Err(BadSnapshot::Version(other)),
    }
    let shard = ShardId(read.u16("shard").map_err(short)?);
    let position = LogPosition(read.u64("position").map_err(short)?);
    let replay_from = LogPosition(read.u64("replay from").map_err(short)?);
    if read.u32("CRC").map_err(short)? != crc32fast::hash(&bytes[..HEADER_BYTES - 4]) {
        return Err(BadSnapshot::HeaderCrc);
    }
    Ok(SnapshotHeader { shard, position, replay_from })
}

fn take_section<'a>(read: &mut Reader<'a>) -> Result<(u16, &'a [u8]), BadSection> {
    let head = read.bytes(SECTION_HEAD_BYTES, "section head").map_err(BadSection::Bytes)?;
    let mut words = Reader::new(head);
    let kind = words.u16("kind").map_err(BadSection::Bytes)?;
    let len = words.u32("length").map_err(BadSection::Bytes)?;
    let crc = words.u32("CRC").map_err(BadSection::Bytes)?;
    let content = read.bytes(len as usize, "section").map_err(BadSection::Bytes)?;
    if crc == section_crc(&head[..6], content) { Ok((kind, content)) } else { Err(BadSection::Crc) }
}

fn check_end(content: &[u8], found: usize) -> Result<(), BadSection> {
    let mut read = Reader::new(content);
    let expected = read.u32("number of sections").map_err(BadSection::Bytes)?;
    read.finish().map_err(BadSection::Bytes)?;
    if found == expected as usize { Ok(()) } else { Err(BadSection::Count { found, expected }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: SnapshotHeader =
        SnapshotHeader { shard: ShardId(3), position: LogPosition(900), replay_from: LogPosition(500) };

    fn good() -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = SnapshotWriter::begin(&HEADER, &mut out);
        writer.section(SectionKind::Queues, &mut out, |out| out.extend(b"one"));
        writer.section(SectionKind::Topics, &mut out, |_| ());
        let next = writer.section(SectionKind::Queues, &mut out, |out| {
            out.extend(b"two");
            7
        });
        assert_eq!(next, 7);
        writer.finish(&mut out);
        out
    }

    #[test]
    fn sections_come_back_in_their_order() {
        let bytes = good();
        let snapshot = Snapshot::parse(&bytes).unwrap();
        assert_eq!(snapshot.header, HEADER);
        assert_eq!(snapshot.sections(SectionKind::Queues).collect::<Vec<_>>(), [b"one", b"two"]);
        assert_eq!(snapshot.sections(SectionKind::Topics).collect::<Vec<_>>(), [b""]);
        assert_eq!(snapshot.sections(SectionKind::Groups).count(), 0);
    }

    /// Any cut and any changed byte is noticed.
    #[test]
    fn a_snapshot_is_whole_or_none() {
        let good = good();
        for cut in 0..good.len() {
            assert!(Snapshot::parse(&good[..cut]).is_err(), "{cut}");
        }
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 0x10;
            assert!(Snapshot::parse(&bytes).is_err(), "{at}");
        }
        assert!(Snapshot::parse(&[good.clone(), vec![0]].concat()).is_err());
        crate::wire::garble(&good, |bytes| {
            let _ = Snapshot::parse(bytes);
        });
    }

    #[test]
    fn what_is_newer_is_named() {
        let mut newer = good();
        newer[9] = 2;
        assert_eq!(
            Snapshot::parse(&newer).unwrap_err().to_string(),
            "the snapshot has format version 2; this program knows version 1"
        );
        let mut out = Vec::new();
        let writer = SnapshotWriter::begin(&HEADER, &mut out);
        section(99, &mut out, |_| ());
        writer.finish(&mut out);
        let why = BadSection::Kind(99);
        assert_eq!(Snapshot::parse(&out).unwrap_err(), BadSnapshot::Section { at: HEADER_BYTES, why });
    }
}
