//! Replays what a real name server of 5.3.3 was asked, and compares the answers. `tests/golden/namesrv/record.py` made
//! the files.
//!
//! Only this is normalised: the order of lists and maps (Java's is hash order), the text of exceptions, and a timestamp
//! that was the real server's clock. Where our answer differs on purpose, `DIFFERENT` says how and why.

use ringmq_shards::types::Millis;
use serde_json::{Value, json};

use super::{ConnectionId, KvConfig, NameServer, Properties, Store};
use crate::remoting::{Header, split};

/// (file, index of the step, our answer, why)
const DIFFERENT: [(&str, usize, &str, &str); 3] = [
    (
        "register",
        5,
        r#"{"code":0,"body":"{\"brokerAddrTable\":{},\"clusterAddrTable\":{}}"}"#,
        "a broker whose registration was refused is not listed, without any address, until it succeeds",
    ),
    (
        "register",
        42,
        r#"{"code":0,"body":"{\"brokerAddr\":\"10.0.0.1:10911\",\"topicList\":[\"broker-b\",\"broker-a\",\"C1\"]}"}"#,
        "any broker can be asked for the rest of the list; ours is the first by name, theirs by hash",
    ),
    (
        "register",
        83,
        r#"{"code":0,"extFields":{"changed":"false"},"body":"{\"counter\":1,\"stateVersion\":0,\"timestamp\":1700000000000}"}"#,
        "unregistering under a wrong name does not make a member immortal",
    ),
];

#[track_caller]
fn replay(name: &str) {
    let path = format!("{}/tests/golden/namesrv/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let recording: Value = serde_json::from_slice(&std::fs::read(path).expect("golden file")).expect("JSON");
    let mut replay = Replay {
        name: name.to_string(),
        server: NameServer::new(Millis(1_000), KvConfig::default(), properties(&recording)),
        kv_file: String::new(),
        properties_file: String::new(),
    };
    for (index, step) in recording["steps"].as_array().expect("steps").iter().enumerate() {
        replay.step(index, step);
    }
}

/// All properties of the real server when its first answer to 319 shows them, else the scenario's own.
fn properties(recording: &Value) -> Properties {
    let steps = recording["steps"].as_array().expect("steps");
    let shown = steps.iter().find(|step| step["request"]["code"] == 319).map(|step| text(&step["answer"]["body"]));
    let lines = shown.unwrap_or_default();
    let lines = lines.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_string(), v.to_string()));
    let own = recording["properties"].as_object().expect("properties");
    Properties::new(lines.chain(own.iter().map(|(key, value)| (key.clone(), text(value)))))
}

struct Replay {
    name: String,
    server: NameServer,
    kv_file: String,
    properties_file: String,
}

impl Replay {
    fn step(&mut self, index: usize, step: &Value) {
        let place = format!("{} step {index}: {step}", self.name);
        if let Some(connection) = step["close"].as_u64() {
            self.server.connection_closed(ConnectionId(connection));
        } else if let Some(file) = step["file"].as_str() {
            let ours = if file == "kvConfig.json" { &self.kv_file } else { &self.properties_file };
            assert_eq!(canonical(ours), canonical(&text(&step["text"])), "{place}");
        } else if step.get("request").is_some() {
            let connection = ConnectionId(step["connection"].as_u64().expect("connection"));
            let ours = self.ask(connection, &step["request"]);
            let theirs = expected(&self.name, index, &step["answer"]);
            assert_eq!(ours, theirs, "{place}");
        }
    }

    fn ask(&mut self, connection: ConnectionId, request: &Value) -> Value {
        let mut header =
            json!({"code": request["code"], "version": request["version"], "opaque": 7, "flag": 0, "language": "JAVA"});
        if let Some(fields) = request.get("extFields") {
            header["extFields"] = fields.clone();
        }
        let body = match request.get("bodyBase64") {
            Some(body) => base64(&text(body)),
            None => request.get("body").map(text).unwrap_or_default().into_bytes(),
        };
        let header = serde_json::to_vec(&header).expect("header");
        let mut frame = Vec::new();
        frame.extend_from_slice(&((4 + header.len() + body.len()) as u32).to_be_bytes());
        frame.extend_from_slice(&(header.len() as u32).to_be_bytes());
        frame.extend_from_slice(&header);
        frame.extend_from_slice(&body);

        let (frame, _) = split(&frame).expect("a good frame").expect("a whole frame");
        let header = Header::parse(&frame).expect("a good header");
        let mut out = Vec::new();
        let effects = self.server.handle(Millis(2_000), connection, &header, frame.body, frame.encoding, &mut out);
        match effects.store {
            Some(Store::KvConfig(bytes)) => self.kv_file = String::from_utf8(bytes).expect("UTF-8"),
            Some(Store::Properties(bytes)) => self.properties_file = String::from_utf8(bytes).expect("UTF-8"),
            None => {}
        }
        let (frame, used) = split(&out).expect("a good answer").expect("a whole answer");
        assert_eq!(used, out.len());
        let header = Header::parse(&frame).expect("a good answer's header");
        assert_eq!((header.opaque, header.flag), (7, 1));
        let body = std::str::from_utf8(frame.body).expect("UTF-8");
        let fields: Value = header.fields().map(|(name, value)| (name.to_string(), Value::from(value))).collect();
        let remark = header.remark.as_deref().unwrap_or_default();
        comparable(i64::from(header.code), remark, &fields, body)
    }
}

