use super::*;
use crate::remoting::golden::{Garbage, java_frame};
use crate::remoting::split;

fn json(text: &str) -> Result<Header<'_>, BadFrame> {
    Header::parse(&Frame { encoding: Encoding::Json, header: text.as_bytes(), body: b"" })
}

fn binary(header: &[u8]) -> Result<Header<'_>, BadFrame> {
    Header::parse(&Frame { encoding: Encoding::Binary, header, body: b"" })
}

/// All of a header in one line.
fn line(header: &Header<'_>) -> String {
    let Header { code, language, version, opaque, flag, remark, .. } = header;
    let fields: Vec<String> = header.fields().map(|(name, value)| format!("{name}={value}")).collect();
    let remark = remark.as_deref().unwrap_or("-");
    format!("{code} {} v{version} #{opaque} f{flag} {remark:?} [{}]", language.name(), fields.join(" "))
}

#[test]
fn java_frames_in_both_encodings() {
    let sent = "a=pg b=T c=TBW102 d=4 e=2 f=0 g=1700000000000 h=0 i=KEYS\u{1}k\u{2}WAIT\u{1}true\u{2} j=0 k=false m=false bname=broker-a";
    let answered = "queueId=1 transactionId=U msgId=0A TRACE_ON=true MSG_REGION=DefaultRegion queueOffset=5";
    for (name, expected, body) in [
        ("route", "105 JAVA v479 #7 f0 \"-\" [topic=TopicTest]".to_owned(), ""),
        ("send", format!("310 JAVA v479 #7 f0 \"-\" [{sent}]"), "hello"),
        ("sendok", format!("0 JAVA v479 #7 f1 \"-\" [{answered}]"), ""),
        ("err", "17 JAVA v479 #7 f1 \"no \\\"T\\\"\\né\" []".to_owned(), ""),
    ] {
        for encoding in ["json", "bin"] {
            let bytes = java_frame(&format!("{name}.{encoding}"));
            let (frame, used) = split(&bytes).unwrap().unwrap();
            assert_eq!(used, bytes.len());
            assert_eq!(line(&Header::parse(&frame).unwrap()), expected, "{name} {encoding}");
            assert_eq!(frame.body, body.as_bytes());
        }
    }
}

