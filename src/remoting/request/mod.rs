//! The fields of each request family, typed: one family, one file.
//!
//! Java checks "required" hardly at all (remoting-protocol §1.7): a missing field keeps its default or fails later as an
//! exception. Here it fails at once, with the code an exception would have had and a remark that names the field.

pub mod pull;
pub mod send;

use std::fmt;
use std::str::FromStr;

use super::Header;

/// A field that is missing or cannot be read. Answered with code 1, as Java's exception would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadRequest {
    Missing(&'static str),
    Value { field: &'static str, found: String },
    Body(String),
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadRequest::Missing(field) => write!(f, "the request has no field {field}"),
            BadRequest::Value { field, found } => write!(f, "the request's field {field} is {found:?}, which is no such value"),
            BadRequest::Body(what) => write!(f, "the request's body cannot be read: {what}"),
        }
    }
}

impl std::error::Error for BadRequest {}

pub fn text<'h>(header: &'h Header<'_>, field: &'static str) -> Result<&'h str, BadRequest> {
    header.field(field).ok_or(BadRequest::Missing(field))
}

pub fn number<T: FromStr>(header: &Header<'_>, field: &'static str) -> Result<T, BadRequest> {
    optional(header, field)?.ok_or(BadRequest::Missing(field))
}

pub fn optional<T: FromStr>(header: &Header<'_>, field: &'static str) -> Result<Option<T>, BadRequest> {
    let Some(found) = header.field(field) else { return Ok(None) };
    found.parse().map(Some).map_err(|_| BadRequest::Value { field, found: found.chars().take(40).collect() })
}

/// As Java reads booleans: "true" in any case, and everything else is false.
pub fn flag(header: &Header<'_>, field: &'static str) -> bool {
    header.field(field).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}
