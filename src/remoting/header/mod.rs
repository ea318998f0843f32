//! The header of a frame: what is asked or answered, and its extended fields, borrowed from the frame.
//!
//! Fields stand in an inline array: no allocation for a header with up to `FIELDS_INLINE` of them, which no client
//! exceeds, unless a JSON text has escapes (that one string is then a copy) or a text is not UTF-8.
//!
//! Must always be true: a header has at most `FIELDS_MAX` fields, so a hostile one is refused after that many, whatever
//! its size.
//!
//! Before: `frame`; after: `request`, and `broker::dispatch` by `code`.

mod binary;
mod json;

use std::borrow::Cow;

use smallvec::SmallVec;

use super::frame::{BadFrame, Encoding, Frame};
use super::language::Language;

/// Set in the flag of an answer.
pub const FLAG_RESPONSE: i32 = 1;
/// Set in the flag of a request that wants none.
pub const FLAG_ONEWAY: i32 = 2;

/// The most extended fields that are taken; the largest real header has about twenty.
pub(super) const FIELDS_MAX: usize = 1024;

/// A send with an access key and all common fields has 21.
const FIELDS_INLINE: usize = 24;

/// Plain data on the stack of whoever reads the frame; borrows the frame's bytes.
#[derive(Clone, Debug)]
pub struct Header<'a> {
    /// A request code, or a response code. Any number: `RequestCode::from_number` knows more.
    pub code: i32,
    pub language: Language,
    pub version: i32,
    /// The requester's number for it; the answer repeats it.
    pub opaque: i32,
    pub flag: i32,
    pub remark: Option<Cow<'a, str>>,
    fields: SmallVec<[Field<'a>; FIELDS_INLINE]>,
}

#[derive(Clone, Debug)]
struct Field<'a> {
    name: Cow<'a, str>,
    value: Cow<'a, str>,
}

impl<'a> Header<'a> {
    pub fn parse(frame: &Frame<'a>) -> Result<Header<'a>, BadFrame> {
        match frame.encoding {
            Encoding::Json => json::parse(frame.header),
            Encoding::Binary => binary::parse(frame.header),
        }
    }

    pub fn is_response(&self) -> bool {
        self.flag & FLAG_RESPONSE != 0
    }

    pub fn is_oneway(&self) -> bool {
        self.flag & FLAG_ONEWAY != 0
    }

    /// The value of an extended field; the last one of that name, as in Java's map.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().rev().find(|field| field.name == name).map(|field| &*field.value)
    }

    /// All extended fields in their order; one name may come twice.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|field| (&*field.name, &*field.value))
    }

    /// With what a header has that says nothing.
    fn empty() -> Header<'a> {
        Header { code: 0, language: Language::Java, version: 0, opaque: 0, flag: 0, remark: None, fields: SmallVec::new() }
    }

    fn push(&mut self, name: Cow<'a, str>, value: Cow<'a, str>) -> Result<(), BadFrame> {
        if self.fields.len() == FIELDS_MAX {
            return Err(BadFrame::TooManyFields);
        }
        self.fields.push(Field { name, value });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
