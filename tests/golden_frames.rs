//! The codec against what stock clients and Apache's servers really sent: `tests/golden/frames`, whose README tells how it was
//! recorded. Every frame is read, written again by our writers and read again, and must still say the same; headers are
//! compared with a second, naive reader in this file, so that one mistake in reading and writing does not hide the other.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ringmq::remoting::json;
use ringmq::remoting::message::{batch, properties, records};
use ringmq::remoting::request::broker::{GetBrokerConfigResponse, kv_table};
use ringmq::remoting::request::client::{GetConsumerListByGroup, NotifyConsumerIdsChanged, UnregisterClient, consumer_ids};
use ringmq::remoting::request::group::{self, DeleteSubscriptionGroup, GetAllSubscriptionGroup, GroupSettings};
use ringmq::remoting::request::heartbeat::Heartbeat;
use ringmq::remoting::request::lock::{LockBatch, locked};
use ringmq::remoting::request::namesrv::{DeleteTopicInNamesrv, topic_list};
use ringmq::remoting::request::offset::{
    GetMaxOffset, GetMinOffset, OffsetResponse, QueryConsumerOffset, SearchOffset, TimestampResponse, UpdateConsumerOffset,
};
use ringmq::remoting::request::pull::{PullMessage, PullResponse};
use ringmq::remoting::request::register::{RegisterBroker, RegisterBrokerResponse, UnregisterBroker, body_crc32};
use ringmq::remoting::request::route::{GetRouteInfo, TopicRoute};
use ringmq::remoting::request::send::{SendMessage, SendResponse};
use ringmq::remoting::request::topic::{CreateTopic, DeleteTopic, GetAllTopicConfig, GetTopicConfig, GetTopicStatsInfo, stats};
use ringmq::remoting::request::topic_config::{TopicSettings, TopicTable};
use ringmq::remoting::{Encoding, Header, RequestWriter, ResponseWriter, split};

/// Fields of every request that a broker without namespaces, proxies, static topics and request types passes over.
const PASSED_OVER: &[&str] = &["bname", "ns", "nsd", "oway", "lo", "ReqT"];

/// A request with its response, or a request alone.
struct Exchange {
    file: String,
    request: Vec<u8>,
    response: Option<Vec<u8>>,
}

impl Exchange {
    fn all() -> Vec<Exchange> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/frames");
        let mut files: Vec<_> = fs::read_dir(root)
            .expect("the folder of golden frames")
            .flat_map(|client| fs::read_dir(client.expect("an entry").path()).expect("a client's folder"))
            .map(|file| file.expect("an entry").path())
            .collect();
        files.sort();
        files.iter().flat_map(|file| Exchange::in_file(file)).collect()
    }

    fn in_file(file: &Path) -> Vec<Exchange> {
        let text = fs::read_to_string(file).expect("a golden file");
        let name = file.iter().rev().take(2).map(|part| part.to_string_lossy()).collect::<Vec<_>>();
        let blocks = text.split("\n\n").map(|block| {
            let frames = block.lines().filter(|line| !line.starts_with('#')).map(|line| hex(&line[2..]));
            frames.collect::<Vec<_>>()
        });
        let exchanges = blocks.filter(|frames| !frames.is_empty()).map(|frames| {
            let mut frames = frames.into_iter();
            let request = frames.next().expect("a request");
            Exchange { file: format!("{}/{}", name[1], name[0]), request, response: frames.next() }
        });
        exchanges.collect()
    }

    fn frames(&self) -> impl Iterator<Item = &Vec<u8>> {
        [Some(&self.request), self.response.as_ref()].into_iter().flatten()
    }
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal")).collect()
}

/// What a frame says, apart from how. Language and version are the sender's own.
#[derive(Debug, PartialEq)]
struct Said {
    code: i32,
    opaque: i32,
    flag: i32,
    remark: Option<String>,
    fields: BTreeMap<String, String>,
    body: Vec<u8>,
}

