//! The ROCKETMQ encoding of a header.
//!
//! | bytes | field |
//! |---|---|
//! | i16 | code |
//! | u8 | language |
//! | i16 | version |
//! | i32 | opaque |
//! | i32 | flag |
//! | i32 + n | remark; length 0: none |
//! | i32 + n | extended fields: i16 + n name, i32 + n value, one after the other |
//!
//! A name or value of length 0 is Java's null: the field is not there. Bytes behind the fields are not read.

use std::borrow::Cow;

use super::Header;
use crate::remoting::frame::BadFrame;
use crate::remoting::language::Language;

/// The bytes with empty remark and fields.
pub const HEADER_BYTES_MIN: usize = 2 + 1 + 2 + 4 + 4 + 4 + 4;

pub(super) fn parse<'a>(bytes: &'a [u8], header: &mut Header<'a>) -> Result<(), BadFrame> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<13>() else {
        return Err(BadFrame::Binary("it has fewer bytes than any header"));
    };
    let i16_at = |at: usize| i32::from(i16::from_be_bytes([fixed[at], fixed[at + 1]]));
    let i32_at = |at: usize| i32::from_be_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
    header.code = i16_at(0);
    header.language = Language::from_number(i64::from(fixed[2]));
    header.version = i16_at(3);
    header.opaque = i32_at(5);
    header.flag = i32_at(9);
    let mut rest = Parts(rest);
    let remark = rest.long().ok_or(BadFrame::Binary("the remark is longer than the header"))?;
    header.remark = (!remark.is_empty()).then(|| text(remark));
    let fields = rest.long().ok_or(BadFrame::Binary("the extended fields are longer than the header"))?;
    // Nearly always all of it is ASCII, the lengths too: one check instead of two for each field.
    let whole = std::str::from_utf8(fields).ok();
    let all = fields.len();
    let mut fields = Parts(fields);
    while !fields.0.is_empty() {
        let name = fields.short().ok_or(BadFrame::Binary("a field's name is longer than all fields"))?;
        let name_end = all - fields.0.len();
        let value = fields.long().ok_or(BadFrame::Binary("a field's value is longer than all fields"))?;
        let value_end = all - fields.0.len();
        if name.is_empty() || value.is_empty() {
            continue;
        }
        let known = |bytes: &'a [u8], end: usize| match whole.and_then(|whole| whole.get(end - bytes.len()..end)) {
            Some(text) => Ok(text),
            None => std::str::from_utf8(bytes),
        };
        match (known(name, name_end), known(value, value_end)) {
            (Ok(name), Ok(value)) => header.push(name, value)?,
            _ => header.push_owned(text(name), text(value))?,
        }
    }
    Ok(())
}

/// Java decodes bytes that are not UTF-8 with replacement characters.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// Takes length-prefixed parts from the front; none when they are not all there.
struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    fn long(&mut self) -> Option<&'a [u8]> {
        let (len, rest) = self.0.split_first_chunk::<4>()?;
        self.take(usize::try_from(i32::from_be_bytes(*len)).ok()?, rest)
    }

    fn short(&mut self) -> Option<&'a [u8]> {
        let (len, rest) = self.0.split_first_chunk::<2>()?;
        self.take(usize::try_from(i16::from_be_bytes(*len)).ok()?, rest)
    }

    fn take(&mut self, len: usize, rest: &'a [u8]) -> Option<&'a [u8]> {
        let (part, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some(part)
    }
}

const _: () = assert!(HEADER_BYTES_MIN == 21);
