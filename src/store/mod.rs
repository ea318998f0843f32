//! Looking into a store that no node has open: `ringmq store check` and `ringmq store dump`.
//!
//! Plain blocking reads, no io_uring: it works on any machine that has the folder. Nothing is ever written.

mod check;
mod dump;
mod walk;

pub use check::check;
pub use dump::dump;
