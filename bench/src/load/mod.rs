//! The measuring core of every load command: when to send, what came of it, and how that is shown.
//!
//! Threads of load own a `Recorder` each and hand it, second by second, to the one thread that prints; nothing is shared.
//!
//! - `clock`: one time for all threads of a run; `schedule`, `flights`: when sends are due and which are under way, pure
//! - `bodies`: how long bodies are
//! - `latency`, `failures`, `interval`, `recorder`: what a thread counts
//! - `results`: all threads together; `collect` gathers them while the load runs
//! - `lines`, `summary`, `json`: the three forms in which results are shown; `output` says where they go
//! - `cores`: threads on the cores they were given

pub mod bodies;
pub mod clock;
pub mod collect;
pub mod cores;
pub mod failures;
pub mod flights;
pub mod interval;
pub mod json;
pub mod latency;
pub mod lines;
pub mod output;
pub mod recorder;
pub mod results;
pub mod schedule;
pub mod summary;
