//! Whether a group pulls or pops a topic (SET_MESSAGE_REQUEST_MODE).
//!
//! A setting like a topic's: decided and logged at the settings' home, told to every shard. Entry kind 12:
//!
//! | | |
//! |---|---|
//! | text topic, text group | |
//! | u8 | 0 pull, 1 pop |
//! | i32 | with how many of its neighbours a consumer shares its queues |

use std::collections::BTreeMap;
use std::fmt;

use crate::wire::{BadBytes, Reader, Writer};

const FORMAT: u16 = 1;
/// Pairs of topic and group that may have a mode of their own.
const LEN_MAX: usize = 100_000;

pub(crate) const REQUEST_MODE: u16 = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestMode {
    Pull,
    Pop,
}

impl RequestMode {
    pub fn name(self) -> &'static str {
        match self {
            RequestMode::Pull => "PULL",
            RequestMode::Pop => "POP",
        }
    }

    pub fn from_name(name: &str) -> Option<RequestMode> {
        [RequestMode::Pull, RequestMode::Pop].into_iter().find(|mode| mode.name() == name)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModeChange {
    pub topic: String,
    pub group: String,
    pub mode: RequestMode,
    pub share_queue_nums: i32,
}

impl ModeChange {
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut out = Writer::new(out);
        out.text(&self.topic);
        out.text(&self.group);
        out.u8(match self.mode {
            RequestMode::Pull => 0,
            RequestMode::Pop => 1,
        });
        out.i32(self.share_queue_nums);
    }

    pub fn decode(read: &mut Reader<'_>) -> Result<ModeChange, BadBytes> {
        let topic = read.text("topic name")?.to_owned();
        let group = read.text("group name")?.to_owned();
        let mode = match read.u8("request mode")? {
            0 => RequestMode::Pull,
            1 => RequestMode::Pop,
            other => return Err(BadBytes::Value { what: "request mode", found: u64::from(other) }),
        };
        Ok(ModeChange { topic, group, mode, share_queue_nums: read.i32("shared queues")? })
    }
}

/// Alike on every shard of a broker. By topic, then group.
#[derive(Clone, Debug, Default)]
pub struct RequestModes {
    table: BTreeMap<(String, String), (RequestMode, i32)>,
}

/// There is no room for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadModes;

impl fmt::Display for BadModes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{LEN_MAX} pairs of topic and group have a message request mode, the most there may be; delete unused groups")
    }
}

impl std::error::Error for BadModes {}

impl RequestModes {
    pub fn get(&self, topic: &str, group: &str) -> Option<(RequestMode, i32)> {
        self.table.get(&(topic.to_owned(), group.to_owned())).copied()
    }

    /// What sets a mode. `None`: it is so already.
    pub fn change(&self, wanted: ModeChange) -> Result<Option<ModeChange>, BadModes> {
        match self.get(&wanted.topic, &wanted.group) {
            Some(found) if found == (wanted.mode, wanted.share_queue_nums) => Ok(None),
            None if self.table.len() >= LEN_MAX => Err(BadModes),
            Some(_) | None => Ok(Some(wanted)),
        }
    }

    pub fn apply(&mut self, change: ModeChange) {
        self.table.insert((change.topic, change.group), (change.mode, change.share_queue_nums));
    }

    pub fn remove_topic(&mut self, topic: &str) {
        self.table.retain(|(found, _), _| found != topic);
    }

    pub fn remove_group(&mut self, group: &str) {
        self.table.retain(|(_, found), _| found != group);
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, RequestMode, i32)> {
        self.table.iter().map(|((topic, group), (mode, share))| (topic.as_str(), group.as_str(), *mode, *share))
    }

    pub fn encode(&self, out: &mut Vec<u8>) {
        Writer::new(out).u16(FORMAT);
        Writer::new(out).count(self.table.len());
        for (topic, group, mode, share_queue_nums) in self.iter() {
            ModeChange { topic: topic.to_owned(), group: group.to_owned(), mode, share_queue_nums }.encode(out);
        }
    }

    pub fn decode(read: &mut Reader<'_>) -> Result<RequestModes, BadBytes> {
        read.version(FORMAT, "message request modes")?;
        let mut modes = RequestModes::default();
        for _ in 0..read.count(9, "message request modes")? {
            modes.apply(ModeChange::decode(read)?);
        }
        Ok(modes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(topic: &str, group: &str, mode: RequestMode, share_queue_nums: i32) -> ModeChange {
        ModeChange { topic: topic.into(), group: group.into(), mode, share_queue_nums }
    }

    #[test]
    fn modes_are_kept_until_topic_or_group_goes() {
        let mut modes = RequestModes::default();
        for wanted in [
            change("T", "g", RequestMode::Pop, 2),
            change("T", "h", RequestMode::Pull, 0),
            change("U", "g", RequestMode::Pop, -1),
            change("V", "i", RequestMode::Pop, 0),
        ] {
            let decided = modes.change(wanted.clone()).unwrap().expect("is new");
            modes.apply(decided);
            assert_eq!(modes.change(wanted), Ok(None), "it is so already");
        }
        assert_eq!(modes.get("T", "g"), Some((RequestMode::Pop, 2)));
        let mut bytes = Vec::new();
        modes.encode(&mut bytes);
        let mut read = Reader::new(&bytes);
        let mut again = RequestModes::decode(&mut read).unwrap();
        read.finish().unwrap();
        assert!(again.iter().eq(modes.iter()));
        again.remove_topic("U");
        again.remove_group("g");
        assert_eq!(Vec::from_iter(again.iter()), [("T", "h", RequestMode::Pull, 0), ("V", "i", RequestMode::Pop, 0)]);
    }
}
