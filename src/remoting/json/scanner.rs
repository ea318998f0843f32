//! One step at a time through JSON text, as leniently as fastjson reads it, without a copy where the text allows it.
//!
//! Accepted beyond the standard, because RocketMQ's own bodies have it: bare and numeric keys, an object as a key, single
//! quotes, commas too many. Nothing recurses here; whoever builds a tree counts its depth.
//!
//! Used by: `header::json` (headers, on every message of a JSON client) and `reader` (bodies).

use std::borrow::Cow;
use std::fmt;

/// The text is not what it should be, at this byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadJson {
    pub at: usize,
    pub what: &'static str,
}

impl fmt::Display for BadJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.at)
    }
}

impl std::error::Error for BadJson {}

pub(in crate::remoting) struct Scanner<'a> {
    text: &'a str,
    /// Invariant: on a character boundary; every move is over whole ASCII characters or up to one.
    at: usize,
}

impl<'a> Scanner<'a> {
    pub fn new(text: &'a str) -> Scanner<'a> {
        Scanner { text, at: 0 }
    }

    pub fn bad(&self, what: &'static str) -> BadJson {
        BadJson { at: self.at, what }
    }

    /// The next byte that is not white space.
    pub fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    /// Steps over `byte` if it comes next.
    pub fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    pub fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), BadJson> {
        if self.take(byte) { Ok(()) } else { Err(self.bad(what)) }
    }

    /// Steps over commas; fastjson minds neither none nor many.
    pub fn commas(&mut self) {
        while self.take(b',') {}
    }

    /// Nothing but white space may follow.
    pub fn end(&mut self) -> Result<(), BadJson> {
        if self.peek().is_none() { Ok(()) } else { Err(self.bad("more text than one value")) }
    }

