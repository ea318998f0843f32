//! A server with no broker behind it: what sockets alone cost on one core, which no broker gets below.
//!
//! - `answer`: whole frames in, answers out, the same for all
//! - `glommio`: glommio's own sockets on the executor that RingMQ runs on
//! - `ringmq`: the sockets that RingMQ uses, on the same executor
//! - `epoll`: one loop over epoll, recv and send
//! - `uring`, `buffers`: one loop over io_uring with what it has for servers
//!
//! Must always be true: all frames of one read are answered by one write, and nothing is kept but the connections.
//! `ringmq-bench produce` measures it like a node; it runs until it is ended.

mod answer;
mod buffers;
mod epoll;
mod glommio;
mod ringmq;
mod uring;

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ringmq_shards::runtime::{CoreSpec, launch};

/// Memory registered for reads of files, of which there are none: the least.
const IO_MEMORY: usize = 64 << 10;

#[derive(clap::Args)]
pub struct Floor {
    /// Which sockets
    #[arg(long, value_enum, default_value_t = Kind::Glommio)]
    kind: Kind,
    /// Of the loopback interface
    #[arg(long)]
    port: u16,
    /// The core that the server runs on
    #[arg(long, default_value_t = 0)]
    core: usize,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Kind {
    /// TcpListener and TcpStream of glommio, one task per connection
    Glommio,
    /// The listener and streams of RingMQ's runtime, one task per connection
    Ringmq,
    /// epoll, recv and send, in one loop
    Epoll,
    /// io_uring with multishot recv into provided buffers, in one loop
    Uring,
}

pub fn run(args: &Floor) -> Result<(), String> {
    // Bound here for every kind: glommio's own `bind` would share the port with a floor that was forgotten.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port))
        .map_err(|error| format!("port {}: {error}; choose another --port", args.port))?;
    let ready = format!("ready: {:?} floor on 127.0.0.1:{}, core {}", args.kind, args.port, args.core);
    if !matches!(args.kind, Kind::Ringmq) {
        println!("{ready}");
    }
    match args.kind {
        Kind::Glommio => self::glommio::serve(listener, args.core),
        // It binds again, and is ready after that.
        Kind::Ringmq => self::ringmq::serve(listener, args.core, ready),
        Kind::Epoll => pin(args.core).and_then(|()| epoll::serve(listener)),
        Kind::Uring => pin(args.core).and_then(|()| uring::serve(listener)),
    }
    .map_err(|error| format!("{:?} floor on core {}: {error}", args.kind, args.core))
}

/// Runs `main` on an executor as RingMQ's cores have it, until it fails.
fn on_executor<F: Future<Output = io::Result<()>>>(core: usize, main: impl FnOnce() -> F + Send + 'static) -> io::Result<()> {
    let spec = CoreSpec { name: "floor".to_string(), cpu: Some(core), io_memory: IO_MEMORY, spin: Duration::ZERO };
    let failed = Arc::new(OnceLock::new());
    let report = failed.clone();
    let executor = launch(spec, move || async move {
        if let Err(error) = main().await {
            report.set(error).ok();
        }
    })?;
    executor.join()?;
    match Arc::into_inner(failed).and_then(OnceLock::into_inner) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// This thread, which is the whole server of the kinds without an executor.
fn pin(core: usize) -> io::Result<()> {
    if core_affinity::set_for_current(core_affinity::CoreId { id: core }) {
        return Ok(());
    }
    Err(io::Error::other("this process may not run there; choose another --core"))
}
