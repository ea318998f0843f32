//! What RingMQ is measured and tormented with, from outside: nothing of this is in the product.
//!
//! - `log`, `codec`: nanoseconds per step of the send path, in memory
//! - `filter`: nanoseconds for a message that an SQL92 filter does not want
//! - `produce`, `consume`, `pop`, `mixed` (and `e2e`): load on many threads, against any broker that speaks remoting, Apache's too
//! - `sweep`, `compare`: `produce` again and again, at other rates or against other brokers
//! - `verify`: sends, reads everything back, and says what is wrong; `echo`: a server to measure the load itself with
//! - `host`: what the machine is short of while a load runs
//! - `report`: a run on one page
//! - `torture`: a ledger that sends to a node, kills it again and again, and then reads everything
//! - `load`: what is measured and how it is shown; `drive`: the threads that make load
//! - `agent`: starts the load above on other hosts
//! - `differential`: the same steps against the original and ours, and what differs
//! - `disk`: what the device can do, without RingMQ
//! - `floor`: a server with no broker behind it, for `produce` to measure what the sockets alone cost
//! - `connection`, `epoll`, `setup`: the wire under all that talks to a broker

mod agent;
mod codec;
mod compare;
mod connection;
mod consume;
mod differential;
mod disk;
mod drive;
mod echo;
mod epoll;
mod filter;
mod floor;
mod host;
mod load;
mod log;
mod mixed;
mod pop;
mod produce;
mod report;
mod setup;
mod sweep;
mod torture;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Load, micro-benchmarks and torture for RingMQ", arg_required_else_help = true)]
struct Args {
    /// Runs `log`, `codec` and `filter` for a moment, to see that they still do
    #[arg(long)]
    smoke: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Group commit in memory: nanoseconds per entry
    Log {
        #[arg(long, default_value_t = 3_000_000)]
        entries: u64,
    },
    /// A binary send parsed and answered: nanoseconds per message
    Codec {
        #[arg(long, default_value_t = 3_000_000)]
        messages: u64,
    },
    /// An SQL92 filter that matches nothing: nanoseconds per message
    Filter {
        #[arg(long, default_value_t = 3_000_000)]
        messages: u64,
    },
    /// A load of sends, closed loop or open (--rate): a line each second, percentiles, JSON
    Produce(produce::Produce),
    /// Reads all queues of a topic: to the end, for a time, or so many messages
    Consume(consume::Consume),
    /// Pops all that a topic has and acks it, and says whether each message came once
    Pop(pop::Pop),
    /// Sends and reads at once: how long a message takes to be stored, and to its reader
    E2e(mixed::EndToEnd),
    /// Like e2e, and readers of old messages beside
    Mixed(mixed::Mixed),
    /// The most that a closed loop gets, then open loops at 50, 70 and 90 % of it
    Sweep(sweep::Sweep),
    /// The same load against several brokers in turn: medians, spreads, ratios
    Compare(compare::Compare),
    /// Sends for a time, reads everything, and says what was lost, duplicated, corrupted or reordered
    Verify(verify::Verify),
    /// A server that answers every send and stores nothing: shows what the load itself can offer
    Echo(echo::Echo),
    /// Waits for `agent-run` on other hosts and runs load for it. Unauthenticated: for a trusted network
    Agent(agent::Agent),
    /// Runs produce, consume, e2e or mixed where an agent waits
    AgentRun(agent::AgentRun),
    /// Runs step files against Apache RocketMQ and RingMQ and compares the answers; scripts/differential
    Differential(Box<differential::Differential>),
    /// What the device can do: durable writes and reads, by block size and depth
    Disk(disk::Disk),
    /// A server that only answers: what sockets alone cost on one core
    Floor(floor::Floor),
    /// Samples threads, disk, network and memory beside a load, and names the bottleneck
    Host(host::Host),
    /// The page of a run again, from the report.json that --report wrote
    Report(report::Args),
    /// Sends, kills, restarts, and reads everything at the end
    Torture(torture::Torture),
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.smoke {
        log::run(100_000);
        codec::run(100_000);
        filter::run(100_000);
    }
    let result = match args.command {
        None => Ok(true),
        Some(Command::Log { entries }) => {
            log::run(entries);
            Ok(true)
        }
        Some(Command::Codec { messages }) => {
            codec::run(messages);
            Ok(true)
        }
        Some(Command::Filter { messages }) => {
            filter::run(messages);
            Ok(true)
        }
        Some(Command::Produce(produce)) => produce::run(&produce).map(|()| true),
        Some(Command::Consume(consume)) => consume::run(&consume).map(|()| true),
        Some(Command::Pop(pop)) => pop::run(&pop),
        Some(Command::E2e(e2e)) => mixed::run_end_to_end(&e2e),
        Some(Command::Mixed(mixed)) => mixed::run_mixed(&mixed),
        Some(Command::Sweep(sweep)) => sweep::run(&sweep).map(|()| true),
        Some(Command::Compare(compare)) => compare::run(&compare).map(|()| true),
        Some(Command::Verify(verify)) => verify::run(&verify),
        Some(Command::Echo(echo)) => echo::run(&echo).map(|()| true),
        Some(Command::Agent(agent)) => agent::serve(&agent).map(|()| true),
        Some(Command::AgentRun(agent_run)) => agent::ask(&agent_run),
        Some(Command::Differential(differential)) => differential::run(&differential),
        Some(Command::Disk(disk)) => disk::run(&disk).map(|()| true),
        Some(Command::Floor(floor)) => floor::run(&floor).map(|()| true),
        Some(Command::Host(host)) => host::run(&host).map(|()| true),
        Some(Command::Report(report)) => report::run(&report).map(|()| true),
        Some(Command::Torture(torture)) => torture::run(&torture),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
