//! Every question that the original was asked, asked of a running node: the answers agree, except where
//! `tests/golden/differences.txt` says why not. The list is kept true from both sides: a difference that is not listed
//! fails, and so does a line whose question is now answered as the original answers it.

#[path = "node/mod.rs"]
mod node;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use node::Node;

/// A file of `tests/golden/broker` without its ending, and a case in it.
type Question = (String, String);

#[test]
fn answers_are_the_originals() {
    if !node::can_run() {
        return;
    }
    if !Command::new("python3").arg("--version").output().is_ok_and(|said| said.status.success()) {
        println!("skipped: there is no python3, which tests/tools/ask-broker needs");
        return;
    }
    // One shard: with several, the offset "one byte further" may be that of a message in the next shard.
    let node = Node::start(&["--shards", "1", "--set", "brokerName=broker-a", "--set", "enablePropertyFilter=true"]);
    let output = ask(&node);
    let found: BTreeSet<Question> = output.lines().filter_map(question).collect();
    let listed = listed();

    let unexplained: Vec<&str> = output
        .lines()
        .filter(|line| question(line).is_some_and(|found| !listed.iter().any(|listed| covers(listed, &found))))
        .collect();
    assert!(unexplained.is_empty(), "answered otherwise, and not in tests/golden/differences.txt:\n{}", unexplained.join("\n"));
    let outdated: Vec<_> = listed.iter().filter(|listed| !found.iter().any(|found| covers(listed, found))).collect();
    assert!(outdated.is_empty(), "answered as the original, take them out of tests/golden/differences.txt: {outdated:#?}");
}

/// What `ask-broker --check` prints: a line for each difference, and how many questions there were.
fn ask(node: &Node) -> String {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let output = Command::new("python3")
        .arg("-B") // leaves no compiled file in the tree
        .arg(tests.join("tools/ask-broker"))
        .args(["--broker", &format!("127.0.0.1:{}", node.broker_port), "--check"])
        .arg(tests.join("golden/broker"))
        .env("PYTHONIOENCODING", "utf-8")
        .output()
        .expect("python3 runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8, as asked for");
    let end = text.lines().last().unwrap_or_default();
    assert!(end.contains(" asked, "), "not all was asked: {}{}", text, String::from_utf8_lossy(&output.stderr));
    text
}

/// The question of a printed or listed line; none for the further lines of a remark that has several.
fn question(line: &str) -> Option<Question> {
    let mut parts = line.splitn(3, " | ");
    let (file, case, _) = (parts.next()?, parts.next()?, parts.next()?);
    let is_file = file.len() > 4 && file.as_bytes()[..3].iter().all(u8::is_ascii_digit) && file.as_bytes()[3] == b'-';
    is_file.then(|| (file.to_owned(), case.to_owned()))
}

fn listed() -> Vec<Question> {
    let lines = include_str!("golden/differences.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| question(line).unwrap_or_else(|| panic!("no 'file | case | why': {line}"))).collect()
}

fn covers(listed: &Question, found: &Question) -> bool {
    let case = match listed.1.strip_suffix('…') {
        Some(beginning) => found.1.starts_with(beginning),
        None => found.1 == listed.1,
    };
    case && listed.0 == found.0
}
