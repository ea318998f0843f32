//! Where commands meet the parts that serve them. Each function is one call; everything else was decided before.

use std::path::Path;

use super::args::{Send, Tail};
use crate::config::NodeOptions;

/// Runs until SIGTERM or SIGINT.
pub(super) fn node(_node: NodeOptions) -> Result<(), String> {
    Err("this build cannot start a node yet".to_string())
}

pub(super) fn store_check(_dir: &Path) -> Result<(), String> {
    Err("this build cannot check a store yet".to_string())
}

pub(super) fn store_dump(_dir: &Path, _shard: Option<u16>, _from: u64, _count: Option<u64>) -> Result<(), String> {
    Err("this build cannot dump a store yet".to_string())
}

pub(super) fn send(_args: Send) -> Result<(), String> {
    Err("this build cannot send yet".to_string())
}

pub(super) fn tail(_args: Tail) -> Result<(), String> {
    Err("this build cannot tail yet".to_string())
}

/// Log lines go to standard error; RINGMQ_LOG chooses them, such as `debug` or `info,ringmq::namesrv=debug`.
pub(super) fn log_to_stderr() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_env("RINGMQ_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call, as tests make, finds a logger already there.
    _ = log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init();
}
