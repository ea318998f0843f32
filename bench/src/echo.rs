//! A server that answers every send at once and stores nothing: what the load itself can offer, with no broker in it.
//!
//! Each thread has a listener of its own on the one port (SO_REUSEPORT) and its own epoll. A send's answer is bytes
//! made beforehand with the opaque put in, and frames are read no further than that takes.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use ringmq::remoting::request::send::SendResponse;
use ringmq::remoting::{BadFrame, Encoding, Frame, Header, ResponseWriter, split};

use crate::epoll::Epoll;
use crate::load::cores;

const READ_BYTES: usize = 256 << 10;
const LISTENER: u64 = u64::MAX;
const BACKLOG: i32 = 1024;
/// In a frame with a binary header: code, opaque, flag.
const AT_CODE: usize = 0;
const AT_OPAQUE: usize = 5;
const AT_FLAG: usize = 9;
const FRAME_HEAD_BYTES: usize = 8;
const ONE_WAY: i32 = 2;

const SENDS: [i32; 3] = [10, 310, 320];
const PULL_MESSAGE: i32 = 11;
const OFFSETS: [i32; 3] = [14, 30, 31];
const GET_ROUTEINFO_BY_TOPIC: i32 = 105;
const PULL_NOT_FOUND: i32 = 19;

#[derive(clap::Args)]
pub struct Echo {
    /// Listens on this address; clients that ask for routes are told it too
    #[arg(long, default_value = "127.0.0.1:10911")]
    listen: SocketAddr,
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: u32,
    /// The cores to run on, in turn: 1,2 or 1-3
    #[arg(long)]
    cores: Option<String>,
    /// Queues of every topic, in the routes it tells
    #[arg(long, default_value_t = 8)]
    queues: u32,
    /// Ends by itself
    #[arg(long)]
    seconds: Option<f64>,
}

pub fn run(args: &Echo) -> Result<(), String> {
    let core_list = args.cores.as_deref().map_or(Ok(Vec::new()), cores::parse)?;
    let mut threads = Vec::new();
    for thread in 0..args.threads as usize {
        let listener = listen(args.listen)
            .map_err(|error| format!("cannot listen on {}: {error}; name another address with --listen", args.listen))?;
        let core = cores::of_thread(&core_list, thread);
        let route = route(args.listen, args.queues);
        threads.push(std::thread::spawn(move || cores::settle(core).and_then(|()| serve(&listener, &route))));
    }
    println!("echo: answers every send on {}, stores nothing", args.listen);
    if let Some(seconds) = args.seconds {
        // The threads end with the process.
        std::thread::sleep(Duration::from_secs_f64(seconds));
        return Ok(());
    }
    threads.into_iter().try_for_each(|thread| thread.join().expect("a thread of echo does not panic"))
}

/// A listener beside others on the same port; the kernel deals connections out to them.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

struct Peer {
    stream: TcpStream,
    input: Vec<u8>,
    input_len: usize,
    out: Vec<u8>,
    writes: bool,
}

fn serve(listener: &TcpListener, route: &str) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("echo: {error}");
    let mut epoll = Epoll::new().map_err(failed)?;
    epoll.add(listener, LISTENER).map_err(failed)?;
    let mut peers: Vec<Option<Peer>> = Vec::new();
    let answers = Answers::new(route);
    let mut ready = Vec::new();
    loop {
        epoll.wait(Duration::from_secs(1), &mut ready).map_err(failed)?;
        for &token in &ready {
            if token == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    let set = stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true));
                    let place = peers.iter().position(Option::is_none).unwrap_or(peers.len());
                    if set.and_then(|()| epoll.add(&stream, place as u64)).is_err() {
                        continue;
                    }
                    if place == peers.len() {
                        peers.push(None);
                    }
                    peers[place] =
                        Some(Peer { stream, input: vec![0; READ_BYTES], input_len: 0, out: Vec::new(), writes: false });
                }
                continue;
            }
            let place = token as usize;
            let Some(peer) = peers.get_mut(place).and_then(Option::as_mut) else { continue };
            let stays = peer.turn(&answers) && peer.tell(&epoll, token);
            if !stays {
                peers[place] = None;
            }
        }
    }
}

impl Peer {
    /// Reads once, answers, writes. False: it has gone, or speaks something else.
    fn turn(&mut self, answers: &Answers) -> bool {
        if self.input_len == self.input.len() {
            self.input.resize(2 * self.input_len, 0);
        }
        match self.stream.read(&mut self.input[self.input_len..]) {
            Ok(0) => return false,
            Ok(bytes) => self.input_len += bytes,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => return false,
        }
        let mut used = 0;
        loop {
            match split(&self.input[used..self.input_len]) {
                Err(_) => return false,
                Ok(None) => break,
                Ok(Some((frame, bytes))) => {
                    if answers.answer(&frame, &mut self.out).is_err() {
                        return false;
                    }
                    used += bytes;
                }
            }
        }
        self.input.copy_within(used..self.input_len, 0);
        self.input_len -= used;
        let mut done = 0;
        while done < self.out.len() {
            match self.stream.write(&self.out[done..]) {
                Ok(bytes) => done += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return false,
            }
        }
        self.out.drain(..done);
        true
    }

