//! One topic's settings, and the bytes they are kept in.
//!
//! | bytes | of a topic, format 1 |
//! |---|---|
//! | u64 | incarnation |
//! | u32, u32 | read and write queue numbers |
//! | u8 | perm: 4 read, 2 write, 1 inherit |
//! | u8 | filter type: 0 SINGLE_TAG, 1 MULTI_TAG |
//! | i32 | topic sys flag: 1 unit, 2 unit-sub |
//! | u8 | order: 0 or 1 |
//! | text | name |
//! | list | attributes: text key, text value |

use std::fmt;

use super::attributes::Attributes;
use crate::wire::{BadBytes, Reader, Writer};

/// The most queues a topic can have; each costs memory on its shard, and a request that lists them must end.
pub const QUEUES_MAX: u32 = 65_536;

/// The queues of a topic nobody gave a number for.
const QUEUES_DEFAULT: u32 = 16;

/// Which creation of a topic name this is. A topic that is deleted and created again is another one, and does not see
/// the records of the first. 0 are the topics that every broker has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u64);

/// RocketMQ's `TopicConfig`. Plain data, the same on every core that has seen the same changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicConfig {
    pub name: String,
    /// Consumers use queues below this.
    pub read_queue_nums: u32,
    /// Producers use queues below this.
    pub write_queue_nums: u32,
    pub perm: Perm,
    pub filter_type: TopicFilterType,
    /// 1 unit, 2 unit-sub, as sent.
    pub sys_flag: i32,
    pub order: bool,
    pub attributes: Attributes,
    pub incarnation: Incarnation,
}

impl TopicConfig {
    /// 16 queues, readable and writable.
    pub fn new(name: &str) -> TopicConfig {
        TopicConfig {
            name: name.to_owned(),
            read_queue_nums: QUEUES_DEFAULT,
            write_queue_nums: QUEUES_DEFAULT,
            perm: Perm::READ_WRITE,
            filter_type: TopicFilterType::SingleTag,
            sys_flag: 0,
            order: false,
            attributes: Attributes::new(),
            incarnation: Incarnation::default(),
        }
    }

    pub fn with_queues(mut self, queues: u32) -> TopicConfig {
        self.read_queue_nums = queues;
        self.write_queue_nums = queues;
        self
    }

    pub fn with_perm(mut self, perm: Perm) -> TopicConfig {
        self.perm = perm;
        self
    }

    /// Queues that exist: while a topic shrinks, consumers still drain what producers no longer see, or the other way
    /// round. A send may name any of these.
    pub fn queues(&self) -> u32 {
        self.read_queue_nums.max(self.write_queue_nums)
    }

    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        out.u64(self.incarnation.0);
        out.u32(self.read_queue_nums);
        out.u32(self.write_queue_nums);
        out.u8(self.perm.bits());
        out.u8(match self.filter_type {
            TopicFilterType::SingleTag => 0,
            TopicFilterType::MultiTag => 1,
        });
        out.i32(self.sys_flag);
        out.bool(self.order);
        out.text(&self.name);
        self.attributes.encode(out);
    }

    /// The bytes of the shortest topic: what a list's count is compared with.
    pub(super) const BYTES_MIN: usize = 8 + 4 + 4 + 1 + 1 + 4 + 1 + 2 + 4;

    pub(super) fn decode(read: &mut Reader<'_>) -> Result<TopicConfig, BadBytes> {
        let incarnation = Incarnation(read.u64("topic incarnation")?);
        let read_queue_nums = queue_nums(read)?;
        let write_queue_nums = queue_nums(read)?;
        let bits = read.u8("topic perm")?;
        let perm = Perm::from_bits(i32::from(bits)).ok_or(BadBytes::Value { what: "topic perm", found: u64::from(bits) })?;
        let filter_type = match read.u8("topic filter type")? {
            0 => TopicFilterType::SingleTag,
            1 => TopicFilterType::MultiTag,
            other => return Err(BadBytes::Value { what: "topic filter type", found: u64::from(other) }),
        };
        let sys_flag = read.i32("topic sys flag")?;
        let order = read.bool("topic order")?;
        let name = read.text("topic name")?.to_owned();
        let attributes = Attributes::decode(read)?;
        Ok(TopicConfig { name, read_queue_nums, write_queue_nums, perm, filter_type, sys_flag, order, attributes, incarnation })
    }
}

