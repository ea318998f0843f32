//! What RingMQ is measured and tormented with, from outside: nothing of this is in the product.
//!
//! - `log`, `codec`: nanoseconds per step of the send path, in memory
//! - `send`: a closed loop of sends against any broker that speaks remoting, Apache's too
//! - `consume`: reads a topic from its first to its last message and counts
//! - `follow`: long polls on a topic from its end on and counts what arrives
//! - `agent`: starts the load above on other hosts
//! - `torture`: a ledger that sends to a node, kills it again and again, and then reads everything
//! - `connection`, `setup`: the wire under all that talks to a broker

mod agent;
mod codec;
mod connection;
mod consume;
mod follow;
mod log;
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
    /// Long polls on queues from their ends on: what a consumer that keeps up costs, a line of counts each second
    Follow(follow::Follow),
    /// Waits for `agent-run` on other hosts and runs load for it. Unauthenticated: for a trusted network
    Agent(agent::Agent),
    /// Runs send, consume or follow where an agent waits
    AgentRun(agent::AgentRun),
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
        Some(Command::Follow(follow)) => follow::run(&follow).map(|()| true),
        Some(Command::Agent(agent)) => agent::serve(&agent).map(|()| true),
        Some(Command::AgentRun(agent_run)) => agent::ask(&agent_run),
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
