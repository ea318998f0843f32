//! The floor on glommio's own sockets: one executor on one core, one task per connection.
//!
//! The executor is the one that RingMQ runs on, made by the same `launch`, so that its rings are in both figures. RingMQ's sockets are not: they wait through epoll
//! (`runtime/glommio/readiness`), these through a poll in the ring for each read. The one file outside of
//! `shards/src/runtime/glommio` that names the package, because what it measures is the package.

use std::io;
use std::net::TcpListener;
use std::os::fd::{FromRawFd, IntoRawFd};
use std::rc::Rc;

use ::glommio::net::{self, TcpStream};
use futures_lite::{AsyncReadExt, AsyncWriteExt};

use super::answer::{Answers, Input, READ_BYTES};
use super::on_executor;

/// Returns only when it cannot go on.
pub fn serve(listener: TcpListener, core: usize) -> io::Result<()> {
    on_executor(core, move || accept(listener))
}

async fn accept(listener: TcpListener) -> io::Result<()> {
    // SAFETY: the descriptor is a listening socket's, and given up by the listener that owned it.
    let listener = unsafe { net::TcpListener::from_raw_fd(listener.into_raw_fd()) };
    let answers = Rc::new(Answers::new());
    loop {
        let stream = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answers = answers.clone();
        let connection = async move {
            if let Err(error) = converse(stream, &answers).await {
                eprintln!("a connection ended: {error}");
            }
        };
        ::glommio::spawn_local(connection).detach();
    }
}

async fn converse(mut stream: TcpStream, answers: &Answers) -> io::Result<()> {
    let (mut buffer, mut input, mut out) = (vec![0; READ_BYTES], Input::default(), Vec::new());
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        input.answer(&buffer[..read], answers, &mut out).map_err(io::Error::other)?;
        stream.write_all(&out).await?;
        out.clear();
        // One that always has something would otherwise never let the others run.
        ::glommio::yield_if_needed().await;
    }
}
