//! docs/protocol.md says of every request code whether it is served; the dispatch tables are asked whether that is true.

use ringmq::broker::dispatch;
use ringmq::namesrv;
use ringmq::remoting::code::{REQUEST_CODES, RequestCode};

/// Code, name, status, and who serves it or why nobody does.
fn rows() -> Vec<(i32, &'static str, &'static str, &'static str)> {
    let lines = include_str!("../docs/protocol.md").lines();
    let rows = lines.filter(|line| line.starts_with("| ") && !line.starts_with("| code"));
    let cells = rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
    cells.map(|cells| (cells[0].parse().expect("a code"), cells[1], cells[3], cells[4])).collect()
}

#[test]
fn every_code_has_its_row() {
    let documented: Vec<_> = rows().into_iter().map(|(code, name, ..)| (code, name)).collect();
    let known: Vec<_> = REQUEST_CODES.iter().map(|row| (row.number, row.name)).collect();
    assert_eq!(documented, known);
}

#[test]
fn what_is_called_served_is_served_and_nothing_else() {
    for (number, name, status, text) in rows() {
        let code = RequestCode::from_number(number).expect("a known code");
        let mut by = Vec::new();
        if dispatch::handler(code).is_some() {
            by.push("broker");
        }
        if namesrv::serves(code) {
            by.push("name server");
        }
        assert_eq!(status == "served", !by.is_empty(), "{number} {name}");
        match status {
            "served" => assert_eq!(text, by.join(", "), "{number} {name}"),
            "sent" | "later" | "never" => assert!(!text.is_empty(), "{number} {name} needs a reason"),
            other => panic!("{number} {name}: {other} is no status"),
        }
    }
}
