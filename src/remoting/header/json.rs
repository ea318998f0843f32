//! The JSON encoding of a header: one object, its fields in any order, unknown ones passed over.
//!
//! Any key may be missing or null. Numbers may be quoted; values of extended fields may be numbers or booleans, which
//! are then taken as their text. Both is what fastjson makes of it.

use std::borrow::Cow;

use super::Header;
use crate::remoting::frame::BadFrame;
use crate::remoting::json::{BadJson, Scanner};
use crate::remoting::language::Language;

impl From<BadJson> for BadFrame {
    fn from(BadJson { at, what }: BadJson) -> BadFrame {
        BadFrame::Json { at, what }
    }
}

pub(super) fn parse<'a>(bytes: &'a [u8], header: &mut Header<'a>) -> Result<(), BadFrame> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| BadFrame::Json { at: error.valid_up_to(), what: "bytes that are not UTF-8" })?;
    let scanner = &mut Scanner::new(text);
    scanner.expect(b'{', "an object was expected")?;
    loop {
        scanner.commas();
        if scanner.take(b'}') {
            break;
        }
        let key = scanner.key()?;
        scanner.expect(b':', "a colon was expected")?;
        match &*key {
            "code" => header.code = number(scanner, "code")?,
            "version" => header.version = number(scanner, "version")?,
            "opaque" => header.opaque = number(scanner, "opaque")?,
            "flag" => header.flag = number(scanner, "flag")?,
            "language" => header.language = language(scanner)?,
            "remark" => header.remark = value(scanner)?,
            "extFields" => fields(scanner, header)?,
            _ => {
                scanner.skip()?;
            }
        }
    }
    scanner.end()?;
    Ok(())
}

fn fields<'a>(scanner: &mut Scanner<'a>, header: &mut Header<'a>) -> Result<(), BadFrame> {
    if scanner.peek() == Some(b'n') {
        value(scanner)?; // null
        return Ok(());
    }
    scanner.expect(b'{', "an object was expected")?;
    loop {
        scanner.commas();
        if scanner.take(b'}') {
            return Ok(());
        }
        let name = match scanner.plain() {
            Some(name) => Cow::Borrowed(name),
            None => scanner.key()?,
        };
        scanner.expect(b':', "a colon was expected")?;
        match (name, scanner.plain()) {
            (Cow::Borrowed(name), Some(value)) => header.push(name, value)?,
            (name, Some(value)) => header.push_owned(name, Cow::Borrowed(value))?,
            (name, None) => {
                if let Some(value) = value(scanner)? {
                    header.push_owned(name, value)?;
                }
            }
        }
    }
}

/// A string, or anything else as its text. `None`: null.
fn value<'a>(scanner: &mut Scanner<'a>) -> Result<Option<Cow<'a, str>>, BadJson> {
    if let Some(b'"' | b'\'') = scanner.peek() {
        return scanner.string().map(Some);
    }
    let text = scanner.skip()?;
    Ok((text != "null").then_some(Cow::Borrowed(text)))
}

fn number(scanner: &mut Scanner<'_>, field: &'static str) -> Result<i32, BadFrame> {
    let Some(text) = value(scanner)? else { return Ok(0) };
    text.parse().map_err(|_| BadFrame::Number { field, found: text.chars().take(32).collect() })
}

fn language(scanner: &mut Scanner<'_>) -> Result<Language, BadJson> {
    Ok(match value(scanner)? {
        None => Language::Java,
        Some(text) => match text.parse() {
            Ok(number) => Language::from_number(number),
            Err(_) => Language::from_name(&text),
        },
    })
}
