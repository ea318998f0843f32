//! A node of its own for a test: the built program in a temporary folder on free loopback ports, and a client that
//! speaks bytes to it. The client knows nothing of the crate's codec, so the two cannot agree on a mistake.
#![allow(dead_code, reason = "each test uses its part")]

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

/// No answer takes longer, whatever was asked.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// False, with the reason printed, when this machine cannot run a node.
pub fn can_run() -> bool {
    match ringmq_shards::runtime::glommio::probe() {
        Ok(()) => true,
        Err(why) => {
            println!("skipped: {why}");
            false
        }
    }
}

pub struct Node {
    child: Child,
    folder: PathBuf,
    pub namesrv_port: u16,
    pub broker_port: u16,
}

impl Node {
    /// In a temporary folder.
    pub fn start(arguments: &[&str]) -> Node {
        Node::start_with(None, arguments)
    }

    /// With its store in a folder of the caller's.
    pub fn start_in(data: &Path, arguments: &[&str]) -> Node {
        Node::start_with(Some(data), arguments)
    }

    fn start_with(data: Option<&Path>, arguments: &[&str]) -> Node {
        static NODES: AtomicU16 = AtomicU16::new(0);
        let number = NODES.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("ringmq-test-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let (namesrv_port, broker_port) = free_ports(number);
        let log = std::fs::File::create(folder.join("log")).expect("the log's file");
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringmq"))
            .args(["serve", "--data"])
            .arg(data.map_or(folder.join("data"), Path::to_owned))
            .args(["--namesrv-port", &namesrv_port.to_string(), "--broker-port", &broker_port.to_string()])
            .args(["--set", "brokerIP1=127.0.0.1", "--set", "mappedFileSizeCommitLog=16MiB"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the program starts");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (line, lines) = mpsc::channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).for_each(|text| _ = line.send(text)));
        let node = Node { child, folder, namesrv_port, broker_port };
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(text) if text.contains("broker[") && text.contains("boot success") => return node,
                Ok(_) => {}
                Err(_) => panic!("the node does not start: {}", node.log()),
            }
        }
    }

    pub fn broker(&self) -> Client {
        Client::connect(self.broker_port)
    }

    pub fn namesrv(&self) -> Client {
        Client::connect(self.namesrv_port)
    }

    /// What it has written to standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().expect("our child").is_none()
    }

    /// Resident memory.
    pub fn memory_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("the node runs");
        let kib: u64 = line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("a number");
        kib << 10
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the node's log:\n{}", self.log());
        }
        _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A name server's port and a broker's with what belongs to it: its VIP port below and those of further shards above.
/// Below the range from which the kernel gives clients theirs.
pub fn free_ports(number: u16) -> (u16, u16) {
    const SPAN: u32 = 32;
    let first = std::process::id() * 7 + u32::from(number);
    for turn in 0..300 {
        let base = (14_000 + (first + turn) % 500 * SPAN) as u16;
        let all: Result<Vec<_>, _> =
            (base..base + SPAN as u16).map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port))).collect();
        if all.is_ok() {
            return (base, base + 4);
        }
    }
    panic!("no free ports");
}

/// All names of files and folders below `folder`.
pub fn names_below(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return names };
    for entry in entries.map_while(Result::ok) {
        names.push(entry.file_name().to_string_lossy().into_owned());
        names.extend(names_below(&entry.path()));
    }
    names
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Json,
    Binary,
}

#[derive(Clone, Debug)]
pub struct Request {
    pub encoding: Encoding,
    pub code: i32,
    pub opaque: i32,
    pub flag: i32,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn new(encoding: Encoding, code: i32, opaque: i32) -> Request {
        Request { encoding, code, opaque, flag: 0, fields: Vec::new(), body: Vec::new() }
    }

    pub fn field(mut self, name: &str, value: impl ToString) -> Request {
        self.fields.push((name.to_owned(), value.to_string()));
        self
    }

    pub fn body(mut self, body: &[u8]) -> Request {
        self.body = body.to_vec();
        self
    }

    pub fn oneway(mut self) -> Request {
        self.flag |= 2;
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        match self.encoding {
            Encoding::Json => {
                let fields: Map<String, Value> = self.fields.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
                let header = json!({
                    "code": self.code, "language": "JAVA", "version": 453, "opaque": self.opaque, "flag": self.flag,
                    "extFields": fields,
                });
                frame(0, header.to_string().as_bytes(), &self.body)
            }
            Encoding::Binary => {
                let mut fields = Vec::new();
                for (name, value) in &self.fields {
                    fields.extend((name.len() as u16).to_be_bytes());
                    fields.extend(name.as_bytes());
                    fields.extend((value.len() as u32).to_be_bytes());
                    fields.extend(value.as_bytes());
                }
                let mut header = (self.code as u16).to_be_bytes().to_vec();
                header.push(0);
                header.extend(453u16.to_be_bytes());
                header.extend(self.opaque.to_be_bytes());
                header.extend(self.flag.to_be_bytes());
                header.extend(0u32.to_be_bytes());
                header.extend((fields.len() as u32).to_be_bytes());
                header.extend(fields);
                frame(1, &header, &self.body)
            }
        }
    }
}

pub fn frame(serialize_type: u8, header: &[u8], body: &[u8]) -> Vec<u8> {
    let mut out = ((4 + header.len() + body.len()) as u32).to_be_bytes().to_vec();
    out.push(serialize_type);
    out.extend(&(header.len() as u32).to_be_bytes()[1..]);
    out.extend(header);
    out.extend(body);
    out
}