    /// A string in `"` without escapes, which nearly all are. `None`: something else, and nothing was taken.
    #[inline]
    pub fn plain(&mut self) -> Option<&'a str> {
        if self.peek() != Some(b'"') {
            return None;
        }
        let start = self.at + 1;
        let len = self.text.as_bytes()[start..].iter().position(|&byte| byte == b'"' || byte == b'\\')?;
        let end = start + len;
        if self.text.as_bytes()[end] == b'\\' {
            return None;
        }
        self.at = end + 1;
        self.text.get(start..end)
    }

    /// A string with its quotes, `"` or `'`. Borrowed unless it has escapes.
    pub fn string(&mut self) -> Result<Cow<'a, str>, BadJson> {
        let quote = match self.peek() {
            Some(quote @ (b'"' | b'\'')) => quote,
            _ => return Err(self.bad("a string was expected")),
        };
        self.at += 1;
        let start = self.at;
        match self.find_end(quote)? {
            b'\\' => self.escaped(start, quote).map(Cow::Owned),
            _ => {
                let text = &self.text[start..self.at];
                self.at += 1;
                Ok(Cow::Borrowed(text))
            }
        }
    }

    /// A key up to, not with, its colon: a string, a bare word or number, or an object or array as its text.
    pub fn key(&mut self) -> Result<Cow<'a, str>, BadJson> {
        match self.peek() {
            Some(b'"' | b'\'') => self.string(),
            Some(b'{' | b'[') => self.skip().map(Cow::Borrowed),
            Some(_) => self.word().map(Cow::Borrowed),
            None => Err(self.bad("a key was expected")),
        }
    }

    /// A bare word: a number, `true`, `null`, a name.
    pub fn word(&mut self) -> Result<&'a str, BadJson> {
        self.peek();
        let rest = &self.text[self.at..];
        let len = rest.bytes().position(|byte| !is_of_word(byte)).unwrap_or(rest.len());
        if len == 0 {
            return Err(self.bad("a value was expected"));
        }
        self.at += len;
        Ok(&rest[..len])
    }

    /// Steps over a value of any kind and depth and returns its text. Brackets are counted, not matched.
    pub fn skip(&mut self) -> Result<&'a str, BadJson> {
        self.peek();
        let start = self.at;
        let mut depth = 0usize;
        loop {
            match self.peek() {
                Some(b'{' | b'[') => {
                    depth += 1;
                    self.at += 1;
                }
                Some(b'}' | b']') if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                }
                Some(b',' | b':') if depth > 0 => {
                    self.at += 1;
                    continue;
                }
                Some(b'"' | b'\'') => self.skip_string()?,
                _ => {
                    self.word()?;
                }
            }
            if depth == 0 {
                return Ok(&self.text[start..self.at]);
            }
        }
    }

    fn skip_string(&mut self) -> Result<(), BadJson> {
        let bytes = self.text.as_bytes();
        let quote = bytes[self.at];
        self.at += 1;
        while self.find_end(quote)? == b'\\' {
            self.at += 1;
            // Whatever is escaped: one character, which may have several bytes.
            let escaped = self.text[self.at..].chars().next().ok_or(self.bad("the text ends in a string"))?;
            self.at += escaped.len_utf8();
        }
        self.at += 1;
        Ok(())
    }

    /// Goes on to the next `quote` or backslash and says which.
    fn find_end(&mut self, quote: u8) -> Result<u8, BadJson> {
        let rest = &self.text.as_bytes()[self.at..];
        match rest.iter().position(|&byte| byte == quote || byte == b'\\') {
            Some(len) => {
                self.at += len;
                Ok(rest[len])
            }
            None => {
                self.at = self.text.len();
                Err(self.bad("the text ends in a string"))
            }
        }
    }

    /// The rest of a string whose first backslash was found.
    fn escaped(&mut self, start: usize, quote: u8) -> Result<String, BadJson> {
        // Up to the next quote: one allocation, unless that quote is an escaped one.
        let rest = &self.text.as_bytes()[start..];
        let mut out = String::with_capacity(rest.iter().position(|&byte| byte == quote).unwrap_or_default());
        out.push_str(&self.text[start..self.at]);
        loop {
            let plain = self.at;
            let end = self.find_end(quote)?;
            out.push_str(&self.text[plain..self.at]);
            self.at += 1;
            if end == quote {
                return Ok(out);
            }
            let escape = self.text[self.at..].chars().next().ok_or(self.bad("the text ends in a string"))?;
            self.at += escape.len_utf8();
            match escape {
                'b' => out.push('\u{8}'),
                'f' => out.push('\u{c}'),
                'n' => out.push('\n'),
                'r' => out.push('\r'),
                't' => out.push('\t'),
                'v' => out.push('\u{b}'),
                '0' => out.push('\0'),
                'u' => out.push(self.unicode()?),
                other => out.push(other),
            }
        }
    }

    /// Behind `\u`: four digits, and once more for the second half of a pair. A lone half is replaced.
    fn unicode(&mut self) -> Result<char, BadJson> {
        let first = self.hex4()?;
        if !(0xD800..0xDC00).contains(&first) {
            return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let after_first = self.at;
        if self.text[self.at..].starts_with("\\u") {
            self.at += 2;
            let second = self.hex4()?;
            if (0xDC00..0xE000).contains(&second) {
                let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = after_first;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hex4(&mut self) -> Result<u32, BadJson> {
        let bad = self.bad("four hexadecimal digits were expected");
        let digits = self.text.get(self.at..self.at + 4).ok_or(bad)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(bad);
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|_| bad)
    }
}

/// Letters of any script count, so that a cut never falls within a character.
fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.' | b'_' | b'$' | b'%' | b'@' | b'/' | 0x80..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings() {
        for (text, expected) in [
            (r#""plain é""#, "plain é"),
            (r"'single \' quote'", "single ' quote"),
            (r#""a\"b\\c\/d\b\f\n\r\t""#, "a\"b\\c/d\u{8}\u{c}\n\r\t"),
            (r#""\u0001x\u00e9\uD83D\uDE42\ud83d""#, "\u{1}x\u{e9}\u{1F642}\u{FFFD}"),
            (r#""\ud83d\u0041""#, "\u{FFFD}A"),
            (r#""\é""#, "é"),
        ] {
            let mut scanner = Scanner::new(text);
            assert_eq!(scanner.string().unwrap(), expected, "{text}");
            assert_eq!(scanner.end(), Ok(()));
        }
        assert!(matches!(Scanner::new("\"plain\"").string(), Ok(Cow::Borrowed(_))));
        for text in ["\"", "\"a", "\"a\\", "\"\\u12\"", "\"\\u12g4\"", "\"\\uéé\"", "x", ""] {
            assert!(Scanner::new(text).string().is_err(), "{text}");
        }
    }

    #[test]
    fn keys_and_values_are_taken_as_text() {
        for (text, expected) in [
            ("0:", "0"),
            ("name :", "name"),
            ("'a b':", "a b"),
            (r#"{"brokerName":"b}","queueId":0}:1"#, r#"{"brokerName":"b}","queueId":0}"#),
        ] {
            let mut scanner = Scanner::new(text);
            assert_eq!(scanner.key().unwrap(), expected);
            assert!(scanner.take(b':'));
        }
        for (text, skipped) in [("[1,[2],'x]']7", "[1,[2],'x]']"), ("-1.5e+3,", "-1.5e+3"), (r#"{"a\"":{}} "#, r#"{"a\"":{}}"#)] {
            assert_eq!(Scanner::new(text).skip().unwrap(), skipped);
        }
        for text in ["[1", "{", "", "[\"", "}", "[\"\\"] {
            assert!(Scanner::new(text).skip().is_err(), "{text}");
        }
        let deep = "[".repeat(1 << 20);
        assert!(Scanner::new(&deep).skip().is_err());
    }
}
