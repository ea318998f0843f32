//! Accepts connections on one port, on one core.
//!
//! Invariant: a failing accept (out of file descriptors) is said and waited out, never spun on and never the end.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use ringmq_shards::runtime::{self, Lane, Listener};

use super::connection::Shared;
use super::{Connection, Service};

/// How long to wait when the system gives no descriptor.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
const SWEEP_INTERVAL: Duration = Duration::from_secs(2);

/// Serves `address` until `stop`. `shared_port`: other cores of this node listen on it too.
pub fn listen<S: Service>(
    address: SocketAddr,
    shared_port: bool,
    service: Rc<S>,
    shared: Rc<Shared>,
) -> std::io::Result<(SocketAddr, runtime::Task)> {
    let listener = Listener::bind(address, shared_port)?;
    let bound = listener.local_addr()?;
    let task = runtime::spawn(Lane::Network, async move {
        loop {
            match listener.accept().await {
                Ok(stream) if shared.connections.count() >= shared.connections_max => {
                    if let Some(left_out) = shared.refused.pass() {
                        let limit = shared.connections_max;
                        tracing::warn!(
                            left_out,
                            limit,
                            "connection refused: this core has as many as its file descriptors allow"
                        );
                    }
                    stream.close();
                }
                Ok(stream) => {
                    if let Err(error) = Connection::serve(stream, service.clone(), shared.clone()) {
                        tracing::debug!(%error, "a connection ended before it was served");
                    }
                }
                Err(error) => {
                    if let Some(left_out) = shared.refused.pass() {
                        tracing::warn!(%error, left_out, "cannot accept connections; raise the limit of open files (ulimit -n)");
                    }
                    runtime::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    });
    Ok((bound, task))
}

/// Closes silent and stalled connections for as long as the core runs.
pub fn sweep(shared: Rc<Shared>) {
    let _detached = runtime::spawn(Lane::Background, async move {
        loop {
            runtime::sleep(SWEEP_INTERVAL).await;
            shared.sweep();
        }
    });
}