/// SEND_MESSAGE_V2 with short names, as the Java client sends it.
pub fn send_v2(encoding: Encoding, opaque: i32, topic: &str, queue: i32, body: &[u8]) -> Request {
    Request::new(encoding, 310, opaque)
        .field("a", "producers")
        .field("b", topic)
        .field("c", "TBW102")
        .field("d", 4)
        .field("e", queue)
        .field("f", 0)
        .field("g", 1_700_000_000_000i64)
        .field("h", 0)
        .field("i", "KEYS\u{1}k1\u{2}")
        .field("j", 0)
        .field("k", false)
        .field("m", false)
        .body(body)
}

/// PULL_MESSAGE that commits nothing; `hold_ms` 0: answered at once.
pub fn pull(encoding: Encoding, opaque: i32, topic: &str, queue: i32, offset: i64, hold_ms: u64) -> Request {
    Request::new(encoding, 11, opaque)
        .field("consumerGroup", "readers")
        .field("topic", topic)
        .field("queueId", queue)
        .field("queueOffset", offset)
        .field("maxMsgNums", 32)
        .field("sysFlag", if hold_ms > 0 { 2 | 4 } else { 4 })
        .field("commitOffset", 0)
        .field("suspendTimeoutMillis", hold_ms)
        .field("subscription", "*")
        .field("subVersion", 0)
        .field("expressionType", "TAG")
}

#[derive(Clone, Debug)]
pub struct Answer {
    pub encoding: Encoding,
    pub code: i32,
    pub opaque: i32,
    pub flag: i32,
    pub remark: String,
    pub fields: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn number(&self, field: &str) -> i64 {
        self.fields.get(field).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{field} in {self:?}"))
    }

    fn read(frame: &[u8]) -> Answer {
        let word = u32::from_be_bytes(frame[..4].try_into().expect("four bytes"));
        let (header, body) = frame[4..].split_at((word & 0xff_ffff) as usize);
        match word >> 24 {
            0 => {
                let header: Value = serde_json::from_slice(header).expect("a JSON header");
                let number = |name: &str| header[name].as_i64().unwrap_or_else(|| panic!("{name} in {header}")) as i32;
                let fields = header["extFields"].as_object().cloned().unwrap_or_default();
                let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                Answer {
                    encoding: Encoding::Json,
                    code: number("code"),
                    opaque: number("opaque"),
                    flag: number("flag"),
                    remark: header["remark"].as_str().unwrap_or_default().to_owned(),
                    fields: fields.into_iter().map(|(name, value)| (name, text(value))).collect(),
                    body: body.to_vec(),
                }
            }
            1 => Answer::read_binary(header, body),
            other => panic!("serialize type {other}"),
        }
    }

    fn read_binary(mut rest: &[u8], body: &[u8]) -> Answer {
        let code = i32::from(i16::from_be_bytes(take(&mut rest, 2).try_into().expect("two bytes")));
        take(&mut rest, 3);
        let opaque = int(&mut rest);
        let flag = int(&mut rest);
        let bytes = int(&mut rest) as usize;
        let remark = text(take(&mut rest, bytes));
        let bytes = int(&mut rest) as usize;
        let mut pairs = take(&mut rest, bytes);
        assert!(rest.is_empty(), "nothing follows the fields");
        let mut fields = BTreeMap::new();
        while !pairs.is_empty() {
            let bytes = u16::from_be_bytes(take(&mut pairs, 2).try_into().expect("two bytes"));
            let name = text(take(&mut pairs, bytes.into()));
            let bytes = int(&mut pairs) as usize;
            fields.insert(name, text(take(&mut pairs, bytes)));
        }
        Answer { encoding: Encoding::Binary, code, opaque, flag, remark, fields, body: body.to_vec() }
    }
}

fn take<'a>(rest: &mut &'a [u8], bytes: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at(bytes);
    *rest = left;
    taken
}

fn int(rest: &mut &[u8]) -> i32 {
    i32::from_be_bytes(take(rest, 4).try_into().expect("four bytes"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

pub struct Client {
    pub stream: TcpStream,
}

impl Client {
    pub fn connect(port: u16) -> Client {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("the port is open");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        Client { stream }
    }

    /// A peer that closes early is not this side's failure: what it answered counts.
    pub fn write(&mut self, bytes: &[u8]) {
        _ = self.stream.write_all(bytes);
    }

    pub fn read(&mut self) -> io::Result<Answer> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut frame)?;
        Ok(Answer::read(&frame))
    }

    pub fn call(&mut self, request: &Request) -> Answer {
        self.write(&request.bytes());
        let answer = self.read().unwrap_or_else(|error| panic!("no answer to {request:?}: {error}"));
        assert_eq!(answer.opaque, request.opaque);
        assert_eq!(answer.encoding, request.encoding, "an answer has its request's encoding");
        assert_eq!(answer.flag & 1, 1, "an answer is marked as one");
        answer
    }

    /// An answer, or `None` when the connection was closed. Neither within `PATIENCE` is a failure.
    pub fn answer_or_close(&mut self, what: &str) -> Option<Answer> {
        match self.read() {
            Ok(answer) => Some(answer),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                panic!("{what}: neither answered nor closed")
            }
            Err(_) => None,
        }
    }

    pub fn assert_silent(&mut self, so_long: Duration) {
        self.stream.set_read_timeout(Some(so_long)).expect("a socket");
        let answer = self.read();
        assert!(
            matches!(&answer, Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)),
            "{answer:?}"
        );
        self.stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    }
}