/// As Java's `TopicConfig.toString`, which remarks show.
impl fmt::Display for TopicConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TopicConfig { name, read_queue_nums: read, write_queue_nums: write, sys_flag, order, .. } = self;
        let letter = |bit: Perm, letter: char| if self.perm.and(bit) == bit { letter } else { '-' };
        let perm = [(Perm::READ, 'R'), (Perm::WRITE, 'W'), (Perm::INHERIT, 'X')].map(|(bit, name)| letter(bit, name));
        write!(f, "TopicConfig [topicName={name}, readQueueNums={read}, writeQueueNums={write}, ")?;
        write!(f, "perm={}{}{}, topicFilterType={}, ", perm[0], perm[1], perm[2], self.filter_type.name())?;
        write!(f, "topicSysFlag={sys_flag}, order={order}, attributes={{")?;
        for (place, (key, value)) in self.attributes.iter().enumerate() {
            write!(f, "{}{key}={value}", if place > 0 { ", " } else { "" })?;
        }
        f.write_str("}]")
    }
}

fn queue_nums(read: &mut Reader<'_>) -> Result<u32, BadBytes> {
    match read.u32("topic queues")? {
        found if found > QUEUES_MAX => Err(BadBytes::Value { what: "number of queues", found: u64::from(found) }),
        queues => Ok(queues),
    }
}

/// What may be done with a topic (or with a broker): read 4, write 2, inherit 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Perm(u8);

impl Perm {
    pub const INHERIT: Perm = Perm(1);
    pub const WRITE: Perm = Perm(2);
    pub const READ: Perm = Perm(4);
    pub const READ_WRITE: Perm = Perm(4 | 2);
    pub const ALL: Perm = Perm(4 | 2 | 1);

    /// 0 up to 7, as clients and properties write it.
    pub fn from_bits(bits: i32) -> Option<Perm> {
        u8::try_from(bits).ok().filter(|bits| *bits <= Perm::ALL.0).map(Perm)
    }

    pub fn bits(self) -> u8 {
        self.0
    }

    pub fn is_readable(self) -> bool {
        self.0 & Perm::READ.0 != 0
    }

    pub fn is_writable(self) -> bool {
        self.0 & Perm::WRITE.0 != 0
    }

    /// Whether a topic that is created on a first send may take after this one.
    pub fn is_inherited(self) -> bool {
        self.0 & Perm::INHERIT.0 != 0
    }

    pub fn without_inherit(self) -> Perm {
        Perm(self.0 & !Perm::INHERIT.0)
    }

    /// What both allow: a topic's perm is registered as far as the broker's goes.
    pub fn and(self, other: Perm) -> Perm {
        Perm(self.0 & other.0)
    }

    pub fn or(self, other: Perm) -> Perm {
        Perm(self.0 | other.0)
    }
}

impl fmt::Display for Perm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// How many tags a message of the topic may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TopicFilterType {
    #[default]
    SingleTag,
    MultiTag,
}

impl TopicFilterType {
    pub fn name(self) -> &'static str {
        match self {
            TopicFilterType::SingleTag => "SINGLE_TAG",
            TopicFilterType::MultiTag => "MULTI_TAG",
        }
    }

    pub fn from_name(name: &str) -> Option<TopicFilterType> {
        match name {
            "SINGLE_TAG" => Some(TopicFilterType::SingleTag),
            "MULTI_TAG" => Some(TopicFilterType::MultiTag),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perms_are_three_bits() {
        assert_eq!(Perm::from_bits(7), Some(Perm::ALL));
        assert_eq!(Perm::from_bits(8), None);
        assert_eq!(Perm::from_bits(-1), None);
        assert_eq!(Perm::ALL.without_inherit(), Perm::READ_WRITE);
        assert_eq!(Perm::READ_WRITE.and(Perm::READ), Perm::READ);
        assert!(Perm::READ.is_readable() && !Perm::READ.is_writable() && !Perm::READ.is_inherited());
    }

    #[test]
    fn a_topic_is_shown_as_java_shows_it() {
        let mut topic = TopicConfig::new("t").with_queues(8);
        topic.write_queue_nums = 4;
        let shown = "TopicConfig [topicName=t, readQueueNums=8, writeQueueNums=4, perm=RW-, topicFilterType=SINGLE_TAG, \
             topicSysFlag=0, order=false, attributes={}]";
        assert_eq!(topic.to_string(), shown);
        assert!(topic.with_perm(Perm::INHERIT).to_string().contains("perm=--X,"));
    }

    #[test]
    fn a_shrinking_topic_has_the_larger_number_of_queues() {
        let mut topic = TopicConfig::new("t").with_queues(8);
        topic.write_queue_nums = 4;
        assert_eq!(topic.queues(), 8);
    }
}
