//! How far consumer groups have read in the queues of one shard.
//!
//! A commit changes memory at once and the log a little later: it rides in the next block, or in one of its own within
//! a second. So each offset knows where the log has it, and whoever reports one waits until that is durable.
//!
//! Always true: an offset that is not in the log is in `dirty`, once; one that is removed is not. Last write wins, also
//! when it is lower. Committing what is known already writes nothing, and committing to a known queue allocates nothing.
//!
//! A queue whose offset was reset keeps it until its consumers follow, whatever they commit: see `resets`.
//!
//! Before: `broker::offset`, `broker::pull` (its commit flag); after: `entry::Control::ConsumerOffset` in this shard's log.

use std::collections::VecDeque;
use std::fmt;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::resets::{RESETS_MAX, Resets};
use crate::types::{LogPosition, QueueOffset};
use crate::wire::{BadBytes, Reader, Writer, encode_slice};

const FORMAT: u16 = 1;

/// Lives on the core that owns the queues.
#[derive(Debug)]
pub struct ConsumerOffsets {
    /// Places in `pairs`, found by (topic, group) without building a key.
    places: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// `None`: free, and its place is in `free`.
    pairs: Vec<Option<Pair>>,
    free: Vec<u32>,
    /// Place in `pairs` and queue id, oldest commit first.
    dirty: VecDeque<(u32, u32)>,
    /// Queues of all pairs.
    len: usize,
    len_max: usize,
    resets: Resets,
}

/// What one group has read of one topic.
#[derive(Debug)]
struct Pair {
    topic: Box<str>,
    group: Box<str>,
    /// By queue id.
    queues: Vec<Position>,
}

#[derive(Debug)]
struct Position {
    queue_id: u32,
    offset: QueueOffset,
    /// The end of the entry that says so.
    logged: Option<LogPosition>,
}

/// One committed offset, as it is to be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetCommit<'a> {
    pub topic: &'a str,
    pub group: &'a str,
    pub queue_id: u32,
    /// The next one to read.
    pub offset: QueueOffset,
}

/// What has become of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    Yes,
    /// The queue was reset, and nobody has followed yet: the offset stays where the reset has set it.
    Reset,
}

/// An offset, and whether it may be reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    pub offset: QueueOffset,
    /// Durable once the log is durable up to here; `None`: it has yet to be written (see `ride`).
    pub logged: Option<LogPosition>,
}

impl ConsumerOffsets {
    /// Room for the offsets of `len_max` queues, counted for each group.
    pub fn new(len_max: usize) -> ConsumerOffsets {
        ConsumerOffsets {
            places: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            pairs: Vec::new(),
            free: Vec::new(),
            dirty: VecDeque::new(),
            len: 0,
            len_max,
            resets: Resets::default(),
        }
    }

    /// A group has read a queue up to `offset`, which is the next one it wants.
    pub fn commit(&mut self, commit: OffsetCommit<'_>) -> Result<Kept, OffsetsFull> {
        if self.resets.has(commit.topic, commit.group, commit.queue_id) {
            return Ok(Kept::Reset);
        }
        let (place, position) = self.position(&commit)?;
        if position.offset == commit.offset {
            return Ok(Kept::Yes);
        }
        position.offset = commit.offset;
        if position.logged.take().is_some() {
            self.dirty.push_back((place, commit.queue_id));
        }
        Ok(Kept::Yes)
    }

