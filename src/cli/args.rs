//! The commands of `ringmq` and their help. Nothing is decided here.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(
    name = "ringmq",
    version,
    about = "Apache RocketMQ's broker and name server, re-made so that a core owns everything it touches.",
    after_help = FIRST_MINUTE,
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
pub(super) struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Start name server and broker in one process: the quick start.
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Serve),
    /// Start a name server.
    #[command(after_help = NAMESRV_EXAMPLES)]
    Namesrv(Namesrv),
    /// Start a broker that registers with name servers.
    #[command(after_help = BROKER_EXAMPLES)]
    Broker(Broker),
    /// See whether a node can run here; name each obstacle and the command that removes it.
    #[command(after_help = CHECK_EXAMPLES)]
    Check(Check),
    /// Show, apply and take back the kernel settings of a broker's host.
    #[command(subcommand, after_help = super::tune::EXAMPLES)]
    Tune(super::tune::Tune),
    /// Look into the store of a broker that is not running.
    #[command(subcommand)]
    Store(Store),
    /// Send messages and print where they went.
    #[command(after_help = SEND_EXAMPLES)]
    Send(Send),
    /// Print the messages of a topic as they come.
    #[command(after_help = TAIL_EXAMPLES)]
    Tail(Tail),
}

/// What every command that concerns a broker takes.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct BrokerArgs {
    /// The broker's properties file (RocketMQ's broker.conf).
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Name servers to register with: host:port;host:port [environment: NAMESRV_ADDR].
    #[arg(short = 'n', long = "namesrv", value_name = "ADDRESSES")]
    pub namesrv: Option<String>,
    /// The folder of the store [default: ./ringmq-data].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The broker's port; its VIP port is two lower [default: 10911].
    #[arg(long, value_name = "PORT")]
    pub broker_port: Option<u16>,
    /// Shards of a new store [default: one per core].
    #[arg(long, value_name = "N")]
    pub shards: Option<u16>,
    /// Cores to use, such as 0,1 or 2-5 [default: all].
    #[arg(long, value_name = "LIST")]
    pub cores: Option<String>,
    /// Set a property, over what the file says; repeat it for more. 'ringmq broker -p' lists all.
    #[arg(long = "set", value_name = "PROPERTY=VALUE")]
    pub set: Vec<String>,
}

#[derive(Clone, Debug, clap::Args)]
pub(super) struct Serve {
    #[command(flatten)]
    pub broker: BrokerArgs,
    /// The name server's port [default: 9876].
    #[arg(long, value_name = "PORT")]
    pub namesrv_port: Option<u16>,
}

#[derive(Clone, Debug, clap::Args)]
pub(super) struct Namesrv {
    /// The name server's properties file.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The port to listen on [default: 9876].
    #[arg(long, visible_alias = "namesrv-port", value_name = "PORT")]
    pub port: Option<u16>,
    /// The folder of the KV settings [default: ./ringmq-data].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Set a property, over what the file says; repeat it for more.
    #[arg(long = "set", value_name = "PROPERTY=VALUE")]
    pub set: Vec<String>,
    /// Print every property with its value and meaning, and end.
    #[arg(short = 'p', long = "print")]
    pub print: bool,
    /// The original takes it and has no use for it, and neither have we.
    #[arg(short = 'n', hide = true)]
    pub _namesrv: Option<String>,
}

#[derive(Clone, Debug, clap::Args)]
pub(super) struct Broker {
    #[command(flatten)]
    pub broker: BrokerArgs,
    /// Print every property with its value and meaning, and end.
    #[arg(short = 'p', long = "print")]
    pub print: bool,
    /// Print the important properties, and end.
    #[arg(short = 'm', long = "print-important")]
    pub important: bool,
    /// With -p: print the tables of docs/operations.md.
    #[arg(long, hide = true, requires = "print")]
    pub markdown: bool,
}

