//! One blocking connection: requests, their answers, and what went wrong in words that say what to do.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::frame::{self, Answer};

const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// Longer than a pull is held, shorter than a person's patience.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub enum ClientError {
    NothingListens { address: String, error: io::Error },
    Broken { address: String, error: io::Error },
    NotRocketMq { address: String },
    NoRoute { topic: String, namesrv: String },
    Refused { what: &'static str, address: String, code: i32, remark: String },
    NoQueue { topic: String, wanted: &'static str },
    BadAnswer { what: &'static str, address: String },
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::NothingListens { address, error } => write!(
                f,
                "nothing answers at {address} ({error}); is it running? 'ringmq serve' starts a node, --namesrv names another name server"
            ),
            ClientError::Broken { address, error }
                if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
            {
                write!(f, "{address} did not answer for {} s", ANSWER_LIMIT.as_secs())
            }
            ClientError::Broken { address, error } => write!(f, "the connection to {address} broke: {error}"),
            ClientError::NotRocketMq { address } => write!(f, "what answers at {address} does not speak RocketMQ's protocol"),
            ClientError::NoRoute { topic, namesrv } => write!(
                f,
                "the name server {namesrv} knows no topic {topic}; send to it first, or see whether a broker has registered there"
            ),
            ClientError::Refused { what, address, code, remark } => {
                write!(f, "{address} refused to {what}: code {code}, {remark}")
            }
            ClientError::NoQueue { topic, wanted } => write!(f, "topic {topic} has no queue to {wanted} on any master"),
            ClientError::BadAnswer { what, address } => write!(f, "{address} answered {what} with something else"),
        }
    }
}

impl std::error::Error for ClientError {}

#[derive(Debug)]
pub(super) struct Connection {
    address: String,
    stream: TcpStream,
    opaque: i32,
}

impl Connection {
    pub fn open(address: &str) -> Result<Connection, ClientError> {
        let nothing = |error| ClientError::NothingListens { address: address.to_string(), error };
        let mut last = io::Error::new(io::ErrorKind::NotFound, "no such host");
        for socket_address in address.to_socket_addrs().map_err(nothing)? {
            match TcpStream::connect_timeout(&socket_address, CONNECT_LIMIT) {
                Err(error) => last = error,
                Ok(stream) => {
                    let set = stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(ANSWER_LIMIT)));
                    set.and_then(|()| stream.set_write_timeout(Some(ANSWER_LIMIT))).map_err(nothing)?;
                    return Ok(Connection { address: address.to_string(), stream, opaque: 0 });
                }
            }
        }
        Err(nothing(last))
    }

    /// One connection to the first of `a;b;c` that answers.
    pub fn open_first(addresses: &str) -> Result<Connection, ClientError> {
        let mut result = Err(ClientError::NothingListens {
            address: format!("'{addresses}'"),
            error: io::Error::new(io::ErrorKind::InvalidInput, "no host:port"),
        });
        for address in addresses.split([';', ',']).map(str::trim).filter(|address| !address.is_empty()) {
            result = Connection::open(address);
            if result.is_ok() {
                break;
            }
        }
        result
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// Sends a request and returns the number that its answer will carry.
    pub fn ask(&mut self, code: i32, fields: &[(&str, String)], body: &[u8]) -> Result<i32, ClientError> {
        self.opaque = self.opaque.wrapping_add(1);
        let bytes = frame::request(code, self.opaque, fields, body);
        self.stream.write_all(&bytes).map_err(|error| self.broken(error))?;
        Ok(self.opaque)
    }

    /// The next answer to any request; what the broker tells by itself in between is passed over.
    pub fn answer(&mut self) -> Result<Answer, ClientError> {
        loop {
            let mut length = [0; 4];
            self.stream.read_exact(&mut length).map_err(|error| self.broken(error))?;
            let length = u32::from_be_bytes(length) as usize;
            if !(4..=frame::BYTES_MAX).contains(&length) {
                return Err(ClientError::NotRocketMq { address: self.address.clone() });
            }
            let mut bytes = vec![0; length];
            self.stream.read_exact(&mut bytes).map_err(|error| self.broken(error))?;
            match frame::answer(&bytes) {
                None => return Err(ClientError::NotRocketMq { address: self.address.clone() }),
                Some(answer) if answer.is_response => return Ok(answer),
                Some(_) => {}
            }
        }
    }

    /// A request and its answer; nothing else may be under way on this connection.
    pub fn call(&mut self, code: i32, fields: &[(&str, String)], body: &[u8]) -> Result<Answer, ClientError> {
        let opaque = self.ask(code, fields, body)?;
        loop {
            let answer = self.answer()?;
            if answer.opaque == opaque {
                return Ok(answer);
            }
        }
    }

    pub fn refused(&self, what: &'static str, answer: &Answer) -> ClientError {
        ClientError::Refused { what, address: self.address.clone(), code: answer.code, remark: answer.remark.clone() }
    }

    fn broken(&self, error: io::Error) -> ClientError {
        ClientError::Broken { address: self.address.clone(), error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn nothing_there_is_said_with_what_to_do() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let error = Connection::open_first(&address).unwrap_err().to_string();
        assert!(error.starts_with(&format!("nothing answers at {address} (")), "{error}");
        assert!(error.contains("'ringmq serve'"), "{error}");
        assert!(Connection::open_first(";").unwrap_err().to_string().contains("no host:port"));
    }

    #[test]
    fn a_web_server_is_recognised() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
            _ = stream.read(&mut [0; 1024]);
        });
        let mut connection = Connection::open_first(&format!("127.0.0.1:1;{address}")).expect("the second one answers");
        assert!(matches!(connection.call(105, &[], b""), Err(ClientError::NotRocketMq { .. })));
        server.join().unwrap();
    }
}