fn read(file: &str, bytes: &[u8]) -> (Encoding, Said) {
    let (frame, used) =
        split(bytes).unwrap_or_else(|bad| panic!("{file}: {bad}")).unwrap_or_else(|| panic!("{file}: a whole frame"));
    assert_eq!(used, bytes.len(), "{file}: bytes used");
    let header = Header::parse(&frame).unwrap_or_else(|bad| panic!("{file}: {bad}"));
    let said = Said {
        code: header.code,
        opaque: header.opaque,
        flag: header.flag,
        remark: header.remark.as_ref().map(|remark| remark.to_string()).filter(|remark| !remark.is_empty()),
        fields: header.fields().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        body: frame.body.to_vec(),
    };
    (frame.encoding, said)
}

/// The same by the shortest way: `serde_json`, or the binary header's table read off byte by byte.
fn read_naively(bytes: &[u8]) -> (String, i32, Said) {
    let header_bytes = u32::from_be_bytes(bytes[4..8].try_into().expect("4 bytes")) & 0xff_ffff;
    let (header, body) = bytes[8..].split_at(header_bytes as usize);
    if bytes[4] == 0 {
        let value: serde_json::Value = serde_json::from_slice(header).expect("a JSON header");
        let number = |name: &str| value[name].as_i64().unwrap_or_default() as i32;
        let fields = value["extFields"].as_object().into_iter().flatten();
        let said = Said {
            code: number("code"),
            opaque: number("opaque"),
            flag: number("flag"),
            remark: value["remark"].as_str().filter(|remark| !remark.is_empty()).map(str::to_owned),
            fields: fields.map(|(name, value)| (name.clone(), value.as_str().expect("a text").to_owned())).collect(),
            body: body.to_vec(),
        };
        return (value["language"].as_str().unwrap_or_default().to_owned(), number("version"), said);
    }
    let mut left = header;
    let mut take = |bytes: usize| {
        let (taken, rest) = left.split_at(bytes);
        left = rest;
        taken
    };
    let number =
        |bytes: &[u8]| bytes.iter().fold(if bytes[0] & 0x80 != 0 { -1 } else { 0 }, |sum: i32, byte| sum << 8 | i32::from(*byte));
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    let (code, language, version) = (number(take(2)), number(take(1)), number(take(2)));
    let (opaque, flag) = (number(take(4)), number(take(4)));
    let remark_bytes = number(take(4)) as usize;
    let remark = Some(text(take(remark_bytes))).filter(|remark| !remark.is_empty());
    let mut fields_left = number(take(4)) as usize;
    let mut fields = BTreeMap::new();
    while fields_left > 0 {
        let name_bytes = number(take(2)) as usize;
        let name = text(take(name_bytes));
        let value_bytes = number(take(4)) as usize;
        let value = text(take(value_bytes));
        // Java writes empty texts too, and reads them back as missing.
        if !value.is_empty() {
            fields.insert(name, value);
        }
        fields_left -= 2 + name_bytes + 4 + value_bytes;
    }
    let language = if language == 0 { "JAVA" } else { "another" };
    (language.to_owned(), version, Said { code, opaque, flag, remark, fields, body: body.to_vec() })
}

#[test]
fn headers_are_read_as_they_were_written() {
    let exchanges = Exchange::all();
    assert!(exchanges.len() > 150, "only {} exchanges were found", exchanges.len());
    for exchange in &exchanges {
        for bytes in exchange.frames() {
            let (_, said) = read(&exchange.file, bytes);
            let (language, version, expected) = read_naively(bytes);
            assert_eq!(said, expected, "{}", exchange.file);
            let (frame, _) = split(bytes).expect("a frame").expect("a whole one");
            let header = Header::parse(&frame).expect("a header");
            assert_eq!((header.language.name(), header.version), (language.as_str(), version), "{}", exchange.file);
            assert!(
                matches!(split(&bytes[..bytes.len() - 1]), Ok(None)),
                "{}: all but the last byte is no frame yet",
                exchange.file
            );
        }
        let (_, request) = read(&exchange.file, &exchange.request);
        assert_eq!(
            (request.flag & 1, exchange.response.is_none()),
            (0, request.flag & 2 != 0),
            "{}: flag {}",
            exchange.file,
            request.flag
        );
        if let Some(response) = &exchange.response {
            let (_, response) = read(&exchange.file, response);
            assert_eq!((response.flag & 1, response.opaque), (1, request.opaque), "{}", exchange.file);
        }
    }
}