    /// Whether so many queues can be reset: asked before it is logged, because what is logged must have its place.
    pub fn room_for_resets(&self, rows: &[OffsetCommit<'_>]) -> Result<(), ResetsFull> {
        let new = rows.iter().filter(|row| self.get(row.topic, row.group, row.queue_id).is_none()).count();
        if self.len + new > self.len_max {
            return Err(ResetsFull::Offsets(OffsetsFull { max: self.len_max }));
        }
        let marked = rows.iter().filter(|row| !self.resets.has(row.topic, row.group, row.queue_id)).count();
        if self.resets.len() + marked > RESETS_MAX {
            return Err(ResetsFull::Marks);
        }
        Ok(())
    }

    /// A group is to read on from there, which the log says in an entry that ends at `end`. What was committed before, and
    /// what is committed until somebody has followed, is nothing.
    pub fn reset(&mut self, reset: OffsetCommit<'_>, end: LogPosition) -> Result<(), OffsetsFull> {
        self.replay(reset, end)?;
        self.resets.put(&reset, end);
        Ok(())
    }

    /// A consumer has followed the reset, so its commits count again.
    pub fn reset_followed(&mut self, topic: &str, group: &str, queue_id: u32) {
        self.resets.remove(topic, group, queue_id);
    }

    pub fn resets(&self) -> &Resets {
        &self.resets
    }

    pub fn resets_mut(&mut self) -> &mut Resets {
        &mut self.resets
    }

    pub fn get(&self, topic: &str, group: &str, queue_id: u32) -> Option<Committed> {
        let queues = &self.pair(topic, group)?.queues;
        let index = queues.binary_search_by_key(&queue_id, |position| position.queue_id).ok()?;
        Some(Committed { offset: queues[index].offset, logged: queues[index].logged })
    }

    /// Offsets that the log does not have yet.
    pub fn dirty_len(&self) -> usize {
        self.dirty.len()
    }

    /// Hands out what the log does not have yet, oldest commit first. `put` appends the entry and returns its end, or
    /// `None` when there is no room: that one and the rest wait for the next block. Returns how many were put.
    pub fn ride(&mut self, mut put: impl FnMut(OffsetCommit<'_>) -> Option<LogPosition>) -> usize {
        let mut put_len = 0;
        while let Some((place, queue_id)) = self.dirty.front().copied() {
            let pair = self.pairs[place as usize].as_mut().expect("what is removed is not dirty");
            let index = pair.queues.binary_search_by_key(&queue_id, |position| position.queue_id);
            let position = &mut pair.queues[index.expect("what is removed is not dirty")];
            assert!(position.logged.is_none(), "an offset is dirty once");
            let commit = OffsetCommit { topic: &pair.topic, group: &pair.group, queue_id, offset: position.offset };
            let Some(end) = put(commit) else { break };
            position.logged = Some(end);
            self.dirty.pop_front();
            put_len += 1;
        }
        put_len
    }

    /// Found in the log, in an entry that ends at `end`. Entries come in their order, so the last one wins.
    pub fn replay(&mut self, commit: OffsetCommit<'_>, end: LogPosition) -> Result<(), OffsetsFull> {
        let (place, position) = self.position(&commit)?;
        position.offset = commit.offset;
        if position.logged.replace(end).is_none() {
            self.dirty.retain(|dirty| *dirty != (place, commit.queue_id));
        }
        Ok(())
    }

    /// A topic was deleted. Returns how many groups had read it.
    pub fn remove_topic(&mut self, topic: &str) -> usize {
        self.resets.remove_where(|marked, _| marked == topic);
        self.remove_where(|pair| *pair.topic == *topic)
    }

    /// A group was deleted with its offsets. Returns how many topics it had read.
    pub fn remove_group(&mut self, group: &str) -> usize {
        self.resets.remove_where(|_, marked| marked == group);
        self.remove_where(|pair| *pair.group == *group)
    }

    pub fn remove(&mut self, topic: &str, group: &str) -> bool {
        self.resets.remove_where(|of_topic, of_group| of_topic == topic && of_group == group);
        let found = self.places.find_entry(self.hash(topic, group), is_pair(&self.pairs, topic, group));
        let Ok(found) = found else { return false };
        let place = found.remove().0;
        self.release(place);
        self.dirty.retain(|(dirty, _)| *dirty != place);
        true
    }

    /// The offsets of one group in one topic, in the order of queues.
    pub fn queues(&self, topic: &str, group: &str) -> impl Iterator<Item = (u32, QueueOffset)> {
        let queues = self.pair(topic, group).map_or(&[][..], |pair| &pair.queues);
        queues.iter().map(|position| (position.queue_id, position.offset))
    }

    /// The groups that have read a topic, in name order. For administration: it looks at every pair.
    pub fn groups_of(&self, topic: &str) -> Vec<&str> {
        let pairs = self.pairs.iter().flatten().filter(|pair| *pair.topic == *topic);
        sorted(pairs.map(|pair| &*pair.group))
    }

    /// The topics that a group has read, in name order. For administration: it looks at every pair.
    pub fn topics_of(&self, group: &str) -> Vec<&str> {
        let pairs = self.pairs.iter().flatten().filter(|pair| *pair.group == *group);
        sorted(pairs.map(|pair| &*pair.topic))
    }

    /// All of them: (topic, group), in no useful order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().flatten().map(|pair| (&*pair.topic, &*pair.group))
    }

    /// Queues of all pairs.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a slice of the table, beginning at pair `from` (0 at first) and ending after `bytes_max` bytes or little
    /// more; returns where the next one begins, `None` at the end. Commits between two slices may or may not be in the
    /// snapshot: replaying the log from the snapshot's position repeats them.
    ///
    /// | bytes | format 1 |
    /// |---|---|
    /// | u16 | format |
    /// | list | pairs: text topic, text group, list of queues: u32 queue id, i64 offset |
    pub fn encode_slice(&self, from: usize, bytes_max: usize, out: &mut Vec<u8>) -> Option<usize> {
        encode_slice(&self.pairs, (from, bytes_max), FORMAT, out, |pair, out| {
            pair.encode(out);
            true
        })
    }

    /// Takes one slice of a snapshot whose log is durable up to `snapshot`.
    pub fn load_slice(&mut self, bytes: &[u8], snapshot: LogPosition) -> Result<(), BadOffsets> {
        let mut read = Reader::new(bytes);
        read.version(FORMAT, "consumer offsets")?;
        for _ in 0..read.count(2 + 2 + 4, "consumer offsets")? {
            let topic = read.text("topic name")?;
            let group = read.text("group name")?;
            for _ in 0..read.count(4 + 8, "queues")? {
                let queue_id = read.u32("queue id")?;
                let offset = QueueOffset(read.i64("consumer offset")?);
                self.replay(OffsetCommit { topic, group, queue_id, offset }, snapshot).map_err(BadOffsets::Full)?;
            }
        }
        Ok(read.finish()?)
    }

    fn hash(&self, topic: &str, group: &str) -> u64 {
        self.hasher.hash_one((topic, group))
    }

    fn pair(&self, topic: &str, group: &str) -> Option<&Pair> {
        let place = *self.places.find(self.hash(topic, group), is_pair(&self.pairs, topic, group))?;
        self.pairs[place as usize].as_ref()
    }

    /// The position that is meant and the place of its pair; both are made if need be, the position as a dirty one.
    fn position(&mut self, commit: &OffsetCommit<'_>) -> Result<(u32, &mut Position), OffsetsFull> {
        let place = self.places.find(self.hash(commit.topic, commit.group), is_pair(&self.pairs, commit.topic, commit.group));
        let known = place.copied();
        let index = known.map(|place| {
            let pair = self.pairs[place as usize].as_ref().expect("places lead to pairs");
            pair.queues.binary_search_by_key(&commit.queue_id, |position| position.queue_id)
        });
        let (place, index) = match (known, index) {
            (Some(place), Some(Ok(index))) => (place, index),
            (known, index) => {
                if self.len >= self.len_max {
                    return Err(OffsetsFull { max: self.len_max });
                }
                let place = known.unwrap_or_else(|| self.insert(commit.topic, commit.group));
                let index = index.map_or(0, |index| index.expect_err("matched above"));
                let new = Position { queue_id: commit.queue_id, offset: commit.offset, logged: None };
                self.pairs[place as usize].as_mut().expect("places lead to pairs").queues.insert(index, new);
                self.dirty.push_back((place, commit.queue_id));
                self.len += 1;
                (place, index)
            }
        };
        let pair = self.pairs[place as usize].as_mut().expect("places lead to pairs");
        Ok((place, &mut pair.queues[index]))
    }

    fn insert(&mut self, topic: &str, group: &str) -> u32 {
        let pair = Pair { topic: topic.into(), group: group.into(), queues: Vec::new() };
        let place = match self.free.pop() {
            Some(place) => {
                self.pairs[place as usize] = Some(pair);
                place
            }
            None => {
                self.pairs.push(Some(pair));
                u32::try_from(self.pairs.len() - 1).expect("pairs are bounded far below 2^32")
            }
        };
        let (hash, pairs, hasher) = (self.hash(topic, group), &self.pairs, &self.hasher);
        self.places.insert_unique(hash, place, |place| {
            let pair = pairs[*place as usize].as_ref().expect("places lead to pairs");
            hasher.hash_one((&*pair.topic, &*pair.group))
        });
        place
    }

    fn remove_where(&mut self, is_meant: impl Fn(&Pair) -> bool) -> usize {
        let pairs = &self.pairs;
        let mut removed: Vec<u32> = Vec::new();
        self.places.retain(|place| {
            let meant = is_meant(pairs[*place as usize].as_ref().expect("places lead to pairs"));
            if meant {
                removed.push(*place);
            }
            !meant
        });
        // The table yields them in the order of its random hashes; which places are used again must not depend on it.
        removed.sort_unstable();
        self.dirty.retain(|(dirty, _)| removed.binary_search(dirty).is_err());
        for place in &removed {
            self.release(*place);
        }
        removed.len()
    }

    fn release(&mut self, place: u32) {
        let pair = self.pairs[place as usize].take().expect("places lead to pairs");
        self.len -= pair.queues.len();
        self.free.push(place);
    }
}

impl Pair {
    fn encode(&self, out: &mut Writer<'_>) {
        out.text(&self.topic);
        out.text(&self.group);
        out.count(self.queues.len());
        for position in &self.queues {
            out.u32(position.queue_id);
            out.i64(position.offset.0);
        }
    }
}

fn is_pair<'a>(pairs: &'a [Option<Pair>], topic: &'a str, group: &'a str) -> impl Fn(&u32) -> bool + 'a {
    move |place| {
        let pair = pairs[*place as usize].as_ref().expect("places lead to pairs");
        *pair.topic == *topic && *pair.group == *group
    }
}

