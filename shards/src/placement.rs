//! Which shard owns what: the one file that decides it.
//!
//! Pure functions of the name, the store's number of shards and its routing, all fixed when the store
//! was created. `PLACEMENT_VERSION` is written into the store: a change of `hash` or of a rule below needs a new one,
//! because data on disk lies where these functions put it.
//!
//! Before: `broker::dispatch`; after: the owning shard, here or over the mesh.

use crate::types::{LogPosition, ShardId};

/// Written into `store.meta`; a store with another version is refused.
pub const PLACEMENT_VERSION: u32 = 1;

/// The most shards a store can have. Queue spread and the physical offset's bits are sized for it.
pub const SHARDS_MAX: u16 = 256;

/// How clients reach shards. Fixed when a store is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routing {
    /// One broker made of all shards, one port; requests cross cores over the mesh.
    Mesh,
    /// Each shard is a broker of its own with its own port; nothing crosses cores.
    Direct,
}

/// Seen alike by every core of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    shards: u16,
    routing: Routing,
}

impl Placement {
    pub fn new(shards: u16, routing: Routing) -> Placement {
        assert!(shards >= 1, "a store has at least one shard");
        assert!(shards <= SHARDS_MAX, "a store has at most {SHARDS_MAX} shards");
        Placement { shards, routing }
    }

    pub fn shards(&self) -> u16 {
        self.shards
    }

    pub fn routing(&self) -> Routing {
        self.routing
    }

    /// Whether a request may belong to another core than the one that it reached.
    pub fn crosses(&self) -> bool {
        self.shards > 1 && self.routing == Routing::Mesh
    }

    /// The shard that owns this queue's records, index, waiters and consumer offsets.
    /// `here` is the shard whose broker was asked; in direct routing it owns all that it is asked for.
    pub fn queue(&self, topic: &str, queue_id: u32, here: ShardId) -> ShardId {
        match self.routing {
            Routing::Direct => here,
            Routing::Mesh => {
                let spread = hash(topic).wrapping_add(u64::from(queue_id));
                ShardId((spread % u64::from(self.shards)) as u16)
            }
        }
    }

    /// The queue in which shard `owner` keeps its part of queue `index` of a topic that the broker writes itself: each shard has
    /// its own, so that what waits there lies in the same log as what it waits for. Of a broker with one shard it is `index`.
    pub fn part(&self, topic: &str, index: u32, owner: ShardId) -> u32 {
        let parts = self.parts();
        let first = index * parts;
        (first..first + parts)
            .find(|queue_id| self.queue(topic, *queue_id, owner) == owner)
            .expect("consecutive queues lie on all shards in turn")
    }

    /// Parts of each queue of such a topic: as many as the broker has shards.
    pub fn parts(&self) -> u32 {
        match self.routing {
            Routing::Direct => 1,
            Routing::Mesh => u32::from(self.shards),
        }
    }

    /// The shard that owns a group's members, subscriptions and queue locks.
    pub fn group(&self, group: &str, here: ShardId) -> ShardId {
        match self.routing {
            Routing::Direct => here,
            Routing::Mesh => ShardId((hash(group) % u64::from(self.shards)) as u16),
        }
    }

    /// The shard that logs topic and group settings first.
    pub fn settings(&self, here: ShardId) -> ShardId {
        match self.routing {
            Routing::Direct => here,
            Routing::Mesh => ShardId::HOME,
        }
    }

    /// All shards of the broker that `here` belongs to.
    pub fn broker(&self, here: ShardId) -> impl Iterator<Item = ShardId> + use<> {
        let (first, last) = match self.routing {
            Routing::Direct => (here.0, here.0),
            Routing::Mesh => (0, self.shards - 1),
        };
        (first..=last).map(ShardId)
    }

    /// How many low bits of a physical offset name the shard.
    fn shard_bits(&self) -> u32 {
        match self.routing {
            Routing::Direct => 0,
            Routing::Mesh => u16::BITS - (self.shards - 1).leading_zeros(),
        }
    }

