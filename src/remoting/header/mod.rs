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
    /// Names and values. Not `Cow`s: two words each go through registers, which this loop over all fields of all messages
    /// feels (a `Cow` is written in words and read in vectors, and the processor waits for that).
    fields: SmallVec<[(&'a str, &'a str); FIELDS_INLINE]>,
    /// The few texts that could not be borrowed, by their place: 2 × field, and 1 more for its value. Ascending.
    owned: SmallVec<[(u32, String); 1]>,
}

impl<'a> Header<'a> {
    pub fn parse(frame: &Frame<'a>) -> Result<Header<'a>, BadFrame> {
        // Filled where it will stay: with its array it is too large to be handed around.
        let mut header = Header::empty();
        match frame.encoding {
            Encoding::Json => json::parse(frame.header, &mut header)?,
            Encoding::Binary => binary::parse(frame.header, &mut header)?,
        }
        Ok(header)
    }

    pub fn is_response(&self) -> bool {
        self.flag & FLAG_RESPONSE != 0
    }

    pub fn is_oneway(&self) -> bool {
        self.flag & FLAG_ONEWAY != 0
    }

    /// The value of an extended field; the last one of that name, as in Java's map.
    pub fn field(&self, name: &str) -> Option<&str> {
        (0..self.fields.len()).rev().map(|at| self.field_at(at)).find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// All extended fields in their order; one name may come twice.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        (0..self.fields.len()).map(|at| self.field_at(at))
    }

    #[inline]
    fn field_at(&self, at: usize) -> (&str, &str) {
        let (name, value) = self.fields[at];
        if self.owned.is_empty() { (name, value) } else { (self.text(2 * at, name), self.text(2 * at + 1, value)) }
    }

    fn text<'s>(&'s self, place: usize, borrowed: &'s str) -> &'s str {
        match self.owned.binary_search_by_key(&(place as u32), |(place, _)| *place) {
            Ok(found) => &self.owned[found].1,
            Err(_) => borrowed,
        }
    }

    /// With what a header has that says nothing.
    fn empty() -> Header<'a> {
        Header {
            code: 0,
            language: Language::Java,
            version: 0,
            opaque: 0,
            flag: 0,
            remark: None,
            fields: SmallVec::new(),
            owned: SmallVec::new(),
        }
    }

    #[inline]
    fn push(&mut self, name: &'a str, value: &'a str) -> Result<(), TooManyFields> {
        if self.fields.len() == FIELDS_MAX {
            return Err(TooManyFields);
        }
        self.fields.push((name, value));
        Ok(())
    }

    /// For texts of which one or both may not be borrowed.
    #[cold]
    fn push_owned(&mut self, name: Cow<'a, str>, value: Cow<'a, str>) -> Result<(), TooManyFields> {
        let at = 2 * self.fields.len();
        let mut borrowed = [""; 2];
        for (which, text) in [name, value].into_iter().enumerate() {
            match text {
                Cow::Borrowed(text) => borrowed[which] = text,
                Cow::Owned(text) => self.owned.push(((at + which) as u32, text)),
            }
        }
        self.push(borrowed[0], borrowed[1])
    }
}

struct TooManyFields;

impl From<TooManyFields> for BadFrame {
    fn from(TooManyFields: TooManyFields) -> BadFrame {
        BadFrame::TooManyFields
    }
}

#[cfg(test)]
mod tests;