fn sorted<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names
}

/// No room for the offset of another queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetsFull {
    pub max: usize,
}

impl fmt::Display for OffsetsFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the shard holds {} consumer offsets, the most it may", self.max)
    }
}

impl std::error::Error for OffsetsFull {}

/// Offsets cannot be reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetsFull {
    Offsets(OffsetsFull),
    /// So many resets wait for their consumers.
    Marks,
}

impl fmt::Display for ResetsFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResetsFull::Offsets(full) => full.fmt(f),
            ResetsFull::Marks => write!(
                f,
                "{RESETS_MAX} queues of the shard are reset and wait for their consumers, the most that may; start those first"
            ),
        }
    }
}

impl std::error::Error for ResetsFull {}

/// A snapshot's slice cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadOffsets {
    Bytes(BadBytes),
    Full(OffsetsFull),
}

impl From<BadBytes> for BadOffsets {
    fn from(bad: BadBytes) -> BadOffsets {
        BadOffsets::Bytes(bad)
    }
}

impl fmt::Display for BadOffsets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadOffsets::Bytes(bad) => bad.fmt(f),
            BadOffsets::Full(full) => full.fmt(f),
        }
    }
}

impl std::error::Error for BadOffsets {}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets() -> ConsumerOffsets {
        ConsumerOffsets::new(1_000)
    }

    /// `topic group queue offset`
    fn commit(text: &str) -> OffsetCommit<'_> {
        let [topic, group, queue, offset] = text.split(' ').collect::<Vec<_>>().try_into().unwrap();
        OffsetCommit { topic, group, queue_id: queue.parse().unwrap(), offset: QueueOffset(offset.parse().unwrap()) }
    }

    /// Puts up to `room` dirty offsets, entries ending at 100, 200, ...
    fn ridden(offsets: &mut ConsumerOffsets, room: usize) -> Vec<String> {
        let mut put = Vec::new();
        offsets.ride(|c| {
            let fits = put.len() < room;
            fits.then(|| put.push(format!("{} {} {} {}", c.topic, c.group, c.queue_id, c.offset)))?;
            Some(LogPosition(put.len() as u64 * 100))
        });
        put
    }

    #[test]
    fn commits_ride_once_with_their_last_value() {
        let mut offsets = offsets();
        for text in ["T g 0 5", "T g 1 6", "T g 0 7", "U g 0 1", "T g 0 7"] {
            offsets.commit(commit(text)).unwrap();
        }
        assert_eq!(offsets.get("T", "g", 0), Some(Committed { offset: QueueOffset(7), logged: None }));
        assert_eq!(ridden(&mut offsets, 2), ["T g 0 7", "T g 1 6"]);
        assert_eq!(ridden(&mut offsets, 9), ["U g 0 1"], "what found no room goes with the next block");
        assert_eq!(offsets.get("T", "g", 1).unwrap().logged, Some(LogPosition(200)));
        offsets.commit(commit("T g 1 6")).unwrap();
        assert_eq!(offsets.dirty_len(), 0, "what is known already writes nothing");
        offsets.commit(commit("T g 1 2")).unwrap();
        assert_eq!(ridden(&mut offsets, 9), ["T g 1 2"], "a lower offset wins too");
        assert_eq!(offsets.get("T", "h", 0), None);
        assert_eq!(offsets.get("T", "g", 9), None);
    }

    #[test]
    fn a_reset_is_not_undone_by_what_was_read_before() {
        let mut offsets = offsets();
        offsets.commit(commit("T g 0 90")).unwrap();
        offsets.reset(commit("T g 0 10"), LogPosition(50)).unwrap();
        let reset = Some(Committed { offset: QueueOffset(10), logged: Some(LogPosition(50)) });
        assert_eq!(offsets.get("T", "g", 0), reset, "the commit that was not logged yet is gone");
        assert_eq!(offsets.commit(commit("T g 0 95")), Ok(Kept::Reset));
        assert_eq!((offsets.get("T", "g", 0), offsets.dirty_len()), (reset, 0));
        assert_eq!(offsets.commit(commit("T g 1 5")), Ok(Kept::Yes), "other queues go on");
        offsets.reset_followed("T", "g", 0);
        assert_eq!(offsets.commit(commit("T g 0 11")), Ok(Kept::Yes));
        assert_eq!(ridden(&mut offsets, 9), ["T g 1 5", "T g 0 11"]);
    }

    #[test]
    fn resets_go_with_what_they_are_for_and_are_bounded() {
        let mut offsets = ConsumerOffsets::new(3);
        for text in ["T g 0 1", "T h 0 1", "U g 0 1"] {
            offsets.reset(commit(text), LogPosition(50)).unwrap();
        }
        let full = Err(ResetsFull::Offsets(OffsetsFull { max: 3 }));
        assert_eq!(offsets.room_for_resets(&[commit("V g 0 1")]), full);
        assert_eq!(offsets.room_for_resets(&[commit("T g 0 9")]), Ok(()), "no new place is needed");
        offsets.remove_topic("T");
        assert_eq!(offsets.resets().len(), 1);
        offsets.remove("U", "g");
        assert!(offsets.resets().is_empty());
    }

    #[test]
    fn replay_is_not_dirty() {
        let mut offsets = offsets();
        offsets.replay(commit("T g 0 5"), LogPosition(10)).unwrap();
        offsets.replay(commit("T g 0 6"), LogPosition(20)).unwrap();
        assert_eq!(offsets.dirty_len(), 0);
        assert_eq!(offsets.get("T", "g", 0), Some(Committed { offset: QueueOffset(6), logged: Some(LogPosition(20)) }));
    }

    #[test]
    fn removals_take_dirty_offsets_with_them() {
        let mut offsets = offsets();
        for text in ["T g 0 1", "T h 0 2", "U g 0 3", "U g 1 4", "V i 0 5"] {
            offsets.commit(commit(text)).unwrap();
        }
        assert_eq!(offsets.groups_of("T"), ["g", "h"]);
        assert_eq!(offsets.topics_of("g"), ["T", "U"]);
        assert_eq!(offsets.remove_topic("T"), 2);
        assert_eq!(offsets.len(), 3);
        offsets.commit(commit("W j 0 9")).unwrap();
        assert_eq!(offsets.remove_group("g"), 1);
        assert!(offsets.remove("V", "i"));
        assert!(!offsets.remove("V", "i"));
        assert_eq!(ridden(&mut offsets, 9), ["W j 0 9"]);
        assert_eq!(Vec::from_iter(offsets.pairs()), [("W", "j")]);
        assert_eq!(offsets.len(), 1);
    }

    #[test]
    fn slices_make_up_the_table() {
        let mut before = offsets();
        for queue in 0..20 {
            for group in ["g", "h", "i"] {
                let text = format!("T{} {group} {queue} {}", queue % 4, queue * 10);
                before.commit(commit(&text)).unwrap();
            }
        }
        before.remove("T1", "h");
        let mut after = offsets();
        let (mut from, mut slices) = (Some(0), 0);
        while let Some(begin) = from {
            let mut bytes = Vec::new();
            from = before.encode_slice(begin, 100, &mut bytes);
            after.load_slice(&bytes, LogPosition(77)).unwrap();
            slices += 1;
        }
        assert!(slices > 3, "{slices} slices");
        assert_eq!((after.len(), after.dirty_len()), (before.len(), 0));
        for (topic, group) in before.pairs() {
            assert_eq!(Vec::from_iter(after.queues(topic, group)), Vec::from_iter(before.queues(topic, group)));
        }
        assert_eq!(after.get("T0", "g", 4).unwrap().logged, Some(LogPosition(77)));
    }

    #[test]
    fn the_table_is_bounded() {
        let mut offsets = ConsumerOffsets::new(1);
        offsets.commit(commit("T g 0 1")).unwrap();
        offsets.commit(commit("T g 0 2")).unwrap();
        assert_eq!(offsets.commit(commit("T g 1 1")), Err(OffsetsFull { max: 1 }));
        assert_eq!(offsets.commit(commit("T h 0 1")), Err(OffsetsFull { max: 1 }));
        assert_eq!(offsets.pairs().count(), 1, "nothing is left behind of what was refused");
    }

    /// Stores of this format exist: these bytes must be readable for ever.
    #[test]
    fn format_1_is_pinned() {
        let mut offsets = offsets();
        offsets.commit(commit("T g 3 258")).unwrap();
        let mut bytes = Vec::new();
        assert_eq!(offsets.encode_slice(0, 1_000, &mut bytes), None);
        let expected: &[u8] =
            b"\x00\x01\x00\x00\x00\x01\x00\x01T\x00\x01g\x00\x00\x00\x01\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x01\x02";
        assert_eq!(bytes, expected);
    }

    #[test]
    fn garbage_is_refused_not_believed() {
        let mut good = offsets();
        for text in ["T g 0 1", "T h 0 2", "U g 7 3"] {
            good.commit(commit(text)).unwrap();
        }
        let mut bytes = Vec::new();
        good.encode_slice(0, 1_000, &mut bytes);
        crate::wire::garble(&bytes, |garbage| {
            let _ = offsets().load_slice(garbage, LogPosition(1));
        });
    }
}
