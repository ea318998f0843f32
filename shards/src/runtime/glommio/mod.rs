//! The real thing: io_uring through glommio, one pinned executor per core. The only room that names glommio.

mod adopt;
pub mod channel;
pub mod file;
pub mod launch;
pub mod net;
pub mod task;

pub use launch::{CoreSpec, launch, probe};

use std::io;

/// glommio's errors carry ours inside.
fn io_error<T>(error: ::glommio::GlommioError<T>) -> io::Error {
    error.into()
}