    /// The 64-bit offset that clients see: `position << bits | shard`.
    pub fn physical_offset(&self, shard: ShardId, position: LogPosition) -> i64 {
        let bits = self.shard_bits();
        let low = if bits == 0 { 0 } else { u64::from(shard.0) };
        let offset = (position.0 << bits) | low;
        assert!(offset >> 63 == 0, "the log has outgrown 63-bit offsets");
        assert!(offset >> bits == position.0, "the log has outgrown its physical offsets");
        offset as i64
    }

    /// Where a client's physical offset points, or `None` when it can name no record here.
    pub fn locate(&self, physical_offset: i64, here: ShardId) -> Option<(ShardId, LogPosition)> {
        let offset = u64::try_from(physical_offset).ok()?;
        let bits = self.shard_bits();
        let shard = match self.routing {
            Routing::Direct => here.0,
            Routing::Mesh => (offset & ((1 << bits) - 1)) as u16,
        };
        (shard < self.shards).then_some((ShardId(shard), LogPosition(offset >> bits)))
    }
}

/// FNV-1a, 64 bits: tiny, and the same on every machine and in every version.
fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: ShardId = ShardId(0);

    #[test]
    fn queues_of_a_topic_spread_evenly() {
        let placement = Placement::new(4, Routing::Mesh);
        let mut counts = [0; 4];
        for queue in 0..8 {
            counts[placement.queue("orders", queue, HERE).index()] += 1;
        }
        assert_eq!(counts, [2, 2, 2, 2]);
    }

    #[test]
    fn each_shard_has_a_part_of_its_own() {
        for shards in 1..8 {
            let placement = Placement::new(shards, Routing::Mesh);
            let mut parts = Vec::new();
            for index in 0..18 {
                for owner in (0..shards).map(ShardId) {
                    let part = placement.part("SCHEDULE_TOPIC_XXXX", index, owner);
                    assert_eq!(placement.queue("SCHEDULE_TOPIC_XXXX", part, HERE), owner);
                    assert_eq!(part / placement.parts(), index);
                    parts.push(part);
                }
            }
            parts.sort_unstable();
            assert_eq!(parts, Vec::from_iter(0..18 * u32::from(shards)), "dense, none twice");
        }
        assert_eq!(Placement::new(4, Routing::Direct).part("T", 5, ShardId(3)), 5);
    }

    /// Data lies on disk where this function put it: these values never change under version 1.
    #[test]
    fn the_function_is_pinned() {
        let placement = Placement::new(7, Routing::Mesh);
        let owners: Vec<u16> = ["TopicTest", "%RETRY%g", ""].iter().map(|t| placement.queue(t, 0, HERE).0).collect();
        assert_eq!(owners, [hash("TopicTest") % 7, hash("%RETRY%g") % 7, 0xcbf2_9ce4_8422_2325 % 7].map(|h| h as u16));
        assert_eq!(hash(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash("a"), 0xaf63_dc4c_8601_ec8c);
    }

    #[test]
    fn physical_offsets_name_shard_and_position() {
        for shards in [1, 2, 3, 4, 5, 256] {
            let placement = Placement::new(shards, Routing::Mesh);
            for shard in (0..shards).map(ShardId) {
                let position = LogPosition(123_456_789);
                let offset = placement.physical_offset(shard, position);
                assert_eq!(placement.locate(offset, HERE), Some((shard, position)));
            }
        }
        assert_eq!(Placement::new(1, Routing::Mesh).physical_offset(HERE, LogPosition(77)), 77);
        assert_eq!(Placement::new(8, Routing::Direct).physical_offset(ShardId(5), LogPosition(77)), 77);
    }

    #[test]
    fn offsets_that_name_no_shard_are_refused() {
        let placement = Placement::new(3, Routing::Mesh);
        assert_eq!(placement.locate(-1, HERE), None);
        assert_eq!(placement.locate(3, HERE), None, "shard 3 of 0..=2");
    }

    #[test]
    fn in_direct_routing_everything_is_here() {
        let placement = Placement::new(4, Routing::Direct);
        let here = ShardId(2);
        assert_eq!(placement.queue("orders", 3, here), here);
        assert_eq!(placement.group("g", here), here);
        assert_eq!(placement.settings(here), here);
        assert_eq!(placement.broker(here).collect::<Vec<_>>(), [here]);
    }
}