    fn tell(&mut self, epoll: &Epoll, token: u64) -> bool {
        let writes = !self.out.is_empty();
        let told = writes == self.writes || epoll.set_writes(&self.stream, token, writes).is_ok();
        self.writes = writes;
        told
    }
}

/// What is said, made once.
struct Answers {
    /// To a send with a binary header; its opaque is put in.
    sent: Vec<u8>,
    route: String,
}

impl Answers {
    fn new(route: &str) -> Answers {
        let mut sent = Vec::new();
        write_sent(ResponseWriter::new(&mut sent, Encoding::Binary, 0, 0));
        Answers { sent, route: route.to_string() }
    }

    fn answer(&self, frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<(), BadFrame> {
        if frame.encoding == Encoding::Binary
            && let Some(&[c0, c1]) = frame.header.get(AT_CODE..AT_CODE + 2)
            && SENDS.contains(&i32::from(i16::from_be_bytes([c0, c1])))
            && let Some(opaque) = frame.header.get(AT_OPAQUE..AT_OPAQUE + 4)
            && let Some(&flag) = frame.header.get(AT_FLAG + 3)
        {
            if i32::from(flag) & ONE_WAY == 0 {
                let at = out.len() + FRAME_HEAD_BYTES + AT_OPAQUE;
                out.extend_from_slice(&self.sent);
                out[at..at + 4].copy_from_slice(opaque);
            }
            return Ok(());
        }
        let header = Header::parse(frame)?;
        if header.is_oneway() || header.is_response() {
            return Ok(());
        }
        let writer = |out, code| ResponseWriter::new(out, frame.encoding, header.opaque, code);
        match header.code {
            code if SENDS.contains(&code) => write_sent(writer(out, 0)),
            code if OFFSETS.contains(&code) => writer(out, 0).field("offset", 0).finish(),
            PULL_MESSAGE => {
                let writer = writer(out, PULL_NOT_FOUND).field("suggestWhichBrokerId", 0).field("nextBeginOffset", 0);
                writer.field("minOffset", 0).field("maxOffset", 0).finish();
            }
            GET_ROUTEINFO_BY_TOPIC => writer(out, 0).body(self.route.as_bytes()).finish(),
            // Topics, groups, heartbeats: whatever is asked for is done.
            _ => writer(out, 0).finish(),
        }
        Ok(())
    }
}

fn write_sent(writer: ResponseWriter<'_>) {
    let answer = SendResponse {
        msg_id: "7F00000100002A9F0000000000000000",
        queue_id: 0,
        queue_offset: 0,
        transaction_id: None,
        batch_uniq_id: None,
        recall_handle: None,
    };
    answer.encode(writer).finish();
}

/// `TopicRouteData` with one broker, this one.
fn route(listen: SocketAddr, queues: u32) -> String {
    serde_json::json!({
        "brokerDatas": [{"brokerAddrs": {"0": listen.to_string()}, "brokerName": "echo", "cluster": "echo"}],
        "filterServerTable": {},
        "queueDatas": [{"brokerName": "echo", "perm": 6, "readQueueNums": queues, "writeQueueNums": queues, "topicSysFlag": 0}]
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringmq::remoting::RequestWriter;
    use ringmq::remoting::request::route::TopicRoute;

    /// The code, opaque, queue offset and body of the answer, if there is one.
    fn answer(encoding: Encoding, code: i32, oneway: bool) -> Option<(i32, i32, Option<String>, Vec<u8>)> {
        let (mut request, mut out) = (Vec::new(), Vec::new());
        let writer = RequestWriter::new(&mut request, encoding, 77, code).field("b", "T");
        let writer = if oneway { writer.oneway() } else { writer };
        writer.body(b"hello").finish().expect("short");
        let (frame, _) = split(&request).expect("a frame").expect("whole");
        let route = route("127.0.0.1:9".parse().expect("an address"), 8);
        Answers::new(&route).answer(&frame, &mut out).expect("a good frame");
        let (frame, bytes) = split(&out).expect("a frame")?;
        assert_eq!(bytes, out.len());
        let header = Header::parse(&frame).expect("a header");
        assert!(header.is_response());
        Some((header.code, header.opaque, header.field("queueOffset").map(str::to_string), frame.body.to_vec()))
    }

    #[test]
    fn sends_are_answered_in_their_encoding_unless_one_way() {
        for encoding in [Encoding::Binary, Encoding::Json] {
            for code in SENDS {
                assert_eq!(answer(encoding, code, false), Some((0, 77, Some("0".to_string()), Vec::new())));
                assert_eq!(answer(encoding, code, true), None);
            }
        }
    }

    #[test]
    fn a_route_leads_back_here() {
        let (_, _, _, body) = answer(Encoding::Json, GET_ROUTEINFO_BY_TOPIC, false).expect("an answer");
        assert_eq!(TopicRoute::decode(&body).expect("a route").master("echo"), Some("127.0.0.1:9"));
    }
}
