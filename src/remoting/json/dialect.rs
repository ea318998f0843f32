//! How strings and keys look: the two ways in which RocketMQ's servers write JSON.
//!
//! Checked against fastjson 1.2.83, character by character.

/// Which JSON a body is written in. Headers are always `Fastjson`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `JSON.toJSONString`: numeric keys without quotes, text as UTF-8. Every client reads it.
    Fastjson,
    /// What newer clients ask for with routes: all keys quoted and sorted, `/` and everything above ASCII escaped.
    Standard,
}

impl Dialect {
    /// `text` with quotes and escapes.
    pub fn write_string(self, text: &str, out: &mut Vec<u8>) {
        out.push(b'"');
        self.write_escaped(text, out);
        out.push(b'"');
    }

    /// `text` as it stands between quotes.
    pub fn write_escaped(self, text: &str, out: &mut Vec<u8>) {
        // Nearly all of what we write; the loop over characters below costs several times as much.
        if text.bytes().all(|byte| (b' '..0x7f).contains(&byte) && !matches!(byte, b'"' | b'\\' | b'/')) {
            return out.extend_from_slice(text.as_bytes());
        }
        let mut plain = 0;
        for (at, char) in text.char_indices() {
            if !self.is_escaped(char) {
                continue;
            }
            out.extend_from_slice(&text.as_bytes()[plain..at]);
            plain = at + char.len_utf8();
            match char {
                '"' | '\\' | '/' => out.extend_from_slice(&[b'\\', char as u8]),
                '\u{8}' => out.extend_from_slice(b"\\b"),
                '\u{c}' => out.extend_from_slice(b"\\f"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                _ => char.encode_utf16(&mut [0; 2]).iter().for_each(|unit| write_unicode(*unit, out)),
            }
        }
        out.extend_from_slice(&text.as_bytes()[plain..]);
    }

    fn is_escaped(self, char: char) -> bool {
        match char {
            '\0'..='\x1f' | '"' | '\\' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}' => true,
            '/' | '\u{a0}'.. => self == Dialect::Standard,
            _ => false,
        }
    }

    /// A number as a key, without its colon.
    pub fn write_numeric_key(self, key: i64, out: &mut Vec<u8>) {
        use std::io::Write;
        let result = match self {
            Dialect::Fastjson => write!(out, "{key}"),
            Dialect::Standard => write!(out, "\"{key}\""),
        };
        result.expect("a Vec takes all");
    }
}

fn write_unicode(unit: u16, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |shift: u16| DIGITS[usize::from(unit >> shift & 15)];
    out.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(dialect: Dialect, text: &str) -> String {
        let mut out = Vec::new();
        dialect.write_string(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    /// Both expected texts were printed by fastjson 1.2.83.
    #[test]
    fn strings_are_fastjsons() {
        let text = "\0\u{1}\u{8}\t\n\u{b}\u{c}\r\u{1f} /\"\\'~\u{7f}\u{80}\u{9f}\u{a0}é\u{2028}\u{2029}中\u{1F642}\u{FEFF}";
        assert_eq!(
            written(Dialect::Fastjson, text),
            "\"\\u0000\\u0001\\b\\t\\n\\u000B\\f\\r\\u001F /\\\"\\\\'~\\u007F\\u0080\\u009F\u{a0}é\\u2028\\u2029中\u{1F642}\u{FEFF}\""
        );
        assert_eq!(
            written(Dialect::Standard, text),
            "\"\\u0000\\u0001\\b\\t\\n\\u000B\\f\\r\\u001F \\/\\\"\\\\'~\\u007F\\u0080\\u009F\\u00A0\\u00E9\\u2028\\u2029\\u4E2D\\uD83D\\uDE42\\uFEFF\""
        );
        assert_eq!(written(Dialect::Fastjson, ""), "\"\"");
    }

    #[test]
    fn numeric_keys_have_quotes_only_in_the_standard() {
        let mut out = Vec::new();
        Dialect::Fastjson.write_numeric_key(0, &mut out);
        Dialect::Standard.write_numeric_key(-1, &mut out);
        assert_eq!(out, b"0\"-1\"");
    }
}
