//! A client as a group sees it, and what a consumer says about how it consumes.

use std::net::SocketAddr;

use crate::types::Millis;

/// A connection of this node: the core that accepted it and its number there, never given out twice while the process
/// runs. What a group's core keeps of a connection of another core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    pub core: u16,
    pub number: u64,
}

/// Who a heartbeat is from.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    pub connection: ConnectionId,
    pub client_id: &'a str,
    pub address: SocketAddr,
    /// The code of its language in the protocol: 0 is Java.
    pub language: u8,
    /// The ordinal of its version in the protocol.
    pub version: i32,
}

/// A client in a group. Lives on the group's core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub client_id: String,
    pub address: SocketAddr,
    pub language: u8,
    pub version: i32,
    pub last_heartbeat: Millis,
    /// A hash of what it last subscribed to; `None`: it has not said yet.
    pub(super) subscribed: Option<u64>,
}

impl Member {
    pub fn new(client: &Client<'_>, now: Millis) -> Member {
        Member {
            client_id: client.client_id.to_owned(),
            address: client.address,
            language: client.language,
            version: client.version,
            last_heartbeat: now,
            subscribed: None,
        }
    }
}

/// Who moves messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumeType {
    /// The application pulls.
    Actively,
    /// The client pulls and pushes to the application.
    Passively,
    /// The broker hands out messages and waits for acknowledgements.
    Pop,
}

impl ConsumeType {
    pub fn name(self) -> &'static str {
        match self {
            ConsumeType::Actively => "CONSUME_ACTIVELY",
            ConsumeType::Passively => "CONSUME_PASSIVELY",
            ConsumeType::Pop => "CONSUME_POP",
        }
    }

    pub fn from_name(name: &str) -> Option<ConsumeType> {
        [ConsumeType::Actively, ConsumeType::Passively, ConsumeType::Pop].into_iter().find(|this| this.name() == name)
    }
}

/// Whether members share a topic's messages or each gets all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageModel {
    Broadcasting,
    Clustering,
}

impl MessageModel {
    pub fn name(self) -> &'static str {
        match self {
            MessageModel::Broadcasting => "BROADCASTING",
            MessageModel::Clustering => "CLUSTERING",
        }
    }

    pub fn from_name(name: &str) -> Option<MessageModel> {
        [MessageModel::Broadcasting, MessageModel::Clustering].into_iter().find(|this| this.name() == name)
    }
}

/// Where a group starts that has no offset yet. The client acts on it; the broker only reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumeFromWhere {
    LastOffset,
    FirstOffset,
    Timestamp,
    /// Deprecated, as are the two below; old clients still send them.
    LastOffsetAndFromMinWhenBootFirst,
    MinOffset,
    MaxOffset,
}

impl ConsumeFromWhere {
    const ALL: [ConsumeFromWhere; 6] = [
        ConsumeFromWhere::LastOffset,
        ConsumeFromWhere::FirstOffset,
        ConsumeFromWhere::Timestamp,
        ConsumeFromWhere::LastOffsetAndFromMinWhenBootFirst,
        ConsumeFromWhere::MinOffset,
        ConsumeFromWhere::MaxOffset,
    ];

    pub fn name(self) -> &'static str {
        match self {
            ConsumeFromWhere::LastOffset => "CONSUME_FROM_LAST_OFFSET",
            ConsumeFromWhere::FirstOffset => "CONSUME_FROM_FIRST_OFFSET",
            ConsumeFromWhere::Timestamp => "CONSUME_FROM_TIMESTAMP",
            ConsumeFromWhere::LastOffsetAndFromMinWhenBootFirst => "CONSUME_FROM_LAST_OFFSET_AND_FROM_MIN_WHEN_BOOT_FIRST",
            ConsumeFromWhere::MinOffset => "CONSUME_FROM_MIN_OFFSET",
            ConsumeFromWhere::MaxOffset => "CONSUME_FROM_MAX_OFFSET",
        }
    }

    pub fn from_name(name: &str) -> Option<ConsumeFromWhere> {
        ConsumeFromWhere::ALL.into_iter().find(|this| this.name() == name)
    }
}
