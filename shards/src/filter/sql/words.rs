//! What a client is told of an expression that cannot be: the words of the original, which it finds on the page that it
//! looks them up in.
//!
//! Places are counted as Java's parser generator counts them: lines and columns from 1, a column for each UTF-16 unit, tabs to
//! the next multiple of eight.

use std::fmt::{self, Write};

use super::lexer::{Kind, Token};

/// A remark is no longer, whatever the expression is.
const WORDS_BYTES_MAX: usize = 2048;

/// Why an expression cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadExpression {
    words: String,
    /// A token stands where it may not.
    pub(super) is_syntax: bool,
}

impl fmt::Display for BadExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl std::error::Error for BadExpression {}

impl BadExpression {
    /// The expression reads well and makes no sense.
    pub(super) fn sense(words: fmt::Arguments<'_>) -> BadExpression {
        BadExpression::new(format_args!("java.lang.RuntimeException: {words}"))
    }

    pub(super) fn number(text: &str) -> BadExpression {
        BadExpression::new(format_args!("java.lang.NumberFormatException: For input string: \"{text}\""))
    }

    pub(super) fn no_boolean(shown: impl fmt::Display) -> BadExpression {
        let words = format_args!("{PARSE}Expression will not result in a boolean value: {shown}");
        BadExpression::new(words)
    }

    /// An expression of a type that nobody here reads.
    pub fn unknown_kind(kind: &str) -> BadExpression {
        BadExpression::new(format_args!("The broker does not support consumer to filter message by {kind}"))
    }

    /// A bound of ours, which the original does not have.
    pub(super) fn bound(words: fmt::Arguments<'_>) -> BadExpression {
        BadExpression::new(words)
    }

    /// `token` stands where one of `wanted` must.
    pub(super) fn syntax(text: &str, token: &Token<'_>, wanted: &[Kind]) -> BadExpression {
        let units: Vec<u16> = text.encode_utf16().collect();
        let (line, column) = match token.kind {
            // The end is where the last character is.
            Kind::End if units.is_empty() => (0, 0),
            Kind::End => place(&units, units.len() - 1),
            _ => place(&units, text[..token.at].encode_utf16().count()),
        };
        let found = match token.kind {
            Kind::End => "<EOF>".to_owned(),
            kind => format!(" {} \"{} \"", image(kind), escaped(token.text.encode_utf16())),
        };
        let one_of = if wanted.len() == 1 { "" } else { " one of" };
        let mut words = format!("{PARSE}Encountered \"{found}\" at line {line}, column {column}.\nWas expecting{one_of}:\n    ");
        for kind in wanted {
            write!(words, "{} ...\n    ", image(*kind)).expect("a String takes all");
        }
        BadExpression { is_syntax: true, ..BadExpression::new(format_args!("{words}")) }
    }

    /// No token begins at `at`, which was found after reading `read` characters, or all there are.
    pub(super) fn lexical(text: &str, at: usize, read: usize) -> BadExpression {
        let units: Vec<u16> = text.encode_utf16().collect();
        let start = text[..at].encode_utf16().count();
        let last = start.saturating_add(read).min(units.len()) - 1;
        let (line, column) = place(&units, last);
        let is_end = last + 1 == units.len();
        // The original forgets what it read when that was one character.
        let after = match (last > start, is_end) {
            (false, _) => &[],
            (true, true) => &units[start..],
            (true, false) => &units[start..last],
        };
        let after = escaped(after.iter().copied());
        let unit = units[last];
        let (line, column, found) = match (is_end, unit) {
            (false, _) => (line, column, format!("\"{}\" ({unit}), ", escaped([unit]))),
            (true, 0x0a | 0x0d) => (line + 1, 0, "<EOF> ".to_owned()),
            (true, _) => (line, column + 1, "<EOF> ".to_owned()),
        };
        let token = "org.apache.rocketmq.filter.parser.TokenMgrError: Lexical error at line";
        BadExpression::new(format_args!("{token} {line}, column {column}.  Encountered: {found}after : \"{after}\""))
    }

    fn new(words: fmt::Arguments<'_>) -> BadExpression {
        let mut short = Short(String::new());
        // An error only says that it was cut.
        let _cut = short.write_fmt(words);
        BadExpression { words: short.0, is_syntax: false }
    }
}

const PARSE: &str = "org.apache.rocketmq.filter.parser.ParseException: ";

/// Takes as much as fits: an expression that is shown may be much longer than it was written.
struct Short(String);

impl Write for Short {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let room = WORDS_BYTES_MAX - self.0.len();
        let cut = (0..=room.min(part.len())).rev().find(|end| part.is_char_boundary(*end)).unwrap_or(0);
        self.0.push_str(&part[..cut]);
        if cut < part.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

/// Line and column of one character.
fn place(units: &[u16], at: usize) -> (usize, usize) {
    const NEW_LINE: u16 = 0x0a;
    const RETURN: u16 = 0x0d;
    const TAB: u16 = 0x09;
    let (mut line, mut column) = (1, 0);
    let mut before = None;
    for unit in &units[..=at] {
        match (before, *unit) {
            (Some(NEW_LINE), _) => (line, column) = (line + 1, 1),
            (Some(RETURN), unit) if unit != NEW_LINE => (line, column) = (line + 1, 1),
            _ => column += 1,
        }
        if *unit == TAB {
            column -= 1;
            column += 8 - column % 8;
        }
        before = Some(*unit);
    }
    (line, column)
}

/// As in a Java source: `\'`, `\n`, `\u00e9`.
fn escaped(units: impl IntoIterator<Item = u16>) -> String {
    let mut out = String::new();
    for unit in units {
        match unit {
            0 => {}
            0x08 => out.push_str("\\b"),
            0x09 => out.push_str("\\t"),
            0x0a => out.push_str("\\n"),
            0x0c => out.push_str("\\f"),
            0x0d => out.push_str("\\r"),
            0x22 => out.push_str("\\\""),
            0x27 => out.push_str("\\'"),
            0x5c => out.push_str("\\\\"),
            0x20..=0x7e => out.push(char::from(unit as u8)),
            _ => out.push_str(&format!("\\u{unit:04x}")),
        }
    }
    out
}

fn image(kind: Kind) -> &'static str {
    match kind {
        Kind::End => "<EOF>",
        Kind::Not => "\"NOT\"",
        Kind::And => "\"AND\"",
        Kind::Or => "\"OR\"",
        Kind::Between => "\"BETWEEN\"",
        Kind::In => "\"IN\"",
        Kind::True => "\"TRUE\"",
        Kind::False => "\"FALSE\"",
        Kind::Null => "\"NULL\"",
        Kind::Is => "\"IS\"",
        Kind::Contains => "\"CONTAINS\"",
        Kind::StartsWith => "\"STARTSWITH\"",
        Kind::EndsWith => "\"ENDSWITH\"",
        Kind::Decimal => "<DECIMAL_LITERAL>",
        Kind::Float => "<FLOATING_POINT_LITERAL>",
        Kind::Text => "<STRING_LITERAL>",
        Kind::Name => "<ID>",
        Kind::Equal => "\"=\"",
        Kind::NotEqual => "\"<>\"",
        Kind::Greater => "\">\"",
        Kind::GreaterEqual => "\">=\"",
        Kind::Less => "\"<\"",
        Kind::LessEqual => "\"<=\"",
        Kind::Open => "\"(\"",
        Kind::Comma => "\",\"",
        Kind::Close => "\")\"",
        Kind::Plus => "\"+\"",
        Kind::Minus => "\"-\"",
    }
}
