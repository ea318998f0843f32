//! What the snapshot keeps of what waits.
//!
//! A snapshot at p: the slices tell of records before p only, since the replay from p on finds the others. What left after
//! p may or may not be in a slice: its `TimerGone` comes in the replay, and taking away what is not there changes nothing.

use super::bucket::Bucket;
use super::packed::{Packed, Pending};
use super::timers::Timers;
use crate::types::LogPosition;
use crate::wire::{BadBytes, Reader, Writer};

const FORMAT: u16 = 1;
const ENTRY_BYTES: usize = size_of::<u128>();
/// The second and the count.
const ROW_BYTES_MIN: usize = 8 + 4;

impl Timers {
    /// Appends what is due from `second` on (`i64::MIN` at first), ending after `bytes_max` bytes or, at the end of a
    /// second, little more; returns where the next slice begins, `None` at the end.
    ///
    /// | bytes | format 1 |
    /// |---|---|
    /// | u16 | format |
    /// | list | seconds: i64 second, list of u128 entries, see `packed` |
    /// | | in the last slice, the topics of lanes, see `lanes`; else an empty list |
    pub fn encode_slice(&self, snapshot: LogPosition, second: i64, bytes_max: usize, out: &mut Vec<u8>) -> Option<i64> {
        let begin = out.len();
        let mut writer = Writer::new(out);
        writer.u16(FORMAT);
        writer.count(0);
        let (mut count, mut next) = (0u32, None);
        for (second, bucket) in self.seconds.range(second..) {
            if out.len() - begin >= bytes_max {
                next = Some(*second);
                break;
            }
            let at = out.len();
            let mut writer = Writer::new(out);
            writer.i64(*second);
            writer.count(0);
            let mut entries = 0u32;
            for entry in bucket.iter().filter(|entry| entry.position() < snapshot) {
                out.extend_from_slice(&entry.bits().to_be_bytes());
                entries += 1;
            }
            out[at + 8..at + 12].copy_from_slice(&entries.to_be_bytes());
            count += 1;
        }
        out[begin + 2..begin + 6].copy_from_slice(&count.to_be_bytes());
        match next {
            None => self.lanes.encode_topics(out),
            Some(_) => Writer::new(out).count(0),
        }
        next
    }

    /// Takes one slice, before the replay.
    pub fn load_slice(&mut self, bytes: &[u8]) -> Result<(), BadBytes> {
        let mut read = Reader::new(bytes);
        read.version(FORMAT, "timers")?;
        for _ in 0..read.count(ROW_BYTES_MIN, "timers")? {
            let second = read.i64("second")?;
            let entries = read.count(ENTRY_BYTES, "timers of a second")?;
            let taken = read.bytes(entries * ENTRY_BYTES, "timers of a second")?;
            if entries == 0 {
                continue;
            }
            if self.seconds.contains_key(&second) {
                return Err(BadBytes::Value { what: "second told once", found: second as u64 });
            }
            let mut bucket = Bucket::with_capacity(entries);
            for bits in taken.as_chunks::<ENTRY_BYTES>().0 {
                let entry = Packed::from_bits(u128::from_be_bytes(*bits));
                let entry = entry.ok_or(BadBytes::Value { what: "timer", found: second as u64 })?;
                let Pending { lane, .. } = entry.pending(second);
                bucket.push(entry);
                self.count(lane);
            }
            self.seconds.insert(second, bucket);
        }
        self.lanes.load_topics(&mut read)?;
        read.finish()
    }
}
