//! A client's connection: requests out, each answer to whoever waits for it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use ringmq::remoting::{Encoding, Header, RequestWriter, split};
use ringmq_shards::runtime::{Lane, SlotSetter, SlotWaiter, Stream, slot, spawn, timeout};

const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// When messages say that they were made.
pub const BORN: i64 = 1_767_225_600_000;

pub struct Wire {
    stream: Stream,
    waiting: RefCell<BTreeMap<i32, SlotSetter<Reply>>>,
    last_opaque: Cell<i32>,
    open: Cell<bool>,
    /// What the broker has asked, where somebody wants to know.
    requests: RefCell<VecDeque<Reply>>,
    keeps_requests: Cell<bool>,
    encoding: Encoding,
    /// Tells connections of a world apart.
    pub number: u64,
}

/// An answer, or a request of the broker's, taken out of its frame.
pub struct Reply {
    pub code: i32,
    pub remark: String,
    fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    fn of(header: &Header<'_>, body: &[u8]) -> Reply {
        Reply {
            code: header.code,
            remark: header.remark.as_deref().unwrap_or_default().to_owned(),
            fields: header.fields().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            body: body.to_vec(),
        }
    }

    pub fn text(&self, name: &str) -> &str {
        let field = self.fields.iter().find(|(field, _)| field == name);
        let (_, value) = field.unwrap_or_else(|| panic!("an answer of code {} ({}) has no {name}", self.code, self.remark));
        value
    }

    pub fn number(&self, name: &str) -> i64 {
        let value = self.text(name);
        value.parse().unwrap_or_else(|_| panic!("{name} is {value:?}, no number"))
    }
}

impl Wire {
    pub async fn connect(address: SocketAddr, encoding: Encoding, number: u64) -> Option<Rc<Wire>> {
        let stream = Stream::connect(address, CONNECT_LIMIT).await.ok()?;
        let wire = Rc::new(Wire {
            stream,
            waiting: RefCell::default(),
            last_opaque: Cell::new(0),
            open: Cell::new(true),
            requests: RefCell::default(),
            keeps_requests: Cell::new(false),
            encoding,
            number,
        });
        let reader = wire.clone();
        let _detached = spawn(Lane::Network, async move { reader.read().await });
        Some(wire)
    }

    pub fn is_open(&self) -> bool {
        self.open.get()
    }

    /// From now on what the broker asks can be taken with `request`.
    pub fn keep_requests(&self) {
        self.keeps_requests.set(true);
    }

    pub fn request(&self) -> Option<Reply> {
        self.requests.borrow_mut().pop_front()
    }

    pub fn close(&self) {
        self.open.set(false);
        self.stream.close();
        self.waiting.borrow_mut().clear();
    }

    /// Puts a request behind what is in `out`; the answer comes to the slot, or `None` with the connection's end.
    pub fn put(
        &self,
        out: &mut Vec<u8>,
        code: i32,
        fill: impl FnOnce(RequestWriter<'_>) -> RequestWriter<'_>,
    ) -> SlotWaiter<Reply> {
        let opaque = self.last_opaque.get() + 1;
        self.last_opaque.set(opaque);
        fill(RequestWriter::new(out, self.encoding, opaque, code)).finish().expect("small requests fit");
        let (setter, waiter) = slot();
        if self.open.get() {
            self.waiting.borrow_mut().insert(opaque, setter);
        }
        waiter
    }

    pub fn put_oneway(&self, out: &mut Vec<u8>, code: i32, fill: impl FnOnce(RequestWriter<'_>) -> RequestWriter<'_>) {
        let opaque = self.last_opaque.get() + 1;
        self.last_opaque.set(opaque);
        fill(RequestWriter::new(out, self.encoding, opaque, code)).oneway().finish().expect("small requests fit");
    }

    pub async fn send(&self, out: &[u8]) {
        if self.stream.write_all(out).await.is_err() {
            self.close();
        }
    }

    /// One request and its answer. `Err`: the connection has ended, or (true) nothing came within the limit.
    pub async fn call(
        &self,
        code: i32,
        limit: Duration,
        fill: impl FnOnce(RequestWriter<'_>) -> RequestWriter<'_>,
    ) -> Result<Reply, TimedOut> {
        let mut out = Vec::new();
        let answer = self.put(&mut out, code, fill);
        self.send(&out).await;
        self.answer(answer, limit).await
    }

    pub async fn answer(&self, answer: SlotWaiter<Reply>, limit: Duration) -> Result<Reply, TimedOut> {
        match timeout(limit, answer).await {
            Some(Some(reply)) => Ok(reply),
            Some(None) => Err(TimedOut(false)),
            None => Err(TimedOut(true)),
        }
    }

    async fn read(self: Rc<Self>) {
        let mut unread = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = match self.stream.read(&mut buffer).await {
                Ok(read) if read > 0 => read,
                _ => break,
            };
            unread.extend_from_slice(&buffer[..read]);
            let mut taken = 0;
            while let Some((frame, used)) = split(&unread[taken..]).expect("the broker writes whole frames") {
                taken += used;
                let header = Header::parse(&frame).expect("the broker writes valid headers");
                if !header.is_response() {
                    if self.keeps_requests.get() {
                        self.requests.borrow_mut().push_back(Reply::of(&header, frame.body));
                    }
                    continue;
                }
                let waiter = self.waiting.borrow_mut().remove(&header.opaque);
                if let Some(waiter) = waiter {
                    waiter.set(Reply::of(&header, frame.body));
                }
            }
            unread.drain(..taken);
        }
        self.close();
    }
}

/// Whether time was up; otherwise the connection has ended.
#[derive(Clone, Copy, Debug)]
pub struct TimedOut(#[expect(dead_code, reason = "for the message of a panic")] pub bool);
