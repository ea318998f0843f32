//! The command line: what a person types, made into decided options and handed to the part that does it.
//!
//! - `args`: the commands and their help
//! - `options`: arguments + file + environment + machine = `NodeOptions`
//! - `tune`: `ringmq tune`, which has nothing to do with a node
//! - `run`: the one place where commands meet the parts that serve them
//!
//! Exit codes: 0 done, 1 it did not work (the reason is on standard error), 2 the command line was not understood.
//! `tune` has codes of its own.

mod args;
mod options;
mod run;
mod tune;

use std::process::ExitCode;

use clap::Parser;

use crate::config::show;
use crate::preflight::{self, Machine, report};
use args::{Args, Command, Store};

pub fn main() -> ExitCode {
    run_from(std::env::args_os())
}

/// The program with arguments of the caller's, its name first. A stop signal goes to the calling thread.
pub fn run_from(arguments: impl IntoIterator<Item = impl Into<std::ffi::OsString> + Clone>) -> ExitCode {
    match perform(Args::parse_from(arguments).command) {
        Ok(code) => code,
        Err(reason) => {
            eprintln!("ringmq: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn perform(command: Command) -> Result<ExitCode, String> {
    let done = |()| ExitCode::SUCCESS;
    match command {
        Command::Serve(serve) => start(options::serve(&serve, &Machine::look())?).map(done),
        Command::Namesrv(namesrv) => {
            let options = options::namesrv(&namesrv, &Machine::look())?;
            if namesrv.print {
                print(&show::properties(&options.namesrv_settings.properties(), false));
                return Ok(ExitCode::SUCCESS);
            }
            start(options).map(done)
        }
        Command::Broker(broker) => {
            if broker.print && broker.markdown {
                print(&show::markdown());
                return Ok(ExitCode::SUCCESS);
            }
            let options = options::broker(&broker, &Machine::look())?;
            if broker.print || broker.important {
                print(&show::properties(&options.settings.properties(), !broker.print));
                return Ok(ExitCode::SUCCESS);
            }
            start(options).map(done)
        }
        Command::Check(check) => {
            let machine = Machine::look();
            let checks = preflight::checks(&options::check(&check, &machine)?, &machine);
            print(&if check.json { report::json(&checks) } else { report::table(&checks) });
            if !check.json && tune::something_differs() {
                print("kernel settings that are safe on any host differ from what RingMQ wants: 'ringmq tune check'\n");
            }
            Ok(if report::failures(&checks).is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Tune(command) => Ok(tune::tune(command)),
        Command::Store(Store::Check { dir }) => run::store_check(&dir).map(done),
        Command::Store(Store::Dump { dir, shard, from, count }) => run::store_dump(&dir, shard, from, count).map(done),
        Command::Send(send) => run::send(send).map(done),
        Command::Tail(tail) => run::tail(tail).map(done),
    }
}

/// Tells what is not well with the machine, and starts the node unless something forbids it.
fn start(node: crate::config::NodeOptions) -> Result<(), String> {
    run::log_to_stderr();
    preflight::raise_limits();
    let checks = preflight::checks(&node, &Machine::look());
    let complaints = report::complaints(&checks);
    if !complaints.is_empty() {
        eprint!("{}", report::table(&complaints));
    }
    if !report::failures(&checks).is_empty() {
        return Err("not started; 'ringmq check' with the same options shows all checks".to_string());
    }
    run::node(node)
}

/// To standard output; a reader that has gone away (`| head`) is not an error.
fn print(text: &str) {
    use std::io::Write;
    _ = std::io::stdout().write_all(text.as_bytes());
}

/// Options as the command line makes them, on a machine that is the same everywhere.
#[cfg(test)]
pub(crate) fn options_for_tests(args: &[&str]) -> crate::config::NodeOptions {
    options::tests::options(args).expect("good options")
}
