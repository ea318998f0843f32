//! One blocking connection: frames out, and in again as owned messages; answers are kept by their number, and what the
//! broker asks of us waits in the order in which it came.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use ringmq::remoting::{Encoding, FLAG_ONEWAY, FLAG_RESPONSE, Header, RequestWriter, split};
use serde_json::json;

/// A frame, whichever way it goes.
#[derive(Clone, Debug, Default)]
pub struct Message {
    pub code: i32,
    pub opaque: i32,
    pub flag: i32,
    pub remark: Option<String>,
    pub fields: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

/// How a frame's header is written, and what it says of its sender.
pub struct Manner<'a> {
    pub binary: bool,
    pub language: &'a str,
    pub version: i32,
}

/// As the 5.3.3 client says it.
pub const LANGUAGE: &str = "JAVA";
pub const VERSION: i32 = 479;

pub struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    answers: HashMap<i32, Message>,
    pushed: VecDeque<Message>,
    pub local: String,
    pub closed: bool,
}

impl Connection {
    pub fn open(address: &str) -> Result<Connection, String> {
        let stream = TcpStream::connect(address).map_err(|error| format!("{address}: {error}"))?;
        let local = stream.local_addr().map_err(|error| error.to_string())?.to_string();
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        Ok(Connection { stream, input: Vec::new(), answers: HashMap::new(), pushed: VecDeque::new(), local, closed: false })
    }

    /// A server that closes while it is written to is one that has closed.
    pub fn send(&mut self, bytes: &[u8]) {
        if self.stream.write_all(bytes).is_err() {
            self.closed = true;
        }
    }

    /// The answer of that number; none when the time is over or the connection closed before.
    pub fn answer(&mut self, opaque: i32, within: Duration) -> Option<Message> {
        self.until(within, |connection| connection.answers.remove(&opaque))
    }

    /// Any answer: for bytes that have no number.
    pub fn any_answer(&mut self, within: Duration) -> Option<Message> {
        self.until(within, |connection| {
            let opaque = *connection.answers.keys().next()?;
            connection.answers.remove(&opaque)
        })
    }

    /// The first request of that code, and with that field if one is named.
    pub fn pushed(&mut self, code: i32, within: Duration, field: Option<&(String, String)>) -> Option<Message> {
        let fits =
            |message: &Message| message.code == code && field.is_none_or(|(name, value)| message.fields.get(name) == Some(value));
        self.until(within, |connection| {
            let at = connection.pushed.iter().position(fits)?;
            connection.pushed.remove(at)
        })
    }

    fn until<T>(&mut self, within: Duration, mut found: impl FnMut(&mut Connection) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(found) = found(self) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if self.closed || left.is_zero() {
                return None;
            }
            self.read(left);
        }
    }

    fn read(&mut self, limit: Duration) {
        let mut bytes = [0; 64 << 10];
        let timed = self.stream.set_read_timeout(Some(limit.max(Duration::from_millis(1))));
        match timed.and_then(|()| self.stream.read(&mut bytes)) {
            Ok(0) => self.closed = true,
            Ok(count) => self.input.extend_from_slice(&bytes[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
            Err(_) => self.closed = true,
        }
        let mut used = 0;
        while let Ok(Some((frame, length))) = split(&self.input[used..]) {
            used += length;
            let Ok(header) = Header::parse(&frame) else { continue };
            let message = Message {
                code: header.code,
                opaque: header.opaque,
                flag: header.flag,
                remark: header.remark.as_deref().map(str::to_string),
                fields: header.fields().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
                body: frame.body.to_vec(),
            };
            if header.is_response() {
                self.answers.insert(message.opaque, message);
            } else {
                self.pushed.push_back(message);
            }
        }
        self.input.drain(..used);
    }
}

impl Message {
    pub fn request(code: i32, opaque: i32, oneway: bool, fields: BTreeMap<String, String>, body: Vec<u8>) -> Message {
        Message { code, opaque, flag: if oneway { FLAG_ONEWAY } else { 0 }, remark: None, fields, body }
    }

    /// To a request of the broker's.
    pub fn response(code: i32, to: &Message, remark: Option<String>, fields: BTreeMap<String, String>, body: Vec<u8>) -> Message {
        Message { code, opaque: to.opaque, flag: FLAG_RESPONSE, remark, fields, body }
    }

    pub fn frame(&self, manner: &Manner<'_>) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        if manner.binary {
            let writer = RequestWriter::new(&mut out, Encoding::Binary, self.opaque, self.code);
            let writer = if self.flag & FLAG_ONEWAY != 0 { writer.oneway() } else { writer };
            let writer = self.fields.iter().fold(writer, |writer, (name, value)| writer.field(name, value));
            writer.body(&self.body).finish().map_err(|error| error.to_string())?;
            return Ok(out);
        }
        let mut header = json!({
            "code": self.code, "language": manner.language, "version": manner.version, "opaque": self.opaque, "flag": self.flag,
            "serializeTypeCurrentRPC": "JSON", "extFields": self.fields,
        });
        if let Some(remark) = &self.remark {
            header["remark"] = json!(remark);
        }
        let header = header.to_string();
        out.extend(((4 + header.len() + self.body.len()) as u32).to_be_bytes());
        out.extend((header.len() as u32).to_be_bytes());
        out.extend(header.as_bytes());
        out.extend(&self.body);
        Ok(out)
    }
}