#[test]
fn frames_written_again_say_the_same() {
    for exchange in Exchange::all() {
        for bytes in exchange.frames() {
            let (encoding, said) = read(&exchange.file, bytes);
            for encoding in [encoding, Encoding::Json, Encoding::Binary] {
                let mut out = Vec::new();
                if said.flag & 1 != 0 {
                    let mut writer = ResponseWriter::new(&mut out, encoding, said.opaque, said.code);
                    if let Some(remark) = &said.remark {
                        writer = writer.remark(remark);
                    }
                    let writer = said.fields.iter().fold(writer, |writer, (name, value)| writer.field(name, value));
                    writer.body(&said.body).finish();
                } else {
                    let writer = RequestWriter::new(&mut out, encoding, said.opaque, said.code);
                    let writer = if said.flag & 2 != 0 { writer.oneway() } else { writer };
                    let writer = said.fields.iter().fold(writer, |writer, (name, value)| writer.field(name, value));
                    writer.body(&said.body).finish().expect("a frame within its limit");
                }
                let (written, again) = read(&exchange.file, &out);
                assert_eq!(written, encoding);
                // A binary header has no empty values: an empty text is a missing one.
                let mut expected =
                    Said { fields: said.fields.clone(), body: said.body.clone(), remark: said.remark.clone(), ..said };
                if encoding == Encoding::Binary {
                    expected.fields.retain(|_, value| !value.is_empty());
                }
                assert_eq!(again, expected, "{} in {encoding:?}", exchange.file);
            }
        }
    }
}

