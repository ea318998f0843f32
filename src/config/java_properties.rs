//! The syntax of a Java properties file, as `java.util.Properties` reads it; nothing about what a key means.
//!
//! Comment lines start with `#` or `!`; a key ends at an unescaped `=`, `:` or blank; an odd number of backslashes at the
//! end of a line joins the next one; `\t \n \r \f \uXXXX` are escapes and any other escaped character is itself. One
//! difference: blanks around a value are trimmed, because a blank behind `brokerId=0` has never been meant.
//!
//! Before: the file; after: `layers`.

use std::fmt;

/// One logical line. `line` is where it starts, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub line: usize,
    pub key: String,
    pub value: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    pub line: usize,
    pub what: String,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// File bytes as text: UTF-8, or else Latin-1, which is what Java's own reader assumes.
pub fn decode(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text).to_string(),
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
    }
}

pub fn parse(text: &str) -> Result<Vec<Entry>, BadLine> {
    let mut entries = Vec::new();
    let mut lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).enumerate();
    while let Some((index, first)) = lines.next() {
        let start = first.trim_start_matches(BLANKS);
        if start.is_empty() || start.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = start.to_string();
        while ends_in_continuation(&logical) {
            logical.pop();
            match lines.next() {
                Some((_, next)) => logical.push_str(next.trim_start_matches(BLANKS)),
                None => break,
            }
        }
        let line = index + 1;
        let (key, value) = split_key(&logical);
        let key = unescape(key).map_err(|what| BadLine { line, what })?;
        let value = unescape(value).map_err(|what| BadLine { line, what })?;
        entries.push(Entry { line, key: key.trim().to_string(), value: value.trim().to_string() });
    }
    Ok(entries)
}

const BLANKS: [char; 3] = [' ', '\t', '\u{c}'];

fn ends_in_continuation(line: &str) -> bool {
    line.bytes().rev().take_while(|&byte| byte == b'\\').count() % 2 == 1
}

fn split_key(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line
        .char_indices()
        .find(|&(_, c)| {
            let ends = !escaped && (c == '=' || c == ':' || BLANKS.contains(&c));
            escaped = c == '\\' && !escaped;
            ends
        })
        .map_or(line.len(), |(at, _)| at);
    let rest = line[end..].trim_start_matches(BLANKS);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (&line[..end], rest.trim_start_matches(BLANKS))
}

fn unescape(text: &str) -> Result<String, String> {
    if !text.contains('\\') {
        return Ok(text.to_string());
    }
    // UTF-16 on the way, because one character outside the basic plane is written as two \u escapes.
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let plain = match (c, c == '\\') {
            (c, false) => c,
            (_, true) => match chars.next() {
                None => break,
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let unit = (digits.len() == 4).then(|| u16::from_str_radix(&digits, 16).ok()).flatten();
                    units.push(unit.ok_or_else(|| format!("\\u{digits} is not a \\uXXXX escape with four hexadecimal digits"))?);
                    continue;
                }
                Some(other) => other,
            },
        };
        units.extend_from_slice(plain.encode_utf16(&mut [0; 2]));
    }
    String::from_utf16(&units).map_err(|_| "half of a \\uXXXX\\uXXXX pair is missing".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(usize, String, String)> {
        parse(text).expect("good file").into_iter().map(|e| (e.line, e.key, e.value)).collect()
    }

    #[track_caller]
    fn check(text: &str, key: &str, value: &str) {
        assert_eq!(pairs(text), [(1, key.to_string(), value.to_string())]);
    }

    #[test]
    fn keys_and_values() {
        check("brokerName=broker-a", "brokerName", "broker-a");
        check("  brokerName = broker-a  ", "brokerName", "broker-a");
        check("brokerName:broker-a\r\n", "brokerName", "broker-a");
        check("brokerName broker-a", "brokerName", "broker-a");
        check("brokerName", "brokerName", "");
        check("namesrvAddr=a:9876;b:9876", "namesrvAddr", "a:9876;b:9876");
        check("a==b", "a", "=b");
    }

    #[test]
    fn escapes() {
        check("a\\ b\\=c=d", "a b=c", "d");
        check("path=C:\\\\store", "path", "C:\\store");
        check("name=\\u4f60\\u597D", "name", "你好");
        check("name=\\uD83D\\uDE00", "name", "😀");
        check("tab=a\\tb\\qc", "tab", "a\tbqc");
    }

    #[test]
    fn comments_blank_lines_and_continuations() {
        let text = "# first \\\n! second\n\nlevels=1s \\\n    5s \\\n # 10s\nnext=2\n";
        assert_eq!(
            pairs(text),
            [(4, "levels".to_string(), "1s 5s # 10s".to_string()), (7, "next".to_string(), "2".to_string()),]
        );
        check("a=b\\", "a", "b");
        check("a=b\\\\\n", "a", "b\\");
    }

    #[test]
    fn bad_escapes_name_their_line() {
        assert_eq!(parse("a=1\nb=\\u12").unwrap_err().line, 2);
        assert_eq!(
            parse("b=\\u12zz").unwrap_err().to_string(),
            "line 1: \\u12zz is not a \\uXXXX escape with four hexadecimal digits"
        );
        assert_eq!(parse("b=\\uD83D").unwrap_err().what, "half of a \\uXXXX\\uXXXX pair is missing");
    }

    #[test]
    fn files_that_are_not_utf8_are_latin_1() {
        assert_eq!(decode(b"a=\xe9"), "a=é");
        assert_eq!(decode("\u{feff}a=é".as_bytes()), "a=é");
    }
}
