//! What a durable send allocates on the server side, and how little of it in our own code: a node in this process, 16 connections with 16 sends in flight
//! each, and an allocator that counts on the threads of the cores only.
//!
//! Any panic in this process aborts it, as in a node, and the test harness then swallows what it says: what the test finds it returns.

#[path = "node/mod.rs"]
mod node;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::thread::JoinHandleExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use node::{Client, Encoding, send_v2};

const CONNECTIONS: usize = 16;
const IN_FLIGHT: usize = 16;
const MESSAGES: usize = 40_000;
/// Of our own code. About 0.01 with one shard, 0.09 with two on a slow disk, 0.15 on a machine that does much else: passes are short there. What
/// every message cost would be 1.
const OURS_PER_MESSAGE_MAX: f64 = 0.5;
/// With what glommio makes for each write and each sleep (sources). About 0.07 with one shard, 0.17 with two; more where passes are short.
const PER_MESSAGE_MAX: f64 = 1.0;

struct Counting;

static COUNTS: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static KIND: Cell<Kind> = const { Cell::new(Kind::Unknown) };
    static SAMPLING: Cell<bool> = const { Cell::new(false) };
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Unknown,
    Core,
    Other,
}

/// Counts for a thread whose name begins like a core's.
fn count(layout: Layout) {
    if !COUNTS.load(Ordering::Relaxed) || SAMPLING.get() {
        return;
    }
    if KIND.get() == Kind::Unknown {
        let mut name = [0u8; 16];
        // SAFETY: the kernel writes at most 16 bytes, the length of `name`.
        unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
        KIND.set(if name.starts_with(b"shard-") { Kind::Core } else { Kind::Other });
    }
    if KIND.get() != Kind::Core {
        return;
    }
    let number = ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    if number.is_multiple_of(SAMPLE_EVERY) && SAMPLES.load(Ordering::Relaxed) {
        SAMPLING.set(true);
        let trace = std::backtrace::Backtrace::force_capture().to_string();
        let innermost = trace.lines().filter(|line| !line.contains("allocations")).find_map(|line| {
            let ours = line.find("/shards/src/").or(line.find("./src/"));
            ours.map(|_| true).or(line.contains("/glommio-ng/src/").then_some(false))
        });
        SAMPLED.fetch_add(1, Ordering::Relaxed);
        if innermost == Some(true) {
            SAMPLED_OURS.fetch_add(1, Ordering::Relaxed);
        }
        if std::env::var_os("RINGMQ_SAMPLES").is_some() {
            eprintln!("allocation {number} of {} bytes:\n{trace}", layout.size());
        }
        SAMPLING.set(false);
    }
}

/// Whether to look where one in `SAMPLE_EVERY` comes from; RINGMQ_SAMPLES=1 prints them too.
static SAMPLES: AtomicBool = AtomicBool::new(false);
static SAMPLED: AtomicU64 = AtomicU64::new(0);
static SAMPLED_OURS: AtomicU64 = AtomicU64::new(0);
const SAMPLE_EVERY: u64 = 61;

// SAFETY: all calls go to the system's allocator unchanged; counting touches an atomic and thread-local cells only, and
// is off while it takes a sample.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(layout);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_send_allocates_nothing() -> Result<(), String> {
    if !node::can_run() {
        return Ok(());
    }
    for shards in ["1", "2"] {
        let (all, ours) = measure(shards);
        println!("{shards} shards: {all:.4} allocations per message on the server side, {ours:.4} of them in our code");
        if all > PER_MESSAGE_MAX {
            return Err(format!("{all} allocations per message with {shards} shards"));
        }
        if ours > OURS_PER_MESSAGE_MAX {
            return Err(format!("{ours} allocations per message in our code with {shards} shards"));
        }
    }
    Ok(())
}

