//! A connection of ours to another server: one question at a time, in order. What a broker needs towards its name servers.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use ringmq_shards::runtime::{self, Stream};

use crate::remoting::{Header, split};

const READ_BYTES: usize = 16 * 1024;

pub struct Client {
    stream: Stream,
    unread: Vec<u8>,
}

impl Client {
    pub async fn connect(address: SocketAddr, limit: Duration) -> io::Result<Client> {
        Ok(Client { stream: Stream::connect(address, limit).await?, unread: Vec::new() })
    }

    /// Sends one whole frame and returns the next whole frame that comes back with `opaque`.
    pub async fn call(&mut self, request: &[u8], opaque: i32, limit: Duration) -> io::Result<Vec<u8>> {
        match runtime::timeout(limit, self.exchange(request, opaque)).await {
            Some(reply) => reply,
            None => Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} ms", limit.as_millis()))),
        }
    }

    async fn exchange(&mut self, request: &[u8], opaque: i32) -> io::Result<Vec<u8>> {
        self.stream.write_all(request).await?;
        loop {
            while let Some(reply) = self.next_frame()? {
                if is_reply_to(&reply, opaque) {
                    return Ok(reply);
                }
            }
            let start = self.unread.len();
            self.unread.resize(start + READ_BYTES, 0);
            let read = self.stream.read(&mut self.unread[start..]).await?;
            self.unread.truncate(start + read);
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn next_frame(&mut self) -> io::Result<Option<Vec<u8>>> {
        match split(&self.unread) {
            Ok(Some((_, used))) => Ok(Some(self.unread.drain(..used).collect())),
            Ok(None) => Ok(None),
            Err(bad) => Err(io::Error::new(io::ErrorKind::InvalidData, bad.to_string())),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stream.close();
    }
}

fn is_reply_to(reply: &[u8], opaque: i32) -> bool {
    let Ok(Some((frame, _))) = split(reply) else { return false };
    Header::parse(&frame).is_ok_and(|header| header.is_response() && header.opaque == opaque)
}
