//! What RingMQ is measured and tormented with, from outside: nothing of this is in the product.
//!
//! - `log`, `codec`: nanoseconds per step of the send path, in memory
//! - `host`: what the machine is short of while a load runs
//! - `report`: a run on one page
//! - `send`: a closed loop of sends against any broker that speaks remoting, Apache's too
//! - `consume`: reads a topic from its first to its last message and counts
//! - `torture`: a ledger that sends to a node, kills it again and again, and then reads everything
//! - `connection`, `setup`: the wire under the last three

mod codec;
mod connection;
mod consume;
mod host;
mod log;
mod report;
mod send;
mod setup;
mod torture;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Load, micro-benchmarks and torture for RingMQ", arg_required_else_help = true)]
struct Args {
    /// Runs `log` and `codec` for a moment, to see that they still do
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
    /// A closed loop of sends: messages/s and latency percentiles
    Send(send::Send),
    /// Reads all queues of a topic from the first message to the last, and counts
    Consume(consume::Consume),
    /// Samples threads, disk, network and memory beside a load, and names the bottleneck
    Host(host::Host),
    /// One page, index.html, from a run that was kept
    Report(report::Args),
    /// Sends, kills, restarts, and reads everything at the end
    Torture(torture::Torture),
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.smoke {
        log::run(100_000);
        codec::run(100_000);
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
        Some(Command::Send(send)) => send::run(&send).map(|()| true),
        Some(Command::Consume(consume)) => consume::run(&consume).map(|()| true),
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