fn expected(name: &str, index: usize, theirs: &Value) -> Value {
    let different = DIFFERENT.iter().find(|(file, step, ..)| (*file, *step) == (name, index));
    let answer = different.map_or_else(|| theirs.clone(), |(_, _, ours, _)| serde_json::from_str(ours).expect("JSON"));
    let code = answer["code"].as_i64().expect("code");
    comparable(code, &text(&answer["remark"]), answer.get("extFields").unwrap_or(&json!({})), &text(&answer["body"]))
}

/// Java's exceptions are not repeated: an error without a sentence of the original's own is compared by its code.
fn comparable(code: i64, remark: &str, fields: &Value, body: &str) -> Value {
    let ours_or_java = ["java.", "com.alibaba.", "org.apache.", "the field ", "the body of ", "brokerId "];
    let remark = if ours_or_java.iter().any(|start| remark.starts_with(start)) { "(an error)" } else { remark };
    json!({"code": code, "remark": remark, "fields": fields, "body": canonical(body)})
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_string()
}

/// The same text with the members of each list and map in order, each token as it stood on the wire.
fn canonical(body: &str) -> String {
    if !body.starts_with('{') {
        return body.to_string();
    }
    let mut rest = body;
    let sorted = sort(&mut rest);
    assert_eq!(rest, "", "{body}");
    // The only clocks in a body are those of the recording and of the replay.
    let Some((before, after)) = sorted.split_once("\"timestamp\":") else { return sorted };
    let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    if after[..digits] == *"1700000000000" { sorted } else { format!("{before}\"timestamp\":CLOCK{}", &after[digits..]) }
}

fn sort(rest: &mut &str) -> String {
    let Some(open) = rest.chars().next().filter(|c| ['{', '['].contains(c)) else { return token(rest) };
    *rest = &rest[1..];
    let mut members = Vec::new();
    while !rest.starts_with(['}', ']']) {
        let mut member = sort(rest);
        if let Some(value) = rest.strip_prefix(':') {
            *rest = value;
            member = format!("{member}:{}", sort(rest));
        }
        members.push(member);
        *rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    *rest = &rest[1..];
    members.sort();
    let close = if open == '{' { '}' } else { ']' };
    format!("{open}{}{close}", members.join(","))
}

fn token(rest: &mut &str) -> String {
    let mut end = rest.find([',', ':', '}', ']']).unwrap_or(rest.len());
    if let Some(inside) = rest.strip_prefix('"') {
        let mut escaped = false;
        let close = inside.find(|c| {
            let closes = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            closes
        });
        end = close.expect("a closed string") + 2;
    }
    let (token, after) = rest.split_at(end);
    *rest = after;
    token.to_string()
}

fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let sextets: Vec<u32> = text.bytes().filter_map(|b| ALPHABET.iter().position(|a| *a == b)).map(|at| at as u32).collect();
    let chunks = sextets.chunks(4);
    chunks
        .flat_map(|chunk| {
            let bits = chunk.iter().enumerate().fold(0, |bits, (at, sextet)| bits | sextet << (18 - 6 * at));
            bits.to_be_bytes()[1..chunk.len()].to_vec()
        })
        .collect()
}

#[test]
fn registration() {
    replay("register");
}

#[test]
fn slaves_and_changes_of_master() {
    replay("slaves");
}

#[test]
fn acting_masters() {
    replay("acting");
}

#[test]
fn topics_and_permissions() {
    replay("topics");
}

#[test]
fn kv_settings_and_order_configuration() {
    replay("kv");
}

#[test]
fn odd_requests() {
    replay("odd");
}

#[test]
fn compressed_registrations() {
    replay("compressed");
}

#[test]
fn properties_shown_and_changed() {
    replay("properties");
}

#[test]
fn other_properties_other_answers() {
    replay("options");
}

#[test]
fn waiting_for_brokers_after_the_start() {
    replay("waiting");
}
