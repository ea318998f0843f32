//! The hot path of the wire allocates nothing: a binary send is read and answered on the stack and in the connection's
//! buffer.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use ringmq::remoting::message::id::OffsetMessageId;
use ringmq::remoting::message::properties;
use ringmq::remoting::request::pull::{PullMessage, PullResponse};
use ringmq::remoting::request::send::{SendMessage, SendResponse, write_region};
use ringmq::remoting::{Encoding, Header, RequestWriter, ResponseWriter, split};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: all calls go to the system's allocator unchanged; the counter is a plain thread-local cell that needs none.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(run: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.with(Cell::get);
    run();
    ALLOCATIONS.with(Cell::get) - before
}

fn send(encoding: Encoding, properties: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let plain = SendMessage::plain("producers", "TopicTest", 3, 1_700_000_000_000);
    let send = SendMessage { properties, max_reconsume_times: Some(16), broker_name: Some("broker-a"), ..plain };
    send.encode_v2(RequestWriter::new(&mut out, encoding, 7, 310)).body(&[7; 500]).finish().expect("it fits");
    out
}

/// Reads a send and answers it, as the broker does.
fn serve(request: &[u8], properties: &mut Vec<u8>, out: &mut Vec<u8>) {
    let (frame, used) = split(request).expect("a frame").expect("a whole one");
    assert_eq!(used, request.len());
    let header = Header::parse(&frame).expect("a header");
    let send = SendMessage::decode(&header).expect("a send");
    properties.clear();
    properties.extend_from_slice(send.properties.as_bytes());
    properties::remove(properties, properties::name::POP_CK);
    properties::append(properties, properties::name::CLUSTER, "DefaultCluster");
    properties::validate(properties).expect("short enough");
    let answer = SendResponse {
        msg_id: OffsetMessageId { broker: "10.0.0.1:10911".parse().expect("an address"), physical_offset: 12_345_678 },
        queue_id: send.queue_id,
        queue_offset: 1_234,
        transaction_id: Some("0A010203"),
        batch_uniq_id: None,
        recall_handle: None,
    };
    let writer = answer.encode(ResponseWriter::new(out, frame.encoding, header.opaque, 0));
    write_region("DefaultRegion", true, writer).finish();
    black_box(frame.body);
}

#[test]
fn a_send_is_read_and_answered_without_an_allocation() {
    for (encoding, properties) in [
        (Encoding::Binary, "KEYS\u{1}k\u{2}WAIT\u{1}true\u{2}UNIQ_KEY\u{1}0A0102032345CAFEF00D47B794000000\u{2}"),
        // In JSON the separators are escapes, and such a text must be copied; without properties there is none.
        (Encoding::Json, ""),
    ] {
        let request = send(encoding, properties);
        let (mut scratch, mut out) = (Vec::with_capacity(1024), Vec::with_capacity(1024));
        assert_eq!(allocations(|| serve(&request, &mut scratch, &mut out)), 0, "{encoding:?}");
        assert!(split(&out).expect("a frame").is_some());
    }
}

#[test]
fn properties_in_json_cost_one_copy() {
    let request = send(Encoding::Json, "KEYS\u{1}k\u{2}WAIT\u{1}true\u{2}");
    let (mut scratch, mut out) = (Vec::with_capacity(1024), Vec::with_capacity(1024));
    assert_eq!(allocations(|| serve(&request, &mut scratch, &mut out)), 1);
}

#[test]
fn a_pull_is_read_and_answered_without_an_allocation() {
    for encoding in [Encoding::Json, Encoding::Binary] {
        let mut request = Vec::new();
        let pull = PullMessage {
            consumer_group: "consumers",
            topic: "TopicTest",
            queue_id: 3,
            queue_offset: 1_234,
            max_msg_nums: 32,
            sys_flag: 3,
            commit_offset: Some(1_200),
            suspend_timeout_millis: 15_000,
            subscription: Some("a || b"),
            sub_version: 1_700_000_000_000,
            expression_type: Some("TAG"),
            max_msg_bytes: None,
            request_source: Some(-1),
            proxy_forward_client_id: None,
        };
        pull.encode(RequestWriter::new(&mut request, encoding, 7, 11)).finish().expect("it fits");
        let mut out = Vec::with_capacity(1024);
        let count = allocations(|| {
            let (frame, _) = split(&request).expect("a frame").expect("a whole one");
            let header = Header::parse(&frame).expect("a header");
            let pull = PullMessage::decode(&header).expect("a pull");
            let answer = PullResponse {
                suggest_which_broker_id: 0,
                next_begin_offset: pull.queue_offset + 1,
                min_offset: 0,
                max_offset: 10_000,
                offset_delta: Some(0),
                topic_sys_flag: Some(0),
                group_sys_flag: Some(0),
                forbidden_type: None,
            };
            let writer = answer.encode(ResponseWriter::new(&mut out, frame.encoding, header.opaque, 0).remark("FOUND"));
            assert!(writer.finish_before_body(100_000));
        });
        assert_eq!(count, 0, "{encoding:?}");
    }
}
