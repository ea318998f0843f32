//! Where the time of a run goes, seen from the host: what the kernel counts, once a second, and which part is full.
//!
//! - `root`: every file is read below one folder, so that a recorded tree is as good as the machine
//! - `process`, `machine`, `disk`, `nic`, `cgroup`: counters of one part each, and their rates between two readings
//! - `groups`: where the control groups of a process are
//! - `facts`: what machine this is, for the reader of a report
//! - `sampler`: reads all of them; two readings make a `Sample`
//! - `verdict`: samples and facts to the one line that names the bottleneck
//! - `watch`: all of it beside a load of this process
//! - `command`: `ringmq-bench host`
//!
//! All of it reads files that any user may read. A file that this kernel does not have makes a value `None`, never a zero.

mod cgroup;
mod command;
mod disk;
mod facts;
mod groups;
mod machine;
mod nic;
mod process;
mod root;
mod sampler;
#[cfg(test)]
mod trees;
mod verdict;
mod watch;

pub use command::{Host, run};
pub use facts::Fact;
pub use process::Role;
pub use sampler::Sample;
pub use verdict::Verdict;
pub use watch::{WatchOptions, Watched};
