//! Tokens of an expression. Always the longest token that fits, so `007` is three numbers and `5abc` is `5` and `abc`.
//!
//! A comment that begins with `--` must end with its line; without one, as at the end of the text, it is two minuses.
//!
//! After: `parser`, which asks for one token after the other and may never see the last ones.

use super::words::BadExpression;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    End,
    Not,
    And,
    Or,
    Between,
    In,
    True,
    False,
    Null,
    Is,
    Contains,
    StartsWith,
    EndsWith,
    Decimal,
    Float,
    Text,
    Name,
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    Open,
    Comma,
    Close,
    Plus,
    Minus,
}

/// Words that name nothing, in any case of letters.
const WORDS: [(&str, Kind); 12] = [
    ("NOT", Kind::Not),
    ("AND", Kind::And),
    ("OR", Kind::Or),
    ("BETWEEN", Kind::Between),
    ("IN", Kind::In),
    ("TRUE", Kind::True),
    ("FALSE", Kind::False),
    ("NULL", Kind::Null),
    ("IS", Kind::Is),
    ("CONTAINS", Kind::Contains),
    ("STARTSWITH", Kind::StartsWith),
    ("ENDSWITH", Kind::EndsWith),
];

#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub kind: Kind,
    /// As written.
    pub text: &'a str,
    /// Of its first byte.
    pub at: usize,
}

/// The token at `from` or, behind blanks and comments, after it.
pub(super) fn token(text: &str, from: usize) -> Result<Token<'_>, BadExpression> {
    let at = skip_blanks(text, from)?;
    let rest = &text[at..];
    let bytes = rest.as_bytes();
    let Some(first) = bytes.first() else { return Ok(Token { kind: Kind::End, text: "", at }) };
    let second = bytes.get(1).copied();
    let (kind, len) = match (first, second) {
        (b'=', _) => (Kind::Equal, 1),
        (b'<', Some(b'>')) => (Kind::NotEqual, 2),
        (b'<', Some(b'=')) => (Kind::LessEqual, 2),
        (b'<', _) => (Kind::Less, 1),
        (b'>', Some(b'=')) => (Kind::GreaterEqual, 2),
        (b'>', _) => (Kind::Greater, 1),
        (b'(', _) => (Kind::Open, 1),
        (b',', _) => (Kind::Comma, 1),
        (b')', _) => (Kind::Close, 1),
        (b'+', _) => (Kind::Plus, 1),
        (b'-', _) => (Kind::Minus, 1),
        (b'0'..=b'9', _) | (b'.', Some(b'0'..=b'9')) => number(bytes),
        (b'.', _) => return Err(BadExpression::lexical(text, at, 2)),
        (b'\'', _) => match text_len(bytes) {
            Some(len) => (Kind::Text, len),
            None => return Err(BadExpression::lexical(text, at, usize::MAX)),
        },
        (first, _) if is_name_start(*first) => {
            let len = bytes.iter().take_while(|byte| is_name_start(**byte) || byte.is_ascii_digit()).count();
            (word(&rest[..len]), len)
        }
        _ => return Err(BadExpression::lexical(text, at, 1)),
    };
    Ok(Token { kind, text: &rest[..len], at })
}

fn skip_blanks(text: &str, from: usize) -> Result<usize, BadExpression> {
    let bytes = text.as_bytes();
    let mut at = from;
    loop {
        let rest = &bytes[at..];
        match (rest.first(), rest.get(1)) {
            (Some(b' ' | b'\t' | b'\n' | b'\r' | 0x0c), _) => at += 1,
            (Some(b'-'), Some(b'-')) => match memchr::memchr2(b'\n', b'\r', rest) {
                // The other half of a line's end is a blank.
                Some(end) => at += end + 1,
                None => return Ok(at),
            },
            (Some(b'/'), Some(b'*')) => match memchr::memmem::find(&rest[2..], b"*/") {
                Some(end) => at += 2 + end + 2,
                None => return Err(BadExpression::lexical(text, at, usize::MAX)),
            },
            (Some(b'/'), _) => return Err(BadExpression::lexical(text, at, 2)),
            _ => return Ok(at),
        }
    }
}

fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte == b'$'
}

fn word(text: &str) -> Kind {
    WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map_or(Kind::Name, |(_, kind)| *kind)
}

/// `5`, `5L`; `5.5`, `5.`, `.5`, `5E10`.
fn number(bytes: &[u8]) -> (Kind, usize) {
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits(0);
    let mut len = whole;
    if bytes.get(len) == Some(&b'.') {
        len += 1;
        len += digits(len);
    }
    if matches!(bytes.get(len), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(len + 1), Some(b'+' | b'-')));
        let exponent = bytes.get(len + 1 + sign..).map_or(0, |_| digits(len + 1 + sign));
        if exponent > 0 {
            len += 1 + sign + exponent;
        }
    }
    if len > whole {
        return (Kind::Float, len);
    }
    if bytes[0] == b'0' {
        return (Kind::Decimal, 1);
    }
    (Kind::Decimal, whole + usize::from(matches!(bytes.get(whole), Some(b'l' | b'L'))))
}

/// Of a text in quotes; a quote within it is written twice. `None`: it does not end. Where only what stands before a doubled
/// quote is a whole text, that is the token.
fn text_len(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut whole) = (1, None);
    loop {
        let Some(quote) = memchr::memchr(b'\'', &bytes[at..]) else { return whole };
        at += quote + 1;
        if bytes.get(at) != Some(&b'\'') {
            return Some(at);
        }
        whole = Some(at);
        at += 1;
    }
}

/// What the quotes hold.
pub(super) fn unquoted(token: &str) -> String {
    token[1..token.len() - 1].replace("''", "'")
}
