//! Where commands meet the parts that serve them. Each function is one call; everything else was decided before.

use std::path::Path;

use super::args::{Send, Tail};
use crate::admin;
use crate::config::NodeOptions;
use crate::store;

/// Runs until SIGTERM or SIGINT.
#[cfg(feature = "glommio")]
pub(super) fn node(node: NodeOptions) -> Result<(), String> {
    crate::node::run(node)
}

#[cfg(not(feature = "glommio"))]
pub(super) fn node(_node: NodeOptions) -> Result<(), String> {
    Err("this ringmq was built without its io_uring runtime (feature glommio)".to_string())
}

pub(super) fn store_check(dir: &Path) -> Result<(), String> {
    print!("{}", store::check(dir)?);
    Ok(())
}

pub(super) fn store_dump(dir: &Path, shard: Option<u16>, from: u64, count: Option<u64>) -> Result<(), String> {
    store::dump(dir, shard, from, count, &mut std::io::stdout().lock())
}

pub(super) fn send(args: Send) -> Result<(), String> {
    let outgoing = admin::Outgoing {
        topic: &args.topic,
        body: args.body.as_bytes(),
        keys: args.key.as_deref(),
        tag: args.tag.as_deref(),
        count: args.count,
        namesrv: &args.namesrv,
    };
    admin::send(&outgoing, &mut std::io::stdout()).map_err(|error| error.to_string())
}

pub(super) fn tail(args: Tail) -> Result<(), String> {
    let start = match args.from.as_deref() {
        Some("first") => admin::Start::First,
        Some("last") => admin::Start::Last,
        Some(text) => match admin::parse_when(text, now()) {
            Some(millis) => admin::Start::At(millis),
            None => {
                return Err(format!(
                    "--from {text}: neither first, last, an age (15m), a time (2026-11-03 08:00) nor milliseconds"
                ));
            }
        },
        None => admin::Start::Group,
    };
    let Tail { topic, group, count, namesrv, .. } = &args;
    let tail = admin::Tail { topic, group: group.as_deref(), start, count: *count, namesrv };
    admin::tail(&tail, &mut std::io::stdout()).map_err(|error| error.to_string())
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}

/// Log lines go to standard error; RINGMQ_LOG chooses them, such as `debug` or `info,ringmq::namesrv=debug`.
pub(super) fn log_to_stderr() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_env("RINGMQ_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call, as tests make, finds a logger already there.
    _ = log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init();
}