/// The fields of a frame, decoded to their type and encoded again by it.
fn typed(file: &str, bytes: &[u8], request_code: Option<i32>) -> Option<Said> {
    let (frame, _) = split(bytes).expect("a frame").expect("a whole one");
    let header = Header::parse(&frame).expect("a header");
    let mut out = Vec::new();
    macro_rules! request {
        ($type:ty, $encode:ident) => {{
            let typed = <$type>::decode(&header).unwrap_or_else(|bad| panic!("{file}: {bad}"));
            let writer = RequestWriter::new(&mut out, frame.encoding, header.opaque, header.code);
            typed.$encode(writer).body(frame.body).finish().expect("a frame within its limit");
        }};
        ($type:ty) => {
            request!($type, encode)
        };
    }
    macro_rules! response {
        ($type:ty) => {{
            let typed = <$type>::decode(&header).unwrap_or_else(|bad| panic!("{file}: {bad}"));
            typed.encode(ResponseWriter::new(&mut out, frame.encoding, header.opaque, header.code)).body(frame.body).finish();
        }};
    }
    match request_code {
        None => match header.code {
            10 => request!(SendMessage<'_>),
            11 | 361 => request!(PullMessage<'_>),
            14 => request!(QueryConsumerOffset<'_>),
            15 => request!(UpdateConsumerOffset<'_>),
            17 => request!(CreateTopic<'_>),
            21 => request!(GetAllTopicConfig<'_>),
            29 => request!(SearchOffset<'_>),
            30 => request!(GetMaxOffset<'_>),
            31 | 32 => request!(GetMinOffset<'_>),
            35 => request!(UnregisterClient<'_>),
            38 => request!(GetConsumerListByGroup<'_>),
            40 => request!(NotifyConsumerIdsChanged<'_>),
            103 => request!(RegisterBroker<'_>),
            104 => request!(UnregisterBroker<'_>),
            105 => request!(GetRouteInfo<'_>),
            201 => request!(GetAllSubscriptionGroup<'_>),
            202 => request!(GetTopicStatsInfo<'_>),
            207 => request!(DeleteSubscriptionGroup<'_>),
            215 => request!(DeleteTopic<'_>),
            216 => request!(DeleteTopicInNamesrv<'_>),
            310 | 320 => request!(SendMessage<'_>, encode_v2),
            351 => request!(GetTopicConfig<'_>),
            26 | 28 | 34 | 41 | 42 | 106 | 200 | 206 => return None, // no fields of their own
            other => panic!("{file}: no type for request {other}"),
        },
        Some(request) => match (request, header.code) {
            (10 | 310 | 320, 0) => response!(SendResponse<'_, &str>),
            (11 | 361, 0 | 19..=21) => response!(PullResponse),
            (14 | 29 | 30 | 31, 0) => response!(OffsetResponse),
            (32, 0) => response!(TimestampResponse),
            (26, 0) => response!(GetBrokerConfigResponse<'_>),
            (103, 0) => response!(RegisterBrokerResponse<'_>),
            _ => return None,
        },
    }
    Some(read(file, &out).1)
}

#[test]
fn typed_fields_lose_and_change_nothing() {
    for exchange in Exchange::all() {
        let request_code = read(&exchange.file, &exchange.request).1.code;
        for (bytes, request_code) in [(Some(&exchange.request), None), (exchange.response.as_ref(), Some(request_code))] {
            let Some(bytes) = bytes else { continue };
            let Some(typed) = typed(&exchange.file, bytes, request_code) else { continue };
            let (_, said) = read(&exchange.file, bytes);
            for (name, value) in &said.fields {
                // Beside the fields of the answer to a send stand two that every such answer has, and Java's reader passes over.
                if PASSED_OVER.contains(&name.as_str()) && !typed.fields.contains_key(name)
                    || ["MSG_REGION", "TRACE_ON"].contains(&name.as_str())
                {
                    continue;
                }
                let name = if name == "removeOffset" { "cleanOffset" } else { name };
                assert_eq!(
                    typed.fields.get(name).map(String::as_str).unwrap_or_default(),
                    value,
                    "{}: field {name}",
                    exchange.file
                );
            }
        }
    }
}

/// As values, whatever the order of their members.
fn same_json(file: &str, ours: &[u8], theirs: &[u8]) {
    let parse = |bytes| json::parse(bytes).unwrap_or_else(|bad| panic!("{file}: {bad}"));
    let (ours, theirs) = (parse(ours), parse(theirs));
    for (key, value) in theirs.as_object().expect("an object") {
        assert_eq!(ours.get(key), Some(value), "{file}: {key}");
    }
}

#[test]
fn bodies_are_understood() {
    let mut read_of = BTreeMap::new();
    for exchange in Exchange::all() {
        let file = &exchange.file;
        let (_, request) = read(file, &exchange.request);
        let fails = |bad: &dyn std::fmt::Display| -> ! { panic!("{file}: {bad}") };
        let mut ours = Vec::new();
        match request.code {
            34 => {
                let heartbeat = Heartbeat::decode(&request.body).unwrap_or_else(|bad| fails(&bad));
                assert!(
                    !heartbeat.consumers.is_empty() || !heartbeat.producer_groups.is_empty() || heartbeat.client_id.contains('@'),
                    "{file}"
                );
                heartbeat.encode(&mut ours);
                same_json(file, &ours, &request.body);
            }
            41 | 42 => {
                let lock = LockBatch::decode(&request.body).unwrap_or_else(|bad| fails(&bad));
                assert!(!lock.queues.is_empty(), "{file}: queues to lock");
                lock.encode(&mut ours);
                same_json(file, &ours, &request.body);
            }
            103 => {
                let crc: i32 = request.fields["bodyCrc32"].parse().expect("a number");
                assert_eq!(body_crc32(&request.body), crc, "{file}: checksum of the registration");
                // 5.3.3 with compressedRegister=true deflates the body and says that it did not: its own name server refuses it.
                let refused = read(file, exchange.response.as_ref().expect("a response")).1.code != 0;
                if !refused {
                    let value = json::parse(&request.body).unwrap_or_else(|bad| fails(&bad));
                    let object = json::Object::of(&value).expect("an object");
                    let table = TopicTable::read(&object.object("topicConfigSerializeWrapper").expect("a topic table"));
                    assert!(table.topics.iter().any(|topic| topic.name == "TBW102"), "{file}: {table:?}");
                }
            }
            200 => {
                assert!(!GroupSettings::decode(&request.body).unwrap_or_else(|bad| fails(&bad)).config.name.is_empty(), "{file}")
            }
            320 => {
                let messages: Result<Vec<_>, _> = batch::messages(&request.body).collect();
                let messages = messages.unwrap_or_else(|bad| fails(&bad));
                messages.iter().for_each(|message| message.encode(&mut ours));
                assert!(messages.len() > 1, "{file}: messages in the batch");
                assert_eq!(ours.len(), request.body.len(), "{file}: bytes of the batch written again");
                assert!(
                    messages.iter().all(|message| properties::iter(message.properties).count() > 0),
                    "{file}: properties of each"
                );
            }
            _ => {}
        }
        *read_of.entry(request.code).or_insert(0) += 1;
        let Some((_, response)) = exchange.response.as_ref().map(|bytes| read(file, bytes)) else { continue };
        if response.body.is_empty() || response.code != 0 {
            continue;
        }
        let body = &response.body[..];
        match request.code {
            11 | 33 | 361 => {
                for record in records(body) {
                    let record = record.unwrap_or_else(|bad| fails(&bad));
                    record.verify_crc().unwrap_or_else(|bad| fails(&bad));
                    assert!(
                        record.topic() == request.fields["topic"] || record.topic().starts_with("%RETRY%"),
                        "{file}: {}",
                        record.topic()
                    );
                    assert!(properties::iter(record.properties()).count() > 1, "{file}: properties");
                }
            }
            21 => assert!(TopicTable::decode(body).unwrap_or_else(|bad| fails(&bad)).topics.len() > 5, "{file}"),
            28 => assert!(kv_table(body).unwrap_or_else(|bad| fails(&bad)).iter().any(|(key, _)| key == "putTps"), "{file}"),
            38 => assert!(consumer_ids(body).unwrap_or_else(|bad| fails(&bad)).iter().all(|id| id.contains('@')), "{file}"),
            41 => assert!(locked(body).unwrap_or_else(|bad| fails(&bad)).len() < 100, "{file}"),
            105 => {
                let route = TopicRoute::decode(body).unwrap_or_else(|bad| fails(&bad));
                let broker = &route.queues.first().unwrap_or_else(|| panic!("{file}: a route without queues")).broker_name;
                assert!(route.master(broker).is_some_and(|address| address.starts_with("127.0.0.1:")), "{file}: {route:?}");
            }
            201 => assert!(group::table(body).unwrap_or_else(|bad| fails(&bad)).1.len() > 5, "{file}"),
            202 => assert!(!stats(body).unwrap_or_else(|bad| fails(&bad)).is_empty(), "{file}: queues in the statistics"),
            206 => assert!(topic_list(body).unwrap_or_else(|bad| fails(&bad)).len() > 5, "{file}"),
            351 => {
                assert_eq!(TopicSettings::decode(body).unwrap_or_else(|bad| fails(&bad)).name, request.fields["topic"], "{file}")
            }
            _ => {}
        }
    }
    for code in [10, 11, 14, 15, 17, 34, 35, 38, 40, 41, 42, 103, 104, 105, 202, 310, 320, 361] {
        assert!(read_of.contains_key(&code), "no golden frame for request {code}, only for {read_of:?}");
    }
}
