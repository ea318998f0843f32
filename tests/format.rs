//! Stores that earlier versions of the format have written can still be checked, started and read whole.

#[path = "node/mod.rs"]
mod node;

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use node::{Client, Encoding, Node, Request, pull};

const QUEUES: i32 = 8;
const MESSAGES: usize = 400;
const CONSUMED: i64 = 150;

/// The fixture's store in a folder of its own, removed at the end.
struct Store(PathBuf);

impl Store {
    fn unpack(format: &str) -> Store {
        let folder = std::env::temp_dir().join(format!("ringmq-{format}-{}", std::process::id()));
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(format);
        for packed in std::fs::read_dir(fixtures).expect("the fixture") {
            let packed = packed.expect("a file").path();
            let name = packed.file_stem().and_then(|name| name.to_str()).expect("a plain name").replace('+', "/");
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().expect("in the folder")).expect("a temporary folder");
            let mut bytes = Vec::new();
            let file = std::fs::File::open(&packed).expect("the fixture's file");
            flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).expect("gzip");
            std::fs::write(path, bytes).expect("room");
        }
        Store(folder)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn format_1_is_read() {
    let store = Store::unpack("format-1");
    let output = Command::new(env!("CARGO_BIN_EXE_ringmq")).args(["store", "check"]).arg(&store.0).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("200 messages") && said.contains("201 messages") && said.contains("nothing is wrong"), "{said}");
    if !node::can_run() {
        return;
    }
    // The fixture is old, and the disk that it is unpacked to may be full.
    let keep = ["--set", "fileReservedTime=876000", "--set", "cleanFileForciblyEnable=false"];
    let node = Node::start_in(&store.0, &[&["--set", "brokerName=fixture"], &keep[..]].concat());
    let mut client = node.broker();
    let (mut found, mut consumed) = (BTreeSet::new(), 0);
    for queue in 0..QUEUES {
        found.extend(read_queue(&mut client, queue));
        let request = Request::new(Encoding::Json, 14, 3)
            .field("consumerGroup", "fixture_readers")
            .field("topic", "FixtureTopic")
            .field("queueId", queue);
        let answer = client.call(&request);
        consumed += if answer.code == 0 { answer.number("offset") } else { 0 };
    }
    assert_eq!(found, (0..MESSAGES).map(|number| format!("message {number}")).collect());
    assert_eq!(consumed, CONSUMED);
}

/// The first words of every body.
fn read_queue(client: &mut Client, queue: i32) -> Vec<String> {
    let (mut bodies, mut next) = (Vec::new(), 0);
    loop {
        let answer = client.call(&pull(Encoding::Json, 2, "FixtureTopic", queue, next, 0));
        if answer.code != 0 {
            return bodies;
        }
        next = answer.number("nextBeginOffset");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        for (at, _) in text.match_indices("message ") {
            bodies.push(text[at..].split(" aaa").next().expect("the first part").to_owned());
        }
    }
}
