//! What a start prints: the facts that support asks for first, then the line that RocketMQ users wait for.
//!
//! Pure: `broker::run` calls `facts` when it knows the store's alignment and `booted` once every port listens.

use super::address;
use crate::config::{Flush, NodeOptions};
use ringmq_shards::placement::Routing;
use std::fmt::Write;

/// What only the started node knows.
#[derive(Clone, Debug)]
pub struct StoreFacts {
    /// The unit of writing, recorded in the store; none without a broker.
    pub block_unit: Option<u32>,
    /// The store's own number of shards, which may be an older choice than the options'.
    pub shards: u16,
    /// How blocks reach the disk, as probed: "write + fdatasync, 3 in flight".
    pub sync: String,
}

pub fn facts(version: &str, kernel: &str, options: &NodeOptions, store: &StoreFacts) -> String {
    let mut out = String::new();
    let mut line = |name: &str, text: String| _ = writeln!(out, "{name:<11} {text}");
    line("RingMQ", version.to_string());
    line("kernel", format!("Linux {kernel}, io_uring"));
    if options.roles.broker {
        let unit = store.block_unit.map_or(String::new(), |unit| format!(", O_DIRECT in blocks of {unit} bytes"));
        line("store", format!("{}{unit}", options.data_dir.display()));
        line("durability", durability(options.settings.flush, &store.sync));
    }
    line("memory", format!("budget {} MiB", options.memory_budget >> 20));
    let cores: Vec<String> = options.cores.iter().map(usize::to_string).collect();
    let routing = if options.routing == Routing::Mesh { "mesh" } else { "direct" };
    line("shards", format!("{} ({routing}) on core(s) {}", store.shards, cores.join(",")));
    for (what, address) in options.listeners() {
        line("listening", format!("{address}  {what}"));
    }
    if options.roles.broker {
        let advertised = &options.advertised;
        line("advertised", format!("{} ({}){}", advertised.address, advertised.because, address::alternatives(advertised)));
    }
    for note in options.settings.notes().iter().chain(options.namesrv_settings.notes()) {
        line("note", note.clone());
    }
    out
}

/// One line per role and broker, as the original prints them.
pub fn booted(options: &NodeOptions) -> Vec<String> {
    let mut lines = Vec::new();
    if options.roles.namesrv {
        lines.push("The Name Server boot success. serializeType=JSON".to_string());
    }
    if options.roles.broker {
        let namesrv = match options.namesrv.is_empty() {
            true => String::new(),
            false => format!(" and name server is {}", options.namesrv.join(";")),
        };
        for (name, address) in options.brokers() {
            let (host, port) = (&options.advertised.address, address.port());
            lines.push(format!("The broker[{name}, {host}:{port}] boot success. serializeType=JSON{namesrv}"));
        }
    }
    lines
}

fn durability(flush: Flush, sync: &str) -> String {
    match flush {
        Flush::Sync => format!("SYNC_FLUSH: an acknowledged message is on disk ({sync})"),
        Flush::Async => format!("ASYNC_FLUSH: a power cut or crash loses acknowledged messages ({sync})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::options_for_tests as options;

    #[test]
    fn a_quick_start() {
        let mut options = options(&["serve", "--data", "/tmp/d", "--set", "brokerIP1=10.0.0.5", "--set", "brokerName=broker-a"]);
        options.advertised.alternatives.clear();
        options.cores = vec![0, 1];
        options.memory_budget = 256 << 20;
        let store = StoreFacts { block_unit: Some(4096), shards: 2, sync: "write + fdatasync, 3 in flight".to_string() };
        let expected = [
            "RingMQ      0.1.0",
            "kernel      Linux 6.18, io_uring",
            "store       /tmp/d, O_DIRECT in blocks of 4096 bytes",
            "durability  SYNC_FLUSH: an acknowledged message is on disk (write + fdatasync, 3 in flight)",
            "memory      budget 256 MiB",
            "shards      2 (mesh) on core(s) 0,1",
            "listening   0.0.0.0:9876  name server",
            "listening   0.0.0.0:10911  broker-a",
            "listening   0.0.0.0:10909  broker-a VIP",
            "advertised  10.0.0.5 (brokerIP1)",
            "",
        ];
        assert_eq!(facts("0.1.0", "6.18", &options, &store), expected.join("\n"));
        assert_eq!(
            booted(&options),
            [
                "The Name Server boot success. serializeType=JSON",
                "The broker[broker-a, 10.0.0.5:10911] boot success. serializeType=JSON",
            ]
        );
    }

    #[test]
    fn each_direct_shard_is_a_broker() {
        let options = options(&[
            "broker",
            "-n",
            "10.0.0.1:9876",
            "--shards",
            "2",
            "--set",
            "shardRouting=direct",
            "--set",
            "brokerIP1=10.0.0.5",
            "--set",
            "brokerName=b",
            "--set",
            "sendMessageThreadPoolNums=8",
            "--set",
            "flushDiskType=ASYNC_FLUSH",
        ]);
        assert_eq!(
            booted(&options),
            [
                "The broker[b-0, 10.0.0.5:10911] boot success. serializeType=JSON and name server is 10.0.0.1:9876",
                "The broker[b-1, 10.0.0.5:10915] boot success. serializeType=JSON and name server is 10.0.0.1:9876",
            ]
        );
        let facts = facts("0.1.0", "6.18", &options, &StoreFacts { block_unit: None, shards: 2, sync: "dsync".to_string() });
        assert!(facts.contains("ASYNC_FLUSH: a power cut"));
        assert!(facts.contains("note        without effect: sendMessageThreadPoolNums"));
        assert!(facts.contains("listening   0.0.0.0:10913  b-1 VIP"));
    }
}
