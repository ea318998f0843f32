use super::*;
use crate::remoting::golden::java_frame;
use crate::remoting::{Header, split};

fn text(out: &[u8]) -> (String, &[u8]) {
    let (frame, used) = split(out).unwrap().unwrap();
    assert_eq!(used, out.len());
    (String::from_utf8(frame.header.to_vec()).unwrap(), frame.body)
}

#[test]
fn a_request_is_javas_byte_for_byte() {
    for (encoding, name) in [(Encoding::Json, "route.json"), (Encoding::Binary, "route.bin")] {
        let mut out = Vec::new();
        RequestWriter::new(&mut out, encoding, 7, 105).field("topic", "TopicTest").finish().unwrap();
        assert_eq!(out, java_frame(name));
    }
}

#[test]
fn an_answer_is_javas_byte_for_byte() {
    for (encoding, name) in [(Encoding::Json, "sendok.json"), (Encoding::Binary, "sendok.bin")] {
        let mut out = b"before".to_vec();
        ResponseWriter::new(&mut out, encoding, 7, 0)
            .field("queueId", 1)
            .field("transactionId", "U")
            .optional("recallHandle", None::<&str>)
            .field("msgId", "0A")
            .field("TRACE_ON", true)
            .optional("MSG_REGION", Some("DefaultRegion"))
            .field("queueOffset", 5i64)
            .finish();
        assert_eq!(out[6..], java_frame(name));
    }
    let mut out = Vec::new();
    ResponseWriter::new(&mut out, Encoding::Binary, 7, 17).remark("no \"T\"\né").finish();
    assert_eq!(out, java_frame("err.bin"));
}

#[test]
fn a_remark_may_come_before_or_after_fields() {
    for encoding in [Encoding::Json, Encoding::Binary] {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        ResponseWriter::new(&mut before, encoding, -1, 1).remark("why\u{1}").field("a", "b\"").field("c", 1).body(b"x").finish();
        ResponseWriter::new(&mut after, encoding, -1, 1).field("a", "b\"").field("c", 1).remark("why\u{1}").body(b"x").finish();
        assert_eq!(before, after);
        let (frame, _) = split(&before).unwrap().unwrap();
        let header = Header::parse(&frame).unwrap();
        assert_eq!((header.code, header.opaque, header.flag, header.remark.as_deref()), (1, -1, 1, Some("why\u{1}")));
        assert_eq!(header.fields().collect::<Vec<_>>(), [("a", "b\""), ("c", "1")]);
        assert_eq!(frame.body, b"x");
    }
    let mut out = Vec::new();
    ResponseWriter::new(&mut out, Encoding::Json, 3, 1).remark("r").field("a", 1).finish();
    assert_eq!(
        text(&out).0,
        r#"{"code":1,"remark":"r","extFields":{"a":"1"},"flag":1,"language":"JAVA","opaque":3,"serializeTypeCurrentRPC":"JSON","version":479}"#
    );
}

#[test]
fn codes_that_no_binary_header_holds_travel_in_json() {
    let mut out = Vec::new();
    RequestWriter::new(&mut out, Encoding::Binary, 1, 200_050).oneway().field("topic", "T").finish().unwrap();
    let header = r#"{"code":200050,"extFields":{"topic":"T"},"flag":2,"language":"JAVA","opaque":1,"serializeTypeCurrentRPC":"JSON","version":479}"#;
    assert_eq!(text(&out), (header.to_owned(), &b""[..]));
    let mut out = Vec::new();
    RequestWriter::new(&mut out, Encoding::Binary, 1, 40).oneway().finish().unwrap();
    let (frame, _) = split(&out).unwrap().unwrap();
    assert!(Header::parse(&frame).unwrap().is_oneway());
}

#[test]
fn what_a_frame_cannot_hold_is_said() {
    let body = vec![0; FRAME_BYTES_MAX];
    for encoding in [Encoding::Json, Encoding::Binary] {
        let mut out = b"before".to_vec();
        ResponseWriter::new(&mut out, encoding, 9, 0).field("a", 1).body(&body).finish();
        let (frame, used) = split(&out[6..]).unwrap().unwrap();
        assert_eq!(used, out.len() - 6);
        let header = Header::parse(&frame).unwrap();
        assert_eq!((header.code, header.opaque, frame.body), (1, 9, &b""[..]));
        assert!(header.remark.unwrap().starts_with("the answer has 16777"));

        let mut out = b"before".to_vec();
        assert!(RequestWriter::new(&mut out, encoding, 9, 10).body(&body).finish().is_err());
        assert_eq!(out, b"before");
    }
}

#[test]
fn a_head_may_be_written_for_a_body_that_follows() {
    let mut out = Vec::new();
    assert!(ResponseWriter::new(&mut out, Encoding::Binary, 9, 0).finish_before_body(4));
    assert_eq!(split(&out), Ok(None));
    out.extend(b"body");
    assert_eq!(split(&out).unwrap().unwrap().0.body, b"body");
    let mut out = Vec::new();
    assert!(!ResponseWriter::new(&mut out, Encoding::Binary, 9, 0).finish_before_body(FRAME_BYTES_MAX));
    assert!(split(&out).unwrap().is_some());
}

#[test]
fn a_dropped_writer_leaves_nothing() {
    let mut out = b"before".to_vec();
    drop(RequestWriter::new(&mut out, Encoding::Json, 9, 0).field("a", 1));
    assert_eq!(out, b"before");
}