/// Left: the text; right: what fastjson 1.2.83 makes of it, or sentences of ours.
#[test]
fn json_headers_are_read_as_fastjson_reads_them() {
    for (text, expected) in [
        ("{}", "0 JAVA v0 #0 f0 \"-\" []"),
        (r#" {"code" : 10 , "opaque":-2147483648} "#, "10 JAVA v0 #-2147483648 f0 \"-\" []"),
        (r#"{"code":"10"}"#, "10 JAVA v0 #0 f0 \"-\" []"),
        (r#"{"language":"GO","version":317,"remark":null,"extFields":null}"#, "0 GO v317 #0 f0 \"-\" []"),
        (r#"{"language":3}"#, "0 PYTHON v0 #0 f0 \"-\" []"),
        (r#"{"language":"KLINGON","flag":null}"#, "0 OTHER v0 #0 f0 \"-\" []"),
        (
            r#"{"extFields":{"a":1.50,"b":true,"c":null,"d":[1],"e":{"x":1}},"flag":2}"#,
            "0 JAVA v0 #0 f2 \"-\" [a=1.50 b=true d=[1] e={\"x\":1}]",
        ),
        (r#"{"extFields":{},"unknown":{"a":[{}]},"extFields2":1}"#, "0 JAVA v0 #0 f0 \"-\" []"),
        (
            r#"{"extFields":{"a":"1","b\u0062":"2\n","c":"\"","d\t":"4","e":"5"}}"#,
            "0 JAVA v0 #0 f0 \"-\" [a=1 bb=2\n c=\" d\t=4 e=5]",
        ),
        (r#"{"remark":"\u4e2d\"","code":1}"#, "1 JAVA v0 #0 f0 \"中\\\"\" []"),
    ] {
        assert_eq!(json(text).map(|header| line(&header)).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn bad_json_headers_say_what_is_wrong() {
    for (text, expected) in [
        ("", "the header is not a JSON object: an object was expected at byte 0"),
        ("[]", "the header is not a JSON object: an object was expected at byte 0"),
        ("{\"code\":10", "the header is not a JSON object: a key was expected at byte 10"),
        ("{\"code\" 10}", "the header is not a JSON object: a colon was expected at byte 8"),
        ("{}x", "the header is not a JSON object: more text than one value at byte 2"),
        ("{\"extFields\":7}", "the header is not a JSON object: an object was expected at byte 13"),
        ("{\"code\":99999999999}", "the header's code is not a 32-bit number: 99999999999"),
        ("{\"opaque\":2147483648}", "the header's opaque is not a 32-bit number: 2147483648"),
        ("{\"version\":\"x\"}", "the header's version is not a 32-bit number: x"),
        ("{\"flag\":1.5}", "the header's flag is not a 32-bit number: 1.5"),
    ] {
        assert_eq!(json(text).expect_err(text).to_string(), expected, "{text}");
    }
    assert_eq!(
        Header::parse(&Frame { encoding: Encoding::Json, header: b"{\"a\":\"\xff\"}", body: b"" }).unwrap_err(),
        BadFrame::Json { at: 6, what: "bytes that are not UTF-8" }
    );
}

#[test]
fn a_json_header_cut_anywhere_is_bad() {
    let bytes = java_frame("send.json");
    let (frame, _) = split(&bytes).unwrap().unwrap();
    for cut in 0..frame.header.len() {
        let header = &frame.header[..cut];
        assert!(Header::parse(&Frame { header, ..frame }).is_err(), "cut at {cut}");
    }
}

#[test]
fn the_last_of_equal_fields_counts() {
    let header = json(r#"{"extFields":{"a":"1","b":"2","a":"3"}}"#).unwrap();
    assert_eq!((header.field("a"), header.field("b"), header.field("c")), (Some("3"), Some("2"), None));
    let header = json(r#"{"extFields":{"a\u0062":"1","ab":"2\t","\u0061b":"3"}}"#).unwrap();
    assert_eq!(header.field("ab"), Some("3"));
}

#[test]
fn a_hundred_thousand_fields_are_refused_early() {
    let fields: String = (0..100_000).map(|n| format!(",\"f{n}\":\"x\"")).collect();
    let text = format!("{{\"code\":1,\"extFields\":{{{}}}}}", &fields[1..]);
    assert_eq!(json(&text).unwrap_err(), BadFrame::TooManyFields);
    let enough: String = (0..FIELDS_MAX).map(|n| format!(",\"f{n}\":\"x\"")).collect();
    let text = format!("{{\"extFields\":{{{}}}}}", &enough[1..]);
    assert_eq!(json(&text).unwrap().fields().count(), FIELDS_MAX);
    let mut bytes = vec![0; binary::HEADER_BYTES_MIN - 4];
    let field = [&[0u8, 1][..], b"f", &[0, 0, 0, 1], b"x"].concat();
    bytes.extend((100_000 * field.len() as u32).to_be_bytes());
    bytes.extend(field.repeat(100_000));
    assert_eq!(binary(&bytes).unwrap_err(), BadFrame::TooManyFields);
}

fn binary_header(code: u16, remark: &[u8], fields: &[u8]) -> Vec<u8> {
    let mut out = code.to_be_bytes().to_vec();
    out.extend([9, 1, 61, 0, 0, 0, 5, 0, 0, 0, 2]);
    for part in [remark, fields] {
        out.extend((part.len() as u32).to_be_bytes());
        out.extend(part);
    }
    out
}

#[test]
fn binary_headers() {
    // 200050 POP_MESSAGE does not fit its 16 bits; what arrives names nothing.
    let truncated = (200_050 & 0xffff) as u16;
    let bytes = binary_header(truncated, b"", b"");
    assert_eq!(line(&binary(&bytes).unwrap()), "3442 GO v317 #5 f2 \"-\" []");
    assert_eq!(crate::remoting::code::RequestCode::from_number(3442), None);
    let bytes = binary_header(0xffff, b"r\xff", b"\0\x01a\0\0\0\0\0\0\0\0\0\x01x\0\x01b\0\0\0\x01\xff");
    assert_eq!(line(&binary(&bytes).unwrap()), "-1 GO v317 #5 f2 \"r\u{FFFD}\" [b=\u{FFFD}]");
}

#[test]
fn bad_binary_headers() {
    let good = binary_header(10, b"remark", b"\0\x01a\0\0\0\x01b");
    for cut in 0..good.len() {
        assert!(matches!(binary(&good[..cut]), Err(BadFrame::Binary(_))), "cut at {cut}");
    }
    for fields in
        [&b"\0"[..], b"\0\x05a", b"\xff\xffa\0\0\0\0", b"\0\x01a\0\0", b"\0\x01a\0\0\0\x09b", b"\0\x01a\xff\xff\xff\xffb"]
    {
        assert!(matches!(binary(&binary_header(10, b"", fields)), Err(BadFrame::Binary(_))), "{fields:?}");
    }
    let mut negative = good.clone();
    negative[13] = 0xff;
    assert!(matches!(binary(&negative), Err(BadFrame::Binary(_))));
}

#[test]
fn garbage_never_panics() {
    let frames: Vec<Vec<u8>> = ["send.json", "send.bin", "err.json", "err.bin", "pull.json", "pull.bin"].map(java_frame).to_vec();
    let mut garbage = Garbage(0x5eed);
    let mut parsed = 0;
    for _ in 0..100_000 {
        let mut bytes = frames[garbage.below(frames.len())].clone();
        garbage.damage(&mut bytes);
        // The two words are mostly kept right, so that most of the damage reaches the header.
        if garbage.below(8) > 0 && bytes.len() > 8 {
            let length = bytes.len() - 4;
            let header = (bytes[5..8].iter().fold(0, |word, byte| word << 8 | usize::from(*byte))).min(length - 4);
            bytes[..4].copy_from_slice(&(length as u32).to_be_bytes());
            bytes[5..8].copy_from_slice(&(header as u32).to_be_bytes()[1..]);
        }
        if let Ok(Some((frame, used))) = split(&bytes) {
            assert!(used <= bytes.len());
            parsed += usize::from(Header::parse(&frame).is_ok());
        }
    }
    assert!(parsed > 1_000, "the damage is too great to mean anything: {parsed}");
}
