//! The floor on RingMQ's own sockets: the listener and streams that the broker uses, on the executor that it runs on, one task per
//! connection. What is above it is the broker; what is between it and `epoll` or `uring` is what the executor costs.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;

use ringmq_shards::runtime::{Lane, Listener, Stream, should_yield, spawn, yield_now};

use super::answer::{Answers, Input, READ_BYTES};
use super::on_executor;

/// Returns only when it cannot go on; prints `ready` when clients can connect.
pub fn serve(listener: TcpListener, core: usize, ready: String) -> io::Result<()> {
    let address = listener.local_addr()?;
    // The runtime binds its own.
    drop(listener);
    on_executor(core, move || accept(address, ready))
}

async fn accept(address: SocketAddr, ready: String) -> io::Result<()> {
    let listener = Listener::bind(address, false)?;
    println!("{ready}");
    let answers = Rc::new(Answers::new());
    loop {
        let stream = listener.accept().await?;
        let answers = answers.clone();
        let _detached = spawn(Lane::Network, async move {
            if let Err(error) = converse(stream, &answers).await {
                eprintln!("a connection ended: {error}");
            }
        });
    }
}

async fn converse(stream: Stream, answers: &Answers) -> io::Result<()> {
    let (mut buffer, mut input, mut out) = (vec![0; READ_BYTES], Input::default(), Vec::new());
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        input.answer(&buffer[..read], answers, &mut out).map_err(io::Error::other)?;
        stream.write_all(&out).await?;
        out.clear();
        if should_yield() {
            yield_now().await;
        }
    }
}
