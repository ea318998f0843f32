//! What RocketMQ 5.3.3 made of expressions and messages: recorded from its own filter library, line by line.

use super::super::{Expression, Outcome};

/// `expression ||| name=value;name=value ||| result`, where the result is true, false, null (neither), fault (the
/// evaluation throws) or bad (it does not compile); then, of a bad one, what the client is told.
const RECORDED: &str = include_str!("oracle.txt");

pub(super) fn stored(properties: &[(&str, &str)]) -> Vec<u8> {
    properties.iter().flat_map(|(name, value)| format!("{name}\u{1}{value}\u{2}").into_bytes()).collect()
}

pub(super) fn outcome(expression: &str, properties: &[u8]) -> &'static str {
    match Expression::compile(expression).map(|expression| expression.evaluate(properties)) {
        Ok(Outcome::True) => "true",
        Ok(Outcome::False) => "false",
        Ok(Outcome::Null) => "null",
        Ok(Outcome::Fault) => "fault",
        Err(_) => "bad",
    }
}

fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some('t')) => out.push('\t'),
            ('\\', Some('r')) => out.push('\r'),
            ('\\', Some('f')) => out.push('\x0c'),
            ('\\', Some(other)) => out.push(other),
            _ => out.push(c),
        }
    }
    out
}

#[test]
fn every_recorded_line_comes_out_the_same() {
    let mut lines = 0;
    for line in RECORDED.lines().filter(|line| !line.starts_with('#')) {
        let [expression, properties, expected] = *line.splitn(3, "|||").collect::<Vec<_>>() else { panic!("{line}") };
        let expression = unescaped(expression.trim());
        let properties = properties.strip_prefix(' ').unwrap_or(properties);
        let properties = unescaped(properties.strip_suffix(' ').unwrap_or(properties));
        let properties: Vec<_> = properties.split(';').filter_map(|property| property.split_once('=')).collect();
        let (expected, words) = expected.trim_start().split_once(' ').unwrap_or((expected.trim(), ""));
        assert_eq!(outcome(&expression, &stored(&properties)), expected, "{expression} on {properties:?}");
        if !words.is_empty() {
            let bad = Expression::compile(&expression).unwrap_err();
            assert_eq!(bad.to_string(), unescaped(words), "{expression}");
        }
        lines += 1;
    }
    assert!(lines > 200, "the record is there");
}
