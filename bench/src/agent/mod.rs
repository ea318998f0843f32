//! Load from other hosts: `agent` waits on one and runs the load there, `agent-run` asks it to and passes on what it says.
//!
//! The agent asks nobody who they are: it belongs into a trusted network, and only while a benchmark runs. What it can be made to
//! do is small all the same: only the load subcommands of this very program, one run at a time, in an empty folder that is removed
//! afterwards, with no argument that could name a file elsewhere.
//!
//! Over plain TCP, in lines. The asker sends the arguments, one a line, then an empty line. The agent answers with
//!
//! | Line | |
//! |---|---|
//! | `out TEXT` | a line of the run's standard output |
//! | `err TEXT` | a line of its standard error, or why the agent refuses |
//! | `exit CODE WALL CPU` | the last one: the run's exit code, and its times in ms |
//!
//! An asker that goes away takes its run with it.

mod ask;
mod request;
mod serve;

pub use ask::{AgentRun, run as ask};
pub use serve::{Agent, run as serve};
