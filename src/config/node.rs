//! Everything that starting a node needs, decided: no option left open, nothing to look up again.
//!
//! Made by `cli` from `Settings` and `preflight`'s findings; read by `broker::run`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::{NamesrvSettings, Settings};
use ringmq_shards::placement::Routing;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    pub namesrv: bool,
    pub broker: bool,
}

#[derive(Clone, Debug)]
pub struct NodeOptions {
    pub roles: Roles,
    /// The folder of the store; made when it is missing.
    pub data_dir: PathBuf,
    pub broker_name: String,
    pub advertised: Advertised,
    /// Where the name server listens, if it is one of the roles.
    pub namesrv_address: SocketAddr,
    /// Where the broker listens, if it is one of the roles; in direct routing shard n listens `DIRECT_PORT_STEP * n` higher.
    pub broker_address: SocketAddr,
    /// The name servers to register with besides the one in this process.
    pub namesrv: Vec<String>,
    /// Never empty.
    pub cores: Vec<usize>,
    /// For a store that does not exist yet; an existing one keeps its own.
    pub shards: u16,
    /// Somebody asked for exactly that number: an existing store with another one must refuse.
    pub shards_explicit: bool,
    pub routing: Routing,
    pub memory_budget: u64,
    pub settings: Settings,
    pub namesrv_settings: NamesrvSettings,
}

/// Brokers of direct shards keep this distance, because clients take `port - 2` for the VIP port.
pub const DIRECT_PORT_STEP: u16 = 4;
/// `listenPort - 2`.
pub const VIP_PORT_BELOW: u16 = 2;

impl NodeOptions {
    /// Every port of this node with what listens there.
    pub fn listeners(&self) -> Vec<(String, SocketAddr)> {
        let mut listeners = Vec::new();
        if self.roles.namesrv {
            listeners.push(("name server".to_string(), self.namesrv_address));
        }
        if self.roles.broker {
            for (name, address) in self.brokers() {
                let vip = SocketAddr::new(address.ip(), address.port() - VIP_PORT_BELOW);
                listeners.push((name.clone(), address));
                listeners.push((format!("{name} VIP"), vip));
            }
        }
        listeners
    }

    /// Broker names as clients see them, and where each listens.
    pub fn brokers(&self) -> Vec<(String, SocketAddr)> {
        let address = |shard: u16| {
            let port = self.broker_address.port().saturating_add(DIRECT_PORT_STEP.saturating_mul(shard));
            SocketAddr::new(self.broker_address.ip(), port)
        };
        match self.routing {
            Routing::Mesh => vec![(self.broker_name.clone(), self.broker_address)],
            Routing::Direct => (0..self.shards).map(|shard| (format!("{}-{shard}", self.broker_name), address(shard))).collect(),
        }
    }

    pub fn kv_config_path(&self) -> PathBuf {
        let inside = || self.data_dir.join("namesrv").join("kvConfig.json");
        self.namesrv_settings.kv_config_path.clone().unwrap_or_else(inside)
    }
}

/// The address that clients are told to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertised {
    pub address: String,
    /// Why this one, for the start's output.
    pub because: String,
    /// Other addresses of this machine that brokerIP1 could name.
    pub alternatives: Vec<Candidate>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub interface: String,
    pub address: IpAddr,
}
