//! The asker's side: sends the arguments, prints what the run prints, and ends as it ends.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

#[derive(clap::Args)]
pub struct AgentRun {
    /// The agent's host:port
    #[arg(long)]
    agent: String,
    /// What it shall run, after `--`
    #[arg(last = true, required = true)]
    arguments: Vec<String>,
}

/// Whether the run ended well.
pub fn run(args: &AgentRun) -> Result<bool, String> {
    let lost = |error: std::io::Error| format!("agent {}: {error}: is `ringmq-bench agent --listen` running there?", args.agent);
    if let Some(argument) = args.arguments.iter().find(|argument| argument.is_empty() || argument.contains('\n')) {
        return Err(format!("{argument:?} cannot be sent to an agent: arguments are lines that are not empty"));
    }
    let mut stream = TcpStream::connect(&args.agent).map_err(lost)?;
    stream.write_all(format!("{}\n\n", args.arguments.join("\n")).as_bytes()).map_err(lost)?;
    for line in BufReader::new(stream).lines() {
        let line = line.map_err(lost)?;
        match line.split_once(' ') {
            Some(("out", text)) => print_line(text)?,
            Some(("err", text)) => eprintln!("{text}"),
            Some(("exit", numbers)) => {
                let numbers = numbers.split(' ').map(|text| text.parse::<i64>().unwrap_or(-1)).collect::<Vec<_>>();
                let [code, wall, cpu] = numbers[..] else {
                    return Err(format!("agent {}: '{line}' is no end of a run", args.agent));
                };
                // A line for whoever looks for the client's CPU.
                eprintln!("agent: exit {code} after {wall} ms, CPU {} % of a core", 100 * cpu / wall.max(1));
                return Ok(code == 0);
            }
            _ => return Err(format!("agent {}: '{line}' is nothing an agent says", args.agent)),
        }
    }
    Err(format!("agent {}: it went away before the run ended", args.agent))
}

/// Flushed, as a window is measured by lines that come each second.
fn print_line(text: &str) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|error| format!("standard output: {error}"))
}