#[derive(Clone, Debug, clap::Args)]
pub(super) struct Check {
    #[command(flatten)]
    pub broker: BrokerArgs,
    /// The name server's port [default: 9876].
    #[arg(long, value_name = "PORT")]
    pub namesrv_port: Option<u16>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum Store {
    /// Verify every block and every index.
    Check {
        /// The folder of the store.
        dir: PathBuf,
    },
    /// Print the records.
    Dump {
        /// The folder of the store.
        dir: PathBuf,
        /// Only this shard.
        #[arg(long, value_name = "N")]
        shard: Option<u16>,
        /// From this position of the log on.
        #[arg(long, value_name = "POSITION", default_value_t = 0)]
        from: u64,
        /// So many records at most.
        #[arg(long, value_name = "N")]
        count: Option<u64>,
    },
}

#[derive(Clone, Debug, clap::Args)]
pub struct Send {
    pub topic: String,
    pub body: String,
    /// Keys to find the message by, separated by blanks.
    #[arg(long)]
    pub key: Option<String>,
    /// The tag that consumers filter by.
    #[arg(long)]
    pub tag: Option<String>,
    /// Send it so many times and print a summary of latencies.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub count: u64,
    /// A name server: host:port.
    #[arg(short = 'n', long, value_name = "ADDRESS", env = "NAMESRV_ADDR", default_value = "127.0.0.1:9876")]
    pub namesrv: String,
}

#[derive(Clone, Debug, clap::Args)]
pub struct Tail {
    pub topic: String,
    /// Go on where this consumer group stopped, and remember where we stop.
    #[arg(long, value_name = "GROUP")]
    pub group: Option<String>,
    /// Where to begin: first, last, an age (15m, 2h), a time (2026-11-03 08:00, UTC) or milliseconds since 1970
    /// [default: last; with --group: where the group stopped].
    #[arg(long, value_name = "WHERE")]
    pub from: Option<String>,
    /// End after so many messages.
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// A name server: host:port.
    #[arg(short = 'n', long, value_name = "ADDRESS", env = "NAMESRV_ADDR", default_value = "127.0.0.1:9876")]
    pub namesrv: String,
}

const FIRST_MINUTE: &str = "\
A first minute:
  ringmq serve                      # name server and broker, data in ./ringmq-data
  ringmq send TopicTest hello       # in another terminal
  ringmq tail TopicTest --from first --count 1";

const SERVE_EXAMPLES: &str = "\
Examples:
  ringmq serve
  ringmq serve --data /var/lib/ringmq --cores 0,1 --set memoryBudget=2GiB
  ringmq serve --namesrv-port 19876 --broker-port 20911 --set brokerIP1=127.0.0.1";

const NAMESRV_EXAMPLES: &str = "\
Examples:
  ringmq namesrv
  ringmq namesrv -c conf/namesrv.properties --port 9877";

const BROKER_EXAMPLES: &str = "\
Examples:
  ringmq broker -n localhost:9876 -c conf/broker.conf
  ringmq broker -n '10.0.0.1:9876;10.0.0.2:9876' --data /var/lib/ringmq
  ringmq broker -p -c conf/broker.conf     # every property and its value";

const CHECK_EXAMPLES: &str = "\
Examples:
  ringmq check
  ringmq check --data /var/lib/ringmq -c conf/broker.conf --json

Exit code: 0 a node can start, 1 it cannot.";

const SEND_EXAMPLES: &str = "\
Examples:
  ringmq send TopicTest 'hello'
  ringmq send TopicTest 'paid' --key order-17 --tag paid
  ringmq send TopicTest 'x' --count 10000   # with latencies";

const TAIL_EXAMPLES: &str = "\
Examples:
  ringmq tail TopicTest
  ringmq tail TopicTest --from first --count 10
  ringmq tail TopicTest --from 15m
  ringmq tail TopicTest --from '2026-11-03 08:00'
  ringmq tail TopicTest --group my-tail     # goes on where it stopped";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_commands_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_originals_arguments_are_understood() {
        for line in [
            "ringmq broker -n localhost:9876 -c conf/broker.conf",
            "ringmq broker -n 10.0.0.1:9876;10.0.0.2:9876",
            "ringmq broker -c conf/broker.conf -p",
            "ringmq broker -m",
            "ringmq namesrv -c conf/namesrv.properties",
            "ringmq namesrv -p",
            "ringmq serve --data d --set a=b --set c=d --cores 0-1 --shards 2",
            "ringmq store dump d --shard 1 --from 4096 --count 3",
            "ringmq tail T --from first --count 2 -n 10.0.0.1:9876",
            "ringmq tune check --json",
            "ringmq tune apply --profile dedicated --only nofile,swappiness --disk vda --nic eth0 --shards 4 --root d",
            "ringmq tune undo --root d",
            "ringmq send T body --key k --tag t -n 10.0.0.1:9876",
        ] {
            let parsed = Args::try_parse_from(line.split(' '));
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
        }
        assert!(Args::try_parse_from(["ringmq", "send", "T", "b", "--count", "0"]).is_err());
    }
}