/// Allocations per message: all, and the part of them that begins in our code, by samples of a second run.
fn measure(shards: &'static str) -> (f64, f64) {
    let folder = std::env::temp_dir().join(format!("ringmq-allocations-{}-{shards}", std::process::id()));
    let (namesrv, broker) = node::free_ports(shards.as_bytes()[0].into());
    let (namesrv, data) = (namesrv.to_string(), folder.join("data"));
    let broker_text = broker.to_string();
    let node = std::thread::spawn(move || {
        let data = data.to_str().expect("a plain name");
        let arguments = ["ringmq", "serve", "--data", data, "--shards", shards, "--namesrv-port", &namesrv];
        let more = ["--broker-port", &broker_text, "--set", "brokerIP1=127.0.0.1", "--set", "mappedFileSizeCommitLog=256MiB"];
        _ = ringmq::cli::run_from(arguments.into_iter().chain(more));
    });
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", broker)).is_err() {
        assert!(began.elapsed() < Duration::from_secs(30) && !node.is_finished(), "the node does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(Client::connect(broker).call(&send_v2(Encoding::Binary, 1, "Counted", 0, b"first")).code, 0);
    let mut clients: Vec<TcpStream> = (0..CONNECTIONS).map(|_| Client::connect(broker).stream).collect();
    exchange(&mut clients, MESSAGES / 4);
    COUNTS.store(true, Ordering::SeqCst);
    let before = ALLOCATIONS.load(Ordering::SeqCst);
    let began = Instant::now();
    exchange(&mut clients, MESSAGES);
    let elapsed = began.elapsed();
    let all = ALLOCATIONS.load(Ordering::SeqCst) - before;
    SAMPLED.store(0, Ordering::SeqCst);
    SAMPLED_OURS.store(0, Ordering::SeqCst);
    SAMPLES.store(true, Ordering::SeqCst);
    exchange(&mut clients, MESSAGES / 2);
    SAMPLES.store(false, Ordering::SeqCst);
    COUNTS.store(false, Ordering::SeqCst);
    let samples = [&SAMPLED_OURS, &SAMPLED].map(|count| count.load(Ordering::SeqCst) as f64);
    println!("{MESSAGES} messages in {:.2} s, {all} allocations; ours are {samples:?} samples", elapsed.as_secs_f64());
    // SAFETY: the thread runs until it gets the signal that it has blocked and waits for.
    unsafe { libc::pthread_kill(node.as_pthread_t(), libc::SIGTERM) };
    node.join().expect("the node ends");
    _ = std::fs::remove_dir_all(&folder);
    let per_message = all as f64 / MESSAGES as f64;
    (per_message, per_message * samples[0] / samples[1].max(1.0))
}

/// Keeps `IN_FLIGHT` sends unanswered on each connection until `messages` have been answered.
fn exchange(clients: &mut [TcpStream], messages: usize) {
    let each = messages / clients.len();
    std::thread::scope(|scope| {
        for (number, client) in clients.iter_mut().enumerate() {
            scope.spawn(move || {
                let request = send_v2(Encoding::Binary, 1, "Counted", (number % 4) as i32, &[7; 500]).bytes();
                let window: Vec<u8> = request.repeat(IN_FLIGHT);
                client.write_all(&window).expect("the node reads");
                let mut unread = Vec::new();
                let mut bytes = vec![0; 64 << 10];
                let (mut sent, mut answered) = (IN_FLIGHT, 0);
                while answered < each {
                    let read = client.read(&mut bytes).expect("answers");
                    assert!(read > 0, "the node has closed");
                    unread.extend(&bytes[..read]);
                    let before = answered;
                    answered += take_answers(&mut unread);
                    let more = (answered - before).min(each.saturating_sub(sent));
                    client.write_all(&window[..more * request.len()]).expect("the node reads");
                    sent += more;
                }
            });
        }
    });
}

/// How many whole answers there were.
fn take_answers(unread: &mut Vec<u8>) -> usize {
    let (mut at, mut answers) = (0, 0);
    while let Some(length) = unread[at..].first_chunk::<4>().map(|length| u32::from_be_bytes(*length) as usize) {
        if unread.len() < at + 4 + length {
            break;
        }
        assert_eq!(unread[at + 8..at + 10], [0, 0], "success");
        at += 4 + length;
        answers += 1;
    }
    unread.drain(..at);
    answers
}
