//! The one door to the operating system: files, sockets, time, tasks, channels between cores.
//!
//! Two runtimes stand behind the same names: `glommio` (io_uring) and `sim` (a seeded scheduler with a simulated disk and
//! network). Which one is meant follows from where the calling task runs, so the code above is the same in both.
//! Only this room awaits; the rest of `shards` decides, and leaves the doing to `writer`, `live` and `mesh`.

pub mod channel;
pub mod commit_log;
pub mod file;
pub mod fs;
#[cfg(feature = "glommio")]
pub mod glommio;
pub mod housekeeping;
pub mod index_files;
pub mod live;
pub mod local;
pub mod mesh;
pub mod net;
pub mod open;
pub mod reader;
pub mod recover;
pub mod sim;
pub mod store_error;
pub mod system;
mod task;

pub use file::{Buffer, File, Open};
pub use task::{Lane, Task, now, random, should_yield, sleep, spawn, timeout, uptime, yield_now};
